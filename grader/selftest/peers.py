"""What other graders ask of a gradient, said again in code of our own, to be tried beside ours.

Each criterion looks at the same small models and says whether it is content. One that cannot run a submission
is not content with it. Runs in a process of its own (`observer.py`), on NumPy and nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Loss = Callable[[], float]

STEP = 1e-5
# minitorch: one random index of every argument, upstream of ones, |a - n| <= 0.01 + 0.01 |n|.
ONE_INDEX_STEP, ONE_INDEX_TOLERANCE = 1e-6, 1e-2
# cs231n: a few sampled entries of the weights, looked at by relative error.
ENTRIES, ENTRIES_TOLERANCE = 10, 1e-4
# The homework: its gradient_check on a 5-10-3 ReLU net, and the accuracy after training.
OWN_TOLERANCE, ACCURACY = 1e-5, 0.9


def verdicts(mytorch: Any) -> dict[str, bool]:
    """Return whether each criterion lets a submission pass, by its name."""
    return {name: _is_content(criterion, mytorch) for name, criterion in CRITERIA.items()}


def _is_content(criterion: Callable[[Any], bool], mytorch: Any) -> bool:
    np.random.seed(11)  # noqa: NPY002 -- what a student's code draws from
    try:
        with np.errstate(all="ignore"):
            return bool(criterion(mytorch))
    except Exception:  # noqa: BLE001 -- whatever is raised there would fail a test
        return False


def one_random_index(mytorch: Any) -> bool:
    """Compare one entry of x and of each parameter, under an upstream gradient of ones."""
    rng = np.random.default_rng(10)
    return all(_one_index_agrees(layer, x, rng) for layer, x in _layers(mytorch, rng)) and all(
        _one_entry_of_loss_agrees(loss, pred, target, rng) for loss, pred, target in _losses(mytorch, rng)
    )


def ten_entries(mytorch: Any) -> bool:
    """Compare ten sampled entries of every weight matrix, by relative error."""
    rng = np.random.default_rng(10)
    return all(
        _largest_error(loss, w, g, _sampled(w, rng)) < ENTRIES_TOLERANCE
        for name, loss, w, g in _parameters(mytorch, rng)
        if name.endswith("weight")
    )


def every_parameter(mytorch: Any) -> bool:
    """Compare every entry of every parameter, by relative error."""
    rng = np.random.default_rng(10)
    return all(
        _largest_error(loss, w, g, np.ndindex(w.shape)) < ENTRIES_TOLERANCE
        for _, loss, w, g in _parameters(mytorch, rng)
    )


def the_homework(mytorch: Any) -> bool:
    """Ask the submission's own gradient_check, and train it."""
    nn, rng = mytorch.nn, np.random.default_rng(10)
    model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 3))
    x, classes = rng.normal(size=(8, 5)), rng.integers(0, 3, 8)
    error = mytorch.gradient_check(model, nn.SoftmaxCrossEntropy(), x, classes)
    return float(error) < OWN_TOLERANCE and _accuracy(mytorch, rng) >= ACCURACY


CRITERIA: dict[str, Callable[[Any], bool]] = {
    "one random index, upstream of ones": one_random_index,
    "ten entries of W": ten_entries,
    "every parameter": every_parameter,
    "the homework's own": the_homework,
}


def _layers(mytorch: Any, rng: np.random.Generator) -> Iterator[tuple[Any, Array]]:
    nn = mytorch.nn
    for layer in (nn.Linear(5, 3), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), *_models(mytorch)):
        yield layer, rng.normal(size=(4, 5))


def _losses(mytorch: Any, rng: np.random.Generator) -> Iterator[tuple[Any, Array, Array]]:
    yield mytorch.nn.MSELoss(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    yield mytorch.nn.SoftmaxCrossEntropy(), rng.normal(size=(4, 3)), rng.integers(0, 3, 4)


def _models(mytorch: Any) -> list[Any]:
    nn = mytorch.nn
    return [
        nn.Sequential(nn.Linear(5, 10), activation(), nn.Linear(10, 3))
        for activation in (nn.ReLU, nn.Tanh, nn.Sigmoid)
    ]


def _parameters(mytorch: Any, rng: np.random.Generator) -> Iterator[tuple[str, Loss, Array, Array]]:
    """Yield name, loss, parameter and gradient of three nets; one ends in the mean squared error."""
    squared, entropy = _losses(mytorch, rng)
    for model, (loss, pred, target) in zip(_models(mytorch), (entropy, squared, entropy), strict=True):
        x = rng.normal(size=(len(pred), 5))

        def value(model: Any = model, loss: Any = loss, x: Array = x, target: Array = target) -> float:
            return float(loss.forward(model.forward(x), target))

        value()
        model.backward(loss.backward())
        gradients = {name: np.array(g) for name, g in model.gradients().items()}
        for name, w in model.parameters().items():
            yield name, value, w, gradients[name]


def _one_index_agrees(layer: Any, x: Array, rng: np.random.Generator) -> bool:
    def total() -> float:
        return float(np.sum(layer.forward(x)))

    y = layer.forward(x)
    dLdx = np.array(layer.backward(np.ones_like(y)))
    gradients = {name: np.array(g) for name, g in layer.gradients().items()}
    pairs = [(x, dLdx), *((w, gradients[name]) for name, w in layer.parameters().items())]
    return all(_agrees_at_one(total, w, g, rng) for w, g in pairs)


def _one_entry_of_loss_agrees(loss: Any, pred: Array, target: Array, rng: np.random.Generator) -> bool:
    loss.forward(pred, target)
    gradient = np.array(loss.backward())
    return _agrees_at_one(lambda: float(loss.forward(pred, target)), pred, gradient, rng)


def _agrees_at_one(value: Loss, w: Array, g: Array, rng: np.random.Generator) -> bool:
    place = tuple(int(rng.integers(size)) for size in w.shape)
    n = _slope(value, w, place, ONE_INDEX_STEP)
    return bool(abs(g[place] - n) <= ONE_INDEX_TOLERANCE * (1 + abs(n)))


def _sampled(w: Array, rng: np.random.Generator) -> list[tuple[int, ...]]:
    return [tuple(int(rng.integers(size)) for size in w.shape) for _ in range(ENTRIES)]


def _largest_error(value: Loss, w: Array, g: Array, places: Any) -> float:
    return max(_relative_error(float(g[place]), _slope(value, w, place, STEP)) for place in places)


def _relative_error(a: float, n: float) -> float:
    """Return |a - n| / (|a| + |n|); two gradients smaller than rounding tells apart are the same."""
    error = abs(a - n) / max(1e-8, abs(a) + abs(n))
    return error if error == error else float("inf")  # noqa: PLR0124 -- NaN


def _slope(value: Loss, w: Array, place: tuple[int, ...], step: float) -> float:
    kept = w[place]
    w[place] = kept + step
    above = value()
    w[place] = kept - step
    below = value()
    w[place] = kept
    return (above - below) / (2 * step)


def _accuracy(mytorch: Any, rng: np.random.Generator) -> float:
    """Train as Q6.7 does, on four well separated clouds of points, and return the accuracy on new ones."""
    nn, centres = mytorch.nn, 3 * rng.normal(size=(4, 6))
    model, loss = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4)), nn.SoftmaxCrossEntropy()
    optimiser = nn.SGD(model, lr=0.1)
    for _ in range(60):
        classes = rng.integers(0, 4, 32)
        optimiser.zero_grad()
        loss.forward(model.forward(centres[classes] + rng.normal(size=(32, 6))), classes)
        model.backward(loss.backward())
        optimiser.step()
    classes = rng.integers(0, 4, 200)
    predicted = np.argmax(model.forward(centres[classes] + rng.normal(size=(200, 6))), axis=1)
    return float(np.mean(predicted == classes))
