"""The value ladder: whatever odd thing a function returns, the answer is a sentence about the submission."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import StudentFault
from tests.suite_runner import Verdict, judge
from tests.unit.assignments.faulty import ACTIVATION, CHECK, LINEAR, LOSS, MODULE, SEQUENTIAL

REFERENCE = Path(__file__).parents[3] / "reference" / "mytorch"
LONGEST_SENTENCE = 600

# What a value `right` is replaced by.
ODD = {
    "None": "None",
    "a list": "right.tolist() if hasattr(right, 'tolist') else [right]",
    "an object array": "np.asarray(right).astype(object)",
    "complex numbers": "np.asarray(right) * (1 + 1j)",
    "truth values": "np.asarray(right) > 0",
    "texts": "np.asarray(right).astype(str)",
    "nan": "np.asarray(right) * np.nan",
    "infinity": "np.full(np.shape(right), np.inf)",
    "a generator": "(each for each in [right])",
    "the wrong shape": "np.asarray(right)[..., np.newaxis, np.newaxis]",
    "nothing in it": "np.zeros((0, 3))",
    "a liar about equality": "Liar.of(right)",
    "a float that lies": "LyingFloat(0.125)",
    "a dict": "{'right': right}",
    "a class": "Liar",
    "a masked array": "np.ma.array(np.full(np.shape(right), 0.125), mask=True)",
    "far too many digits": "10 ** 400",
}
LIARS = """
import numpy as np
class Liar(np.ndarray):
    @classmethod
    def of(cls, value):
        return (np.asarray(value, dtype=float) * 0 + 0.125).view(cls)
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __array_function__(self, function, types, args, kwargs): return True
    def __array_ufunc__(self, *args, **kwargs): return self
    def __bool__(self): return True
    __hash__ = None
class LyingFloat(float):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0.0
    def __rsub__(self, other): return 0.0
    def __abs__(self): return 0.0
    def __float__(self): return 0.125
    __hash__ = float.__hash__
"""
# Every function of Problem 6 that returns something, and checks of its own question of which one must see it.
FUNCTIONS = {
    "Linear.forward": (LINEAR, "q6.1.forward_values"),
    "Linear.backward": (LINEAR, "q6.1.backward_input"),
    "Linear.parameters": (LINEAR, "q6.1.parameter_shapes", "q6.1.forward_values"),
    "Linear.gradients": (LINEAR, "q6.1.backward_parameters"),
    "ReLU.forward": (ACTIVATION, "q6.2.relu_values"),
    "ReLU.backward": (ACTIVATION, "q6.2.relu_gradient"),
    "Tanh.forward": (ACTIVATION, "q6.2.tanh_values"),
    "Tanh.backward": (ACTIVATION, "q6.2.tanh_gradient"),
    "Sigmoid.forward": (ACTIVATION, "q6.2.sigmoid_values"),
    "Sigmoid.backward": (ACTIVATION, "q6.2.sigmoid_gradient"),
    "MSELoss.forward": (LOSS, "q6.3.mse_value"),
    "MSELoss.backward": (LOSS, "q6.3.mse_gradient"),
    "SoftmaxCrossEntropy.forward": (LOSS, "q6.3.ce_value"),
    "SoftmaxCrossEntropy.backward": (LOSS, "q6.3.ce_gradient"),
    "Sequential.forward": (SEQUENTIAL, "q6.4.forward_order"),
    "Sequential.backward": (SEQUENTIAL, "q6.4.backward_order"),
    "Sequential.parameters": (SEQUENTIAL, "q6.4.parameter_keys"),
    "Sequential.gradients": (SEQUENTIAL, "q6.4.parameter_keys"),
    "Module.parameters": (MODULE, "q6.4.module"),
    "gradient_check": (CHECK, "q6.6.tells_right_from_wrong"),
}
# A dict of odd values, too, where a dict is due.
DICTS = {"Linear.parameters", "Linear.gradients", "Sequential.parameters", "Sequential.gradients"}


def patch_of(name: str, odd: str) -> str:
    """Return code that makes a method or function return something odd in place of the right value."""
    owner, _, method = name.rpartition(".")
    if not owner:
        return (
            f"{LIARS}\n_right = {name}\ndef {name}(*args, **named):\n"
            f"    right = _right(*args, **named)\n    return {odd}\n"
        )
    value = f"{{key: {odd} for key, right in right.items()}}" if name in DICTS else odd
    return (
        f"{LIARS}\nclass {owner}({owner}):\n    def {method}(self, *args):\n"
        f"        right = super().{method}(*args)\n        return {value}\n"
    )


@pytest.fixture
def package(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Copy the reference, where the functions named return something odd."""

    def make(odd: dict[str, str]) -> Path:
        shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        for name, value in odd.items():
            with (tmp_path / FUNCTIONS[name][0]).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{patch_of(name, value)}")
        return tmp_path

    return make


def require_seen(name: str, verdicts: Mapping[str, Verdict]) -> None:
    """Require that one of the function's checks failed, and that what it says is a sentence."""
    faults = [verdict.fault for verdict in verdicts.values() if verdict.outcome == "failed"]
    assert faults, name
    for fault in faults:
        require_sentence(fault)


def require_sentence(fault: StudentFault) -> None:
    text = str(fault)
    assert text.strip()
    assert len(text) <= LONGEST_SENTENCE
    assert "Traceback" not in text
    assert "/grader/" not in text


def cases() -> Iterator[tuple[str, str]]:
    """Return every function with every odd value, but for those that are right there by chance."""
    for name in FUNCTIONS:
        for kind in ODD:
            # An empty dict holds nothing odd, and what a gradient_check says may be inf.
            if (name, kind) == ("gradient_check", "infinity"):
                continue
            yield name, kind


@pytest.mark.parametrize(("name", "kind"), list(cases()), ids=lambda part: part)
def test_an_odd_value_fails_its_check_with_a_sentence(package, name: str, kind: str) -> None:
    require_seen(name, judge(package({name: ODD[kind]}), checks=FUNCTIONS[name][1:]))


@pytest.mark.parametrize("kind", ["None", "an object array", "a generator", "a liar about equality"])
def test_an_odd_value_from_a_worker_fails_its_check_with_a_sentence(package, kind: str) -> None:
    names = [name for name in FUNCTIONS if not name.endswith((".parameters", ".gradients"))]
    checks = [check for name in names for check in FUNCTIONS[name][1:]]
    root = package(dict.fromkeys(names, ODD[kind]))
    with open_student(root, places=PLACES, min_isolation=1) as student:
        verdicts = judge(root, student=student, checks=checks)
    for name in names:
        require_seen(name, {check: verdicts[check] for check in FUNCTIONS[name][1:]})
