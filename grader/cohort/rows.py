"""What is recorded of a class, read back from the folder that it was graded into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from grader.cohort.journal import JOURNAL_NAME, REPORT_NAME, Journal, Recorded
from grader.cohort.model import Entry, Row, Student
from grader.errors import UsageError
from grader.reports.schema import Report
from grader.reports.to_json import UnreadableReport, read_report_file
from grader.reports.writing import started_at


def read_rows(folder: Path) -> Iterator[Row]:
    """Yield a row for each submission that was graded into a folder, in the order of their labels.

    Of a batch they are its journal's, brought up to date where a person has marked a report since; of `grader
    grade` they are made from the reports. Raise UsageError where there is none.
    """
    if (folder / JOURNAL_NAME).exists():
        return _rows_of_journal(folder)
    found = sorted(folder.glob(f"*/{REPORT_NAME}"))
    if not found:
        raise UsageError(f"there are no graded submissions in {folder}; name the --out of `grader batch`")
    return map(_row_of_report, found)


def row_of(entry: Entry, report: Report, path: Path) -> Row:
    """Return what a class's pages need of one report."""
    return Row(
        entry=entry,
        status=report.status,
        reason=report.status_reason,
        score=report.score,
        max_score=report.max_score,
        pending=report.pending,
        report=path,
        flags=len(report.flags),
        graded_at=started_at(report),
        wall_time_s=report.timing.wall_time_s,
    )


def stamp_of(path: Path) -> str:
    """Return what changes when a file is written again; "" where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


def written_text(formats: Sequence[str], stamp: str) -> str:
    """Return what the journal keeps of the files that were written: the formats, and report.json's stamp."""
    return json.dumps({"formats": [*formats], "stamp": stamp})


def formats_of(written: str) -> tuple[str, ...]:
    """Return the formats that were written."""
    return tuple(json.loads(written)["formats"])


def _rows_of_journal(folder: Path) -> Iterator[Row]:
    with Journal(folder) as journal:
        yield from map(up_to_date, journal.all_recorded())


def up_to_date(recorded: Recorded) -> Row:
    """Return a row as its report says now: a person may have marked it since."""
    row = recorded.row
    if row.report is None or recorded.written is None:
        return row
    stamp = stamp_of(row.report)
    if not stamp or stamp == json.loads(recorded.written)["stamp"]:
        return row
    try:
        return row_of(row.entry, read_report_file(row.report), row.report)
    except UnreadableReport:
        return row


def _row_of_report(path: Path) -> Row:
    label = path.parent.name
    entry = Entry(label=label, path=path.parent, students=(Student(key=label),))
    try:
        return row_of(entry, read_report_file(path), path)
    except UnreadableReport as error:
        return Row(entry=entry, status="odd", reason=str(error))
