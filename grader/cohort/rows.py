"""What is recorded of a class, read back from the folder that it was graded into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grader.cohort.model import Entry, Row, Student
from grader.errors import UsageError
from grader.reports.schema import Report
from grader.reports.to_json import read_report_file
from grader.reports.writing import started_at

REPORT_NAME = "report.json"


def read_rows(folder: Path) -> Iterator[Row]:
    """Yield a row for each submission that was graded into a folder, in the order of their names.

    Raise UsageError where there is none.
    """
    found = sorted(folder.glob(f"*/{REPORT_NAME}"))
    if not found:
        raise UsageError(f"there are no graded submissions in {folder}; name the --out of `grader batch`")
    return map(_row_of_report, found)


def _row_of_report(path: Path) -> Row:
    label = path.parent.name
    entry = Entry(label=label, path=path.parent, students=(Student(key=label),))
    try:
        return row_of(entry, read_report_file(path), path)
    except UsageError as error:  # one that cannot be read does not end the class's page
        return Row(entry=entry, status="odd", reason=str(error))


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
