"""Q5.1 Four initialisations: shapes, and what is drawn, by statistics."""

from __future__ import annotations

from grader.assignments.hw1.initialisation import (
    NAME,
    require_shape,
    require_value_error,
    require_zeros,
    samples,
)
from grader.assignments.hw1.notebook_interface import Replay
from grader.checks.closeness import reproduced_by
from grader.checks.statistics import FALSE_ALARM, require_mean_zero, require_variance
from grader.pytest_plugin import check


@check("q5.1.shape")
def test_shape(notebook: Replay) -> None:
    """initialize_weights returns a tensor of the shape (fan_in, fan_out) that was asked for."""
    with reproduced_by("print(initialize_weights((12, 5), 'he').shape)"):
        require_shape(notebook)


@check("q5.1.zero")
def test_zero(notebook: Replay) -> None:
    """The method zero gives zeros."""
    with reproduced_by("print(initialize_weights((120, 40), 'zero').abs().max())"):
        require_zeros(notebook)


@check("q5.1.small_random", false_alarm=1e-6)
def test_small_random(notebook: Replay) -> None:
    """The method small_random draws with mean 0 and standard deviation 0.01."""
    _require_moments(notebook, "small_random")


@check("q5.1.xavier", false_alarm=1e-6)
def test_xavier(notebook: Replay) -> None:
    """The method xavier draws with mean 0 and variance 2 / (fan_in + fan_out)."""
    _require_moments(notebook, "xavier")


@check("q5.1.he", false_alarm=1e-6)
def test_he(notebook: Replay) -> None:
    """The method he draws with mean 0 and variance 2 / fan_in."""
    _require_moments(notebook, "he")


@check("q5.1.unknown_method")
def test_unknown_method(notebook: Replay) -> None:
    """Any other method raises ValueError."""
    with reproduced_by("initialize_weights((4, 3), 'orthogonal')"):
        require_value_error(notebook)


def _require_moments(notebook: Replay, method: str) -> None:
    with reproduced_by(f"print(initialize_weights((120, 40), {method!r}).var())"):
        drawn = samples(notebook, method)
        what = f"{NAME}(…, {method!r})"
        require_variance(drawn, what=what, false_alarm=FALSE_ALARM / 2)
        require_mean_zero(drawn, what=what, false_alarm=FALSE_ALARM / 2)
