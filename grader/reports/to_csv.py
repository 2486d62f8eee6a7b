"""Report to a table for a spreadsheet: a line for the total, each question, each check, each flag.

Source: RFC 4180 for the file; OWASP's page on CSV injection for what a spreadsheet would take for a formula.
The instructor's view is the default: a spreadsheet is for whoever grades. A score that is not there is an
empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal

from grader.plain_text import one_line, quiet
from grader.reports.rows import question_rows
from grader.reports.schema import Report, plain_number
from grader.reports.wording import open_sentences, score_sentence

COLUMNS = (
    *("level", "submission", "question", "id", "title", "visibility", "outcome"),
    *("score", "max_score", "message", "duration_s"),
)
# Also after a semicolon: where that is the separator, a spreadsheet starts a new cell there.
_FORMULA = re.compile(r"(^\s*|;\s*)(?=[=+\-@＝＋－＠])")  # noqa: RUF001 -- the wide ones are formulas too
Cell = str | int | float | None


def render(report: Report) -> str:
    """Return the table; text that begins like a formula gets an apostrophe, numbers stay numbers."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in _lines(report):
        cells = (line.get(column) for column in COLUMNS)
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _lines(report: Report) -> Iterator[dict[str, Cell]]:
    told = ". ".join((score_sentence(report), *open_sentences(report)))
    every: dict[str, Cell] = {"submission": report.submission.name}
    yield every | {
        "level": "total",
        "id": report.assignment.id,
        "outcome": report.status,
        "score": _number(report.score),
        "max_score": _number(report.max_score),
        "message": told,
        "duration_s": report.timing.wall_time_s,
    }
    for question in report.questions:
        yield every | {
            "level": "question",
            "question": question.id,
            "id": question.id,
            "title": question.title,
            "outcome": question.status,
            "score": _number(question.score),
            "max_score": _number(question.max_score),
            "message": question.not_run_reason or "",
        }
        for row in question_rows(question, report):
            if row.outcome != "not_run":
                yield every | {
                    "level": "check",
                    "question": question.id,
                    "id": row.id,
                    "title": row.title,
                    "visibility": str(row.visibility),
                    "outcome": row.outcome,
                    "score": _number(row.score),
                    "max_score": _number(row.max_score),
                    "message": row.message,
                    "duration_s": row.duration_s,
                }
    for flag in report.flags:
        yield every | {"level": "flag", "id": flag.kind, "title": flag.where or "", "message": flag.message}
    yield from (every | line for line in _own_faults(report))


def _own_faults(report: Report) -> Iterator[dict[str, Cell]]:
    """Yield what failed in the grader, for the instructor."""
    for question in report.questions:
        for check in question.checks:
            if check.grader_fault is not None:
                yield {
                    "level": "fault",
                    "question": question.id,
                    "id": check.id,
                    "message": check.grader_fault,
                }
    if report.grader_log is not None:
        yield {"level": "log", "message": report.grader_log}


def _number(value: Decimal | None) -> int | float | None:
    return None if value is None else plain_number(value)


def harmless(text: str) -> str:
    """Return a text as one line that neither a spreadsheet nor a CI service obeys."""
    return _FORMULA.sub(r"\1'", quiet(one_line(text)))
