"""The nouns of a class: who handed something in, what, when, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

# What became of an entry: a report's own status, or `odd` where there is nothing that could be graded.
RowStatus = Literal["graded", "partial", "rejected", "interrupted", "grader_error", "odd"]
# How a row came about in one run.
How = Literal["graded", "unchanged", "scored_again", "odd", "fault", "fault_kept", "merged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A person as their place or the roster names them.

    `key` tells people of one class apart. All of it is text that others wrote: whoever shows it makes it
    harmless there.
    """

    key: str
    name: str | None = None
    email: str | None = None
    sid: str | None = None  # the university's number: Gradescope's SID, Canvas' SIS User ID
    login: str | None = None  # a user name: Canvas' SIS Login ID, GitHub's
    lms_id: str | None = None  # the place's own number: Canvas' ID, Moodle's participant, Gradescope's id
    section: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was handed in, to be graded by itself.

    `label` is unique in its batch and safe as a folder's name. Times are aware; None is "not told".
    `problem` says why it cannot be graded: it is a row all the same. `notes` are for the instructor.
    """

    label: str
    path: Path
    students: tuple[Student, ...] = ()
    attempt: int = 1
    submitted_at: datetime | None = None
    due_at: datetime | None = None
    is_late: bool | None = None  # what the place itself said
    problem: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is recorded of an entry. `score` is None where it was not scored, which is never a zero."""

    entry: Entry
    status: RowStatus
    reason: str | None = None
    score: Decimal | None = None
    max_score: Decimal | None = None
    pending: Decimal = Decimal(0)
    report: Path | None = None  # of its report.json
    flags: int = 0
    graded_at: datetime | None = None
    wall_time_s: float | None = None
