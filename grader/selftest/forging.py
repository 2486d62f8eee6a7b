"""Grade submissions that compute nothing and try to look as if they did."""

from __future__ import annotations

import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader import pipeline
from grader.plan import Plan
from grader.reports.schema import Report
from grader.sandbox.providers import Provider
from grader.selftest.records import Attack, AttackResult, Kind
from grader.settings import resource

DECLARATION = "attack.toml"
# What forgeries write into the temporary folder where they can.
MARKER_NAME = "grader-forgery-marker"
# Any but the public one: with that, a submission can foresee the inputs, and `grade` never uses it unasked.
SECRET = "what the attacks do not know"  # noqa: S105
_GRADED = frozenset({"graded", "partial"})


@dataclass(frozen=True, slots=True)
class Forgery:
    """A folder of files laid over the template, and the questions at which it would pay."""

    attack: Attack
    folder: Path
    questions: tuple[str, ...]
    slow: bool


def find_forgeries(folder: Path) -> list[Forgery]:
    """Return every forgery below a folder; each is a folder of its own with a declaration."""
    return [_declared(path.parent) for path in sorted(folder.glob(f"*/{DECLARATION}"))]


def try_forgery(forgery: Forgery, provider: Provider) -> AttackResult:
    """Grade one forgery; it succeeds unless every check is there and none holds a point."""
    started = time.monotonic()
    options = pipeline.GradeOptions(
        course_secret=SECRET, questions=forgery.questions, sandbox=provider.name, min_isolation=provider.level
    )
    with tempfile.TemporaryDirectory(prefix="grader-forgery-") as folder:
        submission = write_forgery(forgery, Path(folder) / "submission")
        try:
            plan = pipeline.prepare(options)
            report = pipeline.grade(submission, options, plan=plan).report
            findings, ending = [*_findings(report, plan), *_left_outside()], _ending(report)
        except Exception as error:  # noqa: BLE001 -- whatever comes out in place of a report is what an attack wanted
            findings, ending = [f"grading broke: {type(error).__name__}: {error}"], ""
    seconds = round(time.monotonic() - started, 3)
    return AttackResult(forgery.attack, bool(findings), "; ".join(findings) or ending, seconds)


def write_forgery(forgery: Forgery, root: Path) -> Path:
    """Write the whole submission: the template's code, and the forgery's files over it."""
    code_only = shutil.ignore_patterns("__pycache__", "*.ipynb")
    shutil.copytree(resource("student_template"), root, ignore=code_only)
    own = shutil.ignore_patterns(DECLARATION, "__pycache__")
    shutil.copytree(forgery.folder, root, ignore=own, dirs_exist_ok=True)
    return root


def _declared(folder: Path) -> Forgery:
    declared = tomllib.loads((folder / DECLARATION).read_text(encoding="utf-8"))
    attack = Attack(folder.name, tuple(declared["rows"]), declared["title"], Kind.FORGERY)
    return Forgery(attack, folder, tuple(declared["questions"]), declared.get("slow", False))


def _findings(report: Report, plan: Plan) -> Iterator[str]:
    if report.status not in _GRADED:
        yield f"the report's status is {report.status}: {report.status_reason}"
    reported = {check.id: check for question in report.questions for check in question.checks}
    for planned in plan.checks:
        if planned.check.id not in reported:
            yield f"{planned.check.id} is missing from the report"
    for check in reported.values():
        if check.score:
            yield f"{check.id} got {check.score} of {check.max_score} points"
    for question in report.questions:
        if question.score:
            yield f"{question.id} got {question.score} points"


def _left_outside() -> Iterator[str]:
    """Tell of the file that code outside all locks leaves, and take it away."""
    marker = Path(tempfile.gettempdir(), MARKER_NAME)
    if marker.exists():
        marker.unlink(missing_ok=True)
        yield f"it wrote {marker}"


def _ending(report: Report) -> str:
    outcomes = [check.outcome for question in report.questions for check in question.checks]
    counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
