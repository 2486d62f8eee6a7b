"""Where a machine lacks what a test needs: skip, but fail in CI, where these tests are the point."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import NoReturn

import pytest

from grader.plan import NOTEBOOK_PACKAGES
from grader.sandbox import Finding

# A place that cannot have something by its nature (no namespaces in an unprivileged container) names it in
# this variable, words apart; whatever else is missing there still fails.
MAY_LACK = "TESTS_MAY_LACK"


def not_here(reason: str) -> NoReturn:
    """Leave the test; the reason begins with what is lacking, and a colon."""
    lawful = reason.partition(":")[0] in os.environ.get(MAY_LACK, "").split()
    (pytest.fail if os.environ.get("CI") == "true" and not lawful else pytest.skip)(reason)
    raise AssertionError


def if_here(finding: Finding) -> str:
    """Return the name of a sandbox that works here; leave the test where it does not."""
    if not finding.available:
        not_here(f"{finding.name}: {finding.reason}")
    return finding.name


EXPERIMENTS = "experiments"
# For tests that replay a notebook, or use PyTorch themselves; the fixture is in conftest.py.
needs_experiments = pytest.mark.usefixtures(EXPERIMENTS)


def missing_packages() -> list[str]:
    """Return what this machine lacks of the extra `experiments`."""
    return [name for name in NOTEBOOK_PACKAGES if find_spec(name) is None]
