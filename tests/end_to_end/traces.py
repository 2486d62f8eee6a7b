"""One grader in a place of its own, and what it leaves there: processes, by their descent, and files."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from grader.reports.schema import SCHEMA_FILE
from grader.sandbox import trusted
from grader.sandbox.usage import children_of
from tests.required import not_here

REPOSITORY = Path(__file__).resolve().parents[2]
RIGHT = REPOSITORY / "reference"
QUESTION = "q6.2"
NOT_ENOUGH_ISOLATION = 4
ENDING_SECONDS = 10.0
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, order=True)
class Process:
    """A process; the start, in clock ticks since the machine's, tells numbers that were given twice."""

    number: int
    started: int


@dataclass(frozen=True)
class Place:
    """The folders that a grader of these tests knows."""

    home: Path
    here: Path
    temporary: Path
    out: Path

    @classmethod
    def below(cls, folder: Path) -> Place:
        place = cls(*(folder / name for name in ("home", "here", "temporary", "out")))
        for each in (place.home, place.here, place.temporary):
            each.mkdir(parents=True)
        return place

    @property
    def report_file(self) -> Path:
        return self.out / "report.json"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        # With a course's secret, as a course grades: without one a secret of the installation would stay.
        course = {"GRADER_COURSE_SECRET": "of the course that grades here"}
        return kept | course | {"HOME": str(self.home), "TMPDIR": str(self.temporary)}

    def start(
        self,
        *arguments: str | Path,
        prefix: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Start `grader ARGUMENTS`, in all of these folders."""
        command = [*prefix, sys.executable, "-m", "grader.cli", *map(str, arguments)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            command,
            text=True,
            cwd=self.here,
            env=self.environment | (environment or {}),
            **(pipes | options),
        )

    def start_grading(self, *more: str | Path, submission: Path = RIGHT, **options: Any) -> Any:
        """Start to grade one question of the right submission."""
        return self.start("grade", submission, "--questions", QUESTION, "--out", self.out, *more, **options)

    def report(self) -> dict[str, Any]:
        """Return the report, which must be a whole and valid one."""
        report = json.loads(self.report_file.read_text(encoding="utf-8"), parse_float=Decimal)
        plain = json.loads(self.report_file.read_text(encoding="utf-8"))
        schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(plain)
        return report

    def left_over(self) -> list[str]:
        """Return every file that is neither a report nor in a place that the test itself made."""
        roots = (self.home, self.here, self.temporary, self.out)
        found = [path for root in roots for path in root.rglob("*") if path != self.report_file]
        return sorted(str(path.relative_to(self.home.parent)) for path in found)


def finish(grader: subprocess.Popen[str], *, seconds: float = 120) -> tuple[int, str, str]:
    """Wait for a grader; return its exit code and what it printed."""
    try:
        out, err = grader.communicate(timeout=seconds)
    finally:
        grader.kill()
        grader.wait()
    if grader.returncode == NOT_ENOUGH_ISOLATION:
        not_here(f"confined: {(err or '').strip()}")
    return grader.returncode, out or "", err or ""


def automatic_checks(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        check for question in report["questions"] for check in question["checks"] if check["kind"] == "auto"
    ]


def nobody_is_blamed(report: dict[str, Any]) -> None:
    """Hold that a right submission's report takes no point away: all of it is there, or nothing is said."""
    checks = automatic_checks(report)
    assert checks, "every planned check is in the report"
    blamed = [check for check in checks if check["score"] not in (None, check["max_score"])]
    assert not blamed, [(check["id"], check["outcome"], check["feedback"]["message"]) for check in blamed]
    if report["status"] in ("graded", "partial"):
        assert report["score"] == report["max_score"]
    else:
        assert report["score"] is None


# ------------------------------------------------------------------------------------- processes


@contextlib.contextmanager
def adopting_orphans() -> Iterator[None]:
    """Become the parent of all that graders leave behind: then they are this process's descendants.

    What this process has started before is nobody's orphan, and stays: Python's own tracker of resources.
    """
    own = set(children_of(os.getpid()))
    for child in own:
        trusted.keep(child)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        for child in own:
            trusted.no_longer_keep(child)


def descendants(of: int | None = None) -> set[Process]:
    """Return the running processes below one (this one), by parents: nobody else's are among them."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            state, parent, started = fields[0], int(fields[1]), int(fields[19])
            parents[Process(int(entry.name), started)] = (parent, state)
    below, found = {of or os.getpid()}, set()
    while new := {each for each, (parent, _) in parents.items() if parent in below} - found:
        found |= new
        below |= {each.number for each in new}
    return {each for each in found if parents[each][1] not in "ZX"}


def command_of(process: Process) -> str:
    """Return a process's command line, for a person; empty for one that is gone."""
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{process.number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return ""


def strays(before: set[Process]) -> list[str]:
    """Return what still runs that did not run before, a while after it should have ended."""
    give_up = time.monotonic() + ENDING_SECONDS
    while (left := descendants() - before) and time.monotonic() < give_up:
        time.sleep(0.05)
    return [f"{each.number}: {command_of(each)}" for each in sorted(left)]


def waited_for(grader: subprocess.Popen[str], word: str, *, seconds: float = 60) -> Process | None:
    """Wait until a grader has a descendant with that word in its command line; None if it ends before."""
    give_up = time.monotonic() + seconds
    while grader.poll() is None and time.monotonic() < give_up:
        for each in descendants(grader.pid):
            if word in command_of(each):
                return each
        time.sleep(0.002)
    return None


def _stat(number: int) -> list[str]:
    try:
        return Path(f"/proc/{number}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
