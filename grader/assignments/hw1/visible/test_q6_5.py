"""Q6.5 SGD, on a layer of our own."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.probes import Probe, module_base, parameter_gradient, ring
from grader.checks.closeness import reproduced_by, require_close
from grader.checks.diagnosis import Candidates
from grader.checks.tolerance import Array
from grader.client import RemoteObject, Student
from grader.pytest_plugin import check

ROWS, COLUMNS = 6, 4


@check("q6.5.step")
def test_step_moves_against_the_gradient(student: Student, rng: np.random.Generator) -> None:
    """SGD.step computes w - lr * gradient for every parameter, in place."""
    for lr in (0.03, 0.7):
        layer = ring(rng, COLUMNS)
        with reproduced_by(f"optimiser = SGD(model, lr={lr}); optimiser.step(); print(model.parameters())"):
            model, gradients = _backpropagated(student, rng, layer)
            student.new("SGD", model, lr=lr).call("step")
            _require_step(model, layer, gradients, lr, call=f"SGD(model, lr={lr}).step()")


@check("q6.5.default_lr", needs=("q6.5.step",))
def test_default_learning_rate(student: Student, rng: np.random.Generator) -> None:
    """SGD(model) uses the learning rate 0.1."""
    layer = ring(rng, COLUMNS)
    with reproduced_by("optimiser = SGD(model); optimiser.step(); print(model.parameters())"):
        model, gradients = _backpropagated(student, rng, layer)
        student.new("SGD", model).call("step")
        _require_step(model, layer, gradients, 0.1, call="SGD(model).step()")


def _backpropagated(
    student: Student, rng: np.random.Generator, layer: Probe
) -> tuple[RemoteObject, dict[str, Array]]:
    """Return a model whose gradients are filled, and these gradients."""
    x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))
    model = layer.make(student, module_base(student))
    model.forward(x)
    model.backward(dLdy)
    return model, {name: parameter_gradient([layer], 0, name, x, dLdy) for name in layer.values}


def _require_step(
    model: RemoteObject, layer: Probe, gradients: dict[str, Array], lr: float, *, call: str
) -> None:
    after = model.parameters()
    for name, before in layer.values.items():
        step = lr * gradients[name]
        mistakes = {
            "nothing has changed: is a new array assigned instead of changing the old one in place?": before,
            "the step goes uphill": before + step,
            "the learning rate is not used": before - gradients[name],
            "the learning rate is 0.1, whatever was asked for": before - 0.1 * gradients[name],
            f"the learning rate is 0.01, not {lr}": before - 0.01 * gradients[name],
            "this is the step alone": -step,
            "the step is taken twice": before - 2.0 * step,
        }
        require_close(
            after[name],
            before - step,
            what=f"the parameter {name!r} of a layer of ours, of shape {before.shape}, after {call}",
            rtol=DIFFERENCES_RTOL,
            candidates=Candidates(explanations=mistakes),
        )
