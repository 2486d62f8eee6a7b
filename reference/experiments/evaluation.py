"""What a classifier's answers on a test set say: counts and shares, in NumPy alone.

Rows of a confusion matrix are true classes, its columns predicted ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

CONFIDENT, UNCERTAIN = 0.9, 0.6  # above, below
EXAMPLES_EACH = 2
MISCLASSIFIED_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ClassReport:
    """How one class fared; what has no answers, or no images, counts as 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int  # test images of this class


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two classes that are taken for each other: `count` images, in either direction."""

    classes: tuple[int, int]
    names: tuple[str, str]
    count: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """One test image, by its index, that was taken for another class."""

    index: int
    prediction: int
    label: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Question 4.3's numbers; `misclassified` holds mistakes about the class of lowest recall."""

    accuracy: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]
    report: tuple[ClassReport, ...]
    most_confused: tuple[ConfusedPair, ...]
    lowest_recall_class: int
    misclassified: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One test image, by its index, and the answer it got."""

    index: int
    confidence: float
    prediction: int
    label: int


@dataclass(frozen=True, slots=True)
class Quadrant:
    """How many test images are of a kind, and the first of them."""

    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Quadrants:
    """Question 4.4: confident is above 0.9, uncertain below 0.6; between them is neither."""

    confident_correct: Quadrant
    confident_incorrect: Quadrant
    uncertain_correct: Quadrant
    uncertain_incorrect: Quadrant


def evaluate_answers(predictions: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Evaluation:
    """Compare predicted with true classes, both (N,)."""
    confusion = confusion_matrix(predictions, labels, len(names))
    report = class_reports(confusion, names)
    lowest = min(range(len(names)), key=lambda label: report[label].recall)
    wrong = np.flatnonzero((labels == lowest) & (predictions != labels))[:MISCLASSIFIED_SHOWN].tolist()
    return Evaluation(
        accuracy=float(np.mean(predictions == labels)),
        macro_f1=float(np.mean([row.f1 for row in report])),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        report=report,
        most_confused=most_confused(confusion, names)[:2],
        lowest_recall_class=lowest,
        misclassified=tuple(Mistake(index, int(predictions[index]), lowest) for index in wrong),
    )


def confusion_matrix(predictions: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Count the images of each true class, in rows, by their predicted one, in columns."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def class_reports(confusion: np.ndarray, names: tuple[str, ...]) -> tuple[ClassReport, ...]:
    """Return precision, recall and F1 of each class; F1 is their harmonic mean, 2 TP / (2 TP + FP + FN)."""
    right, true, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    shares = (right / np.maximum(predicted, 1), right / np.maximum(true, 1))
    f1 = 2 * right / np.maximum(true + predicted, 1)
    columns = (column.tolist() for column in (*shares, f1, true))
    return tuple(ClassReport(*row) for row in zip(names, *columns, strict=True))


def most_confused(confusion: np.ndarray, names: tuple[str, ...]) -> tuple[ConfusedPair, ...]:
    """Return all pairs of classes, those most often taken for each other first."""
    either_way = confusion + confusion.T
    pairs = (
        ConfusedPair((i, j), (names[i], names[j]), int(either_way[i, j]))
        for i, j in combinations(range(len(names)), 2)
    )
    return tuple(sorted(pairs, key=lambda pair: -pair.count))


def quadrants(probabilities: np.ndarray, labels: np.ndarray) -> Quadrants:
    """Sort answers by confidence, the largest of the probabilities (N, classes), and by right or wrong."""
    predictions, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    is_right = predictions == labels
    confident, uncertain = confidences > CONFIDENT, confidences < UNCERTAIN

    def quadrant(rows: np.ndarray) -> Quadrant:
        found = np.flatnonzero(rows)
        first = found[:EXAMPLES_EACH].tolist()
        return Quadrant(
            count=len(found),
            examples=tuple(
                Example(i, float(confidences[i]), int(predictions[i]), int(labels[i])) for i in first
            ),
        )

    return Quadrants(
        confident_correct=quadrant(confident & is_right),
        confident_incorrect=quadrant(confident & ~is_right),
        uncertain_correct=quadrant(uncertain & is_right),
        uncertain_incorrect=quadrant(uncertain & ~is_right),
    )
