"""Code that computes nothing and says so in a way that once passed, and code that is right just once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1.linear_probe import LinearProbe
from grader.errors import CheckFailed
from tests.fakes import FakeStudent
from tests.suite_runner import judge
from tests.unit.assignments.faulty import CHECK, LINEAR

REFERENCE = Path(__file__).parents[3] / "reference" / "mytorch"

Submission = Callable[[str, str], Path]

# Layers without a product: whatever the weight is said to be, it makes 0 the right answer, or any.
NOTHING = """
class Linear:
    reads = 0
    def __init__(self, D, M):
        self.D, self.M = D, M
    def forward(self, x):
        return np.zeros((len(x), self.M))
    def backward(self, dLdy):
        return np.zeros((len(dLdy), self.D))
    def gradients(self):
        return {"weight": np.zeros((self.M, self.D)), "bias": np.zeros(self.M)}
    def parameters(self):
        self.reads += 1
        return {"weight": self.said(), "bias": np.zeros(self.M)}
"""
SAID = {
    "a draw at first, then zeros": (
        "np.random.normal(size=(self.M, self.D)) * (2 / self.D) ** 0.5 * (self.reads == 1)"
    ),
    "always zeros": "np.zeros((self.M, self.D))",
    "so large that every tolerance overflows": "np.full((self.M, self.D), 1e200)",
    "huge, and never the same twice": "np.random.normal(size=(self.M, self.D)) * 1e300",
    "a new draw each time": "np.random.normal(size=(self.M, self.D))",
    "one number everywhere": "np.full((self.M, self.D), 0.5)",
    "whole numbers": "np.zeros((self.M, self.D), dtype=int)",
    "a draw so small that nothing of it is left": (
        "np.arange(1.0, 1 + self.M * self.D).reshape(self.M, self.D) * 1e-200"
    ),
    "one entry that matters, and nothing else": (
        "np.eye(self.M, self.D) + np.arange(1.0, 1 + self.M * self.D).reshape(self.M, self.D) * 1e-200"
    ),
}


def nothing(said: str) -> str:
    return f"{NOTHING}    def said(self):\n        return {said}\n"


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    def make(file: str, code: str) -> Path:
        shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        with (tmp_path / file).open("a", encoding="utf-8") as stream:
            stream.write(f"\n\n{code}")
        return tmp_path

    return make


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_a_layer_is_not_believed_that_reports_other_parameters_than_were_written(
    submission: Submission, said: str
) -> None:
    probe = LinearProbe.make(FakeStudent(submission(LINEAR, nothing(said))), 5, 3)
    rng = np.random.default_rng(2)
    with pytest.raises(CheckFailed, match=r"neither what was written|not finite"):
        probe.set(rng.normal(size=(3, 5)), rng.normal(size=3))


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_a_layer_that_computes_nothing_gets_nothing_for_its_passes(submission: Submission, said: str) -> None:
    verdicts = judge(submission(LINEAR, nothing(said)), questions=["q6.1"])
    for part in (
        "forward_values",
        "backward_input",
        "backward_parameters",
        "forward_any_shape",
        "used_again",
    ):
        assert verdicts[f"q6.1.{part}"].outcome != "passed"


def test_a_layer_whose_parameters_are_copies_is_judged_by_its_own_draw(submission: Submission) -> None:
    copies = """
class Linear(Linear):
    def parameters(self):
        return {"weight": self.weight.copy(), "bias": self.bias.copy()}
    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        return value.copy() if name in ("weight", "bias") else value
"""
    probe = LinearProbe.make(FakeStudent(submission(LINEAR, copies)), 5, 3)
    before = probe.read()
    held = probe.set(np.ones((3, 5)), np.ones(3))
    assert all(np.array_equal(*pair) for pair in zip(before, held, strict=True))


BY_ROTE = {
    "always large": "1.0",
    "always infinite": "np.inf",
    "small once in a while": "float(next(COUNT) % 4 != 0)",
    "small at first": "float(next(COUNT) > 4)",
    "large where a gradient is exactly zero": (
        "float(any((slope == 0).any() for slope in"
        " (model.forward(x), model.backward(x), model.gradients())[2].values()))"
    ),
}


@pytest.mark.parametrize("answer", BY_ROTE.values(), ids=BY_ROTE)
def test_a_gradient_check_that_compares_nothing_gets_nothing(submission: Submission, answer: str) -> None:
    rote = f"""
import itertools
COUNT = itertools.count()
def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    return {answer}
"""
    root = submission(CHECK, rote)
    for seed in range(3):
        verdicts = judge(root, questions=["q6.6"], seed=seed)
        assert {verdict.outcome for verdict in verdicts.values()} <= {"failed", "skipped"}


def test_nothing_is_drawn_in_the_shape_of_a_surplus_parameter(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    surplus = """
class Linear(Linear):
    def parameters(self):
        return super().parameters() | {"more": np.zeros(1 << 20, dtype=np.int8)}
"""
    drawn = []

    class Watched(np.random.Generator):
        def normal(self, *args, size=None, **kwargs):
            drawn.append(int(np.prod(size or ())))
            return super().normal(*args, size=size, **kwargs)

    monkeypatch.setattr(np.random, "default_rng", lambda seed=None: Watched(np.random.PCG64(seed)))
    judge(submission(LINEAR, surplus), questions=["q6.1"])
    assert 0 < max(drawn) < 1 << 16
