"""What several kinds of tests need, where this machine has it: real data, sandboxes."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

# As the grader does for its own processes, and before NumPy is loaded: on small products the threads of
# several test processes wait for each other by spinning, and a training takes twenty times as long.
os.environ |= dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

from grader import sandbox
from grader.sandbox.command import WORKER_FOLDER
from grader.sandbox.machine import processors
from tests.required import EXPERIMENTS, missing_packages, not_here


def pytest_configure(config: pytest.Config) -> None:
    """Keep what a grader keeps for its user (its installation's secret) out of this user's own home."""
    # A background job of a shell ignores Ctrl-C, and so would all that the tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="tests-configuration-")
    os.environ["XDG_CONFIG_HOME"] = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # Workers write no bytecode: without this, each of a thousand would compile its own modules again.
    compileall.compile_dir(WORKER_FOLDER, quiet=2)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Use one process more than there are processors: some tests wait for a limit to be reached."""
    return processors() + 1


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
