"""The three activations of Q6.2, and how each of their properties is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL, relu, seeded, sigmoid
from grader.checks.closeness import (
    reproduced_by,
    require_array,
    require_close,
    require_unchanged,
)
from grader.checks.diagnosis import Candidates
from grader.checks.gradients import away_from_kinks, elementwise_derivative
from grader.checks.plots import PlotIt, gradient_error, no_plot
from grader.checks.tolerance import Array, FloatArray
from grader.client import Student

# The kink and its surroundings, and where functions that are cut off or saturate too early differ.
_SPECIAL = ((0.0, 0.001, -0.001, 300.0), (8.0, -8.0, 17.0, -17.0))


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation: its class in the submission, and its formula."""

    name: str
    formula: Callable[[Array], FloatArray]


def tanh(x: Array) -> FloatArray:
    """Return the hyperbolic tangent."""
    return np.asarray(np.tanh(x), dtype=np.float64)


RELU = Activation("ReLU", relu)
TANH = Activation("Tanh", tanh)
SIGMOID = Activation("Sigmoid", sigmoid)


def require_values(activation: Activation, student: Student, rng: np.random.Generator) -> None:
    """Judge one forward pass, for small numbers and large ones."""
    seed, draws = seeded(rng)
    x = 2.0 * draws.normal(size=(5, 4))
    x[:2] = _SPECIAL
    with reproduced_by(_forward_line(activation, seed)):
        _, y = student.new_then(activation.name, then=lambda layer: [layer.calling("forward", x)])
        require_close(
            y,
            activation.formula(x),
            what=f"{activation.name}().forward(x) with x of shape {x.shape}",
            candidates=Candidates(explanations=_wrong_values(activation, x)),
        )


def require_derivative(
    activation: Activation, student: Student, rng: np.random.Generator, plot: PlotIt = no_plot
) -> None:
    """Judge one backward pass by differences of the formula, away from kinks, with a random dLdy."""
    seed, draws = seeded(rng)
    x, dLdy = away_from_kinks(draws, (6, 7)), away_from_kinks(draws, (6, 7))
    slope = elementwise_derivative(activation.formula, x).values
    with reproduced_by(_backward_line(activation, x.shape, seed, "layer.backward(dLdy)")):
        _, y, dLdx = student.new_then(activation.name, then=lambda layer: layer.passing(x, dLdy=dLdy))
        got = require_close(
            dLdx,
            dLdy * slope,
            what=f"{activation.name}().backward(dLdy) after a forward of shape {x.shape}",
            rtol=DIFFERENCES_RTOL,
            computed_with=(y,),
            candidates=Candidates(explanations=_wrong_derivatives(activation, x, dLdy, slope)),
        )
        plot(gradient_error, f"{activation.name}: dL/dx", got, dLdy * slope)


def require_finite(activation: Activation, student: Student, *, backward: bool = True) -> None:
    """Judge the passes at |x| = 1000, where only overflow matters."""
    x = np.array([[-1000.0, -710.0, 0.5, 710.0, 1000.0]])
    name = activation.name
    with reproduced_by(
        f"layer = {name}(); x = np.array([[-1000., 1000.]]); print(layer.forward(x), layer.backward(x))"
    ):
        layer = student.new(name)
        require_array(layer.forward(x), what=f"{name}().forward(x) at |x| = 1000", shape=x.shape)
        if backward:
            dLdx = layer.backward(np.ones_like(x))
            require_array(dLdx, what=f"{name}().backward(dLdy) at |x| = 1000", shape=x.shape)


def require_inputs_unmodified(activation: Activation, student: Student, rng: np.random.Generator) -> None:
    """Judge that neither pass writes into its argument."""
    seed, draws = seeded(rng)
    x, dLdy = away_from_kinks(draws, (4, 5)), away_from_kinks(draws, (4, 5))
    name = activation.name
    with reproduced_by(_backward_line(activation, x.shape, seed, "layer.backward(dLdy), x, dLdy")):
        layer = student.new(name)
        forward, backward = student.run(
            [layer.calling("forward", x, echo=True), layer.calling("backward", dLdy, echo=True)]
        )
        require_unchanged(forward.args_after[0], x, what=f"the x given to {name}().forward")
        require_unchanged(backward.args_after[0], dLdy, what=f"the dLdy given to {name}().backward")


def _wrong_values(activation: Activation, x: Array) -> dict[str, Array]:
    return {
        "the input comes back as it is": x,
        "this is the absolute value": np.abs(x),
        "this is the formula at -x": activation.formula(-x),
        "negative inputs come back with a small slope: that is a leaky ReLU": np.where(x > 0, x, 0.01 * x),
        "this is the hyperbolic tangent": np.tanh(x),
        "this is the logistic function": sigmoid(x),
    }


def _wrong_derivatives(activation: Activation, x: Array, dLdy: Array, slope: FloatArray) -> dict[str, Array]:
    y = activation.formula(x)
    return {
        "dLdy is not used: this is the derivative alone": slope,
        "dLdy comes back as it is": dLdy,
        f"the {'mask' if activation is RELU else 'derivative'} looks at dLdy instead of x": (
            dLdy * elementwise_derivative(activation.formula, dLdy).values
        ),
        "the derivative is taken at y instead of x": (
            dLdy * elementwise_derivative(activation.formula, y).values
        ),
        "the derivative is written in y, but x is put in": dLdy * _slope_in_y(activation, x),
        "this is dLdy times y, not times the derivative": dLdy * y,
    }


def _slope_in_y(activation: Activation, value: Array) -> FloatArray:
    """Return the activation's derivative, written in terms of its output, at `value`."""
    forms: dict[str, Callable[[Array], FloatArray]] = {
        "Tanh": lambda y: 1.0 - y**2,
        "Sigmoid": lambda y: y * (1.0 - y),
    }
    return forms[activation.name](value) if activation.name in forms else np.full(value.shape, np.nan)


def _forward_line(activation: Activation, seed: int) -> str:
    return (
        f"rng = np.random.default_rng({seed}); x = 2.0 * rng.normal(size=(5, 4)); x[:2] = {_SPECIAL}; "
        f"print({activation.name}().forward(x))"
    )


def _backward_line(activation: Activation, shape: tuple[int, ...], seed: int, shown: str) -> str:
    return (
        "from grader.checks.gradients import away_from_kinks; "
        f"rng = np.random.default_rng({seed}); x = away_from_kinks(rng, {shape}); "
        f"dLdy = away_from_kinks(rng, {shape}); layer = {activation.name}(); layer.forward(x); print({shown})"
    )
