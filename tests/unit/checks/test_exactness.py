"""Derivatives by differences are flagged, closed forms are not, however they are written."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from grader.checks.exactness import ROUNDING, flag_differences, inexactness
from tests.suite_runner import judge
from tests.unit.assignments.test_suites import REFERENCE, RIGHT

LINEAR, ACTIVATION = "mytorch/nn/modules/linear.py", "mytorch/nn/modules/activation.py"

DIFFERENCES = {
    "activations by central differences": {
        ACTIVATION: """
def _by_differences(cls, h=1e-5):
    def forward(self, x):
        self.input = x
        return cls.forward(self, x)
    def backward(self, dLdy):
        return dLdy * (cls.forward(self, self.input + h) - cls.forward(self, self.input - h)) / (2 * h)
    return type(cls.__name__, (cls,), {"forward": forward, "backward": backward})
ReLU, Tanh, Sigmoid = (_by_differences(cls) for cls in (ReLU, Tanh, Sigmoid))
"""
    },
    "activations by differences of fourth order": {
        ACTIVATION: """
def _by_differences(cls, h=1e-3):
    def forward(self, x):
        self.input = x
        return cls.forward(self, x)
    def backward(self, dLdy):
        f = lambda k: cls.forward(self, self.input + k * h)
        return dLdy * (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * h)
    return type(cls.__name__, (cls,), {"forward": forward, "backward": backward})
ReLU, Tanh, Sigmoid = (_by_differences(cls) for cls in (ReLU, Tanh, Sigmoid))
"""
    },
    "Linear by central differences": {
        LINEAR: """
class Linear(Linear):
    def backward(self, dLdy, h=1e-5):
        x = self.x
        def slope(move):
            value = []
            for sign in (1, -1):
                move(sign * h)
                value.append((dLdy * (x @ self.weight.T + self.bias)).sum())
                move(-sign * h)
            return (value[0] - value[1]) / (2 * h)
        def moves(array):
            def by(index):
                def move(step):
                    array[index] += step
                return move
            return np.array([slope(by(index)) for index in np.ndindex(array.shape)]).reshape(array.shape)
        x = x.copy()
        self.dLdW, self.dLdb = moves(self.weight), moves(self.bias)
        return moves(x)
"""
    },
}
CLOSED_FORMS = {
    **RIGHT,
    "other formulas": {
        ACTIVATION: """
class Tanh(Tanh):
    def forward(self, x):
        self.x = x = np.clip(x, -300, 300)
        return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
    def backward(self, dLdy):
        return dLdy / np.cosh(self.x) ** 2
class Sigmoid(Sigmoid):
    def forward(self, x):
        self.x = x = np.clip(x, -300, 300)
        return 1 / (1 + np.exp(-x))
    def backward(self, dLdy):
        return dLdy * np.exp(-self.x) / (1 + np.exp(-self.x)) ** 2
"""
    },
    "sums by loops": {
        LINEAR: """
class Linear(Linear):
    def backward(self, dLdy):
        self.dLdW = sum(np.outer(g, x) for g, x in zip(dLdy, self.x))
        self.dLdb = sum(dLdy)
        return np.einsum("nm,md->nd", dLdy, self.weight)
"""
    },
}


@pytest.fixture
def flags_of(tmp_path):
    """Return a function that judges the reference with some code appended, and returns what is flagged."""

    def judged(patches: dict[str, str], *, questions=("q6.1", "q6.2"), seed: int = 0) -> set[str]:
        shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        for file, code in patches.items():
            with (tmp_path / file).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{code}")
        flags: list[tuple[str, str, str]] = []
        verdicts = judge(tmp_path, questions=questions, seed=seed, flags=flags)
        assert {verdict.outcome for verdict in verdicts.values()} == {"passed"}
        assert {kind for _, kind, _ in flags} <= {"finite_differences"}
        return {check for check, _, _ in flags}

    return judged


@pytest.mark.parametrize("patches", CLOSED_FORMS.values(), ids=CLOSED_FORMS)
def test_closed_forms_are_not_flagged(flags_of, patches):
    assert flags_of(patches) == set()


@pytest.mark.parametrize("seed", range(15))
def test_closed_forms_are_not_flagged_whatever_the_seed(flags_of, seed):
    assert flags_of(CLOSED_FORMS["other formulas"], seed=seed) == set()


@pytest.mark.parametrize("order", ["by central differences", "by differences of fourth order"])
@pytest.mark.parametrize("seed", range(3))
def test_activations_by_differences_are_flagged_though_every_check_passes(flags_of, order, seed):
    flagged = flags_of(DIFFERENCES[f"activations {order}"], questions=("q6.2",), seed=seed)
    assert flagged == {f"q6.2.{name}_any_shape" for name in ("relu", "tanh", "sigmoid")}


def test_linear_by_differences_is_flagged_though_every_check_passes(flags_of):
    flagged = flags_of(DIFFERENCES["Linear by central differences"], questions=("q6.1",))
    assert flagged == {"q6.1.backward_any_shape"}


def test_the_error_is_a_part_of_the_typical_size():
    truth = np.array([3.0, 4.0, 0.0])
    assert inexactness(truth * (1 + 1e-9), truth) == pytest.approx(4e-9 / np.sqrt(25 / 3))
    assert inexactness(truth, truth) == 0.0


def test_an_array_of_zeros_and_an_empty_one_have_no_error():
    assert inexactness(np.zeros(3), np.zeros(3)) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_less_than_double_precision_anywhere_says_nothing(dtype):
    truth = np.array([1.0, 2.0])
    assert inexactness(truth.astype(dtype) + dtype(1e-3), truth) == 0.0
    assert inexactness(truth + 1e-9, truth, np.zeros(2, dtype)) == 0.0


def test_a_flag_says_how_exact_it_is():
    told = []
    flag_differences(lambda *flag: told.append(flag), ROUNDING, what="f")
    assert not told
    flag_differences(lambda *flag: told.append(flag), 3e-11, what="Tanh.backward")
    assert told[0][0] == "finite_differences"
    assert told[0][1].startswith("Tanh.backward agrees with its closed form to 3e-11 only")
