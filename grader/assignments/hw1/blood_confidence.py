"""Q4.4: the four quadrants of confidence, recomputed from the model's answers for the test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.blood_evaluation import CLASS_NAMES
from grader.assignments.hw1.blood_model import Asked
from grader.assignments.hw1.blood_pixels import Images
from grader.assignments.hw1.notebook_figures import pictures
from grader.assignments.hw1.notebook_values import single, whole_numbers
from grader.checks.closeness import describe, require_array, require_number
from grader.checks.plots import MOST_PICTURES, gallery
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.datasets import BloodMnist
from grader.errors import CheckFailed, StudentFault
from grader.model import PicturesPlot
from grader.notebooks.replay import Harvest
from grader.remote import Value

CONFIDENT, UNCERTAIN = 0.9, 0.6
WANTED = 2
_LOOKED_AT = 20  # of one list: a notebook may keep every image of a kind, thousands in the full profile
NAMES = ("confident_correct", "confident_incorrect", "uncertain_correct", "uncertain_incorrect")
# float32, another batch size; and rounded to two digits for a title.
_SLACK, _SAME_CONFIDENCE = 1e-3, 6e-3
# Two images are the same but for their scaling: the mean correlation of their channels.
_SAME_IMAGE = 0.99


@dataclass(frozen=True, slots=True)
class Example:
    """One tuple of a list: the image as it was kept, and three numbers."""

    what: str
    image: Array
    confidence: float
    prediction: int
    label: int


@dataclass(frozen=True, slots=True)
class Confidences:
    """What the model says of every test image: confidence and class, (N,) each."""

    confidences: FloatArray
    predictions: Array
    labels: Array

    def count(self, name: str) -> int:
        """Return how many test images there are of a kind, those at its very edge left out."""
        return int(np.count_nonzero(_is_of(name, self.confidences, self.predictions == self.labels, -_SLACK)))


def confidences_of(asked: Asked, cells: BloodMnist) -> list[Confidences]:
    """Return the model's answers; two of them where it gives probabilities, which is judged in Q4.2."""
    outputs = as_float(asked.outputs(cells.test_images))
    predictions, labels = outputs.argmax(axis=1), cells.test_labels
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    ways = [(shifted / shifted.sum(axis=1, keepdims=True)).max(axis=1)]
    if outputs.min() >= 0.0 and np.abs(outputs.sum(axis=1) - 1.0).max() < 1e-3:
        ways.append(outputs.max(axis=1))
    return [Confidences(confidences, predictions, labels) for confidences in ways]


def examples_of(harvest: Harvest, name: str) -> list[Example]:
    """Return the first tuples of a list; CheckFailed for the first that has not the form."""
    value = harvest.value(name)
    if not isinstance(value, list | tuple):
        raise CheckFailed(f"`{name}` should be a list of tuples, but is {describe(value)}")
    return [_example(entry, f"{name}[{index}]") for index, entry in enumerate(value[:_LOOKED_AT])]


def _example(entry: Value, what: str) -> Example:
    if not isinstance(entry, list | tuple) or len(entry) != 4:
        raise CheckFailed(
            f"{what} should be a tuple (image, confidence, prediction, label), but is {describe(entry)}"
        )
    image, confidence, prediction, label = entry
    return Example(
        what,
        require_array(image, what=f"the image of {what}"),
        require_number(single(confidence), what=f"the confidence of {what}"),
        _class(prediction, f"the prediction of {what}"),
        _class(label, f"the label of {what}"),
    )


def _class(value: Value, what: str) -> int:
    row = whole_numbers([single(value)], what=what)
    if row.size != 1 or not 0 <= row[0] <= 7:
        raise CheckFailed(f"{what} should be a class, 0 to 7, but is {describe(value)}")
    return int(row[0])


def require_quadrant(harvest: Harvest, name: str, answers: Sequence[Confidences]) -> None:
    """Judge one list: its tuples belong in there, and there are two, or as many as there are."""
    examples = examples_of(harvest, name)
    for example in examples:
        if 1.0 < example.confidence <= 100.0:
            raise CheckFailed(
                f"the confidence of {example.what} is {example.confidence:.4g}; it lies between 0 and 1",
                cause="is this in percent? Leave out the factor of 100",
            )
        is_right = example.prediction == example.label
        if is_right != name.endswith("_correct"):
            raise CheckFailed(
                f"{example.what} has the prediction {example.prediction} and the label {example.label}, so "
                f"it does not belong into `{name}`"
            )
        if not bool(_is_of(name, np.array([example.confidence]), np.array([is_right]), _SLACK)[0]):
            bound = f"above {CONFIDENT}" if name.startswith("confident") else f"below {UNCERTAIN}"
            raise CheckFailed(
                f"{example.what} has the confidence {example.confidence:.4g}; `{name}` is for those {bound}"
            )
    there = min(each.count(name) for each in answers)
    if len(examples) < min(WANTED, there):
        raise CheckFailed(
            f"`{name}` has {len(examples)} tuple{'s' * (len(examples) != 1)}; the model gives {there} such "
            f"test images, and {min(WANTED, there)} should be there",
            expected=f"{min(WANTED, there)} tuples",
            got=f"{len(examples)} tuples",
        )


def quadrant(name: str, answers: Confidences, cells: BloodMnist) -> PicturesPlot:
    """Draw the test images that belong most clearly into a list, by the model's own answers for them.

    They are our own images: what the notebook keeps of pictures is never drawn, nor says what is.
    """
    fitting = np.flatnonzero(_is_of(name, answers.confidences, answers.predictions == answers.labels, 0.0))
    sign = -1.0 if name.startswith("confident") else 1.0
    first = fitting[np.argsort(sign * answers.confidences[fitting], kind="stable")][:MOST_PICTURES]
    columns = (answers.labels[first], answers.predictions[first], answers.confidences[first])
    kind = f"{'Right' if name.endswith('_correct') else 'Wrong'}, with a confidence " + (
        f"above {CONFIDENT}" if name.startswith("confident") else f"below {UNCERTAIN}"
    )
    title = f"{kind}: {len(fitting):,} of {len(answers.labels):,} test images"
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return gallery(title, cells.test_images[first], CLASS_NAMES, list(rows))


def _is_of(name: str, confidences: FloatArray, right: Array, slack: float) -> Array:
    kind = (
        confidences > CONFIDENT - slack if name.startswith("confident") else confidences < UNCERTAIN + slack
    )
    return np.asarray(kind & (right == name.endswith("_correct")))


def all_examples(harvest: Harvest) -> list[Example]:
    """Return the tuples of those lists that have the form; CheckFailed if there is none."""
    found: list[Example] = []
    for name in NAMES:
        try:
            found += examples_of(harvest, name)
        except StudentFault:  # which costs the points of that list
            continue
    if not found:
        raise CheckFailed("none of the four lists has a tuple (image, confidence, prediction, label)")
    return found


def require_real(examples: Sequence[Example], cells: BloodMnist) -> None:
    """Judge that images are test images, with their own labels."""
    known = _channels_of(cells.test_images)
    for example in examples:
        rows = _rows_of(example, known)
        if not len(rows):
            raise CheckFailed(f"the image of {example.what} is none of the test images")
        if example.label not in cells.test_labels[rows]:
            raise CheckFailed(
                f"the label of {example.what} is {example.label}; that test image has the label "
                f"{int(cells.test_labels[rows[0]])}"
            )


def require_answers(examples: Sequence[Example], cells: BloodMnist, answers: Sequence[Confidences]) -> None:
    """Judge confidences and predictions by the model's own; what is no test image costs another check."""
    known = _channels_of(cells.test_images)
    for example in examples:
        rows = _rows_of(example, known)
        if not len(rows):
            continue
        if not any(
            abs(each.confidences[row] - example.confidence) <= _SAME_CONFIDENCE
            and each.predictions[row] == example.prediction
            for each in answers
            for row in rows
        ):
            row = int(rows[0])
            raise CheckFailed(
                f"{example.what} has the confidence {example.confidence:.4f} and the prediction "
                f"{example.prediction}; model gives {answers[0].confidences[row]:.4f} and "
                f"{int(answers[0].predictions[row])} for this image: the confidence is the largest softmax "
                "probability",
                expected=f"{answers[0].confidences[row]:.4f}",
                got=f"{example.confidence:.4f}",
            )


def require_shown(harvest: Harvest, examples: Sequence[Example]) -> None:
    """Judge that the images are shown."""
    wanted, shown = min(len(examples), 4 * WANTED), pictures(harvest)
    if shown < wanted:
        raise CheckFailed(
            f"{shown} image{'s are' if shown != 1 else ' is'} shown; the four lists hold {wanted}",
            expected=f"{wanted} images",
            got=f"{shown} images",
        )


def _channels_of(images: Images) -> FloatArray:
    """Return standardised channels (N, 3, 784)."""
    return _standardised(images.reshape(len(images), -1, 3).transpose(0, 2, 1))


def _rows_of(example: Example, known: FloatArray) -> Array:
    """Return the numbers of the test images that an image is, however it was scaled and ordered."""
    pixels = as_float(example.image).reshape(-1)
    if pixels.size != 28 * 28 * 3 or np.abs(pixels).max() > 1e6:
        return np.zeros(0, dtype=np.int64)
    best = np.zeros(len(known))
    for channels in (pixels.reshape(3, -1), pixels.reshape(-1, 3).T):
        one = _standardised(channels[np.newaxis])[0]
        best = np.maximum(best, known.reshape(len(known), -1) @ one.reshape(-1) / 3.0)
    return np.flatnonzero(best > max(_SAME_IMAGE, best.max() - 1e-4))


def _standardised(channels: Array) -> FloatArray:
    """Return channels (N, 3, 784) with mean 0 and length 1, but for those without any contrast."""
    centred = channels.astype(np.float32)
    centred = centred - centred.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6))
