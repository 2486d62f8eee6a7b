"""Q4.3: what a notebook keeps of its model on the test set, by its own predictions and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.blood_model import CLASSES, Asked
from grader.assignments.hw1.notebook_figures import pictures, shows_matrix
from grader.assignments.hw1.notebook_values import numbers, single, whole_numbers
from grader.checks.closeness import require_array, require_number
from grader.checks.excerpts import excerpt
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.datasets import BloodMnist
from grader.datasets.bloodmnist import BLOOD_CLASSES
from grader.errors import CheckFailed
from grader.notebooks.replay import Harvest

SHOWN = 5
CLASS_NAMES = tuple(name.partition("(")[0] for name in BLOOD_CLASSES)  # one explains itself at length
_SAME = 1e-6  # of an accuracy, which may have been a float32
# A prediction at the edge between two classes may tip between two machines, or batch sizes.
_TIPPED = 0.01


@dataclass(frozen=True, slots=True)
class Answers:
    """Predicted and true classes of the test images, (N,) each, as the notebook has them."""

    predictions: Array
    labels: Array

    @property
    def confusion(self) -> Array:
        """True classes in rows, predicted ones in columns, (8, 8)."""
        found = np.zeros((CLASSES, CLASSES), dtype=np.int64)
        np.add.at(found, (self.labels, self.predictions), 1)
        return found

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return float(np.mean(self.predictions == self.labels))

    @property
    def recalls(self) -> FloatArray:
        """The recall of each class, (8,); nan for a class without images."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precisions(self) -> FloatArray:
        """The precision of each class, (8,); nan for a class that is never predicted."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))


def _ratio(part: Array, whole: Array) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole, dtype=np.float64)


def labels_of(harvest: Harvest, cells: BloodMnist) -> Array:
    """Return `all_labels`, (N,), classes of every test image."""
    return _classes(harvest, "all_labels", len(cells.test_labels))


def predictions_of(harvest: Harvest, cells: BloodMnist) -> Array:
    """Return `all_preds`, (N,), a class for every test image."""
    value = harvest.value("all_preds")
    if isinstance(value, np.ndarray) and value.shape == (len(cells.test_labels), CLASSES):
        raise CheckFailed(
            "`all_preds` holds eight numbers an image; it should hold the class: take the argmax"
        )
    return _classes(harvest, "all_preds", len(cells.test_labels))


def answers_of(harvest: Harvest, cells: BloodMnist) -> Answers:
    """Return both."""
    return Answers(predictions_of(harvest, cells), labels_of(harvest, cells))


def _classes(harvest: Harvest, name: str, size: int) -> Array:
    row = whole_numbers(harvest.value(name), what=f"`{name}`")
    if len(row) != size:
        raise CheckFailed(
            f"`{name}` has {len(row):,} entries; there are {size:,} test images",
            expected=f"{size} entries",
            got=f"{len(row)} entries",
        )
    if row.size and not 0 <= row.min() <= row.max() < CLASSES:
        raise CheckFailed(f"`{name}` holds {row.min()} to {row.max()}; the classes are 0 to {CLASSES - 1}")
    return row


def require_labels(labels: Array, cells: BloodMnist) -> None:
    """Judge `all_labels`: those of the test images, in whatever order a loader gives."""
    truth = cells.test_labels
    if not np.array_equal(np.bincount(labels, minlength=CLASSES), np.bincount(truth, minlength=CLASSES)):
        raise CheckFailed(
            "`all_labels` does not hold the classes of the test images: it has "
            f"{_counts(labels)} of each, and the test set {_counts(truth)}"
        )


def _counts(labels: Array) -> str:
    return ", ".join(map(str, np.bincount(labels, minlength=CLASSES)))


def require_own_predictions(asked: Asked, answers: Answers, cells: BloodMnist) -> None:
    """Judge `all_preds` by the model; with labels in another order, by the confusions of both."""
    own = Answers(asked.predictions(cells.test_images), cells.test_labels.astype(np.int64))
    size = len(own.labels)
    if np.array_equal(answers.labels, own.labels):
        different = int(np.count_nonzero(answers.predictions != own.predictions))
    else:
        different = int(np.abs(answers.confusion - own.confusion).sum()) // 2
    if different > _TIPPED * size:
        raise CheckFailed(
            f"`all_preds` differs from what model predicts for {different:,} of the {size:,} test images: "
            "is it of another model, or another split, or computed before model.eval()?",
            expected=f"accuracy {own.accuracy:.4f}",
            got=f"accuracy {answers.accuracy:.4f}",
        )


def require_accuracy(harvest: Harvest, answers: Answers) -> None:
    """Judge `accuracy` by the notebook's own predictions and labels."""
    got, truth = require_number(single(harvest.value("accuracy")), what="`accuracy`"), answers.accuracy
    if abs(got - truth) <= max(_SAME, 1e-4 * truth):
        return
    cause = None
    if abs(got - 100.0 * truth) <= 0.01:
        cause = "this is in percent: leave out the factor of 100"
    elif abs(got - float(np.sum(answers.predictions == answers.labels))) < 0.5:
        cause = "this is the number of right ones: divide by the number of images"
    elif got > 1.0 or abs(got - _every_pair(answers)) < 1e-3:
        cause = "were labels of shape (N, 1) compared with predictions of shape (N,)? Squeeze the labels"
    raise CheckFailed(
        f"`accuracy` is {got:.6g}; `all_preds` and `all_labels` agree in {truth:.6g} of the test images",
        expected=f"{truth:.6g}",
        got=f"{got:.6g}",
        cause=cause,
    )


def _every_pair(answers: Answers) -> float:
    """Return what the mean is over every pair of an image's prediction and another one's label."""
    shares = [np.bincount(row, minlength=CLASSES) / len(row) for row in (answers.predictions, answers.labels)]
    return float(shares[0] @ shares[1])


def require_confusion(harvest: Harvest, answers: Answers) -> None:
    """Judge `cm`: true classes in rows."""
    value = harvest.value("cm")
    if isinstance(value, list | tuple):
        value = numbers(value, what="`cm`")
        value = value.reshape(CLASSES, CLASSES) if value.size == CLASSES**2 else value
    got = as_float(require_array(value, what="`cm`", shape=(CLASSES, CLASSES)))
    truth = answers.confusion
    if np.allclose(got, truth, atol=1e-6):
        return
    wrong = np.abs(got - truth) > 1e-6
    index = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    raise CheckFailed(
        f"`cm` is not the confusion matrix of `all_labels` and `all_preds`: {int(wrong.sum())} of 64 entries "
        f"differ; the first at {list(index)} is {got[index]:.6g} and should be {truth[index]}",
        expected=excerpt(as_float(truth), index),
        got=excerpt(got, index),
        first_bad_index=index,
        cause=_confusion_cause(got, truth),
    )


def _confusion_cause(got: FloatArray, truth: Array) -> str | None:
    if np.allclose(got, truth.T):
        return "this is the transpose: true classes belong in the rows, predicted ones in the columns"
    sums = {"row": truth.sum(axis=1, keepdims=True), "column": truth.sum(axis=0, keepdims=True)}
    for name, total in sums.items():
        if np.allclose(got, truth / np.maximum(total, 1), atol=5e-3):
            return f"these are shares of each {name}: `cm` should hold counts"
    if np.allclose(got, truth / truth.sum(), atol=5e-4):
        return "these are shares of all images: `cm` should hold counts"
    return None


def require_confusion_shown(harvest: Harvest) -> None:
    """Judge that the confusion matrix is shown as a figure."""
    if not shows_matrix(harvest, CLASSES):
        raise CheckFailed("no figure shows the 8 x 8 confusion matrix; draw it with imshow, say")


def require_lowest_recall(harvest: Harvest, answers: Answers) -> None:
    """Judge `lowest_recall_class` by the notebook's own predictions and labels."""
    value = harvest.value("lowest_recall_class")
    if isinstance(value, str):
        raise CheckFailed("`lowest_recall_class` is a text; it should be the index of the class, 0 to 7")
    got = require_number(single(value), what="`lowest_recall_class`")
    recalls = answers.recalls
    lowest = {int(index) for index in np.flatnonzero(recalls == np.nanmin(recalls))}
    if got in lowest:
        return
    names = " or ".join(str(index) for index in sorted(lowest))
    precisions = answers.precisions
    causes = {
        "this is the class of highest recall": recalls == np.nanmax(recalls),
        "this is the class of lowest precision: recall divides by the row sums": precisions
        == np.nanmin(precisions),
    }
    fitting = [cause for cause, where in causes.items() if got in np.flatnonzero(where)]
    raise CheckFailed(
        f"`lowest_recall_class` is {got:.6g}; the recall of {names} is the lowest, {np.nanmin(recalls):.4f}",
        expected=names,
        got=f"{got:.6g}",
        cause=fitting[0] if fitting else None,
    )


def require_misclassified_shown(harvest: Harvest, answers: Answers) -> None:
    """Judge that five misclassified images of the class of lowest recall are shown, or all there are."""
    recalls = answers.recalls
    lowest = int(np.nanargmin(recalls))
    there = int(np.sum((answers.labels == lowest) & (answers.predictions != lowest)))
    wanted, shown = min(SHOWN, there), pictures(harvest)
    if shown < wanted:
        raise CheckFailed(
            f"{shown} image{'s are' if shown != 1 else ' is'} shown; there should be {wanted} misclassified "
            "ones of the class of lowest recall",
            expected=f"{wanted} images",
            got=f"{shown} images",
        )
