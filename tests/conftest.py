"""What several kinds of tests need, where this machine has it: real data, sandboxes."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from grader import sandbox
from tests.required import EXPERIMENTS, missing_packages, not_here


def pytest_configure(config: pytest.Config) -> None:
    """Keep what a grader keeps for its user (its installation's secret) out of this user's own home."""
    folder = tempfile.mkdtemp(prefix="tests-configuration-")
    os.environ["XDG_CONFIG_HOME"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


CHECKOUT = Path(__file__).resolve().parents[1]


def real_folder(variable: str, name: str) -> Path:
    """Return the folder of real data that the variable names, or else the one beside the checkout."""
    named = os.environ.get(variable)
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no {name} data here: set {variable} to a folder that holds it")
    return folder


@pytest.fixture(scope="session")
def real_mnist_folder() -> Path:
    return real_folder("GRADER_TEST_MNIST", "mnist")


@pytest.fixture(scope="session")
def real_bloodmnist_folder() -> Path:
    return real_folder("GRADER_TEST_BLOODMNIST", "bloodmnist")


@pytest.fixture(scope="session", name=EXPERIMENTS)
def experiments() -> None:
    if missing := missing_packages():
        not_here(f"{EXPERIMENTS}: {', '.join(missing)} cannot be imported here")


@pytest.fixture(scope="session")
def available() -> dict[str, sandbox.Finding]:
    return {finding.name: finding for finding in sandbox.survey()}
