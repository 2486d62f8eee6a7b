"""Models for a student's gradient_check: right ones, and ones with a fault planted in the gradient.

Every model is asked about once, in random order, and is another problem: so neither the place of a question
nor what was seen before says which model is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from grader.assignments.hw1.linear_probe import LinearProbe
from grader.assignments.hw1.mytorch_contract import affine, cross_entropies, relu
from grader.assignments.hw1.probes import (
    Probe,
    curve,
    module_base,
    ring,
    run_all,
    scale,
    weighted_loss_slope,
)
from grader.checks.closeness import is_close, require_array, require_number, require_unchanged
from grader.checks.gradients import STEPS, central_differences, draw_until, smallest_size
from grader.checks.tolerance import Array, FloatArray, coarsest_itemsize
from grader.client import RemoteObject, Student
from grader.errors import CheckFailed, StudentFault
from grader.probe_layers import RETIRED, ProbeLayer

Faults = Mapping[tuple[int, str], Array]  # by layer and parameter: what its gradient is multiplied by

ROWS, COLUMNS = 5, 4
_HEAVY = 1  # the column of the one entry that matters
# What the homework promises for a right model in float64.
SMALL = 1e-5
# To see how large a gradient is.
ROUGH_STEPS = (1e-3, 3e-4)


@dataclass(frozen=True, slots=True)
class Problem:
    """Layers, a batch and a loss: everything that gradient_check is given, but for the gradients' faults."""

    layers: Sequence[Probe]
    x: FloatArray
    target: FloatArray
    weights: FloatArray

    def parameters(self) -> Iterator[tuple[tuple[int, str], FloatArray]]:
        """Return every parameter with its place: its layer's position, and its name."""
        for position, layer in enumerate(self.layers):
            for name, value in layer.values.items():
                yield (position, name), value

    @property
    def kind(self) -> str:
        """The name, in the worker, of the one layer that all these are there."""
        return self.layers[0].kind if len(self.layers) == 1 else "tower"

    def name_of(self, at: tuple[int, str]) -> str:
        """Return what a parameter is called in that layer."""
        return at[1] if len(self.layers) == 1 else f"{at[0]}.{at[1]}"

    def values(self) -> dict[str, FloatArray]:
        """Return the parameters of that layer."""
        return {self.name_of(at): value for at, value in self.parameters()}

    def gradients(self) -> dict[str, FloatArray]:
        """Return the gradient of the loss in every parameter of that layer: what a right model says."""
        values = self.values()
        layer = ProbeLayer(self.kind, {name: value.shape for name, value in values.items()})
        slope = weighted_loss_slope(self.weights, run_all(self.layers, self.x), self.target)
        return layer.answer(values, self.x, slope)[1]


def draw_problem(
    rng: np.random.Generator,
    *,
    deep: bool = False,
    size: float = 1.0,
    zero_columns: int | slice = slice(0),
) -> Problem:
    """Return a problem without small gradients, so that a right check is far below SMALL.

    `deep` has three layers instead of one. `size` scales the loss, and with it every gradient.
    The inputs in `zero_columns` are 0, and so are exactly those gradients that belong to them.
    """
    spread = 200.0 if deep else 40.0

    def draw() -> Problem:
        x = 0.5 * rng.normal(size=(ROWS, COLUMNS))
        x[:, zero_columns] = 0.0
        middle = curve(rng, COLUMNS)
        return Problem(
            layers=[scale(rng, COLUMNS), middle, ring(rng, COLUMNS)] if deep else [middle],
            x=x,
            target=0.5 * rng.normal(size=(ROWS, COLUMNS)),
            weights=size * (0.5 + rng.random(COLUMNS)),
        )

    def is_good(problem: Problem) -> bool:
        sizes = np.abs(np.concatenate([slopes.ravel() for slopes in problem.gradients().values()]))
        sizes = sizes[sizes > 0.0]
        smallest = sizes.min()
        return bool(smallest > 0.02 * size and sizes.max() < spread * smallest)

    return draw_until(draw, is_good)


@dataclass(frozen=True, slots=True)
class Trial:
    """One model for gradient_check; without faults it is right. `words` say what is wrong with it."""

    problem: Problem
    faults: Faults = field(default_factory=dict)
    words: str = ""


def wrong_everywhere(problem: Problem, factor: float, words: str = "") -> Trial:
    """Return a trial where all gradients are `factor` times what they should be."""
    faults = {at: np.full_like(value, factor) for at, value in problem.parameters()}
    return Trial(problem, faults, words)


def wrong_entries(rng: np.random.Generator, draw: Callable[[], Problem]) -> list[Trial]:
    """Return one trial for every entry of every parameter: missing, twice too large or of the wrong sign."""
    places = [(at, index) for at, value in draw().parameters() for index in np.ndindex(value.shape)]
    return [wrong_entry(rng, draw(), at, index) for at, index in places]


def wrong_entry(
    rng: np.random.Generator, problem: Problem, at: tuple[int, str], index: tuple[int, ...]
) -> Trial:
    """Return a trial where only one entry of one gradient is wrong."""
    layer, name = at
    fault = np.ones_like(problem.layers[layer].values[name])
    # Not always missing: an entry of exactly 0 would be seen without any check.
    fault[index] = rng.choice((0.0, 2.0, -1.0))
    return Trial(problem, {at: fault}, f"only the entry {list(index)} of the gradient {name!r} is wrong")


def one_that_matters(rng: np.random.Generator) -> Trial:
    """Return a trial where one entry is missing that is nearly all of the gradient."""

    def draw() -> Problem:
        problem = draw_problem(rng)
        weights, x = problem.weights.copy(), problem.x.copy()
        weights[_HEAVY] *= 100.0
        x[:, [_HEAVY, (_HEAVY + 1) % COLUMNS]] *= 0.02
        return replace(problem, x=x, weights=weights)

    def is_good(problem: Problem) -> bool:
        slopes = problem.gradients()
        heavy = abs(slopes["offset"][_HEAVY])
        return bool(heavy > 6.0 * (sum(np.abs(slope).sum() for slope in slopes.values()) - heavy))

    fault = np.ones(COLUMNS)
    fault[_HEAVY] = 0.0
    return Trial(draw_until(draw, is_good), {(0, "offset"): fault})


def reported_errors(student: Student, rng: np.random.Generator, trials: Sequence[Trial]) -> list[float]:
    """Return what gradient_check says about each trial; they are tried in random order."""
    errors = [0.0] * len(trials)
    for position in rng.permutation(len(trials)):
        errors[position] = reported_error(student, trials[position])
    return errors


def reported_error(student: Student, trial: Trial, **named: float) -> float:
    """Return what gradient_check says about one trial; inf is an answer, nan is not."""
    with made_model(student, trial) as model:
        return checked(student, model, trial.problem, **named)


def checked(student: Student, model: RemoteObject, problem: Problem, **named: float) -> float:
    """Return what gradient_check says about a model in the worker."""
    loss = student.stand_in("weighted_loss", problem.weights)
    answer = student.resolve("gradient_check").call(None, model, loss, problem.x, problem.target, **named)
    number = require_number(answer, what="the value of gradient_check(model, loss_fn, x, y)", finite=False)
    if np.isnan(number):
        raise CheckFailed("gradient_check(model, loss_fn, x, y) is nan: is 0 / 0 taken care of?", got="nan")
    return number


def require_told_apart(trials: Sequence[Trial], errors: Sequence[float]) -> None:
    """Raise CheckFailed unless every wrong model got a larger error than every right one."""
    right = [error for trial, error in zip(trials, errors, strict=True) if not trial.faults]
    wrong = [error for trial, error in zip(trials, errors, strict=True) if trial.faults]
    if not max(right) < min(wrong):
        raise CheckFailed(
            f"gradient_check is {max(right):.3g} for a model whose gradients are right, and {min(wrong):.3g} "
            "for one where they are wrong: it does not tell them apart"
        )


@contextmanager
def made_model(student: Student, trial: Trial) -> Iterator[RemoteObject]:
    """Lend a trial's model in the worker; afterwards its layers answer no more."""
    problem = trial.problem
    # Never empty: this very dict is what the layer looks at on our side when it is asked.
    faults = {"input": np.ones(1)}
    faults |= {problem.name_of(at): value for at, value in trial.faults.items()}
    try:
        yield Probe(problem.kind, problem.values()).make(student, module_base(student), faults=faults)
    finally:
        faults[RETIRED] = np.ones(1)


# ------------------------------------------------------------------------------- the student's own net

INPUTS, HIDDEN, CLASSES = 5, 10, 3
_NET_ROWS = 8
# What makes the network right that a gradient_check is tried on.
PARTS_OF_OWN_NET = frozenset(
    {
        *("q6.1.parameter_shapes", "q6.1.parameters_live", "q6.1.forward_values", "q6.1.forward_any_shape"),
        *("q6.1.backward_input", "q6.1.backward_parameters", "q6.1.backward_any_shape"),
        *("q6.1.inputs_unmodified", "q6.1.used_again"),
        *("q6.2.relu_values", "q6.2.relu_gradient", "q6.2.inputs_unmodified", "q6.2.relu_any_shape"),
        *("q6.3.ce_value", "q6.3.ce_gradient", "q6.3.ce_end_to_end", "q6.3.used_again"),
        *("q6.4.forward_order", "q6.4.backward_order", "q6.4.parameter_keys", "q6.4.parameters_live"),
        *("q6.4.nesting", "q6.4.module"),
    }
)


@dataclass(frozen=True, slots=True)
class OwnNet:
    """The 5-10-3 ReLU network of the homework: weight and bias of both layers, a batch and its labels."""

    parameters: tuple[FloatArray, ...]
    x: FloatArray
    labels: Array

    def loss(self, parameters: Sequence[FloatArray]) -> FloatArray:
        """Return the cross-entropy with other parameters; with a stack of one of them, one for each."""
        W1, b1, W2, b2 = parameters
        return cross_entropies(affine(relu(affine(self.x, W1, b1)), W2, b2), self.labels)

    def gradients(self, *, steps: Sequence[float] = STEPS) -> list[FloatArray]:
        """Return the gradient in every parameter, by differences."""
        return [self._gradient(position, steps) for position in range(len(self.parameters))]

    def _gradient(self, position: int, steps: Sequence[float]) -> FloatArray:
        def losses(points: FloatArray) -> FloatArray:
            before, after = self.parameters[:position], self.parameters[position + 1 :]
            return self.loss((*before, points, *after))

        return central_differences(losses, self.parameters[position], steps=steps).values


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
        return smallest_size(net.gradients(steps=ROUGH_STEPS)) > 3e-4

    return draw_until(draw, is_good)


def error_on_own_net(student: Student, net: OwnNet, *, passed: AbstractSet[str]) -> float | None:
    """Return what gradient_check says about the student's own network; None where that network is wrong.

    A network whose parts were all right in their own questions, and hold float64, must be right here.
    """
    try:
        is_right = _own_net_is_right(student, net)
    except StudentFault:
        is_right = False
    if not is_right:
        if all(part in passed for part in PARTS_OF_OWN_NET) and _holds_double(student, net):
            raise CheckFailed(
                "your own 5-10-3 ReLU network is not right here, though each of its parts was right in its "
                "own question: does utils.py change one of them?"
            )
        return None
    # A new one: gradients may add up until zero_grad(), which gradient_check need not call.
    own = _own_net(student, net)
    answer = student.resolve("gradient_check").call(None, own.model, own.loss, net.x, net.labels)
    return require_number(
        answer, what="the value of gradient_check on your own 5-10-3 ReLU network", finite=False
    )


@dataclass(frozen=True, slots=True)
class _StudentsNet:
    """That network of the student's classes: its Linear layers, what they hold, the whole and the loss."""

    probes: Sequence[LinearProbe]
    stored: Sequence[Array]
    model: RemoteObject
    loss: RemoteObject


def _holds_double(student: Student, net: OwnNet) -> bool:
    try:
        return coarsest_itemsize(_own_net(student, net).stored) == 8
    except StudentFault:
        return True


def _own_net(student: Student, net: OwnNet) -> _StudentsNet:
    """Make network and loss of the student's classes, with the parameters of `net`."""
    first, W1, b1 = LinearProbe.holding(student, *net.parameters[:2])
    last, W2, b2 = LinearProbe.holding(student, *net.parameters[2:])
    model = student.new("Sequential", first.layer, student.new("ReLU"), last.layer)
    return _StudentsNet((first, last), (W1, b1, W2, b2), model, student.new("SoftmaxCrossEntropy"))


def _own_net_is_right(student: Student, net: OwnNet) -> bool:
    """Say whether gradient_check can be expected to work on the student's own network."""
    own = _own_net(student, net)
    if not all(np.array_equal(held, value) for held, value in zip(own.stored, net.parameters, strict=True)):
        return False  # float32 parameters, for which 1e-5 is not promised
    forward = student.run([own.model.calling("forward", net.x, echo=True)])[0]
    require_unchanged(forward.args_after[0], net.x, what="the x given to forward")
    logits = require_array(forward.value, what="the output", shape=(_NET_ROWS, CLASSES))
    # One by one: a request of several calls may take as long as all of them, and where one hangs there must
    # be time left for the layer of ours that is asked about then.
    own_loss = require_number(own.loss.forward(logits, net.labels), what="the loss")
    own.model.backward(require_array(own.loss.backward(), what="the slope of the loss", shape=logits.shape))
    gradients = [part for probe in own.probes for part in probe.gradients()]
    again = require_array(own.model.forward(net.x), what="the output again", shape=logits.shape)
    return (
        # gradient_check runs the network many times.
        is_close(again, logits, rtol=1e-12)
        # As precise as float64: differences of a float32 loss say nothing.
        and abs(own_loss - float(net.loss(net.parameters))) < 2e-9
        and _are_collected(own.model, own.stored, gradients)
        and all(
            is_close(got, slope, rtol=1e-6) for got, slope in zip(gradients, net.gradients(), strict=True)
        )
        and _parameters_are_live(student, own)
    )


def _are_collected(model: RemoteObject, stored: Sequence[Array], gradients: Sequence[Array]) -> bool:
    """Say whether the network has all parameters of its layers, and for each the layer's own gradient."""
    found, slopes = model.parameters(), model.gradients()
    if len(found) != len(gradients) or set(found) != set(slopes):
        return False
    return all(
        slopes[name].shape == value.shape
        and all(
            is_close(slopes[name], gradient)
            for part, gradient in zip(stored, gradients, strict=True)
            if np.array_equal(part, value) and gradient.shape == value.shape
        )
        for name, value in found.items()
    )


def _parameters_are_live(student: Student, own: _StudentsNet) -> bool:
    probes, model = own.probes, own.model
    before = [part for probe in probes for part in probe.read()]
    editor = student.stand_in("editor")
    shapes = {shape for probe in probes for shape in probe.stored_shapes}
    found = model.parameters()
    if not all(value.shape in shapes for value in found.values()):
        return False  # nothing is computed in a shape of the student's choice
    student.run([editor.calling("write", model, name, value + 1.0) for name, value in found.items()])
    after = [part for probe in probes for part in probe.read()]
    return not any(np.array_equal(new, old) for new, old in zip(after, before, strict=True))
