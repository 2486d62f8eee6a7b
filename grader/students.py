"""Opens the workers of one run of the checks, one question after the other, by the cheapest way that holds.

The first may have been started before anybody needed it. Where several questions need one, it becomes a
zygote, from which they are all forked; and where it could not, one is made once it is known what holds here.
"""

from __future__ import annotations

import contextlib

from grader.client import Student, open_student
from grader.errors import GraderError
from grader.records import GradingRequest
from grader.sandbox.early import EarlyWorker, policy_for, started_early
from grader.sandbox.providers import Provider
from grader.sandbox.run_zygote import RunLine, RunZygote

MOST_ZYGOTES = 3  # where one after the other is lost, workers are started


class Students:
    """Makes one `Student` a question; ends at `close` what it keeps for those to come."""

    def __init__(
        self, request: GradingRequest, early: EarlyWorker | None, *, line: RunLine | None = None
    ) -> None:
        self._request = request
        self._early = early
        self._to_come = len({check.question for check in request.checks} - set(request.names))
        self._zygote: RunLine | None = line
        self._zygotes_left = MOST_ZYGOTES

    def open(self) -> Student:
        """Open the next question's worker; raise SandboxUnavailable where none would be held."""
        if self._to_come > 1:
            self._make_early_a_zygote()
        early, self._early = self._early, None
        request = self._request
        student = open_student(
            request.submission_root,
            places=request.places,
            provider=request.provider,
            min_isolation=request.min_isolation,
            policy=policy_for(request),
            zygote=None if self._zygote is None else self._zygote.client,
            early=early,
        )
        self._to_come -= 1
        if self._to_come > 0 and not self._forks_under(student.provider):
            self._prepare(student.provider)
        return student

    def for_fork(self) -> Students | None:
        """Return those for a fork of this process, forked from the same zygote; None where there is none.

        Once the fork is there, `leave_to_fork`.
        """
        self._make_early_a_zygote()
        if isinstance(self._zygote, RunZygote):
            with contextlib.suppress(OSError):
                return Students(self._request, None, line=self._zygote.another_line())
        return None

    def leave_to_fork(self) -> None:
        """Let go in this process of what is a fork's now."""
        if self._zygote is not None:
            self._zygote.client.leave_to_fork()

    def close(self) -> None:
        """End whatever waits for a question that never came."""
        early, self._early = self._early, None
        if early is not None:
            early.end()
        self._end_zygote()

    def _forks_under(self, provider: Provider) -> bool:
        zygote = self._zygote
        return zygote is not None and zygote.forks_under(provider)

    def _prepare(self, provider: Provider) -> None:
        """Have a zygote load its libraries while a question is graded, under the provider that holds."""
        self._end_zygote()
        if provider.can_fork and self._zygotes_left:
            with contextlib.suppress(OSError, GraderError):
                self._make_zygote(started_early(provider, self._request))

    def _make_early_a_zygote(self) -> None:
        early = self._early
        if early is not None and early.provider.can_fork:
            self._early = None
            self._make_zygote(early)

    def _make_zygote(self, early: EarlyWorker) -> None:
        self._zygotes_left -= 1
        # Without one every worker is started by itself, and says what is wrong if something is.
        with contextlib.suppress(OSError, GraderError):
            self._zygote = RunZygote(early)

    def _end_zygote(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.close()
