"""The forward passes of our probe layers, for both sides: each is y for rows x (N, F) and parameters by name.

They answer no question of the homework. A forward pass holds no verdict: whether a layer's gradient is right
is decided where the backward passes are, in `grader/probe_layers.py`, which no worker has.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping

import numpy as np

Values = Mapping[str, np.ndarray]
Formula = Callable[[Values, np.ndarray], np.ndarray]


def scale(values: Values, x: np.ndarray) -> np.ndarray:
    """Return y = s x with one s a column: {"scale": (F,)}."""
    return x * values["scale"]


def cubic(_values: Values, x: np.ndarray) -> np.ndarray:
    """Return y = x + x³ / 4; there are no parameters."""
    return np.asarray(x + x * x * x / 4)  # x**3 takes many times as long


def ring(values: Values, x: np.ndarray) -> np.ndarray:
    """Return y_j = g_0j x_j + g_1j x_j+1 + o_j around the row: {"gain": (2, F), "offset": (F,)}."""
    gain = values["gain"]
    return np.asarray(gain[0] * x + gain[1] * neighbours(x) + values["offset"])


def neighbours(x: np.ndarray) -> np.ndarray:
    """Return what stands on the right of each column, around the row, as a slower np.roll does."""
    return np.concatenate((x[:, 1:], x[:, :1]), axis=1)


def curve(values: Values, x: np.ndarray) -> np.ndarray:
    """Return u + u³ / 4 of a ring's u: every parameter matters, none of them linearly."""
    return cubic({}, ring(values, x))


def tower(values: Values, x: np.ndarray) -> np.ndarray:
    """Return ring(curve(scale(x))): one layer with the parameters "0.scale", "1.gain" …."""
    return ring(part(values, 2), curve(part(values, 1), scale(part(values, 0), x)))


def part(values: Values, at: int) -> dict[str, np.ndarray]:
    """Return the parameters of one floor of a tower, by their own names."""
    return {name.removeprefix(f"{at}."): value for name, value in values.items() if name.startswith(f"{at}.")}


FORMULAS: Mapping[str, Formula] = types.MappingProxyType(
    {"scale": scale, "cubic": cubic, "ring": ring, "curve": curve, "tower": tower}
)
