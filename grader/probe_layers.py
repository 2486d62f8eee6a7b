"""The arithmetic of our probe layers, on the trusted side; the worker holds only their parameters.

A checked model must not carry its own verdict into the student's process. So a probe there knows its arrays
and nothing else: what its passes return is asked for here. Whether its gradient is wrong, and where, never
leaves this module. The layers answer no question of the homework: no linear layer, no activation, no softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

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

    def answer(self, method: object, values: object, x: object, dLdy: object) -> object:
        """Compute a pass for arrays that came from the worker; raise AskedWrongly for odd ones."""
        if RETIRED in self.faults:
            raise AskedWrongly("this layer is not in use any more")
        parameters = self._checked_values(values)
        inputs = _checked(x, "x")
        if not isinstance(method, str) or method not in ("forward", "backward"):
            raise AskedWrongly("a layer has a forward and a backward pass")
        if method == "forward":
            return self._guarded(lambda: _FORWARD[self.kind](parameters, inputs))
        upstream = _checked(dLdy, "dLdy")
        if upstream.shape != inputs.shape:
            raise AskedWrongly(f"dLdy has the shape {upstream.shape}, the output had {inputs.shape}")
        return self._guarded(lambda: self._backward(parameters, inputs, upstream))

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

    def _guarded(self, compute: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                return compute()
        except (ValueError, IndexError) as error:  # an x that does not fit the parameters
            raise AskedWrongly(f"x does not fit this layer: {error}"[:200]) from error


def _checked(value: object, name: str) -> FloatArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.size > MAX_ELEMENTS:
        raise AskedWrongly(f"{name} is not an array of real numbers, or is too large")
    with np.errstate(all="ignore"):  # a signalling NaN
        return value.astype(np.float64)


def _scale(values: Values, x: FloatArray) -> FloatArray:
    """Return y = s x with one s a column: {"scale": (F,)}."""
    return x * values["scale"]


def _scale_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    return dLdy * values["scale"], {"scale": (dLdy * x).sum(axis=0)}


def _cubic(_values: Values, x: FloatArray) -> FloatArray:
    """Return y = x + x³ / 4; there are no parameters."""
    return np.asarray(x + x**3 / 4)


def _cubic_backward(_values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    return dLdy * (1 + 3 * x**2 / 4), {}


def _ring(values: Values, x: FloatArray) -> FloatArray:
    """Return y_j = g_0j x_j + g_1j x_j+1 + o_j around the row: {"gain": (2, F), "offset": (F,)}."""
    gain = values["gain"]
    return np.asarray(gain[0] * x + gain[1] * np.roll(x, -1, axis=1) + values["offset"])


def _ring_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    gain = values["gain"]
    own, neighbour = (dLdy * x).sum(axis=0), (dLdy * np.roll(x, -1, axis=1)).sum(axis=0)
    slopes = {"gain": np.stack([own, neighbour]), "offset": dLdy.sum(axis=0)}
    return gain[0] * dLdy + np.roll(gain[1] * dLdy, 1, axis=1), slopes


def _curve(values: Values, x: FloatArray) -> FloatArray:
    """Return u + u³ / 4 of a ring's u: every parameter matters, none of them linearly."""
    return _cubic({}, _ring(values, x))


def _curve_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    bent, _ = _cubic_backward({}, _ring(values, x), dLdy)
    return _ring_backward(values, x, bent)


def _tower(values: Values, x: FloatArray) -> FloatArray:
    """Return ring(curve(scale(x))): one layer in the worker, with the parameters "0.scale", "1.gain" …."""
    return _ring(_part(values, 2), _curve(_part(values, 1), _scale(_part(values, 0), x)))


def _tower_backward(values: Values, x: FloatArray, dLdy: FloatArray) -> Slopes:
    scaled = _scale(_part(values, 0), x)
    dLdcurved, last = _ring_backward(_part(values, 2), _curve(_part(values, 1), scaled), dLdy)
    dLdscaled, middle = _curve_backward(_part(values, 1), scaled, dLdcurved)
    dLdx, first = _scale_backward(_part(values, 0), x, dLdscaled)
    slopes = enumerate((first, middle, last))
    return dLdx, {f"{at}.{name}": slope for at, part in slopes for name, slope in part.items()}


def _part(values: Values, at: int) -> Values:
    """Return the parameters of one floor of a tower, by their own names."""
    return {name.removeprefix(f"{at}."): value for name, value in values.items() if name.startswith(f"{at}.")}


_FORWARD = {"scale": _scale, "cubic": _cubic, "ring": _ring, "curve": _curve, "tower": _tower}
_BACKWARD = {
    "scale": _scale_backward,
    "cubic": _cubic_backward,
    "ring": _ring_backward,
    "curve": _curve_backward,
    "tower": _tower_backward,
}
PROBE_KINDS = frozenset(_FORWARD)
