"""Fixtures of the contract tests: a student behind each sandbox that this machine gives."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from grader.sandbox.providers import PROVIDERS
from tests.required import if_here, not_here


@pytest.fixture
def folder():
    """A folder below which another user can read what he is let into; pytest's own are for one user only."""
    made = Path(tempfile.mkdtemp(prefix="contract-")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=[provider.name for provider in PROVIDERS])
def provider(request, available) -> str:
    return if_here(available[request.param])


@pytest.fixture(params=[provider.name for provider in PROVIDERS if provider.level >= 2])
def confining_provider(request, available) -> str:
    return if_here(available[request.param])


@pytest.fixture
def needs_confinement(available) -> None:
    if not any(finding.available for finding in available.values() if finding.level >= 2):
        not_here(f"confined: {available['confined'].reason}")
