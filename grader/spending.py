"""What a student's code costs us: workers, round trips, bytes, seconds. No verdict hangs on any of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from grader.model import Spent

MICROSECONDS = 1_000_000
ONLY_A_WORD = (
    "The student's code is timed in its own process, which may lie: only for people.\n"
    "Before all this came Python and the start of the command itself."
)


class _Counted(Protocol):
    sent_bytes: int
    received_bytes: int


class Spending:
    """What the workers of one student have cost so far.

    With `asks_time` every request asks what it took; what comes back is the worker's word, bounded by what
    was waited for, and worth no more than that.
    """

    def __init__(self) -> None:
        self.asks_time = False
        self.workers = 0
        self.round_trips = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self.workers_s = 0.0
        self.waiting_s = 0.0
        self.student_s = 0.0

    @contextmanager
    def on_a_worker(self) -> Iterator[None]:
        """Count the start of one worker, and the time until it has been seen to hold."""
        self.workers += 1
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.workers_s += time.monotonic() - started_s

    def add_bytes(self, process: _Counted) -> None:
        """Count what a worker was sent and sent back, once it will be asked no more."""
        self.sent_bytes += process.sent_bytes
        self.received_bytes += process.received_bytes

    def note_students_time(self, answer: Mapping[str, Any], *, within_s: float) -> None:
        """Add what an answer says that it took, as far as that can be."""
        took_us = answer.get("took_us")
        if type(took_us) is int:
            # An integer may be too large for a float.
            self.student_s += min(max(0, took_us), round(MICROSECONDS * within_s)) / MICROSECONDS

    def added_to(self, spent: Spent) -> Spent:
        """Return the sum of what others cost, and this."""
        own = Spent(
            workers=self.workers,
            round_trips=self.round_trips,
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
            workers_s=self.workers_s,
            waiting_s=self.waiting_s,
            student_s=self.student_s if self.asks_time else None,
        )
        return sum_of(spent, own)


def sum_of(spent: Spent, of_a_lane: Spent) -> Spent:
    """Return what a run has spent, and what another lane of it has."""
    students_s = [each.student_s for each in (spent, of_a_lane) if each.student_s is not None]
    return replace(
        spent,
        workers=spent.workers + of_a_lane.workers,
        round_trips=spent.round_trips + of_a_lane.round_trips,
        sent_bytes=spent.sent_bytes + of_a_lane.sent_bytes,
        received_bytes=spent.received_bytes + of_a_lane.received_bytes,
        lanes_s=spent.lanes_s + of_a_lane.lanes_s,
        workers_s=spent.workers_s + of_a_lane.workers_s,
        waiting_s=spent.waiting_s + of_a_lane.waiting_s,
        student_s=sum(students_s) if students_s else None,
    )


def profile_rows(spent: Spent | None, *, wall_time_s: float) -> list[tuple[str, str, str]]:
    """Return a table of where a grading's time went: what, seconds on the wall, and how often or how much."""
    spent = spent or Spent()
    in_process_s = spent.python_s + spent.loading_s + spent.checks_s
    own_s = max(0.0, spent.lanes_s - spent.workers_s - spent.waiting_s)
    together_s = spent.lanes_s - spent.checks_s
    traffic = f"{spent.round_trips} trips, {_kilobytes(spent.sent_bytes)} out,"
    rows = [
        ("intake before, report after them", max(0.0, wall_time_s - in_process_s), ""),
        ("start of the checks' process", spent.python_s, "1 process"),
        ("imports there: pytest, NumPy, suites", spent.loading_s, ""),
        ("sandbox: start, locks, probes", spent.workers_s, _counted(spent.workers, "worker")),
        ("answers of the worker", spent.waiting_s, f"{traffic} {_kilobytes(spent.received_bytes)} in"),
        *_students(spent),
        ("our own part of the checks", own_s, ""),
        *_saved(together_s),
        ("all", wall_time_s, ""),
    ]
    return [(name, f"{seconds:.3f}", more) for name, seconds, more in rows]


def _saved(together_s: float) -> Iterator[tuple[str, float, str]]:
    if together_s >= 0.0005:  # which is seen in the table
        yield ("saved, since questions ran together", -together_s, "")


def _students(spent: Spent) -> Iterator[tuple[str, float, str]]:
    if spent.student_s is not None:
        yield ("  of these, the student's own code", spent.student_s, "as the worker says")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _kilobytes(count: int) -> str:
    return f"{count / 1000:.0f} kB"
