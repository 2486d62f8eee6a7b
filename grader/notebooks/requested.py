"""What a grading asks of its notebook: that it is replayed, and held against what it shows."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from grader.datasets import serve
from grader.errors import CheckFailed, MachineFault
from grader.model import Flag
from grader.notebooks.claims import find_claims
from grader.notebooks.replay import (
    CellOutcome,
    NotebookWork,
    Replay,
    ReplayOptions,
    replay_of,
    scratch_copy,
)
from grader.notebooks.written import NO_NOTEBOOK
from grader.records import GradingRequest, seed_of
from grader.sandbox.forked import ZygoteClient
from grader.sandbox.machine import device_files, gpu_turn
from grader.sandbox.policy import read_policy


def replay_requested(
    request: GradingRequest, notify: Callable[[str], None], cleanup: contextlib.ExitStack
) -> Replay:
    """Replay the notebook in a sandboxed worker, in a scratch copy of the submission.

    What `cleanup` is given is undone at the end of the run. Raise CheckFailed where there is no notebook.
    """
    if request.notebook is None:
        raise CheckFailed(NO_NOTEBOOK)
    work = NotebookWork(
        notebook=(request.submission_root / request.notebook).read_bytes(),
        root=request.submission_root,
        questions=request.questions,
        names=request.names,
        wanted=tuple(dict.fromkeys(check.question for check in request.checks)),
    )
    uses_gpu = request.device == "cuda"
    if uses_gpu:
        cleanup.enter_context(gpu_turn(notify))
    offer = request.zygote
    options = ReplayOptions(
        provider=request.provider,
        min_isolation=request.min_isolation,
        policy=replace(read_policy(), limits=request.limits),
        data=cleanup.enter_context(_served(request, within=None if offer is None else offer.data)),
        fast_data=request.fast_data,
        devices=device_files() if uses_gpu else (),
        seed=seed_of(request, "notebook"),
        threads=request.processors,
        zygote=None if offer is None else cleanup.enter_context(ZygoteClient(offer)),
        notify=notify,
    )
    scratch = scratch_copy(work.root, within=None if offer is None else offer.scratch)
    return replay_of(work, options, scratch=cleanup.enter_context(scratch))


def claims_of(replay: Replay, request: GradingRequest) -> list[Flag]:
    """Hold the stored outputs against the replay; a fault of ours in that costs the findings only."""
    ran = [cell for cell in replay.cells if cell.outcome is not CellOutcome.NOT_RUN]
    try:
        return find_claims(replay.notebook, ran, same_data=request.profile == "full")
    except Exception as error:  # noqa: BLE001 -- whatever fails in us there, the checks go on
        reason = f"the stored outputs were not compared: the grader failed ({type(error).__name__})"
        return [Flag("stored_outputs_unreadable", reason, where="notebook")]


@contextlib.contextmanager
def _served(request: GradingRequest, *, within: Path | None) -> Iterator[Path]:
    """Lay out the data sets where a worker may read them."""
    try:
        with tempfile.TemporaryDirectory(
            prefix="grader-data-", dir=within, ignore_cleanup_errors=True
        ) as name:
            folder = Path(name).resolve() / "data"
            folder.mkdir()
            serve(folder, request.profile, request.data_dir)
            for path in (folder.parent, folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            yield folder
    except OSError as error:
        raise MachineFault(f"the data cannot be laid out ({error.strerror or error})") from error
