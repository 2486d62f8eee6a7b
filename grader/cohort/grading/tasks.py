"""Grading one submission of many, in whatever process or machine an executor runs it.

What goes there and what comes back is our own: options and a path, or the submission's bytes; findings as
JSON. Points are added up where the journal is.
"""

from __future__ import annotations

import atexit
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.cohort.grading.content import content_digest
from grader.cohort.grading.fingerprint import code_digest
from grader.errors import GraderError, MachineFault
from grader.findings import findings_to_json
from grader.pipeline import GradeOptions, find, installed_version, not_run, prepare, zygote_for
from grader.plan import Plan
from grader.sandbox.trusted import make_undumpable
from grader.sandbox.zygote import Zygote
from grader.scratch import scratch

NOTEBOOK_PACKAGE = "torch"


@dataclass(frozen=True, slots=True)
class Order:
    """How all submissions of a batch are graded; orders with one `token` are the same."""

    token: str
    options: GradeOptions = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Packed:
    """A submission's bytes, for a machine that does not have its file: a zip of what may be graded."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One submission: its path, and what `content_digest` said of it when it was looked at; or its bytes."""

    order: Order
    submission: Path | Packed
    content: str | None


def grade_task(task: Task) -> str:
    """Grade one submission and return its findings as JSON; never raises for what happens in there."""
    means = _HOLDER.means_of(task.order)
    with means.lock:
        if isinstance(task.submission, Packed):
            with tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as folder:
                path = Path(folder, "submission.zip")
                path.write_bytes(task.submission.content)
                return _graded(path, task.order, means)
        text = _graded(task.submission, task.order, means)
        if task.content is not None and content_digest(task.submission) != task.content:
            reason = "the submission changed while it was graded; run the batch again"
            return findings_to_json(not_run(task.submission, task.order.options, means.plan, reason))
        return text


def facts_of_this_place(order: Order) -> dict[str, str | None]:
    """Return what must be the same wherever a batch is graded: the grader's code, and PyTorch's version."""
    return {"grader": code_digest(order.options), NOTEBOOK_PACKAGE: installed_version(NOTEBOOK_PACKAGE)}


def fault_findings(order: Order, plan: Plan, path: Path, reason: str) -> str:
    """Return what is recorded where the process that graded a submission was lost."""
    return findings_to_json(not_run(path, order.options, plan, reason))


def let_go() -> None:
    """End what this process holds for grading: loaded libraries, temporary files."""
    _HOLDER.let_go()


@dataclass(frozen=True, slots=True)
class _Means:
    """What a process keeps from one submission to the next."""

    order: Order
    plan: Plan
    zygote: Zygote | None
    # One at a time: an executor may have several threads, and the limits are made for one.
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Holder:
    """What this process holds for the batch that it grades for; for another batch it is made anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._means: _Means | None = None
        self._opened = ExitStack()
        atexit.register(self.let_go)

    def means_of(self, order: Order) -> _Means:
        """Return what submissions are graded with; raise MachineFault where this place cannot grade them."""
        with self._lock:
            if self._means is None or self._means.order != order:
                self._drop()
                self._means = self._made(order)
            return self._means

    def let_go(self) -> None:
        """End all of it."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        self._means = None
        self._opened.close()

    def _made(self, order: Order) -> _Means:
        make_undumpable()
        self._opened.enter_context(scratch())
        try:
            plan = prepare(order.options)
        except GraderError as error:
            raise MachineFault(f"this place cannot grade: {error}") from error
        return _Means(order, plan, self._opened.enter_context(zygote_for(plan, order.options)))


_HOLDER = _Holder()


def _graded(path: Path, order: Order, means: _Means) -> str:
    return findings_to_json(find(path, order.options, plan=means.plan, zygote=means.zygote))


def order_for(options: GradeOptions, token: str) -> Order:
    """Return the order for these options, with paths that hold in other folders."""
    data_dir = None if options.data_dir is None else options.data_dir.resolve()
    rubric = None if options.rubric is None else options.rubric.resolve()
    return Order(token, replace(options, data_dir=data_dir, rubric=rubric))
