"""A run of `grader batch` as a person sees it: progress, the table at the end, the exit code."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline
from grader.class_cli.terminal import class_progress, print_class
from grader.cohort.failures.comments import apply_comments
from grader.cohort.grading.batch import BatchOptions, folder_of_batch, how_far, run_batch
from grader.cohort.grading.executors import Place, ThisMachine
from grader.cohort.grading.merging import assignment_of, batches_below, merge
from grader.cohort.grading.tasks import Order, order_for
from grader.cohort.handed_in.discovery import discover
from grader.cohort.handed_in.roster import read_roster
from grader.cohort.handed_in.selection import chosen, moment_of, shard_of
from grader.cohort.journal import Journal
from grader.cohort.model import Entry, How, Row
from grader.cohort.page.writing import write_class_report
from grader.cohort.rows import read_rows
from grader.cohort.table import table
from grader.endings import complain, worst
from grader.errors import GraderFault, MachineFault, UsageError
from grader.reports import ensure_writable, write_atomically
from grader.sandbox.machine import processors
from grader.terminal import make_console

TABLE_NAME = "class.csv"


@dataclass(frozen=True, slots=True)
class ClassRun:
    """One call of the command: how submissions are graded, and where the results go."""

    options: pipeline.GradeOptions
    out: Path
    formats: tuple[str, ...]

    def grade(
        self,
        folder: Path,
        *,
        roster: Path | None = None,
        layout: str | None = None,
        jobs: int | None = None,
        scheduler: str | None = None,
        shard: str | None = None,
        only: Sequence[str] = (),
        since: str | None = None,
        retries_faults: bool = False,
    ) -> int:
        """Grade what a class handed in; return the exit code."""
        wanted_shard = None if shard is None else shard_of(shard)
        wanted_since = None if since is None else moment_of(since)
        found = discover(
            folder,
            layout=layout,
            roster=None if roster is None else read_roster(roster),
            without=[self.out] if roster is None else [self.out, roster],
        )
        entries = chosen(found.entries, only=only, since=wanted_since, shard=wanted_shard)
        if self.out.resolve() == folder.resolve():
            raise UsageError(f"--out {self.out} is the folder of submissions; choose another one")
        plan = pipeline.prepare(self.options)
        order = order_for(self.options, secrets.token_hex(8))
        batch = BatchOptions(
            order=order,
            plan=plan,
            folder=self.out,
            formats=self.formats,
            retries_faults=retries_faults,
            sends_content=scheduler is not None,
        )
        for sentence in found.sentences:
            complain(sentence)
        # First, since without a scheduler nothing is to be written.
        with _place(scheduler, jobs, order) as place, self._journal(plan.rubric.assignment) as journal:
            rows, sentences = self._graded(entries, batch, journal, place)
            strangers = len(set(journal.labels()) - {entry.label for entry in found.entries})
        for sentence in sentences:
            complain(sentence)
        if strangers:
            complain(f"{strangers} of the rows in {self.out} are of submissions that are not in {folder} now")
        self._finish(rows)
        return worst([3] if rows["fault"] or rows["fault_kept"] else [2] if sentences else [0])

    def merge(self, folders: Sequence[Path]) -> int:
        """Put batches together; return the exit code."""
        parts = list(batches_below(folders))
        if not parts:
            raise UsageError("name the folders that `grader batch --shard` wrote, or the folder they are in")
        assignment_of(parts, self.out)
        ensure_writable(self.out)
        counts: Counter[How] = Counter()
        with folder_of_batch(self.out), class_progress(make_console(stderr=True), total=None) as on_row:
            merged = merge(parts, self.out, formats=self.formats, on_row=lambda row: on_row(row, "merged"))
        counts["merged"] = merged.rows
        for sentence in merged.sentences:
            complain(sentence)
        self._finish(counts)
        return 0

    def _graded(
        self,
        entries: Sequence[Entry],
        batch: BatchOptions,
        journal: Journal,
        place: Place,
    ) -> tuple[Counter[How], tuple[str, ...]]:
        counts: Counter[How] = Counter()
        try:
            with class_progress(make_console(stderr=True), total=len(entries)) as show:

                def on_row(row: Row, how: How) -> None:
                    counts[how] += 1
                    show(row, how)

                return counts, run_batch(entries, batch, journal, place, on_row)
        except KeyboardInterrupt:
            complain(f"interrupted: {how_far(journal, self.out, len(entries))}")
            raise
        except MachineFault as error:
            raise GraderFault(f"{error}; {how_far(journal, self.out, len(entries))}") from error

    @contextmanager
    def _journal(self, assignment: str) -> Iterator[Journal]:
        ensure_writable(self.out)
        with folder_of_batch(self.out), Journal(self.out, assignment=assignment) as journal:
            yield journal

    def _finish(self, counts: Counter[How]) -> None:
        """Write people's comments and the class's pages, and print what became of everybody."""
        for sentence in apply_comments(self.out).sentences:
            complain(sentence)
        path = self.out / TABLE_NAME
        try:
            write_atomically(path, table(read_rows(self.out), self.out))
        except OSError as error:
            raise MachineFault(
                f"{path} cannot be written: {error.strerror or error}; the reports are there, and the same"
                " command writes it again"
            ) from error
        page = write_class_report(self.out)
        print_class(make_console(), read_rows(self.out), counts, pages=(path, page))


@contextmanager
def _place(scheduler: str | None, jobs: int | None, order: Order) -> Iterator[Place]:
    """Give where submissions are graded; it is ended here only where that fails, by the batch otherwise."""
    place: Place
    if scheduler is None:
        place = ThisMachine(jobs or processors())
    else:
        from grader.cohort.grading.cluster import DaskCluster  # noqa: PLC0415 -- Dask is an extra

        place = DaskCluster(scheduler, order)
    try:
        yield place
    except BaseException:
        place.close(at_once=True)
        raise
