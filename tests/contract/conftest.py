"""Fixtures of the contract tests: a student behind each sandbox that this machine gives."""

from __future__ import annotations

import os

import pytest

from grader import sandbox


@pytest.fixture(scope="session")
def available() -> dict[str, sandbox.Finding]:
    return {finding.name: finding for finding in sandbox.survey()}


@pytest.fixture
def needs_confinement(available) -> None:
    if not available["confined"].available:
        reason = f"no isolation level 2 here: {available['confined'].reason}"
        # Where CI runs, these tests are the point; elsewhere a machine may lack what they need.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
