"""Q6.4 Module and Sequential, on layers of our own, so that no other question's code matters here."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.probes import (
    Probe,
    cubic,
    input_gradient,
    module_base,
    parameter_gradient,
    ring,
    run_all,
    scale,
)
from grader.checks.closeness import describe, reproduced_by, require_array, require_close, require_keys
from grader.checks.diagnosis import Candidates
from grader.client import RemoteObject, Student
from grader.errors import CheckFailed, StudentRaised
from grader.pytest_plugin import check

ROWS, COLUMNS = 5, 4


@check("q6.4.forward_order")
def test_forward_runs_the_layers_in_order(student: Student, rng: np.random.Generator) -> None:
    """Sequential.forward runs its layers in order."""
    layers = _three(rng)
    x = rng.normal(size=(ROWS, COLUMNS))
    mistakes = {
        "the layers run in the opposite order": run_all(layers[::-1], x),
        "the last layer is left out": run_all(layers[:-1], x),
        "the first layer is left out": run_all(layers[1:], x),
        "only the last layer runs": run_all(layers[-1:], x),
        "only the first layer runs": run_all(layers[:1], x),
    }
    with reproduced_by("model = Sequential(first, second, third); print(model.forward(x))"):
        model, _ = _sequential(student, layers)
        require_close(
            model.forward(x),
            run_all(layers, x),
            what=f"Sequential(first, second, third).forward(x) on layers of ours, with x of shape {x.shape},",
            candidates=Candidates(explanations=mistakes),
        )


@check("q6.4.backward_order")
def test_backward_runs_the_layers_in_reverse(student: Student, rng: np.random.Generator) -> None:
    """Sequential.backward runs its layers in reverse and returns dL/dx."""
    layers = _three(rng)
    x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))
    with reproduced_by(
        "model = Sequential(first, second, third); model.forward(x); print(model.backward(dLdy))"
    ):
        model, made = _sequential(student, layers)
        _run_forward(model, made, x)
        require_close(
            model.backward(dLdy),
            input_gradient(layers, x, dLdy),
            what=f"Sequential(first, second, third).backward(dLdy) on layers of ours, after a forward of "
            f"shape {x.shape},",
            rtol=DIFFERENCES_RTOL,
            candidates=Candidates(explanations=_wrong_orders(layers, x, dLdy)),
        )
        for position, layer in enumerate(layers):
            for name in layer.values:
                require_close(
                    made[position].gradients()[name],
                    parameter_gradient(layers, position, name, x, dLdy),
                    what=f"the gradient {name!r} of layer {position} after Sequential.backward",
                    rtol=DIFFERENCES_RTOL,
                )


@check("q6.4.parameter_keys")
def test_parameters_are_keyed_by_position_and_name(student: Student, rng: np.random.Generator) -> None:
    """Sequential's parameters() and gradients() have the keys "{i}.{name}" and the layers' arrays."""
    layers = _three(rng)
    with reproduced_by("print(Sequential(Linear(5, 3), ReLU(), Linear(3, 2)).parameters().keys())"):
        model, made = _sequential(student, layers)
        parameters = model.parameters()
        _require_keys(parameters, layers, "parameters")
        for name, value in parameters.items():
            position, own = _split(name)
            require_close(value, layers[position].values[own], what=f"Sequential.parameters()[{name!r}]")
        x, dLdy = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS))
        for layer in made:  # each by itself: only the collecting is judged here
            layer.forward(x)
            layer.backward(dLdy)
        gradients = model.gradients()
        _require_keys(gradients, layers, "gradients")
        for name, value in gradients.items():
            position, own = _split(name)
            require_close(
                value,
                parameter_gradient([layers[position]], 0, own, x, dLdy),
                what=f"Sequential.gradients()[{name!r}]",
                rtol=DIFFERENCES_RTOL,
            )


@check("q6.4.module")
def test_module_is_a_base_class(student: Student, rng: np.random.Generator) -> None:
    """Module is a base class: no passes, no parameters, and train() and eval() set `training`."""
    x = rng.normal(size=(2, 3))
    with reproduced_by("m = Module(); m.eval(); print(m.training); m.train(); print(m.training)"):
        module = student.new("Module")
        for method in ("forward", "backward"):
            _require_not_implemented(module, method, x)
        _require_empty_dicts(student, module)
        _require_training_at_first(module)
        _require_modes(module, "Module()")
        layer = cubic().make(student, module_base(student))
        _require_modes(student.new("Sequential", layer), "Sequential(layer)")


def _three(rng: np.random.Generator) -> list[Probe]:
    """Return three layers of which no two can be exchanged."""
    return [cubic(), ring(rng, COLUMNS), scale(rng, COLUMNS)]


def _sequential(student: Student, layers: list[Probe]) -> tuple[RemoteObject, list[RemoteObject]]:
    base = module_base(student)
    made = [layer.make(student, base) for layer in layers]
    return student.new("Sequential", *made), made


def _run_forward(model: RemoteObject, made: list[RemoteObject], x: np.ndarray) -> None:
    """Run forward through the model, and then in the right order, whatever the model did."""
    with suppress(StudentRaised):  # costs the check of the forward pass
        model.forward(x)
    for layer in made:
        x = require_array(layer.forward(x), what="the output of a layer of ours", shape=x.shape)


def _require_keys(found: dict[str, np.ndarray], layers: list[Probe], method: str) -> None:
    wanted = {f"{i}.{name}" for i, layer in enumerate(layers) for name in layer.values}
    require_keys(found, wanted, what=f"Sequential.{method}()")


def _wrong_orders(layers: list[Probe], x: np.ndarray, dLdy: np.ndarray) -> dict[str, np.ndarray]:
    forwards = dLdy
    for position, layer in enumerate(layers):
        forwards = input_gradient([layer], run_all(layers[:position], x), forwards)
    entered_last = run_all(layers[:-1], x)
    return {
        "dLdy comes back as it is": dLdy,
        "the layers run from the first to the last": forwards,
        "only the last layer runs": input_gradient(layers[-1:], entered_last, dLdy),
    }


def _split(key: str) -> tuple[int, str]:
    position, _, name = key.partition(".")
    return int(position), name


def _require_not_implemented(module: RemoteObject, method: str, x: np.ndarray) -> None:
    try:
        module.call(method, x)
    except StudentRaised as fault:
        if fault.exception_type == "NotImplementedError":
            return
        raise
    raise CheckFailed(f"Module().{method}(x) should raise NotImplementedError, but returns")


def _require_empty_dicts(student: Student, module: RemoteObject) -> None:
    """Where the base class leaves these two to its layers, a layer without parameters has to have them."""
    try:
        found = module.parameters(), module.gradients()
    except StudentRaised as fault:
        if fault.exception_type != "NotImplementedError":
            raise
        layer = student.new("ReLU")
        found = layer.parameters(), layer.gradients()
    for arrays, method in zip(found, ("parameters", "gradients"), strict=True):
        require_keys(arrays, set(), what=f"{method}() of a layer with nothing to learn")


def _require_training_at_first(module: RemoteObject) -> None:
    """Allow the attribute to be missing before train() or eval() is called, but not to be wrong."""
    try:
        training = module.get("training")
    except StudentRaised:
        return
    if not isinstance(training, int) or not training:
        raise CheckFailed(
            "a new Module() should have training = True", expected="True", got=describe(training)
        )


def _require_modes(module: RemoteObject, name: str) -> None:
    for method, expected in (("eval", False), ("train", True), ("eval", False)):
        module.call(method)
        training = module.get("training")
        if not isinstance(training, int) or bool(training) is not expected:
            raise CheckFailed(
                f"after {name}.{method}(), training is not {expected}",
                expected=str(expected),
                got=describe(training),
            )
