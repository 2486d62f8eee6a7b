"""A class as a table for a spreadsheet: one line a submission."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from grader.cohort.model import Row
from grader.reports.schema import plain_number
from grader.reports.to_csv import Cell, harmless

COLUMNS = (
    *("submission", "students", "names", "emails", "attempt", "submitted_at", "late", "status"),
    *("score", "max_score", "pending", "flags", "wall_time_s", "reason", "notes", "report"),
)


def table(rows: Iterable[Row], folder: Path) -> str:
    """Return the table as CSV (RFC 4180); a score that is not there is an empty cell, never 0."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in _cells(row, folder)])
    return text.getvalue()


def _cells(row: Row, folder: Path) -> tuple[Cell, ...]:
    entry, students = row.entry, row.entry.students
    return (
        entry.label,
        _joined(student.key for student in students),
        _joined(student.name for student in students),
        _joined(student.email for student in students),
        entry.attempt,
        None if entry.submitted_at is None else entry.submitted_at.isoformat(timespec="seconds"),
        None if entry.is_late is None else ("yes" if entry.is_late else "no"),
        row.status,
        _number(row.score),
        _number(row.max_score),
        _number(row.pending),
        row.flags,
        row.wall_time_s,
        row.reason,
        _joined(entry.notes),
        None if row.report is None else _relative(row.report, folder),
    )


def _joined(texts: Iterable[str | None]) -> str:
    return "; ".join(text for text in texts if text)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _number(value: Decimal | None) -> int | float | None:
    return None if value is None else plain_number(value)
