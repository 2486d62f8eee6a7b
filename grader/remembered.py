"""What earlier self-checks of the same code found, kept in the user's cache folder.

Only for self-checks, which are never a grade: a student who edits his own cache deceives himself alone. A
result is found again under a digest of all that it depends on; whatever is not surely the same is run again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from grader.errors import MachineFault
from grader.model import CheckResult, Ending, Isolation, Outcome, Submission
from grader.plan import Plan, PlannedQuestion
from grader.records import finite, isolation_from_record, result_from_record, result_to_record
from grader.reports import write_atomically
from grader.scratch import PRIVATE, remove_unheld_file
from grader.session import SuiteRun

SCHEMA = "grader/self-check/v1"
MOST_ENTRIES = 100
MOST_ENTRY_BYTES = 1 << 20
# Other outcomes may be the machine's, or another one the next time: a limit on time or memory, a crash.
KEPT_OUTCOMES = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.EXITED})
_OWN_KINDS = frozenset({".py", ".toml", ".json", ".ini"})
_PACKAGE, _THEORY = "mytorch", "theory.py"
# In a file of somebody else's, or where one cannot be written.
_UNUSABLE = (OSError, MachineFault, KeyError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known already: results by check, and what the runs that found them said about themselves."""

    questions: tuple[str, ...] = ()
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    isolation: Isolation | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def completed_by(self, run: SuiteRun) -> SuiteRun:
        """Return a run that holds these results beside its own."""
        return replace(
            run,
            results={**self.results, **run.results},
            isolation=run.isolation or self.isolation,
            versions=run.versions or self.versions,
        )


class Remembered:
    """The results of earlier self-checks, in a folder; one file holds those of questions that ran together.

    `circumstances` are facts that a result depends on beside the code: the profile, the limits, the versions
    of libraries. With `recalls` false nothing is recalled, and what is found is kept all the same. Nothing
    here raises: a folder that cannot be used remembers nothing.
    """

    def __init__(self, folder: Path, circumstances: Mapping[str, object], *, recalls: bool = True) -> None:
        self._folder = folder
        self._circumstances = json.dumps(finite(circumstances), sort_keys=True)
        self._recalls = recalls

    def recall(self, submission: Submission, plan: Plan) -> Earlier:
        """Return what is known about the plan's questions for exactly these files."""
        earlier = Earlier()
        for path, questions in self._entries(submission, plan) if self._recalls else ():
            with contextlib.suppress(*_UNUSABLE):
                earlier = _joined(earlier, _read(path, questions))
        return earlier

    def keep(self, submission: Submission, plan: Plan, run: SuiteRun) -> None:
        """Remember what a run found, where it would find the same again."""
        if run.ending is not Ending.FINISHED or run.faults or run.broken:
            return
        for path, questions in self._entries(submission, plan):
            results = [run.results.get(name) for name in _checks_of(questions)]
            found = [result for result in results if result is not None and result.outcome in KEPT_OUTCOMES]
            if len(found) == len(results):
                with contextlib.suppress(*_UNUSABLE):
                    _write(path, found, run)
        _prune(self._folder)

    def _entries(
        self, submission: Submission, plan: Plan
    ) -> Iterator[tuple[Path, tuple[PlannedQuestion, ...]]]:
        """Yield the file for each group of questions about the same part of a submission.

        They are kept together: a check may ask which others of its part have passed.
        """
        groups: dict[frozenset[str], list[PlannedQuestion]] = {}
        for planned in plan.questions:
            if planned.checks and planned.not_run_reason is None:
                groups.setdefault(planned.question.submission_parts, []).append(planned)
        with contextlib.suppress(OSError):
            for parts, questions in groups.items():
                content = _content(submission, parts)
                about = (
                    SCHEMA,
                    own_digest(),
                    self._circumstances,
                    plan.rubric.digest,
                    *_checks_of(questions),
                    *(f"{path} {digest}" for path, digest in sorted(content.items())),
                )
                name = hashlib.sha256("\n".join(about).encode()).hexdigest()
                yield self._folder / f"{name}.json", tuple(questions)


@cache
def own_digest(*, but: frozenset[Path] = frozenset()) -> str:
    """Return a digest of this grader's own code and tables, so that a changed grader judges anew.

    The files in `but` are left out: what they say is told otherwise.
    """
    return tree_digest(Path(__file__).parent, but=but)


def tree_digest(package: Path, *, but: frozenset[Path] = frozenset()) -> str:
    """Return a digest of the code and tables in a folder, by their paths in it."""
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if name not in {"__pycache__", "_bundled"})
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix in _OWN_KINDS and path not in but:
                digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def python_facts() -> dict[str, object]:
    """Return which Python this is, and on what machine."""
    return {"python": sys.version, "platform": sys.platform, "machine": platform.machine()}


def _content(submission: Submission, parts: frozenset[str]) -> dict[str, str]:
    """Return the files that the code of these parts could read, each with its digest.

    All of mytorch is one: which of its modules import which only its parser knows, and students' code is not
    parsed on this side. theory.py and mytorch are apart unless one holds the other's name; other files that
    lie beside them belong to both. A notebook may read everything.
    """
    bodies = {path: (submission.root / path).read_bytes() for path in submission.files}
    if "notebook" in parts:
        wanted = list(bodies)
    else:
        uses_theory, uses_package = "theory" in parts, _PACKAGE in parts
        uses_package |= uses_theory and _any_holds(bodies, _is_theory, _PACKAGE)
        uses_theory |= uses_package and _any_holds(bodies, _is_package, "theory")
        wanted = [
            path
            for path in bodies
            if path != submission.notebook
            and (uses_theory or not _is_theory(path))
            and (uses_package or not _is_package(path))
        ]
    return {str(path): hashlib.sha256(bodies[path]).hexdigest() for path in wanted}


def _is_theory(path: PurePosixPath) -> bool:
    return str(path) == _THEORY


def _is_package(path: PurePosixPath) -> bool:
    return path.parts[0] == _PACKAGE


def _any_holds(
    bodies: Mapping[PurePosixPath, bytes], belongs: Callable[[PurePosixPath], bool], word: str
) -> bool:
    return any(word.encode() in body for path, body in bodies.items() if belongs(path))


def _checks_of(questions: Iterable[PlannedQuestion]) -> list[str]:
    return [planned.check.id for question in questions for planned in question.checks]


def _joined(earlier: Earlier, found: Earlier) -> Earlier:
    return Earlier(
        (*earlier.questions, *found.questions),
        {**earlier.results, **found.results},
        found.isolation or earlier.isolation,
        found.versions or earlier.versions,
    )


def _read(path: Path, questions: tuple[PlannedQuestion, ...]) -> Earlier:
    """Read a file of ours; raise ValueError for any other, and for one that was cut or changed."""
    with path.open("rb") as file:
        content = file.read(MOST_ENTRY_BYTES + 1)
    digest, _, body = content.partition(b"\n")
    if len(content) > MOST_ENTRY_BYTES or digest.decode("ascii") != hashlib.sha256(body).hexdigest():
        raise ValueError(path.name)
    record = json.loads(body)
    results = {result.check.id: result for result in map(result_from_record, record["results"])}
    planned = [planned.check for question in questions for planned in question.checks]
    if [result.check for result in results.values()] != planned:
        raise ValueError(path.name)
    return Earlier(
        tuple(each.question.id for each in questions),
        results,
        None if record["isolation"] is None else isolation_from_record(record["isolation"]),
        record["versions"],
    )


def _write(path: Path, results: Iterable[CheckResult], run: SuiteRun) -> None:
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "results": [result_to_record(result) for result in results],
        "isolation": run.isolation and finite(asdict(run.isolation)),
        "versions": dict(run.versions),
    }
    body = json.dumps(record, allow_nan=False)
    text = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}"
    if len(text.encode()) <= MOST_ENTRY_BYTES:
        path.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        write_atomically(path, text)


def _prune(folder: Path) -> None:
    """Remove the oldest entries beyond the bound, and what a killed writer left."""
    with contextlib.suppress(OSError):
        for left_over in folder.glob(".*.tmp"):
            remove_unheld_file(left_over)
        ages = sorted((path.stat().st_mtime_ns, path) for path in folder.glob("*.json"))
        for _, path in ages[:-MOST_ENTRIES]:
            path.unlink(missing_ok=True)
