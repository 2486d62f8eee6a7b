"""Limits on wall time that count only what was a worker's own to use."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERRUPT_GRACE_SECONDS = 10.0  # for code that was interrupted to come back


class Deadline:
    """A limit on wall time that stands still while the machine keeps the worker, or us, from running.

    With `on_expiry` that is called first, and there are some seconds more.
    """

    def __init__(
        self,
        seconds: float,
        *,
        held_up_now_s: Callable[[], float],
        so_far_s: float,
        factor: float,
        on_expiry: Callable[[], None] | None = None,
    ) -> None:
        self._started = time.monotonic()
        self._seconds = seconds
        self._held_up_now_s = held_up_now_s
        self._so_far_s = so_far_s
        self._most_s = factor * seconds
        self._on_expiry = on_expiry
        self.held_up_s = 0.0

    def remaining_s(self) -> float:
        """Return the seconds left; what the machine held up is looked at only when they run out."""
        elapsed_s = time.monotonic() - self._started
        if elapsed_s < self._seconds + self.held_up_s:
            return self._seconds + self.held_up_s - elapsed_s
        self.held_up_s = min(max(0.0, self._held_up_now_s() - self._so_far_s), self._most_s)
        remaining_s = self._seconds + self.held_up_s - elapsed_s
        if remaining_s > 0 or self._on_expiry is None:
            return remaining_s
        on_expiry, self._on_expiry = self._on_expiry, None
        on_expiry()
        self._seconds = elapsed_s - self.held_up_s + INTERRUPT_GRACE_SECONDS
        return INTERRUPT_GRACE_SECONDS
