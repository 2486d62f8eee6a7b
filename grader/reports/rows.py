"""A report as a list of rows, one a check, in the words of every format; and which of them matter most."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from grader.model import Outcome, Visibility
from grader.plain_text import one_line, quiet
from grader.reports.schema import CheckReport, QuestionReport, Report
from grader.reports.student_view import is_count
from grader.reports.wording import comment_sentence, points, told

State = Literal["passed", "failed", "skipped", "pending", "unscored"]
# As grader.faults ends a message: " (mytorch/nn/linear.py, line 3: source)".
_PLACE = re.compile(r"\(([^(),\n]{1,300}), line ([1-9][0-9]{0,6})\b")
_NO_VERDICT = frozenset({Outcome.GRADER_ERROR, Outcome.MISSING})


@dataclass(frozen=True, slots=True)
class Row:
    """A check, or a whole question that was not run. Every text is foreign, and none starts a command.

    A person's `comment` stands at the head of `message` and of `details`.
    `score` is None where nobody has judged it; `file` and `line` are the student's own, where they are known;
    `is_count` is true of a row that only counts hidden checks, which everybody may read.
    """

    id: str
    question: str
    title: str
    state: State
    outcome: str
    score: Decimal | None
    max_score: Decimal
    visibility: Visibility
    message: str
    details: str
    duration_s: float
    file: str | None = None
    line: int | None = None
    is_count: bool = False
    comment: str | None = None

    @property
    def name(self) -> str:
        """The id and the title, in one line."""
        return f"{self.id}: {self.title}"

    @property
    def verdict(self) -> str:
        """The outcome and the points, in words; a row without a score says so."""
        if self.score is not None:
            return f"{self.outcome}, {points(self.score)} of {points(self.max_score)} points"
        if self.state == "pending":
            return f"waits for a person to mark up to {points(self.max_score)} points"
        return f"{self.outcome}, not scored (worth {points(self.max_score)} points)"

    @property
    def lost(self) -> Decimal:
        """The points that it cost; 0 where there is no score."""
        return Decimal(0) if self.score is None else self.max_score - self.score


def rows_of(report: Report) -> list[Row]:
    """Return a row for every check, and one for each question that was not run and has none."""
    return [row for question in report.questions for row in question_rows(question, report)]


def question_rows(question: QuestionReport, report: Report) -> Iterator[Row]:
    """Yield the rows of one question."""
    if question.status == "not_run" and not any(check.kind == "auto" for check in question.checks):
        yield _not_run_row(question)
    for check in question.checks:
        yield _check_row(question, check, report)


def most_valuable_first(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that cost points: the most first, then those whose place in the code is known.

    Of several that cost the same, the one furthest up in the student's code comes first.
    """
    costly = [row for row in rows if row.lost > 0]
    return sorted(costly, key=lambda row: (-row.lost, row.line is None, row.line or 0))


def as_many_as_fit(rows: Sequence[Row], make: Callable[[list[Row]], str], *, max_bytes: int) -> str:
    """Return `make(kept)` for as many rows as leave its text within `max_bytes` of UTF-8, in their order.

    Those that cost most are kept longest, then those without a verdict. `make` says what was left out.
    """
    urgent = most_valuable_first(rows)
    unscored = [row for row in rows if row.state in ("unscored", "pending")]
    ranked = dict.fromkeys(id(row) for row in (*urgent, *unscored, *rows))
    order = {identity: rank for rank, identity in enumerate(ranked)}

    def text_with(count: int) -> str:
        return make([row for row in rows if order[id(row)] < count])

    low, high = 0, len(rows)
    if len((whole := text_with(high)).encode()) <= max_bytes:
        return whole
    while low < high - 1:
        middle = (low + high) // 2
        fits = len(text_with(middle).encode()) <= max_bytes
        low, high = (middle, high) if fits else (low, middle)
    return text_with(low)


def _not_run_row(question: QuestionReport) -> Row:
    reason = _message(question.not_run_reason or "no reason is known")
    listed = sum((check.max_score for check in question.checks), Decimal(0))
    return Row(
        id=quiet(question.id),
        question=quiet(question.id),
        title=_title(question.title),
        state="unscored",
        outcome="not_run",
        score=None,
        max_score=max(question.max_score - listed, Decimal(0)),
        visibility=Visibility.VISIBLE,
        message=reason,
        details=reason,
        duration_s=0.0,
    )


def _check_row(question: QuestionReport, check: CheckReport, report: Report) -> Row:
    file, line = _place_of(check, report)
    comment = None if check.comment is None else comment_sentence(check.comment)
    first = [] if comment is None else [comment]
    return Row(
        id=quiet(check.id),
        question=quiet(question.id),
        title=_title(check.title),
        state=_state(check),
        outcome=str(check.outcome),
        score=check.score,
        max_score=check.max_score,
        visibility=check.visibility,
        message=_message(" ".join([*(f"{each.rstrip('.')}." for each in first), check.feedback.message])),
        details=quiet("\n".join((*first, *told(check.feedback)))),
        duration_s=check.duration_s,
        file=file,
        line=line,
        is_count=is_count(question.id, check),
        comment=comment,
    )


def _state(check: CheckReport) -> State:
    if check.outcome is Outcome.PENDING:
        return "pending"
    if check.score is None or check.outcome in _NO_VERDICT:
        return "unscored"
    if check.outcome is Outcome.PASSED:
        return "passed"
    return "skipped" if check.outcome is Outcome.SKIPPED else "failed"


def _place_of(check: CheckReport, report: Report) -> tuple[str | None, int | None]:
    """Return the student's file and line that the message names last, if the submission has such a file."""
    for file, line in reversed(_PLACE.findall(check.feedback.message)):
        if file in report.submission.files:
            return file, int(line)
    return None, None


def _title(text: str) -> str:
    return quiet(one_line(text).rstrip("."))


def _message(text: str) -> str:
    return quiet(one_line(text))
