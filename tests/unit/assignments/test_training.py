"""Q6.7 judges what the parameters hold and how they came to it, not what the network says of itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1.linear_probe import Pair
from grader.assignments.hw1.training import CLASSES, PIXELS, logits_of, make_network, require_descent
from grader.errors import CheckFailed
from tests.fakes import FakeStudent
from tests.unit.assignments.faulty import LINEAR, SEQUENTIAL

REFERENCE = Path(__file__).parents[3] / "reference" / "mytorch"
ROWS = 16

Submission = Callable[[dict[str, str]], FakeStudent]
Weights = list[np.ndarray]


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    def make(patches: dict[str, str]) -> FakeStudent:
        shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        for file, code in patches.items():
            with (tmp_path / file).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{code}")
        return FakeStudent(tmp_path)

    return make


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(256, size=(count, 28, 28), dtype=np.uint8), np.arange(count) % CLASSES


def drawn(rng: np.random.Generator) -> list[Pair]:
    sizes = ((PIXELS, 128), (128, 64), (64, CLASSES))
    return [(rng.normal(size=(m, d)) * (2 / d) ** 0.5, np.zeros(m)) for d, m in sizes]


def slopes(parameters: list[Pair], x: np.ndarray, labels: np.ndarray) -> Weights:
    """Return the gradient of the cross-entropy in each weight, by backpropagation."""
    entered = [x]
    for W, b in parameters[:-1]:
        entered.append(np.maximum(entered[-1] @ W.T + b, 0))
    z = np.exp(logits_of(parameters, x))
    d = (z / z.sum(axis=1, keepdims=True) - np.eye(CLASSES)[labels]) / len(x)
    found = []
    for (W, _), h in zip(reversed(parameters), reversed(entered), strict=True):
        found.insert(0, d.T @ h)
        d = (d @ W) * (h > 0)
    return found


@pytest.fixture(params=range(3))
def start(request) -> tuple[np.random.Generator, list[Pair], np.ndarray, np.ndarray]:
    """Return a generator, an untrained network, and a batch."""
    rng = np.random.default_rng(request.param)
    return rng, drawn(rng), 0.3 * rng.random((ROWS, PIXELS)), rng.integers(CLASSES, size=ROWS)


DESCENTS = {
    "at the learning rate": (-0.1, -0.1, -0.1),
    "far too large": (-100.0, -100.0, -100.0),
    "of the last layer alone": (0.0, 0.0, -0.1),
}
OTHER_STEPS = {
    "uphill": lambda _, slope: slope,
    "none": lambda _, slope: 0 * slope,
    "in a random direction": lambda rng, slope: rng.normal(size=slope.shape),
    "one that overflows": lambda _, slope: np.full(slope.shape, 1e300),
}


@pytest.mark.parametrize("factors", DESCENTS.values(), ids=DESCENTS)
def test_a_step_down_the_slope_counts_as_descent(start, factors: tuple[float, ...]) -> None:
    rng, before, x, labels = start
    moved = zip(before, factors, slopes(before, x, labels), strict=True)
    require_descent(rng, before, [(W + factor * slope, b) for (W, b), factor, slope in moved], x, labels)


@pytest.mark.parametrize("step", OTHER_STEPS.values(), ids=OTHER_STEPS)
def test_another_step_does_not_count_as_descent(start, step) -> None:
    rng, before, x, labels = start
    moved = zip(before, slopes(before, x, labels), strict=True)
    after = [(W + step(rng, slope), b) for (W, b), slope in moved]
    with pytest.raises(CheckFailed, match="does not go down the slope"):
        require_descent(rng, before, after, x, labels)


def test_the_network_never_sees_a_digit_as_it_is_known(submission: Submission) -> None:
    student = submission({})
    seen = {}
    student.train = lambda **given: seen.update(given)
    images, labels = digits(ROWS)
    network = make_network(student, np.random.default_rng(1))
    network.train(np.random.default_rng(2), images, labels, [np.arange(ROWS)] * 2)
    assert not np.array_equal(seen["images"], images.reshape(ROWS, -1))
    np.testing.assert_array_equal(np.sort(seen["images"]), np.sort(images.reshape(ROWS, -1)))
    assert not np.array_equal(seen["labels"], labels)
    assert len(set(zip(seen["labels"], labels, strict=True))) == CLASSES


def test_the_accuracy_is_that_of_the_parameters_whatever_the_forward_pass_says(
    submission: Submission,
) -> None:
    knows = """
class Sequential(Sequential):
    def forward(self, x):
        return np.eye(10)[np.zeros(len(x), int)]
"""
    images, labels = digits(200)
    network = make_network(submission({SEQUENTIAL: f"import numpy as np\n{knows}"}), np.random.default_rng(1))
    said = int(np.flatnonzero(network.classes == 0)[0])
    assert network.accuracy(images[labels == said], labels[labels == said]) < 1.0


LYING = {
    "an output that is not that of the parameters": {
        SEQUENTIAL: "class Sequential(Sequential):\n    def forward(self, x):\n        return x[:, :10]\n"
    },
    "weights of zero": {
        LINEAR: """
class Linear(Linear):
    def __init__(self, D, M):
        super().__init__(D, M)
        self.weight[...] = 0
"""
    },
    "a loss that is a constant": {
        "mytorch/nn/modules/loss.py": """
class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def forward(self, logits, targets):
        super().forward(logits, targets)
        return 2.302585
"""
    },
}


@pytest.mark.parametrize("patches", LYING.values(), ids=LYING)
def test_a_loss_of_ln_10_alone_is_no_sensible_start(submission: Submission, patches: dict[str, str]) -> None:
    network = make_network(submission(patches), np.random.default_rng(1))
    with pytest.raises(CheckFailed):
        network.own_loss(*digits(50))


def test_a_right_network_gives_its_own_loss(submission: Submission) -> None:
    assert 1.5 < make_network(submission({}), np.random.default_rng(1)).own_loss(*digits(50)) < 10.0
