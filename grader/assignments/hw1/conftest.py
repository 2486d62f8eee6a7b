"""What the checks of one question may know of the others'.

Where a part of the submission does not work, another question's check makes do without it, so that nobody
pays twice. A part that worked in its own question has no such excuse: it fails where failing pays.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from grader.pytest_plugin import declaration_of

PASSED = pytest.StashKey[set[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which checks passed."""
    report = yield
    declared = declaration_of(item)
    if declared is not None and report.when == "call" and report.passed:
        item.config.stash.setdefault(PASSED, set()).add(declared.id)
    return report


@pytest.fixture
def passed(request: pytest.FixtureRequest) -> frozenset[str]:
    """Return the checks of this grading that have passed so far, of all questions."""
    found: set[str] = request.config.stash.setdefault(PASSED, set())
    return frozenset(found)
