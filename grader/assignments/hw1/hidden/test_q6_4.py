"""Q6.4 Sequential inside Sequential, and live parameters, on layers of our own."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.probes import (
    Probe,
    curve,
    input_gradient,
    module_base,
    parameter_gradient,
    ring,
    run_all,
    scale,
)
from grader.checks.closeness import require_close, require_keys
from grader.checks.diagnosis import Candidates
from grader.client import RemoteObject, Student
from grader.pytest_plugin import check

ROWS, COLUMNS = 6, 3


@check("q6.4.nesting", needs=("q6.4.forward_order", "q6.4.parameter_keys"))
def test_a_sequential_may_hold_another(student: Student, rng: np.random.Generator) -> None:
    """A Sequential inside a Sequential works, with keys like "0.1.weight"."""
    layers = [scale(rng, COLUMNS), curve(rng, COLUMNS), ring(rng, COLUMNS)]
    model, _ = _nested(student, layers)
    x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))
    require_close(model.forward(x), run_all(layers, x), what="the forward pass of nested Sequentials")
    require_close(
        model.backward(dLdy),
        input_gradient(layers, x, dLdy),
        what="dL/dx of nested Sequentials",
        rtol=DIFFERENCES_RTOL,
    )
    places = {"0.0": 0, "0.1": 1, "1": 2}
    wanted = {f"{key}.{name}": (i, name) for key, i in places.items() for name in layers[i].values}
    parameters, gradients = model.parameters(), model.gradients()
    for found, method in ((parameters, "parameters"), (gradients, "gradients")):
        require_keys(found, set(wanted), what=f"{method}() of nested Sequentials")
    for key, (position, name) in wanted.items():
        require_close(parameters[key], layers[position].values[name], what=f"parameters()[{key!r}]")
        require_close(
            gradients[key],
            parameter_gradient(layers, position, name, x, dLdy),
            what=f"gradients()[{key!r}] of nested Sequentials",
            rtol=DIFFERENCES_RTOL,
        )


@check("q6.4.parameters_live", needs=("q6.4.parameter_keys",))
def test_parameters_are_live(student: Student, rng: np.random.Generator) -> None:
    """The arrays of Sequential.parameters() are those of its layers."""
    layers = [scale(rng, COLUMNS), ring(rng, COLUMNS)]
    base = module_base(student)
    made = [layer.make(student, base) for layer in layers]
    model, editor = student.new("Sequential", *made), student.stand_in("editor")
    for position, layer in enumerate(layers):
        for name, value in layer.values.items():
            editor.call("write", model, f"{position}.{name}", value + 1.0)
            require_close(
                made[position].parameters()[name],
                value + 1.0,
                what=f"parameter {name!r} of layer {position}, after writing into Sequential.parameters(),",
                candidates=Candidates(explanations={"nothing has changed: are these copies?": value}),
            )


def _nested(student: Student, layers: list[Probe]) -> tuple[RemoteObject, list[RemoteObject]]:
    """Return Sequential(Sequential(first, second), third)."""
    base = module_base(student)
    made = [layer.make(student, base) for layer in layers]
    inner = student.new("Sequential", *made[:2])
    return student.new("Sequential", inner, made[2]), made
