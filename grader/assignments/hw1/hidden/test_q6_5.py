"""Q6.5 SGD against its closed form over several steps, on a layer of our own."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.linear_probe import LinearProbe
from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.probes import Probe, curve, module_base, parameter_gradient
from grader.checks.closeness import is_close, require_array, require_close
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import RemoteObject, Student
from grader.errors import CheckFailed, StudentFault
from grader.pytest_plugin import check

ROWS, COLUMNS = 5, 3
RATES = (0.02, 0.03)
LEARNING_RATE = RATES[0]


@check("q6.5.several_steps", needs=("q6.5.step",))
def test_several_steps(student: Student, rng: np.random.Generator) -> None:
    """Several steps of SGD use the gradients of their own time, also where two SGD take turns."""
    layers = [curve(rng, COLUMNS) for _ in RATES]
    models = [layer.make(student, module_base(student)) for layer in layers]
    optimisers = [student.new("SGD", model, lr=lr) for model, lr in zip(models, RATES, strict=True)]
    for _ in range(5):
        for turn, (model, lr) in enumerate(zip(models, RATES, strict=True)):
            layers[turn] = _stepped(student, rng, layers[turn], model, optimisers[turn], lr=lr)
    for model, layer in zip(models, layers, strict=True):
        _require_parameters(model, layer, what="after five steps of SGD")


@check("q6.5.zero_grad", needs=("q6.5.step",))
def test_zero_grad(student: Student, rng: np.random.Generator) -> None:
    """SGD.zero_grad() can be called before every batch and leaves the parameters alone."""
    layer = curve(rng, COLUMNS)
    model = layer.make(student, module_base(student))
    optimiser = student.new("SGD", model, LEARNING_RATE)
    for _ in range(2):
        before = model.gradients()
        optimiser.call("zero_grad")
        _require_parameters(model, layer, what="after SGD.zero_grad()")
        _require_cleared_or_kept(layer, model.gradients(), before)
        layer = _stepped(student, rng, layer, model, optimiser)
    _require_parameters(model, layer, what="after zero_grad(), a backward pass and step(), twice")
    _require_own_gradients_are_cleared(student, rng)


def _stepped(
    student: Student,
    rng: np.random.Generator,
    layer: Probe,
    model: RemoteObject,
    optimiser: RemoteObject,
    *,
    lr: float = LEARNING_RATE,
) -> Probe:
    """Backpropagate a new batch in the worker and make a step there; return the layer as SGD leaves it."""
    x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))
    student.run([*model.passing(x, dLdy=dLdy), optimiser.calling("step")])
    return Probe(
        layer.kind,
        {
            name: value - lr * parameter_gradient([layer], 0, name, x, dLdy)
            for name, value in layer.values.items()
        },
    )


def _require_own_gradients_are_cleared(student: Student, rng: np.random.Generator) -> None:
    """Where the student's Linear adds its gradients up, zero_grad() must make it start afresh.

    It may do so for a layer or, if it goes through the layers of a model, for a Sequential only.
    """
    x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, 2))
    afresh = [_starts_afresh(student, x, dLdy, wrap=wrap) for wrap in (False, True)]
    if False in afresh and True not in afresh:
        raise CheckFailed("after SGD.zero_grad() a backward pass of Linear still adds to earlier gradients")


def _starts_afresh(student: Student, x: Array, dLdy: Array, *, wrap: bool) -> bool | None:
    """Say whether zero_grad() clears what Linear has added up; None where it adds nothing, or is broken."""
    try:
        probe = LinearProbe.make(student, x.shape[1], dLdy.shape[1])
        once, twice = _weight_gradients(probe, x, dLdy, passes=2)
        if not is_close(twice, 2.0 * once):
            return None
        student.new("SGD", student.new("Sequential", probe.layer) if wrap else probe.layer).call("zero_grad")
        return is_close(_weight_gradients(probe, x, dLdy, passes=1)[0], once)
    except StudentFault:
        return None


def _weight_gradients(probe: LinearProbe, x: Array, dLdy: Array, *, passes: int) -> list[FloatArray]:
    """Return the gradient of the weight after each of so many passes of one batch."""
    one = [*probe.layer.passing(x, dLdy=dLdy), probe.layer.reading_gradients()]
    values = probe.student.run(one * passes)
    return [as_float(probe.gradients_in(found)[0]) for found in values[len(one) - 1 :: len(one)]]


def _require_cleared_or_kept(layer: Probe, after: dict[str, Array], before: dict[str, Array]) -> None:
    """Allow a zero_grad that has nothing to do, since backward overwrites; other values are wrong."""
    for name, stored in layer.values.items():
        what = f"the gradient {name!r} after SGD.zero_grad()"
        value = require_array(after[name], what=what, shape=stored.shape, finite=False)
        if np.any(value) and not np.array_equal(value, before[name]):
            raise CheckFailed(f"after SGD.zero_grad() the gradient {name!r} is neither 0 nor what it was")


def _require_parameters(model: RemoteObject, layer: Probe, *, what: str) -> None:
    found = model.parameters()
    for name, value in layer.values.items():
        require_close(found[name], value, what=f"the parameter {name!r} {what}", rtol=DIFFERENCES_RTOL)
