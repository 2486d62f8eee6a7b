"""Check results and a rubric become a report. Pure arithmetic: nothing runs, nothing is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Literal

from pydantic import TypeAdapter

from grader.model import Answer, ArrayExcerpt, CheckResult, Ending, Feedback, Flag, Outcome, Visibility
from grader.plan import Plan, PlannedCheck, PlannedQuestion
from grader.records import finite
from grader.reports.schema import (
    AnswerReport,
    AssignmentReport,
    CheckReport,
    EnvironmentReport,
    ExcerptReport,
    FeedbackReport,
    FlagReport,
    MarkReport,
    PlotReport,
    QuestionReport,
    Report,
    SubmissionReport,
    TimingReport,
    answer_digest,
)

ReportStatus = Literal["graded", "partial", "rejected", "interrupted", "grader_error"]


_PLOTS = TypeAdapter(list[PlotReport])
_NOTHING_RAN = frozenset({Ending.NO_ISOLATION, Ending.REJECTED})
_MARK_FLAGS = frozenset({"mark_above_maximum", "mark_for_another_text", "mark_without_a_part"})
_NOT_SCORED: frozenset[ReportStatus] = frozenset({"rejected", "interrupted", "grader_error"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says beside scores.

    `broken` maps questions whose suite could not be loaded to the reason, `faults` maps checks
    in which we failed to our traceback; `answers` maps written parts to the student's text; `log` is the
    end of our own error output.
    """

    submission: SubmissionReport
    environment: EnvironmentReport
    timing: TimingReport
    ending: Ending = Ending.FINISHED
    reason: str | None = None
    broken: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[Flag] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    log: str | None = None


def score(plan: Plan, results: Mapping[str, CheckResult], facts: Facts) -> Report:
    """Add up points into a report: every planned check is in it, whether it reported or not."""
    questions = tuple(_question(planned, results, facts) for planned in plan.questions)
    status = _status(questions, facts.ending)
    return Report(
        submission=facts.submission,
        assignment=AssignmentReport(
            id=plan.rubric.assignment, version=plan.rubric.version, rubric_digest=plan.rubric.digest
        ),
        status=status,
        status_reason=_status_reason(status, questions, facts),
        score=_score(status, questions),
        max_score=_sum(question.max_score for question in plan.questions),
        rubric_max_score=plan.rubric.points,
        pending=_pending(questions),
        questions=questions,
        flags=tuple(
            FlagReport(kind=flag.kind, message=flag.message, where=flag.where) for flag in facts.flags
        ),
        environment=facts.environment,
        timing=facts.timing,
        grader_log=facts.log,
    )


def marked(report: Report, marks: Sequence[MarkReport]) -> Report:
    """Return the report with a person's marks counted, in the order in which they were given.

    Of several marks for one part the last counts. A mark stays among `marks` where it cannot count, and a
    flag says so: the part is gone from the rubric, or is worth less than the mark.
    """
    latest = {mark.check_id: mark for mark in marks}
    questions = tuple(_marked_question(question, latest) for question in report.questions)
    flags = tuple(flag for flag in report.flags if flag.kind not in _MARK_FLAGS)
    return report.model_copy(
        update={
            "questions": questions,
            "score": _score(report.status, questions),
            "pending": _pending(questions),
            "marks": tuple(marks),
            "flags": (*flags, *_mark_flags(report, latest)),
        }
    )


def _marked_question(question: QuestionReport, latest: Mapping[str, MarkReport]) -> QuestionReport:
    checks = tuple(_marked_check(check, latest.get(check.id)) for check in question.checks)
    status = question.status if question.status == "not_run" else _graded_or_manual(checks)
    return question.model_copy(update={"checks": checks, "score": _question_score(checks), "status": status})


def _marked_check(check: CheckReport, mark: MarkReport | None) -> CheckReport:
    if mark is None or not _counts(mark, check):
        return check
    comment = f": {mark.comment}" if mark.comment else ""
    return check.model_copy(
        update={
            "score": mark.points,
            "outcome": Outcome.PASSED if mark.points == check.max_score else Outcome.FAILED,
            "feedback": FeedbackReport(message=f"marked by {mark.by}{comment}"),
        }
    )


def _counts(mark: MarkReport, check: CheckReport) -> bool:
    return check.kind == "written" and mark.points <= check.max_score


def _mark_flags(report: Report, latest: Mapping[str, MarkReport]) -> list[FlagReport]:
    """Tell of the marks that a person should look at again."""
    flags = []
    rows = {question.id: {check.id: check for check in question.checks} for question in report.questions}
    for name, mark in latest.items():
        row = rows.get(mark.question, {}).get(name)
        if row is not None and not _counts(mark, row):
            message = f"the mark by {mark.by} does not count: the part is worth less than its points now"
            flags.append(FlagReport(kind="mark_above_maximum", message=message, where=name))
        elif row is not None and mark.answer_sha256 != _digest_of(row):
            message = f"the mark by {mark.by} was given for another text; mark again if that matters"
            flags.append(FlagReport(kind="mark_for_another_text", message=message, where=name))
        elif row is None and mark.question in rows and report.status not in _NOT_SCORED:
            message = f"the mark by {mark.by} does not count: the rubric has no such part now"
            flags.append(FlagReport(kind="mark_without_a_part", message=message, where=name))
    return flags


def _digest_of(check: CheckReport) -> str | None:
    return None if check.answer is None else check.answer.sha256


def _question(planned: PlannedQuestion, results: Mapping[str, CheckResult], facts: Facts) -> QuestionReport:
    question = planned.question
    reason = planned.not_run_reason
    if facts.ending in _NOTHING_RAN:
        checks = () if reason else tuple(_check(each, None, facts) for each in planned.checks)
        return _not_run(planned, facts.reason or str(facts.ending), checks)
    written = tuple(
        _written(name, points, facts.answers.get(name)) for name, points in planned.written.items()
    )
    if reason is not None:
        return _not_run(planned, reason, written)
    checks = tuple(_check(each, results.get(each.check.id), facts) for each in planned.checks)
    unscored = [check for check in checks if check.score is None]
    if unscored:
        return _not_run(planned, _unscored_reason(unscored, facts), checks + written)
    return QuestionReport(
        id=question.id,
        title=question.title,
        score=_question_score(checks + written),
        max_score=planned.max_score,
        status=_graded_or_manual(checks + written),
        checks=checks + written,
    )


def _not_run(planned: PlannedQuestion, reason: str, checks: tuple[CheckReport, ...]) -> QuestionReport:
    return QuestionReport(
        id=planned.question.id,
        title=planned.question.title,
        score=None,
        max_score=planned.max_score,
        status="not_run",
        not_run_reason=reason,
        checks=checks,
    )


def _unscored_reason(unscored: list[CheckReport], facts: Facts) -> str:
    if facts.ending is Ending.INTERRUPTED:
        return "grading was interrupted"
    count = "one check" if len(unscored) == 1 else f"{len(unscored)} checks"
    return f"the grader failed in {count}; nobody loses points for it"


def _check(planned: PlannedCheck, result: CheckResult | None, facts: Facts) -> CheckReport:
    if result is None:
        outcome, feedback = _unreported(planned, facts)
        duration_s = 0.0
    else:
        outcome, feedback, duration_s = result.outcome, result.feedback, result.duration_s
    return CheckReport(
        id=planned.check.id,
        title=planned.check.title,
        outcome=outcome,
        kind="auto",
        score=_points(outcome, planned.points),
        max_score=planned.points,
        visibility=planned.check.visibility,
        feedback=_feedback(feedback),
        duration_s=round(duration_s, 6),
        grader_fault=facts.faults.get(planned.check.id) or facts.broken.get(planned.check.question),
        plots=() if result is None else _plots(result),
    )


def _unreported(planned: PlannedCheck, facts: Facts) -> tuple[Outcome, Feedback]:
    if facts.ending in _NOTHING_RAN:
        return Outcome.MISSING, Feedback(f"not run: {facts.reason or facts.ending}")
    if facts.ending is Ending.INTERRUPTED:
        return Outcome.MISSING, Feedback("not run: grading was interrupted")
    if facts.ending is Ending.BROKE:
        return Outcome.GRADER_ERROR, Feedback("not run: the grader itself failed; nobody loses points for it")
    if planned.check.question in facts.broken:
        return Outcome.GRADER_ERROR, Feedback(
            "not run: the grader could not load the checks of this question; nobody loses points for it"
        )
    return Outcome.MISSING, Feedback("this check did not report, though the run finished: the grader's fault")


def _points(outcome: Outcome, points: Decimal) -> Decimal | None:
    if outcome is Outcome.PASSED:
        return points
    if outcome in (Outcome.GRADER_ERROR, Outcome.MISSING, Outcome.PENDING):
        return None
    return Decimal(0)


def _written(name: str, points: Decimal, answer: Answer | None) -> CheckReport:
    text = None if answer is None else answer.text
    return CheckReport(
        id=name,
        title=name.rpartition(".")[2].replace("_", " "),
        outcome=Outcome.PENDING,
        kind="written",
        score=None,
        max_score=points,
        visibility=Visibility.VISIBLE,
        feedback=FeedbackReport(message="a person marks this part" if answer is None else answer.note),
        duration_s=0.0,
        answer=None if text is None else AnswerReport(text=text, sha256=answer_digest(text)),
    )


def _feedback(feedback: Feedback) -> FeedbackReport:
    error = feedback.max_relative_error
    return FeedbackReport(
        message=feedback.message,
        expected=_excerpt(feedback.expected),
        got=_excerpt(feedback.got),
        first_bad_index=feedback.first_bad_index,
        max_relative_error=error if error is None or math.isfinite(error) else str(float(error)),  # type: ignore[arg-type]
        reproduce=feedback.reproduce,
        likely_cause=feedback.likely_cause,
        handout=feedback.handout,
    )


def _plots(result: CheckResult) -> tuple[PlotReport, ...]:
    found: list[PlotReport] = _PLOTS.validate_python([finite(asdict(plot)) for plot in result.plots])
    return tuple(found)


def _excerpt(value: ArrayExcerpt | str | None) -> ExcerptReport | str | None:
    if not isinstance(value, ArrayExcerpt):
        return value
    return ExcerptReport(
        shape=value.shape,
        dtype=value.dtype,
        offset=value.offset,
        values=value.values,  # type: ignore[arg-type]  # validated on entry
        is_whole=value.is_whole,
    )


def _status(questions: tuple[QuestionReport, ...], ending: Ending) -> ReportStatus:
    if ending is Ending.REJECTED:
        return "rejected"
    if ending is Ending.INTERRUPTED:
        return "interrupted"
    if ending is not Ending.FINISHED or any(
        check.kind == "auto" and check.score is None for question in questions for check in question.checks
    ):
        return "grader_error"
    return "partial" if any(question.status == "not_run" for question in questions) else "graded"


def _status_reason(status: ReportStatus, questions: tuple[QuestionReport, ...], facts: Facts) -> str | None:
    if facts.reason is not None:
        return facts.reason
    open_questions = [question.id for question in questions if question.status == "not_run"]
    if status == "partial":
        return f"not run: {', '.join(open_questions)}"
    if status == "grader_error":
        return f"the grader failed in {', '.join(open_questions)}; nobody loses points for it"
    return None


def _score(status: ReportStatus, questions: Sequence[QuestionReport]) -> Decimal | None:
    return None if status in _NOT_SCORED else _total([question.score for question in questions])


def _question_score(checks: Sequence[CheckReport]) -> Decimal | None:
    if any(check.kind == "auto" and check.score is None for check in checks):
        return None
    return _total([check.score for check in checks])


def _graded_or_manual(checks: Sequence[CheckReport]) -> Literal["graded", "manual"]:
    if any(check.kind == "auto" for check in checks):
        return "graded"
    return "graded" if checks and all(check.score is not None for check in checks) else "manual"


def _pending(questions: Sequence[QuestionReport]) -> Decimal:
    return _sum(
        check.max_score
        for question in questions
        for check in question.checks
        if check.outcome is Outcome.PENDING
    )


def _total(scores: list[Decimal | None]) -> Decimal | None:
    known = [each for each in scores if each is not None]
    return _sum(known) if known else None


def _sum(points: Iterable[Decimal]) -> Decimal:
    return sum(points, Decimal(0))
