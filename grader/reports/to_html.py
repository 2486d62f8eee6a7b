"""Report to `report.html`: one file that needs no network and no script.

Everything in it that a student wrote is text: the template escapes whatever it is given, and drawings are put
together from escaped parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from grader.checks.plots import GRADIENT_ERRORS
from grader.errors import cause_sentence
from grader.model import Outcome, Visibility
from grader.reports.charts import NamedError, curves, error_axis
from grader.reports.figures import Figure
from grader.reports.heat_maps import confusion, gap
from grader.reports.pages import render_page
from grader.reports.png import data_address
from grader.reports.schema import (
    CheckReport,
    ErrorsReport,
    ExcerptReport,
    LinesReport,
    MatrixReport,
    PicturesReport,
    QuestionReport,
    Report,
)
from grader.reports.student_view import student_view
from grader.reports.svg import Ids, shown
from grader.reports.wording import excerpt_text, open_sentences, points, score_sentence

_STATUSES = {
    "graded": "graded",
    "partial": "partly graded: some questions could not be run",
    "rejected": "not graded: the submission could not be opened",
    "interrupted": "not graded: grading was interrupted",
    "grader_error": "not graded: the grader itself failed, and nobody loses points for it",
}
# A word, and the class of its colour.
_OUTCOMES = {
    Outcome.PASSED: ("passed", "good"),
    Outcome.FAILED: ("failed", "bad"),
    Outcome.SKIPPED: ("not tried", "none"),
    Outcome.TIMEOUT: ("took too long", "bad"),
    Outcome.MEMORY: ("ran out of memory", "bad"),
    Outcome.CRASHED: ("crashed", "bad"),
    Outcome.EXITED: ("ended the program", "bad"),
    Outcome.PROTOCOL_ERROR: ("broke off", "bad"),
    Outcome.MISSING: ("not run", "none"),
    Outcome.PENDING: ("waits for a person", "wait"),
    Outcome.GRADER_ERROR: ("the grader failed", "none"),
}
_WRONG = "Largest relative error of what is wrong"


_Drawn = tuple[Figure, PicturesReport | None]  # a figure, and the pictures that belong into it


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of the points of a question, or of all."""

    got: Decimal
    lost: Decimal
    open: Decimal  # they wait for a person
    not_run: Decimal

    @property
    def parts(self) -> list[tuple[str, str, str]]:
        """Class, words and share of each part that is not empty."""
        total = sum((self.got, self.lost, self.open, self.not_run), Decimal(0)) or Decimal(1)
        parts = (
            ("got", "earned", self.got),
            ("open", "waiting for a person", self.open),
            ("lost", "lost", self.lost),
            ("not", "not scored", self.not_run),
        )
        return [
            (name, f"{points(worth)} {words}", f"{float(100 * worth / total):.4g}%")
            for name, words, worth in parts
            if worth > 0
        ]


def render(report: Report) -> str:
    """Return the report as a page with everything in it; of a student's view that is the student's page."""
    ids = itertools.count(1)
    values = {
        "report": report,
        "is_student": student_view(report) == report,
        "status": _STATUSES[report.status],
        "sentences": _sentences(report),
        "shares": _shares(report.questions),
        "questions": [(question, _shares([question])) for question in report.questions],
        "figures": lambda question: _figures(question, ids),
        "gap": lambda check: gap(check.feedback, ids),
        "other_gap": _other_gap,
        "message": _message,
        "next_table": lambda: next(ids),
        "marks": lambda check: [mark for mark in report.marks if mark.check_id == check.id],
        "outcome": _outcome,
        "is_hidden": lambda check: check.visibility is not Visibility.VISIBLE,
        "points": _points,
        "number": shown,
        "data_address": data_address,
    }
    return render_page("report.html", values)


def _sentences(report: Report) -> list[str]:
    """Return what is to be known beside the score: why there is none, what it lacks, if it is a grade."""
    if report.score is None:
        return [score_sentence(report), *open_sentences(report)]
    return [*([report.status_reason] if report.status_reason else []), *open_sentences(report)]


def _points(value: Decimal | None) -> str:
    return "\u2013" if value is None else points(value)


def _outcome(check: CheckReport) -> tuple[str, str]:
    """Return a word for what became of a check, and its colour; what a person marked has not "failed"."""
    if check.kind == "written" and check.score is not None:
        return "marked", "good" if check.score == check.max_score else "none"
    return _OUTCOMES[check.outcome]


def _shares(questions: Sequence[QuestionReport]) -> Shares:
    checks = [check for question in questions for check in question.checks]
    worth = sum((question.max_score for question in questions), Decimal(0))
    got = sum((check.score for check in checks if check.score is not None), Decimal(0))
    waiting = [check for check in checks if check.outcome is Outcome.PENDING]
    waits = sum((check.max_score for check in waiting), Decimal(0))
    judged = sum((check.max_score for check in checks if check.score is not None), Decimal(0))
    return Shares(got, lost=judged - got, open=waits, not_run=max(Decimal(0), worth - judged - waits))


def _figures(question: QuestionReport, ids: Ids) -> list[_Drawn]:
    """Return what is drawn of a question: a figure for each plot, and errors of its checks on one axis."""
    found: list[_Drawn] = []
    errors: dict[str, list[NamedError]] = {}
    for check in question.checks:
        for plot in check.plots:
            if isinstance(plot, ErrorsReport):
                rows = zip(plot.names, plot.errors, strict=True)
                named = [NamedError(name, error, is_wrong=False) for name, error in rows]
                errors.setdefault(plot.title, []).extend(named)
            elif isinstance(plot, LinesReport):
                found.append((curves(plot, ids), None))
            elif isinstance(plot, MatrixReport):
                found.append((confusion(plot, ids), None))
            else:
                found.append((Figure(plot.title, []), plot))
    if wrong := list(_wrong(question)):
        errors.setdefault(GRADIENT_ERRORS if GRADIENT_ERRORS in errors else _WRONG, []).extend(wrong)
    return found + [(error_axis(title, rows, ids), None) for title, rows in errors.items()]


def _wrong(question: QuestionReport) -> Iterator[NamedError]:
    for check in question.checks:
        error = check.feedback.max_relative_error
        if error is not None and check.outcome is not Outcome.PASSED:
            yield NamedError(check.title.rstrip("."), error, is_wrong=True)


def _message(check: CheckReport) -> str:
    """Return a check's sentence; its likely cause stands by itself."""
    return check.feedback.message.removesuffix(cause_sentence(check.feedback.likely_cause or ""))


def _other_gap(check: CheckReport) -> list[tuple[str, str]]:
    """Return expected and got as texts, for what cannot be drawn."""
    pairs = (("expected", check.feedback.expected), ("got", check.feedback.got))
    return [
        (name, excerpt_text(value) if isinstance(value, ExcerptReport) else value)
        for name, value in pairs
        if value is not None
    ]
