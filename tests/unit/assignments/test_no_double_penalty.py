"""Whatever is broken, and however: it costs its own question, and the others are judged without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.suite_runner import judge, lost_questions
from tests.unit.assignments.faulty import ACTIVATION, CHECK, LINEAR, LOSS, MODULE, OPTIM, SEQUENTIAL

REFERENCE = Path(__file__).parents[3] / "reference" / "mytorch"
PASSES = ("forward", "backward")
# A part: its file, its classes, what they do, and the question that it costs.
PARTS = {
    "Linear": (LINEAR, ("Linear",), PASSES, "q6.1"),
    "Linear's collecting": (LINEAR, ("Linear",), ("parameters", "gradients"), "q6.1"),
    "activations": (ACTIVATION, ("ReLU", "Tanh", "Sigmoid"), PASSES, "q6.2"),
    "losses": (LOSS, ("MSELoss", "SoftmaxCrossEntropy"), PASSES, "q6.3"),
    "Sequential": (SEQUENTIAL, ("Sequential",), PASSES, "q6.4"),
    "Sequential's collecting": (SEQUENTIAL, ("Sequential",), ("parameters", "gradients"), "q6.4"),
    "SGD": (OPTIM, ("SGD",), ("step", "zero_grad"), "q6.5"),
    "Linear's making": (LINEAR, ("Linear",), ("__init__",), "q6.1"),
    "Module's modes": (MODULE, ("Module",), ("train", "eval"), "q6.4"),
}
# How it is broken: what stands in the body of each method.
WAYS = {
    "raises": "raise ValueError('broken')",
    "returns None": "return None",
    "gives other values": "return _other(super().{method}(*args))",
}
OTHER = """
import numpy as _np
def _other(value):
    if isinstance(value, dict):
        return {key: 3.0 * entry + 1.0 for key, entry in value.items()}
    return None if value is None else 3.0 * value + 1.0
"""
CHECKERS = {
    "raises": "raise ValueError('broken')",
    "returns None": "return None",
    "gives other values": "return 0.5",
}


def broken(part: str, way: str) -> tuple[str, str, str]:
    """Return the file, the code that breaks a part of it, and the question that it costs."""
    file, classes, methods, question = PARTS[part]
    code = OTHER
    for name in classes:
        code += f"\nclass {name}({name}):\n"
        for method in methods:
            code += f"    def {method}(self, *args, **named):\n        {WAYS[way].format(method=method)}\n"
    return file, code, question


def lost(root: Path, file: str, code: str) -> set[str]:
    shutil.copytree(REFERENCE, root / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
    with (root / file).open("a", encoding="utf-8") as stream:
        stream.write(f"\n\n{code}")
    return lost_questions(judge(root))


# What returns nothing cannot give other values; that SGD can go wrong nevertheless is in faults/q6_5.toml.
GIVE_NOTHING = {"Linear's making", "Module's modes", "SGD"}
CASES = [
    (part, way)
    for part in PARTS
    for way in WAYS
    if not (part in GIVE_NOTHING and way == "gives other values")
]


@pytest.mark.parametrize(("part", "way"), CASES, ids=lambda word: word)
def test_a_broken_part_costs_its_own_question_and_no_other(tmp_path: Path, part: str, way: str) -> None:
    file, code, question = broken(part, way)
    assert lost(tmp_path, file, code) == {question}


@pytest.mark.parametrize("way", CHECKERS)
def test_a_broken_gradient_check_costs_its_own_question_and_no_other(tmp_path: Path, way: str) -> None:
    code = f"def gradient_check(model, loss_fn, x, y, epsilon=1e-5):\n    {CHECKERS[way]}\n"
    assert lost(tmp_path, CHECK, code) == {"q6.6"}


def test_each_of_several_broken_parts_costs_its_own_question(tmp_path: Path) -> None:
    codes = {file: code for file, code, _ in (broken(part, "returns None") for part in ("Linear", "losses"))}
    for file, code in codes.items():
        if not (tmp_path / "mytorch").exists():
            shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        with (tmp_path / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n\n{code}")
    assert lost_questions(judge(tmp_path)) == {"q6.1", "q6.3"}
