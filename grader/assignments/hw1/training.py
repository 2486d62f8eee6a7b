"""Q6.7: the network, its batches, and the accuracy of what it has learned, which is found on this side."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader.assignments.hw1.linear_probe import LinearProbe, Pair
from grader.assignments.hw1.mytorch_contract import (
    DIFFERENCES_RTOL,
    LOSS_RTOL,
    affine,
    cross_entropy,
    relu,
)
from grader.checks.closeness import require_array, require_close, require_number_close
from grader.checks.plots import PlotIt, lines, no_plot
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import RemoteObject, Student
from grader.datasets import Mnist
from grader.errors import CheckFailed, GraderFault

Images = npt.NDArray[np.uint8]  # (N, 28, 28)

PIXELS, CLASSES = 28 * 28, 10
HIDDEN = (128, 64)
BATCH_SIZE = 64
EPOCHS = 3
# A training that ends below the threshold is repeated: see calibration.py for the false alarms that leaves.
ATTEMPTS = 3
LEARNING_RATE = 0.1
SCALE = 1.0 / 255.0
NAME = "784-128-64-10"
# A right step agrees with the slope of the loss to 1.00, an unrelated one to 0 ± 0.09, and one of a network
# whose last layer alone learns to 0.33: it may lose points for its accuracy, but it does learn.
_DIRECTIONS, _DESCENT = 60, 0.3
_NUDGE = 1e-5  # of each weight
# As few that no product of the comparison is worth a second thread.
_STEP_ROWS = 16


@dataclass(frozen=True, slots=True)
class Network:
    """The homework's network in the worker, with its loss and optimiser, and the linear layers in it.

    Its digits are disguised: `pixels` and `classes` are the orders in which it sees them, which is all the
    same to layers that are fully connected and start from independent draws, and new to whoever knows them.
    What it has learned is what its parameters hold: whatever else its forward pass may know is not asked for.
    """

    student: Student
    linears: Sequence[LinearProbe]
    model: RemoteObject
    loss: RemoteObject
    optimiser: RemoteObject
    pixels: Array  # (784,)
    classes: Array  # (10,)

    def train(self, rng: np.random.Generator, images: Images, labels: Array, order: Sequence[Array]) -> Array:
        """Train on batches of row numbers; the step of the first one is looked at, see `require_descent`.

        Return what the losses were said to be, for people to look at: nothing is judged by them.
        """
        few = order[0][:_STEP_ROWS]
        x, targets = self._rows(images[few]), self.classes[labels[few]]
        before = self._parameters()
        self._step(x, targets)
        require_descent(rng, before, self._parameters(), x, targets)
        return self.student.train(
            model=self.model,
            loss=self.loss,
            optimiser=self.optimiser,
            images=self._seen(images),
            labels=self.classes[labels],
            order=order[1:],
            scale=SCALE,
        )

    def accuracy(self, images: Images, labels: Array) -> float:
        """Return the share of images whose largest logit is at their label; neither leaves this side."""
        logits = logits_of(self._parameters(), self._rows(images))
        return float(np.mean(logits.argmax(axis=1) == self.classes[labels]))

    def own_loss(self, images: Images, labels: Array) -> float:
        """Return the loss that the network gives for its own output; CheckFailed if either is wrong."""
        x, targets = self._rows(images), self.classes[labels]
        parameters = self._parameters()
        logits = require_close(
            self.model.forward(x),
            logits_of(parameters, x),
            what=f"the output of the untrained {NAME} network for {len(images)} digits",
            rtol=DIFFERENCES_RTOL,
            computed_with=[part for pair in parameters for part in pair],
        )
        if not np.ptp(logits):
            raise CheckFailed(f"the untrained {NAME} network gives the same number for everything")
        return require_number_close(
            self.loss.forward(logits, targets),
            cross_entropy(as_float(logits), targets),
            what=f"the loss of the untrained {NAME} network",
            rtol=LOSS_RTOL,
        )

    def _step(self, x: FloatArray, targets: Array) -> None:
        shape = (len(x), CLASSES)
        self.optimiser.call("zero_grad")
        logits = require_array(self.model.forward(x), what=f"the output of the {NAME} network", shape=shape)
        self.loss.forward(logits, targets)
        self.model.backward(require_array(self.loss.backward(), what="the slope of the loss", shape=shape))
        self.optimiser.call("step")

    def _parameters(self) -> list[Pair]:
        return [probe.read() for probe in self.linears]

    def _seen(self, images: Images) -> npt.NDArray[np.uint8]:
        """Return images as the network sees them, (N, 784)."""
        return np.take(images.reshape(len(images), -1), self.pixels, axis=1)

    def _rows(self, images: Images) -> FloatArray:
        return as_float(self._seen(images)) * SCALE


def make_network(student: Student, rng: np.random.Generator) -> Network:
    """Make 784-128-64-10 with ReLU, cross-entropy and SGD(0.1), all of the student's classes."""
    linears = [LinearProbe.make(student, *sizes) for sizes in pairwise((PIXELS, *HIDDEN, CLASSES))]
    layers = [layer for linear in linears for layer in (linear.layer, student.new("ReLU"))]
    model = student.new("Sequential", *layers[:-1])
    return Network(
        student,
        linears,
        model,
        loss=student.new("SoftmaxCrossEntropy"),
        optimiser=student.new("SGD", model, lr=LEARNING_RATE),
        pixels=rng.permutation(PIXELS),
        classes=rng.permutation(CLASSES),
    )


def logits_of(parameters: Sequence[Pair], x: FloatArray) -> FloatArray:
    """Return the network's output (N, 10) for rows x (N, 784), from the weight and bias of each layer."""
    W, b = parameters[0]
    return logits_from(affine(x, as_float(W), b), parameters[1:])


def logits_from(z: FloatArray, parameters: Sequence[Pair]) -> FloatArray:
    """Return what the layers that follow make of one layer's output."""
    for W, b in parameters:
        z = affine(relu(z), as_float(W), b)
    return z


def hidden_of(parameters: Sequence[Pair], x: FloatArray) -> FloatArray:
    """Return what enters the layer after these."""
    return relu(logits_of(parameters, x)) if parameters else x


def require_descent(
    rng: np.random.Generator, before: Sequence[Pair], after: Sequence[Pair], x: FloatArray, targets: Array
) -> None:
    """Raise CheckFailed unless a step on one batch goes down the slope of the loss, more or less.

    So weights that were not learned by gradients, but put there, earn nothing. The step is held against the
    slope in random directions, so that no derivative need be written down here.
    """
    layers = range(len(before))
    agreement = float(np.mean([_agreement(rng, before, after, x, targets, layer=at) for at in layers]))
    if not agreement >= _DESCENT:
        raise CheckFailed(
            f"the first step of SGD, on {len(x)} digits, does not go down the slope of the loss: it agrees "
            f"with it to {agreement:.2f}, where 1.00 is gradient descent and 0 an unrelated step",
            expected="1.00",
            got=f"{agreement:.2f}",
        )


def _agreement(
    rng: np.random.Generator,
    before: Sequence[Pair],
    after: Sequence[Pair],
    x: FloatArray,
    targets: Array,
    *,
    layer: int,
) -> float:
    """Return about the cosine between the step of one layer's weight and the way down; 0 without a step."""
    W = as_float(before[layer][0])
    step = as_float(after[layer][0]) - W
    inputs = hidden_of(before[:layer], x)
    outputs = affine(inputs, W, before[layer][1])
    went, rise = np.empty(_DIRECTIONS), np.empty(_DIRECTIONS)
    with np.errstate(all="ignore"):
        for at in range(_DIRECTIONS):
            # An outer product moves the layer's output by one too, which costs no large product.
            u, v = rng.normal(size=W.shape[0]), rng.normal(size=W.shape[1])
            nudge = _NUDGE * np.outer(np.einsum("nd,d->n", inputs, v), u)
            above, below = (
                cross_entropy(logits_from(outputs + sign * nudge, before[layer + 1 :]), targets)
                for sign in (1.0, -1.0)
            )
            went[at], rise[at] = (step * np.outer(u, v)).sum(), above - below
        lengths = math.sqrt(float((went**2).sum() * (rise**2).sum()))
        return -float((went * rise).sum()) / (lengths or 1.0)


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


def trained_accuracy(
    student: Student, rng: np.random.Generator, dataset: Mnist, plot: PlotIt = no_plot
) -> float:
    """Train three epochs through the student's classes and return the accuracy on the test images."""
    network = make_network(student, rng)
    order = epochs_of_batches(rng, len(dataset.train_images), epochs=EPOCHS, batch_size=BATCH_SIZE)
    said = network.train(rng, dataset.train_images, dataset.train_labels, order)
    plot(lines, "Loss of each batch, as your own loss told it", "batch", {"training loss": said})
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
