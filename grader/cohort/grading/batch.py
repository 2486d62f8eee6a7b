"""Grade a class: settle what is known already, have the rest graded, put each result on disk as it comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from grader.cohort.failures.comments import commented, read_comments
from grader.cohort.grading.content import content_digest, packed
from grader.cohort.grading.executors import Place
from grader.cohort.grading.fingerprint import fingerprint_with
from grader.cohort.grading.tasks import Order, Packed, Task, fault_findings, grade_task
from grader.cohort.journal import REPORT_NAME, Journal, Recorded
from grader.cohort.model import Entry, How, Row
from grader.cohort.rows import formats_of, row_of, stamp_of, written_text
from grader.errors import GraderError, SandboxUnavailable, SubmissionRejected, UsageError
from grader.findings import Findings, findings_from_json, report_of
from grader.marks import write_keeping_marks
from grader.model import Ending
from grader.plain_text import one_line
from grader.plan import Plan
from grader.reports import FORMATS, remove_unfinished
from grader.scratch import try_lock

LOCK_NAME = "journal.lock"
# Tasks per slot that are handed out at a time: the next one waits where the last one ends.
AHEAD = 2

OnRow = Callable[[Row, How], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How a class is graded and where to; `formats` are written beside each report.json.

    With `sends_content` the submissions travel to where they are graded; else their paths do. With
    `retries_faults` what failed through no fault of a student's is tried again. `task` is what the place runs
    for each: a function of a module, since it may travel too.
    """

    order: Order
    plan: Plan
    folder: Path
    formats: tuple[str, ...] = ("json",)
    retries_faults: bool = False
    sends_content: bool = False
    task: Callable[[Task], str] = grade_task


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry that is being graded."""

    entry: Entry
    content: str | None
    fingerprint: str | None


def run_batch(
    entries: Sequence[Entry], options: BatchOptions, journal: Journal, place: Place, on_row: OnRow
) -> tuple[str, ...]:
    """Grade what is not known yet, until each entry has its row; return sentences about single ones.

    Raise MachineFault where a result cannot be put on disk, SandboxUnavailable where nothing can be graded:
    what was recorded stays, and the next run goes on from there.
    """
    batch = _Batch(options, journal, place, on_row)
    try:
        batch.run(entries)
    except BaseException:
        place.close(at_once=True)
        raise
    place.close(at_once=False)
    journal.forget_unused()
    return tuple(batch.sentences)


@contextmanager
def folder_of_batch(folder: Path) -> Iterator[None]:
    """Keep a second batch out of a folder; raise UsageError where one works in it already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}: {error.strerror or error}; choose another --out"
        ) from error
    try:
        if try_lock(descriptor) is False:
            raise UsageError(
                f"another `grader batch` works in {folder}; wait for it, or choose another --out"
            )
        yield
    finally:
        os.close(descriptor)


class _Batch:
    """One run over a class."""

    def __init__(self, options: BatchOptions, journal: Journal, place: Place, on_row: OnRow) -> None:
        self._options = options
        self._journal = journal
        self._place = place
        self._on_row = on_row
        self._fingerprint = fingerprint_with(options.order.options, options.plan)
        self._comments = read_comments(options.folder)
        self._running: dict[Future[str], _Waiting] = {}
        # Entries whose very bytes are being graded for another one.
        self._same: dict[str, list[Entry]] = {}
        self.sentences: list[str] = []

    def run(self, entries: Sequence[Entry]) -> None:
        """Settle or grade every entry."""
        for entry in entries:
            self._take_up(entry)
            while len(self._running) >= AHEAD * self._place.slots():
                self._collect()
        while self._running:
            self._collect()

    # ------------------------------------------------------------------------- what is known already

    def _take_up(self, entry: Entry) -> None:
        if entry.problem is not None:
            row = Row(entry=entry, status="odd", reason=entry.problem)
            self._journal.record(Recorded(row))
            self._on_row(row, "odd")
            return
        content = content_digest(entry.path)
        fingerprint = None if content is None else self._fingerprint(content)
        if fingerprint is not None and self._is_settled(entry, fingerprint):
            return
        if fingerprint in self._same:
            self._same[fingerprint].append(entry)
            return
        self._start(_Waiting(entry, content, fingerprint))

    def _is_settled(self, entry: Entry, fingerprint: str) -> bool:
        """Make do with what was found earlier in the same bytes; return False where that is not known."""
        earlier = self._journal.recorded(entry.label)
        if earlier is not None and earlier.fingerprint == fingerprint:
            if earlier.row.status == "grader_error" and earlier.written is not None:
                if self._options.retries_faults:
                    return False
                self._keep(earlier, entry, "fault_kept")
                return True
            if earlier.rubric == self._options.plan.rubric.digest and self._is_written(earlier):
                self._keep(earlier, entry, "unchanged")
                return True
        findings = self._journal.findings(fingerprint)
        if findings is None or not findings.fit(self._options.plan):
            return False
        self._put(entry, fingerprint, findings, how="scored_again")
        return True

    def _keep(self, earlier: Recorded, entry: Entry, how: How) -> None:
        """Leave a row as it is, but for what is newly known about who handed it in."""
        if earlier.row.entry != entry:
            earlier = replace(earlier, row=replace(earlier.row, entry=entry))
            self._journal.record(earlier)
        self._on_row(earlier.row, how)

    def _is_written(self, earlier: Recorded) -> bool:
        """Whether every file that is asked for was written, and is still there."""
        if earlier.written is None or earlier.row.report is None:
            return False
        formats = formats_of(earlier.written)
        folder = earlier.row.report.parent
        wanted = dict.fromkeys((*formats, *self._options.formats))
        return set(self._options.formats) <= set(formats) and all(
            (folder / FORMATS[name].file_name).exists() or self._cannot_hold(earlier.row, name)
            for name in wanted
        )

    @staticmethod
    def _cannot_hold(row: Row, name: str) -> bool:
        return row.score is None and not FORMATS[name].holds_unscored

    # ------------------------------------------------------------------------- what is graded now

    def _start(self, waiting: _Waiting) -> None:
        entry, order = waiting.entry, self._options.order
        submission: Path | Packed = entry.path.resolve()
        if self._options.sends_content:
            try:
                submission = Packed(packed(entry.path))
            except (OSError, ValueError, SubmissionRejected):
                # Whatever is wrong with it can be said here: no student's code will run.
                self._finish(waiting, grade_task(Task(order=order, submission=submission, content=None)))
                return
        task = Task(order=order, submission=submission, content=waiting.content)
        self._running[self._place.executor.submit(self._options.task, task)] = waiting
        if waiting.fingerprint is not None:
            self._same[waiting.fingerprint] = []

    def _collect(self) -> None:
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        for future in done:
            waiting = self._running.pop(future)
            twins = self._same.pop(waiting.fingerprint, []) if waiting.fingerprint is not None else []
            self._finish(waiting, self._text_of(future, waiting))
            for entry in twins:
                self._take_up(entry)

    def _text_of(self, future: Future[str], waiting: _Waiting) -> str:
        try:
            return future.result()
        except Exception as error:  # noqa: BLE001  # one lost submission is a row, not the end of a class
            told = str(error) if isinstance(error, GraderError) else f"{type(error).__name__}: {error}"
            reason = f"it could not be graded ({one_line(told)}); nobody loses points for it"
            return fault_findings(self._options.order, self._options.plan, waiting.entry.path, reason)

    def _finish(self, waiting: _Waiting, text: str) -> None:
        findings = findings_from_json(text)
        ending, reason = findings.facts.ending, findings.facts.reason or ""
        if ending is Ending.NO_ISOLATION:
            raise SandboxUnavailable(reason)
        if ending is Ending.INTERRUPTED:  # whoever ended it did not ask this process
            findings = replace(findings, facts=replace(findings.facts, ending=Ending.BROKE))
        # Recorded as it came: to make the same text again would take as long as all else that is done here.
        new = text if waiting.fingerprint is not None and findings.will_come_again else None
        self._put(waiting.entry, waiting.fingerprint, findings, new=new, how="graded")

    def _put(
        self, entry: Entry, fingerprint: str | None, findings: Findings, *, new: str | None = None, how: How
    ) -> None:
        """Record what was found (if it is `new`), then write the files, then record that they are written."""
        plan, folder = self._options.plan, self._options.folder / entry.label
        report = commented(report_of(plan, findings.of_submission(entry.label)), self._comments)
        row = row_of(entry, report, folder / REPORT_NAME)
        recorded = Recorded(replace(row, report=None), fingerprint, plan.rubric.digest)
        self._journal.record(recorded, new)
        remove_unfinished(folder)
        try:
            kept = write_keeping_marks(report, folder, self._options.formats)
        except UsageError as error:  # somebody's marks for other work are in the way
            self.sentences.append(f"{entry.label}: {error}")
            self._on_row(row, "fault")
            return
        self.sentences += [f"{entry.label}: {sentence}" for sentence in kept.sentences]
        row = row_of(entry, kept.report, kept.path)
        written = written_text(self._options.formats, stamp_of(kept.path))
        self._journal.record(replace(recorded, row=row, written=written))
        self._on_row(row, "fault" if row.status == "grader_error" else how)


def how_far(journal: Journal, folder: Path, total: int) -> str:
    """Say how far a batch came that was ended."""
    try:
        done = sum(
            1 for each in journal.all_recorded() if each.written is not None or each.row.status == "odd"
        )
    except GraderError:
        return f"what was recorded is in {folder}, and the same command goes on from there"
    return f"{done} of {total} submissions are recorded in {folder}, and the same command goes on from there"
