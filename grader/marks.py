"""A person's marks: given for written parts of a report, carried into the next report of the same work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path

from grader.errors import MachineFault, UsageError
from grader.plain_text import one_line
from grader.reports import FORMATS, folder_held, write_again, write_atomically, write_report
from grader.reports.schema import CheckReport, MarkReport, Report
from grader.reports.to_json import UnreadableReport, read_report_file, render
from grader.scoring import marked

MAX_NAME_BYTES = 200
_POINTS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """A report on disk with the marks that were carried into it; `sentences` tell what to look at again."""

    report: Report
    path: Path
    sentences: tuple[str, ...] = ()


def mark(
    path: Path, question: str, points: str, *, by: str, comment: str | None = None, part: str | None = None
) -> Report:
    """Add a mark to a report on disk and return the report; raise UsageError where it cannot be given.

    Raise MachineFault where the report cannot be written; it stays as it was then. Two people may mark one
    report at the same time: one waits for the other.
    """
    path = path.resolve()
    name = one_line(by, max_bytes=MAX_NAME_BYTES)
    if not name:
        raise UsageError("--by takes the name of the person who marks")
    with folder_held(path.parent):
        report = read_report_file(path)
        row = written_part(report, question, part)
        given = _mark_of(row, _points(points, row), by=name, comment=comment or None)
        changed = marked(report, (*report.marks, given))
        try:
            if path.name == FORMATS["json"].file_name:
                write_again(changed, path.parent)
            else:  # a copy somewhere else, which no other file was made from
                write_atomically(path, render(changed))
        except OSError as error:
            raise MachineFault(f"{path} cannot be written: {error.strerror or error}") from error
    return changed


def _mark_of(row: CheckReport, points: Decimal, *, by: str, comment: str | None) -> MarkReport:
    question, _, part = row.id.rpartition(".")
    return MarkReport(
        question=question,
        part=part,
        by=by,
        at=_now(),
        points=points,
        comment=comment,
        answer_sha256=None if row.answer is None else row.answer.sha256,
    )


def written_part(report: Report, question: str, part: str | None = None) -> CheckReport:
    """Find the row of a written part by its question, and by its name where the question has several."""
    wanted = question.strip().lower()
    rows = [check for each in report.questions for check in each.checks if check.kind == "written"]
    if not rows:
        raise UsageError(
            f"there is no written part in this report ({report.status}): nothing waits for a person"
        )
    parts = {row.id.rpartition(".")[2]: row for row in rows if row.id.rpartition(".")[0] == wanted}
    if not parts:
        having = ", ".join(dict.fromkeys(row.id.rpartition(".")[0] for row in rows))
        known = {each.id for each in report.questions}
        why = "has no written part" if wanted in known else "is not in this report"
        raise UsageError(f"{one_line(wanted)!r} {why}; a person marks the written parts of {having}")
    if part is None and len(parts) > 1:
        raise UsageError(f"{wanted} has several written parts; name one with --part: {', '.join(parts)}")
    name = next(iter(parts)) if part is None else part.strip().lower()
    if name not in parts:
        raise UsageError(f"{wanted} has no written part {one_line(name)!r}; it has: {', '.join(parts)}")
    return parts[name]


def require_own_marks(folder: Path, *, name: str, assignment: str) -> None:
    """Raise UsageError where a report with marks for somebody else's work would be replaced.

    Whose work it is, is told by the submission's name and the assignment: what is in it may have changed.
    """
    earlier = _earlier(folder / FORMATS["json"].file_name)
    if isinstance(earlier, Report):
        _require_own_marks(earlier, folder, name=name, assignment=assignment)


def write_keeping_marks(report: Report, folder: Path, formats: tuple[str, ...] = ("json",)) -> Kept:
    """Write a report as `write_report` does, with the marks of the report that it replaces.

    A file there that is no report that can be read is moved aside, since there may be marks in it.
    """
    path = folder / FORMATS["json"].file_name
    with folder_held(folder):
        earlier = _earlier(path)
        if earlier is None:
            return Kept(report, write_report(report, folder, formats))
        if isinstance(earlier, Report):
            _require_own_marks(earlier, folder, name=report.submission.name, assignment=report.assignment.id)
            report = marked(report, (*earlier.marks, *report.marks))
            return Kept(report, write_report(report, folder, formats), _about(report))
        with _moved_aside(path) as aside:
            written = write_report(report, folder, formats)
        sentence = f"{earlier}; it was kept as {aside}, and marks in it were not carried over"
        return Kept(report, written, (sentence,))


def _require_own_marks(earlier: Report, folder: Path, *, name: str, assignment: str) -> None:
    if not earlier.marks or (earlier.submission.name, earlier.assignment.id) == (name, assignment):
        return
    whose = f"{earlier.submission.name} ({earlier.assignment.id})"
    raise UsageError(
        f"{folder} holds a report of {whose} with a person's marks; choose another --out, or move it away"
    )


def _about(report: Report) -> tuple[str, ...]:
    flags = [flag for flag in report.flags if flag.kind.startswith("mark_")]
    return tuple(f"{flag.where}: {flag.message}" for flag in flags)


def _earlier(path: Path) -> Report | str | None:
    """Return the report at a path, None where there is none, or one sentence on a file that is none."""
    try:
        return read_report_file(path) if path.exists() else None
    except UnreadableReport as error:
        return str(error)


@contextmanager
def _moved_aside(path: Path) -> Iterator[Path]:
    """Give a file another name while its own is written anew; where that fails, it gets its name back."""
    names = (f"{path.name}.unreadable{f'-{number}' if number > 1 else ''}" for number in count(1))
    aside = next(each for each in map(path.with_name, names) if not each.exists())
    path.rename(aside)
    try:
        yield aside
    finally:
        if not path.exists():
            aside.rename(path)


def _points(text: str, row: CheckReport) -> Decimal:
    if not _POINTS.fullmatch(text.strip()) or Decimal(text) > row.max_score:
        raise UsageError(
            f"{row.id} is worth 0 to {format(row.max_score.normalize(), 'f')} points, not {one_line(text)!r}"
        )
    return Decimal(text)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
