"""From an exception in a check to what is told about it: the student's fault, or ours."""

from __future__ import annotations

import traceback
from pathlib import Path

from grader.errors import CheckFailed, StudentFault
from grader.model import ArrayExcerpt, Check, Feedback, Visibility

MAX_TRACEBACK_CHARACTERS = 3500


def own_traceback(error: BaseException) -> str:
    """Format an exception from our first frame on; its end is kept where it is long."""
    told = traceback.TracebackException.from_exception(error)
    own = [frame for frame in told.stack if not {"_pytest", "pluggy"} & set(Path(frame.filename).parts)]
    told.stack = traceback.StackSummary.from_list(own)
    return "".join(told.format())[-MAX_TRACEBACK_CHARACTERS:]


def feedback_of(check_: Check, error: StudentFault, *, handout: str) -> Feedback:
    """Return what is told about a check that did not pass: the one place where that is put together."""
    reproduce = _reproduce(check_, error)
    if not isinstance(error, CheckFailed):
        return Feedback(str(error), reproduce=reproduce, handout=handout)
    return Feedback(
        str(error),
        expected=_shown(error.expected),
        got=_shown(error.got),
        first_bad_index=error.first_bad_index and tuple(int(index) for index in error.first_bad_index),
        max_relative_error=None if error.max_relative_error is None else float(error.max_relative_error),
        reproduce=reproduce,
        likely_cause=error.cause,
        handout=handout,
    )


def _reproduce(check_: Check, error: StudentFault) -> str | None:
    """Return the check's own line; where that has no seed, only the command draws the same numbers again."""
    again = f"grader check . {check_.question}" if check_.visibility is Visibility.VISIBLE else None
    if not (error.reproduce and again) or "default_rng(" in error.reproduce:
        return error.reproduce or again
    return f"{error.reproduce}  # or: {again}"


def _shown(value: object) -> ArrayExcerpt | str | None:
    return value if value is None or isinstance(value, ArrayExcerpt | str) else str(value)
