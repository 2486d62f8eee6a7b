"""Q6.7: the network, its batches, and predictions that are scored on this side."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader.checks.closeness import require_array
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import RemoteObject, Student
from grader.datasets import Mnist
from grader.errors import GraderFault

Images = npt.NDArray[np.uint8]  # (N, 28, 28)

PIXELS, CLASSES = 28 * 28, 10
HIDDEN = (128, 64)
BATCH_SIZE = 64
EPOCHS = 3
# A training that ends below the threshold is repeated: see calibration.py for the false alarms that leaves.
ATTEMPTS = 3
LEARNING_RATE = 0.1
SCALE = 1.0 / 255.0
# Images of one forward pass when predicting: 6 MB on the wire.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Network:
    """The homework's network in the worker, with its loss and optimiser."""

    student: Student
    model: RemoteObject
    loss: RemoteObject
    optimiser: RemoteObject

    def train(self, images: Images, labels: Array, order: list[Array]) -> None:
        """Train on batches of row numbers. What the losses were said to be is not looked at."""
        self.student.train(
            model=self.model,
            loss=self.loss,
            optimiser=self.optimiser,
            images=images,
            labels=labels,
            order=order,
            scale=SCALE,
        )

    def output(self, images: Images) -> Array:
        """Return the network's output (N, 10), of one forward pass."""
        what = f"the output of the 784-128-64-10 network for {len(images)} images"
        return require_array(self.model.forward(rows(images)), what=what, shape=(len(images), CLASSES))

    def logits(self, images: Images) -> FloatArray:
        """Return the network's output for any number of images."""
        starts = range(0, len(images), _CHUNK)
        return np.concatenate([as_float(self.output(images[start : start + _CHUNK])) for start in starts])

    def accuracy(self, images: Images, labels: Array) -> float:
        """Return the share of images whose largest output is at their label, which stays on this side."""
        return float(np.mean(self.logits(images).argmax(axis=1) == labels))


def make_network(student: Student) -> Network:
    """Make 784-128-64-10 with ReLU, cross-entropy and SGD(0.1), all of the student's classes."""
    sizes = (PIXELS, *HIDDEN, CLASSES)
    layers: list[RemoteObject] = []
    for inputs, outputs in pairwise(sizes):
        layers += [student.new("Linear", inputs, outputs), student.new("ReLU")]
    model = student.new("Sequential", *layers[:-1])
    loss = student.new("SoftmaxCrossEntropy")
    return Network(student, model, loss, student.new("SGD", model, lr=LEARNING_RATE))


def rows(images: Images) -> FloatArray:
    """Return images as rows (N, 784) from 0 to 1."""
    return as_float(images.reshape(len(images), -1)) * SCALE


def epochs_of_batches(rng: np.random.Generator, count: int, *, epochs: int, batch_size: int) -> list[Array]:
    """Return shuffled batches of row numbers, all of the same size.

    The rest of an epoch is left out: on the 5,000 digits of the sample a last batch of 8, at this
    learning rate, throws the accuracy about by 0.08.
    """
    batches = count // batch_size
    return [
        batch
        for _ in range(epochs)
        for batch in rng.permutation(count)[: batches * batch_size].reshape(batches, batch_size)
    ]


def trained_accuracy(student: Student, rng: np.random.Generator, dataset: Mnist) -> float:
    """Train three epochs through the student's classes and return the accuracy on the test images."""
    network = make_network(student)
    order = epochs_of_batches(rng, len(dataset.train_images), epochs=EPOCHS, batch_size=BATCH_SIZE)
    network.train(dataset.train_images, dataset.train_labels, order)
    return network.accuracy(dataset.test_images, dataset.test_labels)


def plausible_initial_losses(images: Images) -> tuple[float, float]:
    """Return the bounds for the cross-entropy of an untrained network, wide ones.

    With He's weights each layer keeps the mean square of its input, so a logit has about the
    variance v = 2 |x|² / 784, and the loss is about ln 10 + v / 2. The lower bound is below what
    guessing gives, the upper one allows five times that v.
    """
    v = 2.0 * float(np.mean((rows(images) ** 2).sum(axis=1))) / PIXELS
    return math.log(CLASSES) - 0.4, math.log(CLASSES) + 5.0 * v


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The accuracies asked for on one data profile, and the data they were calibrated on."""

    floor: float
    threshold: float
    data_sha256: str


def read_thresholds(dataset: Mnist) -> Thresholds:
    """Read the calibration of the data's profile; GraderFault where it is missing or of other data."""
    path = calibration_file(dataset.profile)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        thresholds = Thresholds(content["floor"], content["threshold"], content["data_sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise GraderFault(f"the calibration {path.name} cannot be read: {error}") from error
    if thresholds.data_sha256 != dataset.sha256:
        raise GraderFault(
            f"{path.name} was calibrated on other data than the profile {dataset.profile!r} holds"
        )
    return thresholds


def calibration_file(profile: str) -> Path:
    """Return where the calibration of a profile is kept."""
    return Path(__file__).parent / "calibration" / f"q6_7_{profile}.json"
