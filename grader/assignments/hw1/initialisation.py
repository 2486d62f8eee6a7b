"""Q5.1: what `initialize_weights` draws, judged by statistics of several draws of several shapes."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.notebook_interface import Replay
from grader.assignments.hw1.notebook_values import METHODS, object_named
from grader.checks.closeness import describe, require_array
from grader.checks.statistics import Sample
from grader.checks.tolerance import Array
from grader.errors import CheckFailed, StudentFault, StudentRaised
from grader.remote import RemoteObject

NAME = "initialize_weights"
UNKNOWN_METHOD = "orthogonal"
SMALL_STD = 0.01
# Neither square, so that fan-in, fan-out and their sum are told apart, nor both of them wide.
SHAPES = ((120, 40), (64, 256))
OTHER_SHAPES = ((30, 300), (400, 25), (128, 128))
SMALL_SHAPES = ((12, 5), (3, 9), (1, 7), (6, 1))
# Right draws of 65,536 numbers are within 2 % of their standard deviation.
_PROBE_SHAPES, _AS_ASKED = ((784, 256), (256, 256)), 0.05


def initializer(notebook: Replay) -> RemoteObject:
    """Return the function of Q5.1."""
    return object_named(notebook.after("q5.1"), NAME, kind="a function")


def draw(notebook: Replay, shape: tuple[int, int], method: str) -> Array:
    """Return one draw, whatever its shape; CheckFailed if it holds no numbers."""
    value = notebook.student.call_with_tensors(initializer(notebook), None, shape, method)
    return require_array(value, what=call(shape, method))


def call(shape: tuple[int, int], method: str) -> str:
    """Return the call as it stands in a message."""
    return f"{NAME}({shape}, {method!r})"


def variance_of(method: str, fan_in: int, fan_out: int) -> float:
    """Return the variance that a method asks for."""
    return {
        "zero": 0.0,
        "small_random": SMALL_STD**2,
        "xavier": 2.0 / (fan_in + fan_out),
        "he": 2.0 / fan_in,
    }[method]


def require_shape(notebook: Replay) -> None:
    """Judge the shapes alone, for every method."""
    for method in METHODS:
        for shape in SMALL_SHAPES:
            got = draw(notebook, shape, method).shape
            if got != shape:
                raise CheckFailed(
                    f"{call(shape, method)} has the shape {got}; it should be {shape}",
                    expected=f"shape {shape}",
                    got=f"shape {got}",
                    cause="this is the transpose: fan_in comes first" if got == shape[::-1] else None,
                )


def require_zeros(notebook: Replay) -> None:
    """Judge `zero`: every entry is 0."""
    for shape in SHAPES:
        weights = draw(notebook, shape, "zero")
        if weights.any():
            raise CheckFailed(
                f"{call(shape, 'zero')} should be 0 everywhere, but {np.count_nonzero(weights)} of "
                f"{weights.size} entries are not"
            )


def samples(notebook: Replay, method: str, shapes: tuple[tuple[int, int], ...] = SHAPES) -> list[Sample]:
    """Return two draws of each shape, with what their variance should be and what else it may be."""
    return [
        sample_of(draw(notebook, shape, method), method, shape, f"draw {number} of {call(shape, method)}")
        for shape in shapes
        for number in (1, 2)
    ]


def sample_of(weights: Array, method: str, shape: tuple[int, int], name: str) -> Sample:
    """Return weights as a sample of what a method asks for."""
    return Sample(name, weights, variance_of(method, *shape), known_variances(method, *shape))


def known_variances(method: str, fan_in: int, fan_out: int) -> dict[str, float]:
    """Return what else a variance may be, by name."""
    right = variance_of(method, fan_in, fan_out)
    both = fan_in + fan_out
    known = {
        "0.01: is it taken as the variance? It is the standard deviation": SMALL_STD,
        "2 / fan_in, which is he's": 2.0 / fan_in,
        "2 / (fan_in + fan_out), which is xavier's": 2.0 / both,
        "2 / fan_out: fan-out in place of fan-in": 2.0 / fan_out,
        "1 / fan_in": 1.0 / fan_in,
        "1 / fan_out": 1.0 / fan_out,
        "1 / (fan_in + fan_out)": 1.0 / both,
        "6 / (fan_in + fan_out)": 6.0 / both,
        "1 / (3 fan_in), which is what nn.Linear starts with": 1.0 / (3.0 * fan_in),
        "the square of what it should be: the variance was given as the standard deviation": right**2,
        "the square root of what it should be: the standard deviation was given as the variance": right**0.5,
        "1: the draws are not scaled": 1.0,
        "0.01²": 1e-4,
    }
    distinct: dict[float, str] = {}  # of two names for one number, which explain nothing, the first
    for name, value in known.items():
        if not np.isclose(value, right):
            distinct.setdefault(round(value, 12), name)
    return {name: value for value, name in distinct.items()}


def require_value_error(notebook: Replay) -> None:
    """Judge what becomes of an unknown method."""
    shape = (4, 3)
    try:
        value = notebook.student.call_with_tensors(initializer(notebook), None, shape, UNKNOWN_METHOD)
    except StudentRaised as raised:
        if raised.exception_type == "ValueError":
            return
        raise CheckFailed(
            f"{call(shape, UNKNOWN_METHOD)} raises {raised.exception_type[:60]}; it should raise ValueError",
            expected="ValueError",
            got=raised.exception_type[:60],
        ) from raised
    raise CheckFailed(
        f"{call(shape, UNKNOWN_METHOD)} gives {describe(value)}; for an unknown method it should raise "
        "ValueError",
        expected="ValueError",
        got=describe(value),
    )


def draws_as_asked(notebook: Replay, method: str) -> bool:
    """Say whether the student's own function draws about what a method asks for.

    Where it does not, that costs Q5.1; what follows from it in a training costs nothing again.
    """
    try:
        for shape in _PROBE_SHAPES:
            weights = draw(notebook, shape, method)
            wanted = variance_of(method, *shape) ** 0.5
            if weights.size != shape[0] * shape[1] or abs(float(weights.std()) - wanted) > _AS_ASKED * wanted:
                return False
    except StudentFault:
        return False
    return True
