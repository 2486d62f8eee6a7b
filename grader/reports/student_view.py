"""What of a report its student may read: of hidden checks the class of the verdict and the count, no more."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import chain

from grader.model import Outcome, Visibility
from grader.reports.schema import CheckReport, CommentReport, FeedbackReport, QuestionReport, Report

_COUNT = re.compile("[0-9]{1,9} hidden checks?", re.ASCII)


def student_view(report: Report) -> Report:
    """Return the report without what is the instructor's: every format for students starts here.

    The hidden checks of a question become one row for each outcome, which still adds up to its score.
    Their names, titles and messages are gone, and so are flags, our own faults, the seed and the probes.
    What a person wrote to students about a hidden check stays, with the row that counts it.
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


def is_count(question: str, check: CheckReport) -> bool:
    """Whether a row is one of this view's: it says how many hidden checks there are, and nothing else.

    What is compared is all that the row says, so that no check with words of its own is taken for one.
    """
    return (
        _COUNT.fullmatch(check.title) is not None
        and check.id == _count_id(question, check.outcome)
        and check.feedback == _count_feedback(check.title, check.outcome)
        and check.answer is None
        and check.grader_fault is None
    )


def _question(question: QuestionReport) -> QuestionReport:
    visible = [
        check.model_copy(update={"grader_fault": None})
        for check in question.checks
        if check.visibility is Visibility.VISIBLE
    ]
    withheld = [check for check in question.checks if check.visibility is not Visibility.VISIBLE]
    counted = [check for check in withheld if is_count(question.id, check)]  # of a view that was taken before
    hidden = [check for check in withheld if not is_count(question.id, check)]
    outcomes = sorted({check.outcome for check in hidden})
    rows = (_row(question.id, outcome, [c for c in hidden if c.outcome is outcome]) for outcome in outcomes)
    return question.model_copy(update={"checks": tuple(chain(visible, counted, rows))})


def _row(question: str, outcome: Outcome, checks: list[CheckReport]) -> CheckReport:
    count = "1 hidden check" if len(checks) == 1 else f"{len(checks)} hidden checks"
    scores = [check.score for check in checks if check.score is not None]
    comments = dict.fromkeys(check.comment for check in checks if check.comment is not None)
    return CheckReport(
        id=_count_id(question, outcome),
        title=count,
        outcome=outcome,
        kind="auto",
        score=sum(scores, Decimal(0)) if len(scores) == len(checks) else None,
        max_score=sum((check.max_score for check in checks), Decimal(0)),
        visibility=Visibility.HIDDEN,
        feedback=_count_feedback(count, outcome),
        duration_s=0.0,
        comment=_together(list(comments)),
    )


def _together(comments: list[CommentReport]) -> CommentReport | None:
    """Return what people wrote to students about checks that are hidden from them, as one comment."""
    if len(comments) < 2:
        return comments[0] if comments else None
    people = ", ".join(dict.fromkeys(comment.by for comment in comments))
    return CommentReport(text="\n".join(comment.text for comment in comments), by=people)


def _count_id(question: str, outcome: Outcome) -> str:
    return f"{question}.hidden_{outcome}"


def _count_feedback(count: str, outcome: Outcome) -> FeedbackReport:
    return FeedbackReport(message=f"{count}: {outcome}; what is asked there is not shown")
