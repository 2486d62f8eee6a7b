"""Make one class of several folders: the parts that machines of a matrix or a job array graded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader.cohort.journal import JOURNAL_NAME, Journal, Recorded
from grader.cohort.model import Row
from grader.cohort.rows import row_of, stamp_of, up_to_date, written_text
from grader.errors import UsageError
from grader.findings import findings_to_json
from grader.marks import write_keeping_marks
from grader.reports.to_json import read_report_file


@dataclass(slots=True)
class Merged:
    """How many rows came from where, and sentences about those that two folders have."""

    rows: int = 0
    kept: int = 0
    sentences: list[str] = field(default_factory=list)


def merge(
    folders: Sequence[Path], out: Path, *, formats: tuple[str, ...], on_row: Callable[[Row], None]
) -> Merged:
    """Put the rows and reports of several batches into one folder; people's marks come with their reports.

    Of two rows of one submission the one that was graded last counts, and marks of both are kept. It can be
    done again, and into a folder that already holds some of them.
    """
    merged = Merged()
    with Journal(out, assignment=assignment_of(folders, out)) as journal:
        for folder in folders:
            with Journal(folder) as source:
                for recorded in source.all_recorded():
                    row = _taken(recorded, source, journal, merged, out=out, formats=formats)
                    merged.rows += 1
                    on_row(row)
    return merged


def assignment_of(folders: Sequence[Path], out: Path) -> str:
    """Return of which homework batches are; raise UsageError where they cannot be merged into `out`."""
    found: dict[str, Path] = {}
    for folder in folders:
        if not (folder / JOURNAL_NAME).is_file():
            raise UsageError(f"{folder} holds no batch; name folders that `grader batch` wrote")
        if folder.resolve() == out.resolve():
            raise UsageError(f"{folder} is --out itself; what it holds stays there without being named")
        with Journal(folder) as journal:
            found.setdefault(journal.assignment, folder)
    if len(found) > 1:
        (first, one), (second, another) = list(found.items())[:2]
        raise UsageError(f"{one} is of {first}, {another} of {second}; merge batches of one homework")
    return next(iter(found))


def _taken(
    recorded: Recorded,
    source: Journal,
    journal: Journal,
    merged: Merged,
    *,
    out: Path,
    formats: tuple[str, ...],
) -> Row:
    """Take over one row, unless the one that is there was graded later."""
    label = recorded.row.entry.label
    there = journal.recorded(label)
    if there is not None and _is_later(there.row, recorded.row):
        if there.fingerprint != recorded.fingerprint:
            merged.sentences.append(f"{label}: graded twice, of different files; the later one was kept")
        merged.kept += 1
        return there.row
    if recorded.row.report is None or not recorded.row.report.is_file():
        journal.record(replace(recorded, row=replace(recorded.row, report=None), written=None))
        return recorded.row
    report = read_report_file(recorded.row.report)
    findings = None if recorded.fingerprint is None else source.findings(recorded.fingerprint)
    text = None if findings is None else findings_to_json(findings)
    journal.record(replace(recorded, row=replace(up_to_date(recorded), report=None), written=None), text)
    kept = write_keeping_marks(report, out / label, formats)
    row = row_of(recorded.row.entry, kept.report, kept.path)
    journal.record(replace(recorded, row=row, written=written_text(formats, stamp_of(kept.path))))
    return row


def _is_later(one: Row, another: Row) -> bool:
    if one.graded_at is None or another.graded_at is None:
        return one.graded_at is not None
    return one.graded_at >= another.graded_at


def batches_below(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders of batches that are named, or that lie one level below a named one."""
    for folder in folders:
        if (folder / JOURNAL_NAME).is_file():
            yield folder
        else:
            yield from sorted(path.parent for path in folder.glob(f"*/{JOURNAL_NAME}"))
