"""Q5.3 and Q5.4: what became of four networks, in bands, and one that is trained again here.

The notebook trains its networks one after the other, so there is none left to ask. What it kept is held
against bands of repeated runs, and a network is trained on this side, with NumPy, from weights that the
student's own `initialize_weights` draws: nothing of the student's code runs in that training, and nothing but
the initial weights is taken from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from grader.assignments.hw1.initialisation import call, draw, draws_as_asked
from grader.assignments.hw1.notebook_bands import Bands
from grader.assignments.hw1.notebook_figures import not_drawn
from grader.assignments.hw1.notebook_values import METHODS, by_method, numbers, require_share, single
from grader.checks.closeness import require_number
from grader.checks.tolerance import Array, FloatArray
from grader.datasets import Mnist
from grader.errors import CheckFailed, StudentFault
from grader.notebooks.replay import Replay

EPOCHS = 10
GUESSING = math.log(10)
AT_CHANCE, LEARNING = ("zero", "small_random"), ("xavier", "he")
# Guessing one digit gives 0.114 on either profile, and a loss that stays is within 0.01 of ln 10. But on all
# of MNIST, in batches of 64, small_random had begun to leave chance with ReLU in ten epochs: 0.226 and 2.249.
CHANCE_ACCURACY, CHANCE_LOSS = 0.3, 0.1
_MORE_THAN_GUESSING = 0.2
# Between what is seen of networks that learn and of those that do not.
LEARNS_ACCURACY = 0.5
# In the sample a batch of 64 leaves 8 digits to the last step, and such a step can throw a network back: of
# 48 right ones five ended below 0.8, at 0.52 the lowest, and 2 of the 192 accuracies after their last four
# epochs were below 0.5. The mean loss of an epoch hardly shows it: these ended at 0.15 or less, and the
# slowest of the calibration's runs at 0.41.
_LEARNED_LOSS = 0.6
_FALL = 0.7  # of the first epoch's loss
# With steps of 0.1 a right network may learn and then diverge: of 45 that started with he, had ReLU and saw
# pixels between -1 and 1, all of MNIST, two ended with a loss that is no number and an accuracy of 0.098.
_NO_NUMBER_AFTER = _FALL * GUESSING
# On all of MNIST and in smaller batches than asked for, small_random leaves chance with Tanh after the first
# epoch: in batches of 64, 0.656 to 0.967 after ten. Networks that start as PyTorch draws them have left it
# within the first, with losses of 1.24 at most.
_LEAVES_LATE = ("q5.3", "full", "small_random")
# The network that is trained here is as deep and half as wide, and learns in a second. A single step can
# throw it back for a while, and a slow start can be bad luck: the best of several looks counts, and a
# training that disagrees with the notebook is repeated from new weights.
_WIDTH, _STEPS, _BATCH, _LEARNING_RATE = 128, 600, 64, 0.1
_LOOK_EVERY, _SURE, _ATTEMPTS = 50, 0.75, 3

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Training:
    """The trainings of one question: its activation, and the names that it leaves their results under."""

    question: str
    activation: str
    losses: str
    accuracies: str


TANH = Training("q5.3", "tanh", "training_losses", "final_accuracies")
RELU = Training("q5.4", "relu", "training_losses_relu", "final_accuracies_relu")


def losses_of(notebook: Replay, run: Training) -> dict[str, FloatArray]:
    """Return the losses of each method, (epochs,) each; they are finite, or no numbers where one diverged."""
    kept = by_method(notebook.after(run.question), run.losses)
    found = {}
    for method in METHODS:
        what = f"{run.losses}[{method!r}]"
        row = found[method] = numbers(kept[method], what=what, finite=False)
        if not has_diverged(row):
            numbers(row, what=what)
        if len(row) < 2:
            raise CheckFailed(
                f"{run.losses}[{method!r}] has {len(row)} number{'s' * (len(row) != 1)}; there should be "
                "one an epoch"
            )
    return found


def accuracies_of(notebook: Replay, run: Training) -> dict[str, float]:
    """Return the accuracy of each method, in percent or not."""
    kept = by_method(notebook.after(run.question), run.accuracies)
    return {
        method: require_number(single(kept[method]), what=f"{run.accuracies}[{method!r}]")
        for method in METHODS
    }


def shares_of(notebook: Replay, run: Training) -> dict[str, float]:
    """Return the accuracies between 0 and 1: that they are given in percent costs another check."""
    accuracies = accuracies_of(notebook, run)
    is_percent = max(accuracies.values()) > 1.0 and max(accuracies.values()) <= 100.0
    return {method: value / 100.0 if is_percent else value for method, value in accuracies.items()}


def has_diverged(row: FloatArray) -> bool:
    """Say whether a training learned, and then its loss was no number any more until the end."""
    known = int(np.isfinite(row).cumprod().sum())  # finite ones at the beginning
    diverged = 0 < known < len(row) and not np.isfinite(row[known:]).any()
    return diverged and bool(row[:known].min() <= _NO_NUMBER_AFTER)


def _left_late(run: Training, profile: str, method: str, row: FloatArray) -> bool:
    """Say whether a network that starts at chance may have left it after the first epoch, and did."""
    is_possible = (run.question, profile, method) == _LEAVES_LATE
    return is_possible and bool(abs(row[0] - GUESSING) <= CHANCE_LOSS and row[-1] < row[0])


def require_one_an_epoch(notebook: Replay, run: Training) -> None:
    """Judge how many losses there are."""
    for method, row in losses_of(notebook, run).items():
        if len(row) != EPOCHS:
            raise CheckFailed(
                f"{run.losses}[{method!r}] has {len(row)} numbers; it should hold the mean loss of each of "
                f"{EPOCHS} epochs",
                expected=f"{EPOCHS} numbers",
                got=f"{len(row)} numbers",
                cause="is this one for each batch? Take the mean over an epoch" if len(row) > 50 else None,
            )


def require_shares(notebook: Replay, run: Training) -> None:
    """Judge that accuracies lie between 0 and 1."""
    for method, value in accuracies_of(notebook, run).items():
        require_share(value, what=f"{run.accuracies}[{method!r}]")


def require_at_chance(notebook: Replay, run: Training, *, profile: str) -> str:
    """Judge that zero and small_random learn nothing; return a sentence about those that are excused."""
    losses, accuracies = losses_of(notebook, run), shares_of(notebook, run)

    def finding(method: str) -> CheckFailed | None:
        row, accuracy = losses[method], accuracies[method]
        if _left_late(run, profile, method, row):
            return None
        if not np.abs(row - GUESSING).max() <= CHANCE_LOSS:
            worst = float(row[np.abs(row - GUESSING).argmax()])
            text = (
                f"{run.losses}[{method!r}] holds {worst:.4g}; networks that start so stay at the loss of "
                f"guessing, ln 10 = {GUESSING:.4g}"
            )
        elif not accuracy <= CHANCE_ACCURACY:
            text = (
                f"{run.accuracies}[{method!r}] is {accuracy:.4g}; networks that start so do not get beyond "
                "guessing, about 0.11"
            )
        else:
            return None
        return CheckFailed(text, cause=_swapped(losses))

    return _judged(notebook, AT_CHANCE, finding)


def require_learning(notebook: Replay, run: Training) -> str:
    """Judge that xavier and he learn; return a sentence about those that are excused."""
    losses, accuracies = losses_of(notebook, run), shares_of(notebook, run)

    def finding(method: str) -> CheckFailed | None:
        row, accuracy = losses[method], accuracies[method]
        if has_diverged(row):
            return None
        if not row[-1] <= _FALL * row[0]:
            text = (
                f"{run.losses}[{method!r}] goes from {row[0]:.4g} to {row[-1]:.4g}; a network that starts "
                f"so learns, and its loss falls by more than {1 - _FALL:.0%}"
            )
        elif not has_learned(accuracy, row):
            text = (
                f"{run.accuracies}[{method!r}] is {accuracy:.4g}; a network that starts so learns, and is "
                f"right on far more than {LEARNS_ACCURACY:.0%} of the test digits"
            )
        else:
            return None
        return CheckFailed(text, cause=_not_training(row))

    return _judged(notebook, LEARNING, finding)


def _judged(notebook: Replay, methods: Sequence[str], finding: Callable[[str], CheckFailed | None]) -> str:
    """Raise the first finding; excuse methods whose initial weights are not what was asked for."""
    excused = []
    for method in methods:
        if (found := finding(method)) is None:
            continue
        if draws_as_asked(notebook, method):
            raise found
        excused.append(method)
    if not excused:
        return ""
    return f"not judged for {' and '.join(excused)}, whose initial weights cost points in Q5.1"


def has_learned(accuracy: float, losses: FloatArray | None) -> bool:
    """Say whether a network has learned, by what it ended with; losses are None where they are unknown."""
    return accuracy >= LEARNS_ACCURACY or _was_thrown_back(accuracy, losses)


def _was_thrown_back(accuracy: float, losses: FloatArray | None) -> bool:
    """Say whether a network learned, by its losses, and knows less now: still something, or it diverged."""
    if losses is None:
        return False
    return has_diverged(losses) or (accuracy > _MORE_THAN_GUESSING and bool(losses[-1] <= _LEARNED_LOSS))


def _losses_if_any(notebook: Replay, run: Training) -> Mapping[str, FloatArray]:
    try:
        return losses_of(notebook, run)
    except StudentFault:  # which costs another check
        return {}


def _swapped(losses: Mapping[str, FloatArray]) -> str | None:
    stuck = [other for other in LEARNING if np.abs(losses[other] - GUESSING).max() <= CHANCE_LOSS]
    return f"{stuck[0]} stays at chance instead: are the results of the two swapped?" if stuck else None


def _not_training(row: FloatArray) -> str | None:
    if np.abs(row - row[0]).max() < 1e-6:
        return "the loss does not change at all: does the optimiser get the network's parameters, and step()?"
    return None


def require_in_bands(notebook: Replay, run: Training, bands: Bands) -> str:
    """Judge the accuracies of xavier and he by the calibration's bands; return who is excused."""
    accuracies, losses = shares_of(notebook, run), _losses_if_any(notebook, run)

    def finding(method: str) -> CheckFailed | None:
        accuracy, (low, high) = accuracies[method], bands.accuracies[method]
        if low <= accuracy <= high or (accuracy < low and _was_thrown_back(accuracy, losses.get(method))):
            return None
        return CheckFailed(
            f"{run.accuracies}[{method!r}] is {accuracy:.4f}; right code is between "
            f"{low:.4f} and {high:.4f} in this profile, {bands.profile}",
            expected=f"{low:.4f} to {high:.4f}",
            got=f"{accuracy:.4f}",
        )

    return _judged(notebook, LEARNING, finding)


def require_losses_drawn(notebook: Replay, run: Training) -> None:
    """Judge that the four curves of the losses are drawn."""
    harvest = notebook.after(run.question)
    if missing := not_drawn(harvest, list(losses_of(notebook, run).items())):
        raise CheckFailed(
            f"no figure shows the training losses of {', '.join(missing)}; draw one line a method"
        )


# ---------------------------------------------------------------------------------- one more training, here


def require_reproduced(
    notebook: Replay, run: Training, dataset: Mnist, rng: np.random.Generator
) -> dict[str, float]:
    """Train from the student's own initial weights; what learns here has to have learned there."""
    accuracies, losses = shares_of(notebook, run), _losses_if_any(notebook, run)
    found = {}
    for method in METHODS:
        reported = accuracies[method]
        is_said_to_learn = has_learned(reported, losses.get(method))
        is_late = method in losses and _left_late(run, dataset.profile, method, losses[method])
        for _ in range(_ATTEMPTS):
            found[method] = accuracy = trained_again(notebook, method, run.activation, dataset, rng)
            if agrees := (accuracy >= LEARNS_ACCURACY) == is_said_to_learn:
                break
        if not (agrees or is_late):
            raise CheckFailed(
                f"{run.accuracies}[{method!r}] is {reported:.4g}, but a {run.activation} network that "
                f"starts from your {call((784, _WIDTH), method)} and the like has {accuracy:.4g} after at "
                f"most {_STEPS} steps of SGD(0.1): do the networks start from initialize_weights?",
                expected=f"{accuracy:.4g}",
                got=f"{reported:.4g}",
            )
    return found


def trained_again(
    notebook: Replay, method: str, activation: str, dataset: Mnist, rng: np.random.Generator
) -> float:
    """Return the test accuracy of a small network that starts as the student's function draws."""
    sizes = (784, *[_WIDTH] * 5, 10)
    weights = []
    for shape in pairwise(sizes):
        W = draw(notebook, shape, method)
        if W.shape not in {shape, shape[::-1]}:
            raise CheckFailed(f"{call(shape, method)} has the shape {W.shape}; it should be {shape}")
        weights.append((W if W.shape == shape else W.T).astype(np.float32))
    return accuracy_after(weights, activation, dataset, rng)


def accuracy_after(
    weights: Sequence[Float32], activation: str, dataset: Mnist, rng: np.random.Generator
) -> float:
    """Train with SGD from these weights, (fan_in, fan_out) each, and no biases; return the best accuracy."""
    W = [each.copy() for each in weights]
    b = [np.zeros(each.shape[1], dtype=np.float32) for each in weights]
    x, labels = _rows(dataset.train_images), dataset.train_labels
    test_images, best = _rows(dataset.test_images), 0.0
    with np.errstate(all="ignore"):  # weights that explode end at chance, as they should
        for step in range(1, _STEPS + 1):
            rows = rng.integers(len(x), size=_BATCH)
            _step(W, b, x[rows], labels[rows], activation)
            if step % _LOOK_EVERY == 0:
                predictions = _passes(W, b, test_images, activation)[-1].argmax(axis=1)
                best = max(best, float(np.mean(predictions == dataset.test_labels)))
                if best >= _SURE:
                    break
    return best


def _passes(W: Sequence[Float32], b: Sequence[Float32], x: Float32, activation: str) -> list[Float32]:
    """Return the input, the hidden activations and the logits."""
    found = [x]
    for number, (weight, bias) in enumerate(zip(W, b, strict=True), start=1):
        x = x @ weight + bias
        if number < len(W):
            x = np.tanh(x) if activation == "tanh" else np.maximum(x, np.float32(0))
        found.append(x)
    return found


def _step(W: list[Float32], b: list[Float32], x: Float32, labels: Array, activation: str) -> None:
    passes = _passes(W, b, x, activation)
    shares = np.exp(passes[-1] - passes[-1].max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(labels)), labels] -= 1.0
    slope = shares / np.float32(len(labels))
    rate = np.float32(_LEARNING_RATE)
    for layer in reversed(range(len(W))):
        weight_slope, bias_slope = passes[layer].T @ slope, slope.sum(axis=0)
        if layer:
            h = passes[layer]
            slope = (slope @ W[layer].T) * (1 - h * h if activation == "tanh" else h > 0)
        W[layer] -= rate * weight_slope
        b[layer] -= rate * bias_slope


def _rows(images: Array) -> Float32:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
