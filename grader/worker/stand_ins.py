"""Probe layers of our own, which stand in where a part of the submission is not what is being judged.

They run beside the submission and answer no question of the homework: no linear layer, no activation, no
softmax, no optimiser. A layer whose gradients are checked is only a shell in here: see `Probe`.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .probe_formulas import FORMULAS, Formula

Ask = Callable[[Mapping[str, np.ndarray], Any, Any], Any]


class Arrays(dict[str, np.ndarray]):
    """Arrays by name, both for code that reads a property and for code that calls a method."""

    def __call__(self) -> Arrays:
        """Return itself."""
        return self


class Probe:
    """A layer with the whole surface of the homework's Module, and parameters given from outside.

    `kind` names its forward pass. The backward pass is computed elsewhere: `ask(values, x, dLdy)` returns
    dL/dx and the gradients by name. `base` is the submission's own Module: the probe is then an instance of
    it too, for containers that ask. Every call of `parameters` or `gradients` makes a new dict of the same
    live arrays.
    """

    _values: dict[str, np.ndarray]
    _slopes: dict[str, np.ndarray]
    _formula: Formula
    _ask: Ask
    _x: Any

    def __new__(cls, *args: object, kind: str, base: type | None = None, **kwargs: object) -> Any:  # noqa: ARG004
        """Make the instance, of a class that also inherits from `base` where Python allows it.

        The `__init__` of `base` is not run.
        """
        if base is not None:
            with contextlib.suppress(TypeError):  # abstract methods of the student's, a final class
                return object.__new__(types.new_class(kind.capitalize(), (cls, base)))
        return object.__new__(types.new_class(kind.capitalize(), (cls,)))

    def __init__(
        self,
        values: Mapping[str, np.ndarray],
        *,
        ask: Ask,
        kind: str,
        base: type | None = None,  # noqa: ARG002 -- read by __new__
    ) -> None:
        # Not self.x = …: a Module of the student's may have a __setattr__ of its own.
        state = vars(self)
        state["training"] = True
        state["_values"] = {name: np.array(value, dtype=np.float64) for name, value in values.items()}
        state["_slopes"] = {name: np.zeros_like(value) for name, value in state["_values"].items()}
        state["_formula"] = FORMULAS[kind]
        state["_ask"] = ask
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
        with np.errstate(all="ignore"):
            return self._formula(self._values, np.asarray(self._x, dtype=np.float64))

    def backward(self, dLdy: np.ndarray) -> np.ndarray:
        """Return dL/dx and fill the gradients."""
        dLdx, slopes = self._ask(self._values, self._x, np.array(dLdy))
        for name, slope in slopes.items():
            self._slopes[name][...] = slope
        return dLdx  # type: ignore[no-any-return]

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


class WeightedLoss:
    """The mean over the batch of Σ c_j ((p_j - t_j)² / 2 + (p_j - t_j)⁴ / 12), with c (F,) given."""

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = np.array(weights, dtype=np.float64)
        self._gap: Any = None

    def forward(self, pred: np.ndarray, target: np.ndarray) -> float:
        """Return the loss and remember the difference."""
        self._gap = pred - target
        squares = self._gap * self._gap  # higher powers take many times as long
        return float((self._weights * (squares / 2 + squares * squares / 12)).sum() / len(self._gap))

    def backward(self) -> np.ndarray:
        """Return dL/dpred."""
        gap = self._gap
        slope: np.ndarray = self._weights * (gap + gap * gap * gap / 3) / len(gap)
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
        "weighted_loss": WeightedLoss,
        "editor": Editor,
    }
)
