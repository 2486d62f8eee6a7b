"""What a student's code costs us: workers, round trips, bytes, seconds. No verdict hangs on any of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from grader.model import Spent


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
        took_s = answer.get("took_s")
        if isinstance(took_s, float) and math.isfinite(took_s):
            self.student_s += min(max(0.0, took_s), within_s)

    def added_to(self, spent: Spent) -> Spent:
        """Return the sum of what others cost, and this."""
        return Spent(
            workers=spent.workers + self.workers,
            round_trips=spent.round_trips + self.round_trips,
            sent_bytes=spent.sent_bytes + self.sent_bytes,
            received_bytes=spent.received_bytes + self.received_bytes,
            python_s=spent.python_s,
            loading_s=spent.loading_s,
            checks_s=spent.checks_s,
            workers_s=spent.workers_s + self.workers_s,
            waiting_s=spent.waiting_s + self.waiting_s,
            student_s=(spent.student_s or 0.0) + self.student_s if self.asks_time else spent.student_s,
        )
