"""The gradients of our probe layers, on the trusted side; the worker holds their parameters and formulas.

A checked model must not carry its own verdict into the student's process. So a probe there knows its arrays
and its forward pass (`worker/probe_formulas.py`); what its backward pass returns is asked for here. Whether
its gradient is wrong, and where, never leaves this module. The layers answer no question of the homework: no
linear layer, no activation, no softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from grader.worker.probe_formulas import curve, neighbours, part, ring, scale

FloatArray = npt.NDArray[np.float64]
Values = Mapping[str, FloatArray]
Slopes = tuple[FloatArray, dict[str, FloatArray]]  # dL/dx, and dL/dparameter by name

# Far above what any check sends; a bound on what a request from the worker can make this side compute.
MAX_ELEMENTS = 1 << 20
# Put into a layer's `faults` when the call that it was made for is over.
RETIRED = "retired"


class AskedWrongly(Exception):
    """The worker asked for something that this layer cannot compute; the text goes back to it."""


@dataclass(frozen=True, slots=True)
class ProbeLayer:
    """One layer: its kind, its parameters' shapes, and what its gradients are multiplied by.

    `faults` maps a parameter's name, or "input", to the factors of its gradient, all 1 in a right layer.
    One that holds RETIRED answers no more: a right layer must not tell what the next one should have said.
    """

    kind: str
    shapes: Mapping[str, tuple[int, ...]]
    faults: Mapping[str, FloatArray] = field(default_factory=dict)

    def answer(self, values: object, x: object, dLdy: object) -> Slopes:
        """Compute the backward pass for arrays that came from the worker; raise AskedWrongly for odd ones."""
        if RETIRED in self.faults:
            raise AskedWrongly("this layer is not in use any more")
        parameters = self._checked_values(values)
        inputs = _checked(x, "x")
        upstream = _checked(dLdy, "dLdy")
        if upstream.shape != inputs.shape:
            raise AskedWrongly(f"dLdy has the shape {upstream.shape}, the output had {inputs.shape}")
        try:
            with np.errstate(all="ignore"):
                return self._backward(parameters, inputs, upstream)
        except (ValueError, IndexError) as error:  # an x that does not fit the parameters
            raise AskedWrongly(f"x does not fit this layer: {error}"[:200]) from error

    def _backward(self, values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
        dLdx, slopes = _BACKWARD[self.kind](values, x, dLdy)
        wrong = {name: slope * self.faults.get(name, 1.0) for name, slope in slopes.items()}
        return dLdx * self.faults.get("input", 1.0), wrong

    def _checked_values(self, values: object) -> Values:
        if not isinstance(values, dict) or set(values) != set(self.shapes):
            raise AskedWrongly("the parameters of this layer are not what they were")
        found = {name: _checked(value, name) for name, value in values.items()}
        for name, shape in self.shapes.items():
            if found[name].shape != shape:
                raise AskedWrongly(f"the parameter {name} has the shape {found[name].shape}, not {shape}")
        return found


def _checked(value: object, name: str) -> FloatArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.size > MAX_ELEMENTS:
        raise AskedWrongly(f"{name} is not an array of real numbers, or is too large")
    with np.errstate(all="ignore"):  # a signalling NaN
        return value.astype(np.float64)


def _scale_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    return dLdy * values["scale"], {"scale": (dLdy * x).sum(axis=0)}


def _cubic_backward(_values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    return dLdy * (1 + 3 * x**2 / 4), {}


def _ring_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    gain = values["gain"]
    own, neighbour = (dLdy * x).sum(axis=0), (dLdy * neighbours(x)).sum(axis=0)
    slopes = {"gain": np.stack([own, neighbour]), "offset": dLdy.sum(axis=0)}
    to_the_right = gain[1] * dLdy
    return gain[0] * dLdy + np.concatenate((to_the_right[:, -1:], to_the_right[:, :-1]), axis=1), slopes


def _curve_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    bent, _ = _cubic_backward({}, ring(values, x), dLdy)
    return _ring_backward(values, x, bent)


def _tower_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    scaled = scale(part(values, 0), x)
    dLdcurved, last = _ring_backward(part(values, 2), curve(part(values, 1), scaled), dLdy)
    dLdscaled, middle = _curve_backward(part(values, 1), scaled, dLdcurved)
    dLdx, first = _scale_backward(part(values, 0), x, dLdscaled)
    slopes = enumerate((first, middle, last))
    return dLdx, {f"{at}.{name}": slope for at, found in slopes for name, slope in found.items()}


_BACKWARD = {
    "scale": _scale_backward,
    "cubic": _cubic_backward,
    "ring": _ring_backward,
    "curve": _curve_backward,
    "tower": _tower_backward,
}
PROBE_KINDS = frozenset(_BACKWARD)
