"""What `grader gradebook` is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from grader.cohort.gradebooks.lateness import Policy

# Reports that are entered only where somebody says so. What has no score is never entered.
ACCEPTABLE = ("partial", "pending", "not-a-grade")
# Where the place counts other points than the rubric.
SCALES = ("proportional", "none")
FEEDBACK_FORMATS = ("html", "markdown")


@dataclass(frozen=True, slots=True, kw_only=True)
class GradebookOptions:
    """What may be chosen. `policy` is None where nothing is taken off and the last attempt counts."""

    template: Path
    out: Path
    column: str | None = None
    policy: Policy | None = None
    accept: frozenset[str] = frozenset()
    scale: str | None = None
    comments: bool = False
    feedback: Path | None = None
    feedback_formats: tuple[str, ...] = ("html",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A cell that holds a grade now: `raw` and `final` in the report's points, `cell` in the template's.

    `who` is the name, with the place's number where others have the same name.
    """

    line: int
    who: str
    name: str
    lms_id: str | None
    label: str
    by: str
    raw: Decimal
    final: Decimal
    worth: Decimal
    cell: str
    before: str
    report: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A cell that stays as it was although something was handed in, or a submission without a line."""

    who: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradebook:
    """What was written, and what was not. `without` are the template's students who handed nothing in."""

    place: str
    title: str
    out: Path
    max_score: Decimal | None
    entered: tuple[Entered, ...]
    refused: tuple[LeftAlone, ...]
    unmatched: tuple[LeftAlone, ...]
    without: tuple[str, ...]
    comments: int = 0
    comments_kept: int = 0
    feedback: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every submission was entered."""
        return not self.refused and not self.unmatched
