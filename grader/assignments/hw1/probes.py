"""Our probe layers as the suites use them: a stand-in in the worker, and its formula on this side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from grader.checks.gradients import central_differences
from grader.checks.tolerance import Array, FloatArray
from grader.client import RemoteObject, Student
from grader.errors import StudentFault

Values = Mapping[str, FloatArray]

_ROW = np.newaxis  # where the rows of a batch go, in a stack or without one


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe layer for rows of F numbers; `kind` is its name in the worker's table of stand-ins."""

    kind: str
    values: Values = field(default_factory=dict)

    def make(
        self, student: Student, base: RemoteObject | None, *, faults: Mapping[str, Array] | None = None
    ) -> RemoteObject:
        """Make it in the worker; `faults` multiply the gradients of the named parameters, see ProbeLayer."""
        options = {} if base is None else {"base": base}
        return student.stand_in(self.kind, dict(self.values), faults=faults or {}, **options)

    def formula(self, x: FloatArray, values: Values | None = None) -> FloatArray:
        """Return y for x (N, F), with other parameters if any are given.

        Stacks of either, (P, N, F) or (P, *shape), give a stack (P, N, F).
        """
        return _FORMULAS[self.kind](x, self.values if values is None else values)

    def formula_with(self, x: FloatArray, name: str, value: FloatArray) -> FloatArray:
        """Return y where one parameter has another value."""
        return self.formula(x, {**self.values, name: value})


def scale(rng: np.random.Generator, F: int) -> Probe:
    """Return y = s x with random s (F,)."""
    return Probe("scale", {"scale": _gains(rng, (F,))})


def cubic() -> Probe:
    """Return y = x + x³ / 4."""
    return Probe("cubic")


def ring(rng: np.random.Generator, F: int) -> Probe:
    """Return the layer that mixes each column with the next, with random gains and offsets."""
    return Probe("ring", {"gain": _gains(rng, (2, F)), "offset": rng.normal(size=F)})


def curve(rng: np.random.Generator, F: int) -> Probe:
    """Return a ring that is bent afterwards."""
    return Probe("curve", {"gain": _gains(rng, (2, F)), "offset": 0.5 * rng.normal(size=F)})


def run_all(layers: Sequence[Probe], x: FloatArray) -> FloatArray:
    """Return what the layers give one after the other."""
    for layer in layers:
        x = layer.formula(x)
    return x


def input_gradient(layers: Sequence[Probe], x: FloatArray, dLdy: FloatArray) -> FloatArray:
    """Return the gradient of Σ dLdy · y in x through all layers, by differences."""
    return _differences(lambda moved: dLdy * run_all(layers, moved), x)


def parameter_gradient(
    layers: Sequence[Probe], position: int, name: str, x: FloatArray, dLdy: FloatArray
) -> FloatArray:
    """Return the gradient of Σ dLdy · y in one parameter of layer `position`, by differences."""
    layer = layers[position]
    entered, after = run_all(layers[:position], x), layers[position + 1 :]

    def products(moved: FloatArray) -> FloatArray:
        return dLdy * run_all(after, layer.formula_with(entered, name, moved))

    return _differences(products, layer.values[name])


def weighted_loss(weights: FloatArray, pred: FloatArray, target: FloatArray) -> FloatArray:
    """Return the stand-in loss: the mean over the batch of Σ c ((p - t)² / 2 + (p - t)⁴ / 12).

    pred is (N, F), or a stack (P, N, F) that gives as many losses (P,).
    """
    squares = np.square(pred - target)
    losses: FloatArray = (weights * (squares / 2 + squares**2 / 12)).sum(axis=(-2, -1)) / len(target)
    return losses


def weighted_loss_slope(weights: FloatArray, pred: FloatArray, target: FloatArray) -> FloatArray:
    """Return the gradient of the stand-in loss in pred (N, F)."""
    gap = pred - target
    slope: FloatArray = weights * (gap + gap * gap * gap / 3) / len(target)
    return slope


def module_base(student: Student) -> RemoteObject | None:
    """Return the submission's Module, for containers that take only its instances; None if there is none."""
    try:
        return student.resolve("Module")
    except StudentFault:
        return None


def _differences(products: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Return the derivative of the sum of what a stack of points gives, (P, N, F)."""
    return central_differences(lambda points: products(points).sum(axis=(-2, -1)), at).values


def _gains(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Return numbers around ±1, none near 0."""
    gains: FloatArray = (0.6 + 0.8 * rng.random(shape)) * rng.choice([-1.0, 1.0], size=shape)
    return gains


def _ring(x: FloatArray, values: Values) -> FloatArray:
    gain, offset = values["gain"], values["offset"]
    rolled = np.concatenate((x[..., 1:], x[..., :1]), axis=-1)
    y: FloatArray = gain[..., 0, _ROW, :] * x + gain[..., 1, _ROW, :] * rolled + offset[..., _ROW, :]
    return y


def _bent(u: FloatArray) -> FloatArray:
    y: FloatArray = u + u * u * u / 4  # u**3 takes many times as long
    return y


_FORMULAS: Mapping[str, Callable[[FloatArray, Values], FloatArray]] = {
    "scale": lambda x, values: x * values["scale"][..., _ROW, :],
    "cubic": lambda x, _: _bent(x),
    "ring": _ring,
    "curve": lambda x, values: _bent(_ring(x, values)),
}
