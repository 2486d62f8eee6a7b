"""Visible checks as tests, for an editor's test view or plain `pytest`: what the template's test file uses.

pytest collects one test a check. The first that runs has the whole self-check run once, for the questions of
all tests that were selected; the others only tell what was found.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import GraderError
from grader.model import Outcome
from grader.pipeline import HW1, Graded
from grader.plan import make_plan
from grader.reports.schema import CheckReport
from grader.rubric import load_rubric
from grader.scratch import scratch
from grader.self_check import prepare_self_check
from grader.settings import read_settings
from grader.suites import read_suites
from grader.terminal import check_lines

WIDTH = 100
_PARAMETER = "visible_check"
_FOUND = pytest.StashKey[dict[Path, dict[str, CheckReport] | str]]()


def visible_check_tests(folder: Path) -> Callable[..., None]:
    """Return a test function for pytest: one test for each visible check that takes seconds."""
    plan = make_plan(load_rubric(HW1.folder / "rubric.toml"), read_suites(HW1.folder), visible_only=True)
    names = [planned.check.id for planned in plan.checks]

    @pytest.mark.parametrize(_PARAMETER, names)
    def test_visible_check(visible_check: str, request: pytest.FixtureRequest) -> None:
        found = _found(request, folder)
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        tell(found[visible_check])

    return test_visible_check


def tell(check: CheckReport) -> None:
    """End a test as its check ended, with the official message."""
    if check.outcome is Outcome.SKIPPED:
        pytest.skip(check.feedback.message)
    if check.outcome is not Outcome.PASSED:
        lines = check_lines(check, width=WIDTH)
        pytest.fail("\n".join(line.plain for line in lines), pytrace=False)


def _found(request: pytest.FixtureRequest, folder: Path) -> dict[str, CheckReport] | str:
    """Return the results of all questions that were selected in this folder, or why there are none."""
    kept = request.config.stash.setdefault(_FOUND, {})
    if folder not in kept:
        kept[folder] = _run(folder, _questions(request))
    return kept[folder]


def _questions(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return the questions of the tests in this file that are to run."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    selected = [item for item in items if item.path == request.node.path and hasattr(item, "callspec")]
    checks = [str(item.callspec.params.get(_PARAMETER, "")) for item in selected]
    return tuple(dict.fromkeys(name.rpartition(".")[0] for name in checks if name))


def _run(folder: Path, questions: tuple[str, ...]) -> dict[str, CheckReport] | str:
    try:
        with scratch():
            graded = prepare_self_check(read_settings(), questions).run(folder)
    except GraderError as error:
        return f"grader: {error}"
    if graded.report.status == "interrupted":
        raise KeyboardInterrupt
    return _checks(graded)


def _checks(graded: Graded) -> dict[str, CheckReport] | str:
    checks = {check.id: check for question in graded.report.questions for check in question.checks}
    is_told_at_each = graded.error is None or any(check.score is not None for check in checks.values())
    return checks if is_told_at_each else f"grader: {graded.error}"
