"""Fixtures of the contract tests: a student behind each sandbox that this machine gives."""

from __future__ import annotations

import pytest

from grader import sandbox
from tests.required import not_here


@pytest.fixture(scope="session")
def available() -> dict[str, sandbox.Finding]:
    return {finding.name: finding for finding in sandbox.survey()}


@pytest.fixture
def needs_confinement(available) -> None:
    if not available["confined"].available:
        not_here(f"no isolation level 2 here: {available['confined'].reason}")
