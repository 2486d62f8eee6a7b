"""Models for a student's gradient_check: right ones, and ones with a fault planted in the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.linear_probe import LinearProbe
from grader.assignments.hw1.mytorch_contract import affine, cross_entropy, relu
from grader.assignments.hw1.probes import (
    Probe,
    curve,
    module_base,
    ring,
    run_all,
    scale,
    weighted_loss,
)
from grader.checks.closeness import is_close, require_array, require_number, require_unchanged
from grader.checks.gradients import central_differences, draw_until, smallest_size
from grader.checks.tolerance import Array, FloatArray
from grader.client import RemoteObject, Student
from grader.errors import CheckFailed, StudentFault

ROWS, COLUMNS = 5, 4
# What the homework promises for a right model in float64.
SMALL = 1e-5


@dataclass(frozen=True, slots=True)
class Problem:
    """Layers, a batch and a loss: everything that gradient_check is given, but for the gradients' faults."""

    layers: Sequence[Probe]
    x: FloatArray
    target: FloatArray
    weights: FloatArray

    def loss(self, layers: Sequence[Probe]) -> float:
        """Return the loss with other layers."""
        return weighted_loss(self.weights, run_all(layers, self.x), self.target)

    def gradients(self) -> dict[tuple[int, str], FloatArray]:
        """Return the gradient of the loss in every parameter, by differences."""
        return {
            (position, name): self._gradient(position, name)
            for position, layer in enumerate(self.layers)
            for name in layer.values
        }

    def _gradient(self, position: int, name: str) -> FloatArray:
        layer = self.layers[position]

        def value(moved: FloatArray) -> float:
            changed = Probe(layer.kind, {**layer.values, name: moved})
            return self.loss([*self.layers[:position], changed, *self.layers[position + 1 :]])

        return central_differences(
            lambda points: [value(point) for point in points], layer.values[name]
        ).values


def draw_problem(
    rng: np.random.Generator, *, deep: bool = False, size: float = 1.0, zero_column: int | None = None
) -> Problem:
    """Return a problem without small gradients, so that a right check is far below SMALL.

    `deep` has three layers instead of one. `size` scales the loss, and with it every gradient.
    With `zero_column` the inputs in that column are 0, and so are exactly those gradients that belong to it.
    """

    def draw() -> Problem:
        x = 0.5 * rng.normal(size=(ROWS, COLUMNS))
        if zero_column is not None:
            x[:, zero_column] = 0.0
        middle = curve(rng, COLUMNS)
        return Problem(
            layers=[scale(rng, COLUMNS), middle, ring(rng, COLUMNS)] if deep else [middle],
            x=x,
            target=0.5 * rng.normal(size=(ROWS, COLUMNS)),
            weights=size * (0.5 + rng.random(COLUMNS)),
        )

    def is_good(problem: Problem) -> bool:
        slopes = np.concatenate([np.abs(slope).ravel() for slope in problem.gradients().values()])
        smallest = slopes[slopes > 0.0].min()
        return bool(smallest > 0.02 * size and slopes.max() < 40.0 * smallest)

    return draw_until(draw, is_good)


def reported_error(
    student: Student,
    problem: Problem,
    faults: Mapping[tuple[int, str], Array] | None = None,
    *,
    model: RemoteObject | None = None,
) -> float:
    """Return what gradient_check says about a problem with these faults; inf is an answer, nan is not."""
    used = model or make_model(student, problem, faults)
    loss = student.stand_in("weighted_loss", problem.weights)
    answer = student.resolve("gradient_check").call(None, used, loss, problem.x, problem.target)
    number = require_number(answer, what="the value of gradient_check(model, loss_fn, x, y)", finite=False)
    if np.isnan(number):
        raise CheckFailed("gradient_check(model, loss_fn, x, y) is nan: is 0 / 0 taken care of?", got="nan")
    return number


def make_model(
    student: Student, problem: Problem, faults: Mapping[tuple[int, str], Array] | None = None
) -> RemoteObject:
    """Make the problem's model in the worker: one layer as it is, more in the student's own Sequential."""
    base = module_base(student)
    made = [
        layer.make(
            student,
            base,
            faults={name: value for (at, name), value in (faults or {}).items() if at == position},
        )
        for position, layer in enumerate(problem.layers)
    ]
    return made[0] if len(made) == 1 else student.new("Sequential", *made)


def own_sequential_works(student: Student, problem: Problem) -> bool:
    """Say whether the student's Sequential of the problem's layers gives right values and gradients."""
    try:
        model = make_model(student, problem)
        loss = student.stand_in("weighted_loss", problem.weights)
        editor = student.stand_in("editor")
        prediction = model.forward(problem.x)
        if not is_close(prediction, run_all(problem.layers, problem.x)):
            return False
        loss.forward(prediction, problem.target)
        model.backward(require_array(loss.backward(), what="the slope of our loss", shape=problem.x.shape))
        found = model.gradients()
        truth = {f"{position}.{name}": value for (position, name), value in problem.gradients().items()}
        if set(found) != set(truth) or not all(
            is_close(found[key], value, rtol=1e-6) for key, value in truth.items()
        ):
            return False
        for key, value in truth.items():
            editor.call("write", model, key, np.zeros_like(value))
        # With every gain at 0 nothing of the input is left, unless parameters() gives copies.
        left = require_array(model.forward(problem.x), what="the output", shape=problem.x.shape)
    except StudentFault:
        return False
    return not np.any(left)


# ------------------------------------------------------------------------------- the student's own net

INPUTS, HIDDEN, CLASSES = 5, 10, 3
_NET_ROWS = 8


@dataclass(frozen=True, slots=True)
class OwnNet:
    """The 5-10-3 ReLU network of the homework: weight and bias of both layers, a batch and its labels."""

    parameters: tuple[FloatArray, ...]
    x: FloatArray
    labels: Array

    def loss(self, parameters: Sequence[FloatArray]) -> float:
        """Return the cross-entropy with other parameters."""
        W1, b1, W2, b2 = parameters
        return cross_entropy(affine(relu(affine(self.x, W1, b1)), W2, b2), self.labels)

    def gradients(self) -> list[FloatArray]:
        """Return the gradient in every parameter, by differences."""
        return [self._gradient(position) for position in range(len(self.parameters))]

    def _gradient(self, position: int) -> FloatArray:
        def values(points: Sequence[FloatArray]) -> list[float]:
            before, after = self.parameters[:position], self.parameters[position + 1 :]
            return [self.loss((*before, point, *after)) for point in points]

        return central_differences(values, self.parameters[position]).values


def draw_net(rng: np.random.Generator) -> OwnNet:
    """Return a network away from its kinks, without dead units and without vanishing gradients."""

    def draw() -> OwnNet:
        parameters = (
            rng.normal(size=(HIDDEN, INPUTS)) * (2.0 / INPUTS) ** 0.5,
            0.3 * rng.normal(size=HIDDEN),
            rng.normal(size=(CLASSES, HIDDEN)) * (2.0 / HIDDEN) ** 0.5,
            0.3 * rng.normal(size=CLASSES),
        )
        x = rng.normal(size=(_NET_ROWS, INPUTS))
        return OwnNet(parameters, x, rng.integers(CLASSES, size=_NET_ROWS))

    def is_good(net: OwnNet) -> bool:
        before = affine(net.x, *net.parameters[:2])
        if np.abs(before).min() < 5e-3 or not (before > 0).any(axis=0).all():
            return False
        return smallest_size(net.gradients()) > 3e-4

    return draw_until(draw, is_good)


def error_on_own_net(student: Student, net: OwnNet) -> float | None:
    """Return what gradient_check says about the student's own network; None where that network is wrong."""
    try:
        is_right = _own_net_is_right(student, net)
    except StudentFault:
        return None
    if not is_right:
        return None
    # A new one: gradients may add up until zero_grad(), which gradient_check need not call.
    _, model, loss = _own_net(student, net)
    answer = student.resolve("gradient_check").call(None, model, loss, net.x, net.labels)
    return require_number(
        answer, what="the value of gradient_check on your own 5-10-3 ReLU network", finite=False
    )


def _own_net(student: Student, net: OwnNet) -> tuple[list[LinearProbe], RemoteObject, RemoteObject]:
    """Make network and loss of the student's classes, with the parameters of `net`."""
    probes = [LinearProbe.make(student, INPUTS, HIDDEN), LinearProbe.make(student, HIDDEN, CLASSES)]
    probes[0].set(*net.parameters[:2])
    probes[1].set(*net.parameters[2:])
    model = student.new("Sequential", probes[0].layer, student.new("ReLU"), probes[1].layer)
    return probes, model, student.new("SoftmaxCrossEntropy")


def _own_net_is_right(student: Student, net: OwnNet) -> bool:
    """Say whether gradient_check can be expected to work on the student's own network."""
    probes, model, loss = _own_net(student, net)
    stored = [part for probe in probes for part in probe.read()]
    if not all(np.array_equal(found, value) for found, value in zip(stored, net.parameters, strict=True)):
        return False  # float32 parameters, for which 1e-5 is not promised
    forward = student.run([model.calling("forward", net.x, echo=True)])[0]
    require_unchanged(forward.args_after[0], net.x, what="the x given to forward")
    logits = require_array(forward.value, what="the output", shape=(_NET_ROWS, CLASSES))
    own_loss = require_number(loss.forward(logits, net.labels), what="the loss")
    model.backward(require_array(loss.backward(), what="the slope of the loss", shape=logits.shape))
    gradients = [part for probe in probes for part in probe.gradients()]
    return (
        # As precise as float64: differences of a float32 loss say nothing.
        abs(own_loss - net.loss(net.parameters)) < 2e-9
        and len(model.parameters()) == len(gradients)
        and set(model.parameters()) == set(model.gradients())
        and all(
            is_close(got, slope, rtol=1e-6) for got, slope in zip(gradients, net.gradients(), strict=True)
        )
        and _parameters_are_live(student, probes, model)
    )


def _parameters_are_live(student: Student, probes: list[LinearProbe], model: RemoteObject) -> bool:
    before = [part for probe in probes for part in probe.read()]
    editor = student.stand_in("editor")
    shapes = {shape for probe in probes for shape in probe.stored_shapes}
    for name, value in model.parameters().items():
        if value.shape not in shapes:  # nothing is computed in a shape of the student's choice
            return False
        editor.call("write", model, name, value + 1.0)
    after = [part for probe in probes for part in probe.read()]
    return not any(np.array_equal(new, old) for new, old in zip(after, before, strict=True))
