"""What Gradescope's `run_autograder` runs for one submission.

The grading itself is the public command, in a process of its own: where that one is killed, this one still
says so. Students are told what they need to know in `output`; what is for the instructor goes to standard
output, which `results.json` hides from students, and into `extra_data`. A hidden test would do too, but then
Gradescope shows students no total.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.plain_text import one_line
from grader.reports import write_atomically

# The reference notebook took 1.8 GiB at its peak, all processes of the grading together; students' take more.
TORCH_BYTES = 5 << 29
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SECONDS_TO_STOP = 15
_MAX_BYTES = 64 << 20
_LEFT_OUT = "The notebook's questions were not graded in this run; no points are lost for it."
_NOT_GRADED = (
    "The autograder did not finish. This submission was not scored, and no points are lost;"
    " the course's staff can see why."
)


@dataclass(frozen=True, slots=True)
class Job:
    """One submission in Gradescope's folders, and what the place gives."""

    root: Path
    seconds: int
    with_experiments: bool
    memory_bytes: int | None

    @property
    def lacks_memory(self) -> bool:
        """Whether PyTorch is installed, and there is too little memory for it."""
        return self.with_experiments and self.memory_bytes is not None and self.memory_bytes < TORCH_BYTES


@dataclass(slots=True)
class Told:
    """What is to be said beside the report."""

    students: list[str] = field(default_factory=list)
    instructor: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the submission below `--root`, and leave `results/results.json` there."""
    parser = argparse.ArgumentParser(prog="run_autograder", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="where submission/ and results/ are")
    parser.add_argument("--seconds", type=int, required=True, help="how long grading may take")
    parser.add_argument("--experiments", choices=("yes", "no"), required=True)
    parser.add_argument("--memory-bytes", type=int, default=None, help="else as the system says")
    chosen = parser.parse_args(arguments)
    job = Job(
        chosen.root,
        chosen.seconds,
        chosen.experiments == "yes",
        memory_here() if chosen.memory_bytes is None else chosen.memory_bytes,
    )
    run(job, (sys.executable, "-m", "grader.cli"))
    return 0


def run(job: Job, grader: Sequence[str]) -> None:
    """Grade with the command `grader`, and write what came of it, whatever that is."""
    told = Told()
    with tempfile.TemporaryDirectory(prefix="gradescope-") as folder:
        _grade(job, grader, Path(folder), told)
        results = _table_in(Path(folder) / "results.json")
        report = _table_in(Path(folder) / "report.json") or {}
    if results is None:
        results = {"output": _NOT_GRADED, "output_format": "text", "visibility": "visible", "tests": []}
    _hold_against(report, _table_in(job.root / "submission_metadata.json") or {}, told)
    results["stdout_visibility"] = "hidden"
    results["output"] = "\n".join([*told.students, str(results.get("output", ""))])
    extra = results.get("extra_data")
    results["extra_data"] = (extra if isinstance(extra, dict) else {}) | {
        "for_the_instructor": told.instructor
    }
    write_atomically(job.root / "results" / "results.json", json.dumps(results, indent=2) + "\n")
    for sentence in told.instructor:
        sys.stdout.write(f"For the instructor: {one_line(sentence)}\n")


def memory_here() -> int | None:
    """Return how much memory this container or machine may use, as far as the system says."""
    limits = [_number_in(path) for path in _CGROUP_FILES]
    known = [limit for limit in (*limits, _machine_memory()) if limit is not None]
    return min(known, default=None)


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max" where there is no limit
        return None


def _machine_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemTotal:"))
    except (OSError, ValueError, StopIteration):
        return None


def _grade(job: Job, grader: Sequence[str], folder: Path, told: Told) -> None:
    command = [*grader, "grade", str(job.root / "submission"), "--out", str(folder), "--format", "gradescope"]
    if job.lacks_memory:
        command.append("--without-experiments")
        told.students.append(_LEFT_OUT)
        told.instructor.append(
            f"this container has {_mebibytes(job.memory_bytes or 0)} of memory and PyTorch needs"
            f" {_mebibytes(TORCH_BYTES)}, so the notebook's questions were not run: choose a larger container"
            " in the autograder's settings and run it again."
        )
    process = subprocess.Popen(command)
    try:
        code = process.wait(job.seconds)
    except subprocess.TimeoutExpired:
        told.instructor.append(
            f"grading was stopped after {job.seconds} seconds, so this submission has no score: give the"
            " autograder more time in its settings, and make the bundle with as many --minutes."
        )
        process.send_signal(signal.SIGTERM)  # at which it writes what it has
        code = _ended(process)
    if code == -signal.SIGKILL:
        told.instructor.append(
            "the grader was killed, most likely for too little memory: choose a larger container in the"
            " autograder's settings and run it again."
        )
    elif code not in (0, 1):
        told.instructor.append(f"the grader ended with the exit code {code}; what it says is above.")


def _ended(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _table_in(path: Path) -> dict[str, Any] | None:
    """Return the table that a file of JSON holds; None where there is none that can be read."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _hold_against(report: Mapping[str, Any], metadata: Mapping[str, Any], told: Told) -> None:
    """Tell where Gradescope counts in other points than the rubric."""
    assignment = metadata.get("assignment")
    try:
        there = float(assignment["total_points"])  # type: ignore[index]
        here = float(report["rubric_max_score"])
    except (TypeError, ValueError, KeyError):  # a number as text is a number; anything else is no news
        return
    if there != here:
        told.instructor.append(
            f"the assignment is worth {there:g} points in Gradescope and {here:g} in the rubric."
        )


def _mebibytes(count: int) -> str:
    return f"{count >> 20} MiB"


if __name__ == "__main__":
    sys.exit(main())
