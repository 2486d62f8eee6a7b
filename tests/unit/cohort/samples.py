"""Reports of a small class, from made-up verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from grader.cohort.model import Entry, Row, Student
from grader.cohort.rows import row_of
from grader.model import CheckResult, Feedback, Flag, Outcome
from grader.reports import write_report
from grader.reports.schema import Report, SubmissionReport, TimingReport
from grader.scoring import Facts, score
from tests.unit.reports.samples import environment_of, plan_of_all

# How the sample's checks end where nothing else is said.
PASSED = (Outcome.PASSED, Feedback("fine"))
TANH, SIGMOID, SECRET = "q6.2.tanh_gradient", "q6.2.sigmoid_values", "q6.2.secret"
Verdicts = Mapping[str, tuple[Outcome, Feedback]]


def failed(message: str, cause: str | None = None) -> tuple[Outcome, Feedback]:
    """Return a failure as the checks make them."""
    whole = message if cause is None else f"{message}. Likely cause: {cause}"
    return Outcome.FAILED, Feedback(whole, likely_cause=cause)


def report_of(name: str, verdicts: Verdicts | None = None, *, wall_time_s: float = 1.0) -> Report:
    """Return a report in which all passed but what is named."""
    plan = plan_of_all()
    told = verdicts or {}
    results = {
        planned.check.id: CheckResult(planned.check, *told.get(planned.check.id, PASSED), 0.25)
        for planned in plan.checks
    }
    facts = Facts(
        submission=SubmissionReport(name=name, sha256="0" * 64, files={}),
        environment=environment_of(),
        timing=TimingReport(started_at="2026-01-01T00:00:00+00:00", wall_time_s=wall_time_s, checks_s=1.0),
        answers={},
        flags=(Flag("library", f"{name} imports torch", "linear.py:3"),)
        if name.startswith("flagged")
        else (),
    )
    return score(plan, results, facts)


def row_named(label: str, report: Report, path: Path | None = None) -> Row:
    """Return the row of a report that lies somewhere, or nowhere."""
    entry = Entry(label=label, path=Path(label), students=(Student(key=label),))
    return row_of(entry, report, Path(label, "report.json") if path is None else path)


def without_report(label: str, status: str, reason: str) -> Row:
    """Return the row of what could not be graded."""
    return Row(entry=Entry(label=label, path=Path(label)), status=status, reason=reason)


def write_class(folder: Path, reports: Iterable[Report], formats: tuple[str, ...] = ("json",)) -> Path:
    """Write reports as `grader grade` writes those of several submissions; return the folder."""
    for report in reports:
        write_report(report, folder / report.submission.name, formats)
    return folder
