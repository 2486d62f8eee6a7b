"""Q5.1 Four initialisations: the shape of the distribution, and other sizes."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from grader.assignments.hw1.initialisation import NAME, OTHER_SHAPES, samples
from grader.assignments.hw1.notebook_interface import Replay
from grader.checks.statistics import FALSE_ALARM, require_normal_shape, require_variance
from grader.errors import CheckFailed
from grader.pytest_plugin import check

RANDOM = ("small_random", "xavier", "he")


@check("q5.1.normal", false_alarm=1e-6)
def test_normal(notebook: Replay) -> None:
    """The random methods draw from normal distributions."""
    for method in RANDOM:
        require_normal_shape(
            samples(notebook, method), what=f"{NAME}(…, {method!r})", false_alarm=FALSE_ALARM / len(RANDOM)
        )


@check("q5.1.any_size", false_alarm=1e-6)
def test_any_size(notebook: Replay, passed: AbstractSet[str]) -> None:
    """The variances are right for other sizes too."""
    right = [method for method in RANDOM if f"q5.1.{method}" in passed]
    if not right:
        raise CheckFailed("no random method draws with the variance it should have")
    for method in right:  # the others have cost their points already
        require_variance(
            samples(notebook, method, OTHER_SHAPES),
            what=f"{NAME}(…, {method!r})",
            false_alarm=FALSE_ALARM / len(RANDOM),
        )
