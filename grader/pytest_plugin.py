"""The pytest plugin of the trusted side: `@check`, the fixtures that checks ask for, and how a run starts.

`grader.session` starts the process. A result leaves it through pytest-json-report's metadata.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from grader.checks.plots import PlotIt
from grader.client import Student
from grader.datasets import BloodMnist, Mnist, load_bloodmnist, load_mnist, unseen_cells
from grader.declaration import check, declaration_of
from grader.grading import Grading
from grader.records import GradingRequest, seed_of
from grader.sandbox.early import EarlyWorker

if TYPE_CHECKING:
    from grader.notebooks.replay import Replay

__all__ = ["check"]


class GraderHooks:
    """The hooks this plugin adds."""

    @pytest.hookspec(firstresult=True)
    def pytest_grader_open_student(self, grading_request: GradingRequest) -> Student | None:
        """Open the student that the checks of one question talk to; SandboxUnavailable ends the run."""

    @pytest.hookspec(firstresult=True)
    def pytest_grader_replay_notebook(
        self, grading_request: GradingRequest, notify: Callable[[str], None], cleanup: contextlib.ExitStack
    ) -> Replay | None:
        """Replay the notebook; what `cleanup` is given is undone at the end of the run."""


GRADING = pytest.StashKey[Grading]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our hooks."""
    pluginmanager.add_hookspecs(GraderHooks)


class _Start:
    """Makes one grading known to pytest, before it loads any suite."""

    def __init__(self, grading: Grading) -> None:
        self._grading = grading

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config) -> None:
        """Register the hooks and lend the grading to the fixtures."""
        early_config.stash[GRADING] = self._grading
        early_config.pluginmanager.register(self._grading, "grading")


def run_pytest(
    arguments: Sequence[str],
    request: GradingRequest,
    *,
    events: int,
    early: EarlyWorker | None,
    begun_s: float,
) -> int:
    """Run the checks that were asked for under pytest, and return its exit status.

    Events go out at the descriptor `events`; `early` is a worker that waits for its first question; at
    `begun_s` on the clock this process began.
    """
    grading = Grading(request, events=events, early=early, begun_s=begun_s)
    return int(pytest.main(list(arguments), plugins=[_Start(grading)]))


@pytest.hookimpl(trylast=True)
def pytest_grader_replay_notebook(
    grading_request: GradingRequest, notify: Callable[[str], None], cleanup: contextlib.ExitStack
) -> Replay:
    """Replay the notebook in a sandboxed worker, in a scratch copy of the submission."""
    # Loaded here: most gradings replay nothing, and need not wait for it.
    from grader.notebooks.requested import replay_requested  # noqa: PLC0415

    return replay_requested(grading_request, notify, cleanup)


@pytest.fixture
def notebook(request: pytest.FixtureRequest) -> Replay:
    """Return the replayed notebook: its cells, and what they left behind; made at its first use."""
    return request.config.stash[GRADING].replay_for(request.node)


@pytest.fixture(scope="session")
def blood(request: pytest.FixtureRequest) -> BloodMnist:
    """Return BloodMNIST, in the profile that was asked for."""
    grading_request = request.config.stash[GRADING].request
    return load_bloodmnist(grading_request.profile, grading_request.data_dir)


@pytest.fixture
def unseen(
    request: pytest.FixtureRequest, blood: BloodMnist
) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """Return a function of a number: that many cells (N, 28, 28, 3) and their labels, which no worker had."""
    grading_request = request.config.stash[GRADING].request
    declaration = declaration_of(request.node)
    name = "" if declaration is None else declaration.id
    generator = np.random.default_rng(seed_of(grading_request, f"{name}\nunseen"))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        return unseen_cells(blood, generator, count)

    return draw


@pytest.fixture
def student(request: pytest.FixtureRequest) -> Student:
    """Return the submission's code in its worker, seeded for this check."""
    return request.config.stash[GRADING].student_for(request.node)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Return this check's seed for this submission."""
    declaration = declaration_of(request.node)
    return 0 if declaration is None else seed_of(request.config.stash[GRADING].request, declaration.id)


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    """Return this check's own generator of random numbers."""
    return np.random.default_rng(seed)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that takes what the check found out: its message when it passes."""
    return partial(request.config.stash[GRADING].note, request.node)


@pytest.fixture
def plot(request: pytest.FixtureRequest) -> PlotIt:
    """Return a function of a maker of `checks.plots` and its values: what is drawn beside the check's result.

    It changes no verdict, and a hidden check's plots are the instructor's.
    """
    return partial(request.config.stash[GRADING].plot, request.node)


@pytest.fixture
def flag(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that takes a kind and a sentence for a person to look at; it costs no points."""
    return partial(request.config.stash[GRADING].flag, request.node)


@pytest.fixture
def passed(request: pytest.FixtureRequest) -> AbstractSet[str]:
    """Return the checks that have passed: of the same question so far, and of all questions before it.

    Where a part of the submission does not work, another question's check makes do without it, so that nobody
    pays twice. A part that worked in its own question has no such excuse: it fails where failing pays.
    """
    return request.config.stash[GRADING].passed(request.node)


@pytest.fixture
def shared(request: pytest.FixtureRequest, student: Student) -> dict[str, Any]:
    """Return what the checks of one question leave for each other, visible and hidden ones alike.

    Only what passed belongs in here, so that no check pays for another one's fault.
    """
    del student  # the question's worker is opened first, which empties what the last question left
    shared_: dict[str, Any] = request.config.stash[GRADING].shared
    return shared_


@pytest.fixture(scope="session")
def dataset(request: pytest.FixtureRequest) -> Mnist:
    """Return MNIST, in the profile that was asked for."""
    grading_request = request.config.stash[GRADING].request
    return load_mnist(grading_request.profile, grading_request.data_dir)
