"""A class that costs next to nothing to grade, so that what is seen is what `grader batch` itself costs.

In place of `grade_task` a stand-in waits a few milliseconds and answers what was once found in the reference.
All else is the real thing: processes or a cluster, journal, reports.
"""

from __future__ import annotations

import io
import json
import secrets
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.mixed_class import REFERENCE, right_files, zipped
from grader.class_cli import batch as class_run
from grader.cli_options import grade_options
from grader.cohort.grading.batch import AHEAD, BatchOptions, folder_of_batch, run_batch
from grader.cohort.grading.content import content_digest, packed
from grader.cohort.grading.executors import Place
from grader.cohort.grading.fingerprint import fingerprint_with
from grader.cohort.grading.tasks import Packed, Task, order_for
from grader.cohort.journal import Journal, Recorded
from grader.cohort.model import Entry
from grader.cohort.rows import row_of, stamp_of, written_text
from grader.findings import findings_from_json, findings_to_json, report_of
from grader.marks import write_keeping_marks
from grader.pipeline import GradeOptions, find, prepare

Cost = dict[str, float]


@dataclass(frozen=True, slots=True)
class Recording:
    """What grading by these options once found, kept in a file, and how long a task takes that answers it."""

    options: GradeOptions
    path: Path
    seconds: float

    @property
    def task(self) -> Callable[[Task], str]:
        """What is run in place of `grade_task`."""
        return partial(stand_in, path=self.path, seconds=self.seconds)


def stand_in(task: Task, *, path: Path, seconds: float) -> str:
    """Answer what was recorded, after a while."""
    assert task.submission
    time.sleep(seconds)
    return _text(path)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def recorded(folder: Path, questions: str, seconds: float) -> Recording:
    """Grade the reference once, and keep what was found."""
    options = options_for(questions)
    found = findings_to_json(find(REFERENCE, options, plan=prepare(options)))
    path = folder / "findings.json"
    path.write_text(found, encoding="utf-8")
    return Recording(options, path, seconds)


def options_for(questions: str) -> GradeOptions:
    """Return the options of `grader batch --questions ...`."""
    return grade_options(
        profile=None,
        questions=questions,
        device="auto",
        sandbox="",
        min_isolation=2,
        rubric=None,
        seed=None,
        data_dir=None,
        without_experiments=False,
        fast_data=True,
    )


def hand_in(folder: Path, count: int, *, as_folders: bool = False) -> list[Entry]:
    """Write so many right submissions, each with other bytes; with `as_folders` half of them as folders."""
    folder.mkdir(parents=True)
    files = right_files()
    plain = zipped(files)
    entries = []
    for number in range(count):
        label = f"student-{number:05}"
        if as_folders and number % 2:
            path = folder / label
            for name, content in {**files, "mytorch/extra.py": f"# {number}\n".encode()}.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(content)
        else:
            path = folder / f"{label}.zip"
            path.write_bytes(_with_comment(plain, label.encode()))
        entries.append(Entry(label=label, path=path))
    return entries


def _with_comment(plain: bytes, comment: bytes) -> bytes:
    """Return a zip with another comment, which is the last thing in it: packing 10,000 would take longer."""
    changed = plain[:-2] + len(comment).to_bytes(2, "little") + comment
    assert zipfile.is_zipfile(io.BytesIO(changed))
    return changed


def grade(
    entries: Sequence[Entry],
    out: Path,
    recording: Recording,
    place: Callable[[BatchOptions], Place],
    *,
    sends_content: bool = False,
) -> float:
    """Run a batch of stand-ins; return how many submissions it did in a second, without its start."""
    options = BatchOptions(
        order=order_for(recording.options, secrets.token_hex(8)),
        plan=prepare(recording.options),
        folder=out,
        sends_content=sends_content,
        task=recording.task,
    )
    moments: list[float] = []
    assignment = options.plan.rubric.assignment
    with folder_of_batch(out), Journal(out, assignment=assignment) as journal:
        began = time.perf_counter()
        run_batch(entries, options, journal, place(options), lambda *_: moments.append(time.perf_counter()))
    assert len(moments) == len(entries)
    # From the first result on: how long processes take to start is told elsewhere.
    return (len(moments) - 1) / (moments[-1] - moments[0]) if len(moments) > 1 else 1 / (moments[0] - began)


def grade_by_command(folder: Path, out: Path, recording: Recording, jobs: int) -> int:
    """Do all that `grader batch FOLDER --out OUT` does, with stand-ins; return its exit code."""
    with patch.object(class_run, "BatchOptions", partial(BatchOptions, task=recording.task)):
        return class_run.ClassRun(recording.options, out, ("json",)).grade(folder, jobs=jobs)


# ------------------------------------------------------------------------------- each part by itself


def parts(entries: Sequence[Entry], out: Path, recording: Recording) -> dict[str, Cost]:
    """Return what each step that the parent does costs for one submission, by itself."""
    plan = prepare(recording.options)
    text = _text(recording.path)
    fingerprint = fingerprint_with(recording.options, plan)
    found = [findings_from_json(text).of_submission(entry.label) for entry in entries]
    reports = [report_of(plan, each) for each in found]
    contents = [content_digest(entry.path) or "" for entry in entries]
    print_of = {entry.label: fingerprint(content) for entry, content in zip(entries, contents, strict=True)}
    costs = {
        "digest of what was handed in": _cost(entries, lambda entry: content_digest(entry.path)),
        "findings read, points added": _cost(
            entries, lambda entry: report_of(plan, findings_from_json(text).of_submission(entry.label))
        ),
        "report written (fsync)": _cost(
            list(zip(entries, reports, strict=True)),
            lambda pair: write_keeping_marks(pair[1], out / pair[0].label),
        ),
    }
    rows = [
        Recorded(row_of(entry, report, out / entry.label / "report.json"), print_of[entry.label])
        for entry, report in zip(entries, reports, strict=True)
    ]
    return costs | _journal_parts([(row, text) for row in rows], out)


def _journal_parts(pairs: Sequence[tuple[Recorded, str]], out: Path) -> dict[str, Cost]:
    with Journal(out, assignment="hw1") as journal:
        first = _cost(
            pairs,
            lambda pair: journal.record(replace(pair[0], row=replace(pair[0].row, report=None)), pair[1]),
        )
        stamped = [
            replace(each, written=written_text(("json",), stamp_of(each.row.report)))
            for each, _ in pairs
            if each.row.report is not None
        ]
        return {
            "journal: what was found (commit)": first,
            "journal: written (commit)": _cost(stamped, journal.record),
        }


def _cost(things: Sequence[Any], act: Callable[[Any], object]) -> Cost:
    began, busy = time.perf_counter(), time.process_time()
    for each in things:
        act(each)
    wall, cpu = time.perf_counter() - began, time.process_time() - busy
    return {"wall_ms": 1000 * wall / len(things), "cpu_ms": 1000 * cpu / len(things)}


def passed_through(
    entries: Sequence[Entry], place: Place, recording: Recording, *, sends_content: bool
) -> float:
    """Hand tasks to a place and collect them, and do nothing else; return tasks in a second."""
    order = order_for(recording.options, secrets.token_hex(8))
    running: set[Future[str]] = set()
    moments: list[float] = []
    for entry in entries:
        submission = Packed(packed(entry.path)) if sends_content else entry.path
        task = Task(order=order, submission=submission, content=None)
        running.add(place.executor.submit(recording.task, task))
        while len(running) >= AHEAD * place.slots():
            running = _collected(running, moments)
    while running:
        running = _collected(running, moments)
    return (len(moments) - 1) / (moments[-1] - moments[0])


def _collected(running: set[Future[str]], moments: list[float]) -> set[Future[str]]:
    done, left = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        assert future.result()
        moments.append(time.perf_counter())
    return left


# ------------------------------------------------------------------------------- memory


def peak_kib() -> int:
    """Return the most memory that this process ever had resident; of its children nothing."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def main() -> None:
    """Grade a folder with stand-ins and print the peak: a process of its own for each class."""
    folder, out, findings, questions, seconds = sys.argv[1:]
    recording = Recording(options_for(questions), Path(findings), float(seconds))
    code = grade_by_command(Path(folder), Path(out), recording, jobs=2)
    print(json.dumps({"exit_code": code, "peak_kib": peak_kib()}))


if __name__ == "__main__":
    main()
