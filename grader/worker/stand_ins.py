"""Probe layers of our own, which stand in where a part of the submission is not what is being judged.

They run beside the submission and answer no question of the homework: no linear layer, no activation, no
softmax, no optimiser. Each can be told to give a wrong gradient, so that a gradient checker can be checked.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

Derivative = tuple[np.ndarray, dict[str, np.ndarray]]  # dL/dx, and dL/dparameter by name


class Arrays(dict[str, np.ndarray]):
    """Arrays by name, both for code that reads a property and for code that calls a method."""

    def __call__(self) -> Arrays:
        """Return itself."""
        return self


class Probe:
    """A layer with the whole surface of the homework's Module, and parameters given from outside.

    `base` is the submission's own Module: the probe is then an instance of it too, for containers
    that ask. `faults` maps a parameter's name, or "input", to what its gradient is multiplied by.
    Every call of `parameters` or `gradients` makes a new dict of the same live arrays.
    """

    _values: dict[str, np.ndarray]
    _slopes: dict[str, np.ndarray]
    _faults: dict[str, np.ndarray]
    _x: Any
    _bend: Any

    def __new__(cls, *args: object, base: type | None = None, **kwargs: object) -> Any:  # noqa: ARG004
        """Make the instance, of a class that also inherits from `base` where Python allows it.

        The `__init__` of `base` is not run.
        """
        if base is not None:
            with contextlib.suppress(TypeError):  # abstract methods of the student's, a final class
                return object.__new__(types.new_class(cls.__name__, (cls, base)))
        return object.__new__(cls)

    def __init__(
        self,
        values: Mapping[str, np.ndarray] | None = None,
        *,
        faults: Mapping[str, np.ndarray] | None = None,
        base: type | None = None,  # noqa: ARG002 -- read by __new__
    ) -> None:
        # Not self.x = …: a Module of the student's may have a __setattr__ of its own.
        state = vars(self)
        state["training"] = True
        state["_values"] = {name: np.array(value, dtype=np.float64) for name, value in (values or {}).items()}
        state["_slopes"] = {name: np.zeros_like(value) for name, value in state["_values"].items()}
        state["_faults"] = dict(faults or {})
        state["_x"] = None

    @property
    def parameters(self) -> Arrays:
        """The live arrays of this layer."""
        return Arrays(self._values)

    @property
    def gradients(self) -> Arrays:
        """The gradients as the last backward pass left them, written in place."""
        return Arrays(self._slopes)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return y and remember x."""
        vars(self)["_x"] = np.array(x)
        return self._function(self._x)

    def backward(self, dLdy: np.ndarray) -> np.ndarray:
        """Return dL/dx and fill the gradients, with the faults that were asked for."""
        dLdx, slopes = self._derivative(self._x, dLdy)
        for name, slope in slopes.items():
            self._slopes[name][...] = slope * self._faults.get(name, 1.0)
        return dLdx * self._faults.get("input", 1.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Run forward, for code that calls its layers."""
        return self.forward(x)

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for slope in self._slopes.values():
            slope[...] = 0.0

    def train(self, mode: bool = True) -> Any:  # noqa: FBT001, FBT002 -- the surface of a usual Module
        """Switch to training mode."""
        vars(self)["training"] = mode
        return self

    def eval(self) -> Any:
        """Switch to evaluation mode."""
        return self.train(mode=False)

    def _function(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _derivative(self, x: np.ndarray, dLdy: np.ndarray) -> Derivative:
        raise NotImplementedError


class Scale(Probe):
    """y = s x with one s a column: {"scale": (F,)}."""

    def _function(self, x: np.ndarray) -> np.ndarray:
        y: np.ndarray = x * self._values["scale"]
        return y

    def _derivative(self, x: np.ndarray, dLdy: np.ndarray) -> Derivative:
        return dLdy * self._values["scale"], {"scale": (dLdy * x).sum(axis=0)}


class Cubic(Probe):
    """y = x + x³ / 4, without parameters."""

    def _function(self, x: np.ndarray) -> np.ndarray:
        y: np.ndarray = x + x**3 / 4
        return y

    def _derivative(self, x: np.ndarray, dLdy: np.ndarray) -> Derivative:
        return dLdy * (1 + 3 * x**2 / 4), {}


class Ring(Probe):
    """y_j = g_0j x_j + g_1j x_j+1 + o_j around the row: {"gain": (2, F), "offset": (F,)}."""

    def _function(self, x: np.ndarray) -> np.ndarray:
        gain, offset = self._values["gain"], self._values["offset"]
        y: np.ndarray = gain[0] * x + gain[1] * np.roll(x, -1, axis=1) + offset
        return y

    def _derivative(self, x: np.ndarray, dLdy: np.ndarray) -> Derivative:
        gain = self._values["gain"]
        own, neighbour = (dLdy * x).sum(axis=0), (dLdy * np.roll(x, -1, axis=1)).sum(axis=0)
        slopes = {"gain": np.stack([own, neighbour]), "offset": dLdy.sum(axis=0)}
        return gain[0] * dLdy + np.roll(gain[1] * dLdy, 1, axis=1), slopes


class Curve(Ring):
    """A ring followed by u + u³ / 4: every parameter matters, none of them linearly."""

    def _function(self, x: np.ndarray) -> np.ndarray:
        u = super()._function(x)
        vars(self)["_bend"] = 1 + 3 * u**2 / 4
        y: np.ndarray = u + u**3 / 4
        return y

    def _derivative(self, x: np.ndarray, dLdy: np.ndarray) -> Derivative:
        return super()._derivative(x, dLdy * self._bend)


class WeightedLoss:
    """The mean over the batch of Σ c_j ((p_j - t_j)² / 2 + (p_j - t_j)⁴ / 12), with c (F,) given."""

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = np.array(weights, dtype=np.float64)
        self._gap: Any = None

    def forward(self, pred: np.ndarray, target: np.ndarray) -> float:
        """Return the loss and remember the difference."""
        self._gap = pred - target
        return float((self._weights * (self._gap**2 / 2 + self._gap**4 / 12)).sum() / len(self._gap))

    def backward(self) -> np.ndarray:
        """Return dL/dpred."""
        slope: np.ndarray = self._weights * (self._gap + self._gap**3 / 3) / len(self._gap)
        return slope

    def __call__(self, pred: np.ndarray, target: np.ndarray) -> float:
        """Run forward, for code that calls its loss."""
        return self.forward(pred, target)


class Editor:
    """Writes into the arrays that a layer hands out, as an optimiser would."""

    def write(self, layer: Any, name: str, value: np.ndarray) -> None:
        """Write `value` in place into `layer`'s parameter `name`, through its `parameters` alone."""
        found = layer.parameters
        arrays = found() if callable(found) else found
        arrays[name][...] = value


STAND_INS: Mapping[str, type] = types.MappingProxyType(
    {
        "scale": Scale,
        "cubic": Cubic,
        "ring": Ring,
        "curve": Curve,
        "weighted_loss": WeightedLoss,
        "editor": Editor,
    }
)
