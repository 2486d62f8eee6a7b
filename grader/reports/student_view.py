"""What of a report its student may read: of hidden checks the class of the verdict and the count, no more."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain

from grader.model import Outcome, Visibility
from grader.reports.schema import CheckReport, FeedbackReport, QuestionReport, Report


def student_view(report: Report) -> Report:
    """Return the report without what is the instructor's: every format for students starts here.

    The hidden checks of a question become one row for each outcome, which still adds up to its score.
    Their names, titles and messages are gone, and so are flags, our own faults, the seed and the probes.
    """
    isolation = report.environment.isolation
    return report.model_copy(
        update={
            "questions": tuple(_question(question) for question in report.questions),
            "flags": (),
            "grader_log": None,
            "environment": report.environment.model_copy(
                update={
                    "seed": None,
                    "isolation": isolation and isolation.model_copy(update={"probes": {}}),
                }
            ),
        }
    )


def _question(question: QuestionReport) -> QuestionReport:
    visible = [
        check.model_copy(update={"grader_fault": None})
        for check in question.checks
        if check.visibility is Visibility.VISIBLE
    ]
    hidden = [check for check in question.checks if check.visibility is not Visibility.VISIBLE]
    outcomes = sorted({check.outcome for check in hidden})
    rows = (_row(question.id, outcome, [c for c in hidden if c.outcome is outcome]) for outcome in outcomes)
    return question.model_copy(update={"checks": tuple(chain(visible, rows))})


def _row(question: str, outcome: Outcome, checks: list[CheckReport]) -> CheckReport:
    count = "1 hidden check" if len(checks) == 1 else f"{len(checks)} hidden checks"
    scores = [check.score for check in checks if check.score is not None]
    return CheckReport(
        id=f"{question}.hidden_{outcome}",
        title=count,
        outcome=outcome,
        kind="auto",
        score=sum(scores, Decimal(0)) if len(scores) == len(checks) else None,
        max_score=sum((check.max_score for check in checks), Decimal(0)),
        visibility=Visibility.HIDDEN,
        feedback=FeedbackReport(message=f"{count}: {outcome}; what is asked there is not shown"),
        duration_s=0.0,
    )
