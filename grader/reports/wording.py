"""What every format says alike: points, a report's sentences, and the long text about one check."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from grader.errors import cause_sentence
from grader.model import Outcome
from grader.plain_text import one_line, quiet, scrub
from grader.reports.schema import CommentReport, ExcerptReport, FeedbackReport, Report
from grader.reports.student_view import is_count

# A row of an array stays within 80 columns.
_MAX_COLUMNS = 6
_MAX_ROWS = 8
_MAX_SENTENCES = 20
_LONGEST_FOR_THE_INSTRUCTOR = 64 << 10


def points(value: Decimal) -> str:
    """Return points without needless zeros: 6, 2.5."""
    return format(value.normalize(), "f")


def score_sentence(report: Report) -> str:
    """Say the score, or that there is none, and why: a null is never told as 0."""
    if report.score is None:
        reason = one_line(report.status_reason or "nothing was asked for that can be graded here")
        return quiet(f"Not scored ({report.status}), which is not a zero: {reason}")
    return f"Score: {points(report.score)} of {points(report.max_score)} points ({report.status})"


def open_sentences(report: Report) -> list[str]:
    """Say what the score does not hold: what was not run, what waits for a person, what makes it no grade."""
    sentences = _not_run_sentences(report) if report.score is not None else []
    if report.pending:
        parts = [
            f"{check.id} ({points(check.max_score)})"
            for question in report.questions
            for check in question.checks
            if check.outcome is Outcome.PENDING
        ]
        waits = "point waits" if report.pending == 1 else "points wait"
        sentences.append(
            f"Not final: {points(report.pending)} {waits} for a person to mark:"
            f" {_listed(parts)}; until then they are in the maximum and not in the score"
        )
    sentences += _hidden_sentences(report)
    if report.environment.note:
        sentences.append(f"Note: {one_line(report.environment.note)}")
    return [quiet(sentence) for sentence in sentences]


def environment_sentence(report: Report) -> str:
    """Say under what isolation and by which grader the report was made."""
    environment = report.environment
    isolation = environment.isolation
    held = "no isolation was seen" if isolation is None else f"level {isolation.level} ({isolation.name})"
    seed = "" if environment.seed is None else f"; seed: {environment.seed}"
    sentence = (
        f"isolation: {held}; data: {environment.data_profile}{seed}; grader {environment.grader_version};"
        f" rubric {report.assignment.id} {report.assignment.version}; {report.timing.started_at}"
    )
    return quiet(one_line(sentence))


def for_the_instructor(report: Report) -> str:
    """Return the flags, what failed in us, and our own last words; empty in the student's view."""
    flags = [
        one_line(f"flag {flag.kind}{f' at {flag.where}' if flag.where else ''}: {flag.message}")
        for flag in report.flags
    ]
    faults = [
        f"what failed in the grader, in {check.id}:\n{check.grader_fault}"
        for question in report.questions
        for check in question.checks
        if check.grader_fault is not None
    ]
    log = [] if report.grader_log is None else [f"the grader's own log:\n{report.grader_log}"]
    return quiet(scrub("\n".join((*flags, *faults, *log)), max_bytes=_LONGEST_FOR_THE_INSTRUCTOR))


def told(feedback: FeedbackReport) -> Iterator[str]:
    """Yield what a student can act on: how to see it, how far off it is, why, and where to read."""
    if feedback.reproduce is not None:
        yield f"to see it yourself: {feedback.reproduce}"
    yield feedback.message.removesuffix(cause_sentence(feedback.likely_cause or ""))
    for label, value in (("expected", feedback.expected), ("got", feedback.got)):
        if value is not None:
            yield f"{label}: {excerpt_text(value) if isinstance(value, ExcerptReport) else value}"
    if feedback.likely_cause is not None:
        yield f"likely cause: {feedback.likely_cause}"
    if feedback.handout:
        yield f"in the handout: {feedback.handout}"


def comment_sentence(comment: CommentReport) -> str:
    """Return a person's comment and whose it is."""
    return f"comment by {one_line(comment.by)}: {comment.text}"


def excerpt_text(excerpt: ExcerptReport) -> str:
    """Return an excerpt of an array as text, a line a row."""
    place = "" if excerpt.is_whole else f", the part from {list(excerpt.offset)} on"
    return f"{excerpt.dtype} of shape {excerpt.shape}{place}\n{_rows(excerpt.values)}"


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters; one that was cut ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _hidden_sentences(report: Report) -> list[str]:
    """Say how many hidden checks there are, where the report only counts them: the student's view."""
    counted = [
        check for question in report.questions for check in question.checks if is_count(question.id, check)
    ]
    count = sum(int(check.title.partition(" ")[0]) for check in counted)
    worth = points(sum((check.max_score for check in counted), Decimal(0)))
    if not count:
        return []
    checks = "1 hidden check is" if count == 1 else f"{count} hidden checks are"
    return [f"{checks} worth {worth} points; only verdicts are shown of hidden checks"]


def _not_run_sentences(report: Report) -> list[str]:
    groups: dict[str, list[str]] = {}
    for question in report.questions:
        if question.status == "not_run":
            worth = f"{question.id} ({points(question.max_score)})"
            groups.setdefault(one_line(question.not_run_reason or "no reason"), []).append(worth)
    sentences = [
        f"Not run, and not scored: {_listed(questions)}: {reason}" for reason, questions in groups.items()
    ]
    left = len(sentences) - _MAX_SENTENCES
    return (
        sentences if left <= 0 else [*sentences[:_MAX_SENTENCES], f"{left} more reasons are in report.json"]
    )


def _listed(names: list[str]) -> str:
    left = len(names) - _MAX_SENTENCES
    return ", ".join(names[:_MAX_SENTENCES]) + (f" and {left} more" if left > 0 else "")


def _rows(values: object) -> str:
    if isinstance(values, list) and values and isinstance(values[0], list):
        rows = values[:_MAX_ROWS]
        cut_off = [f"  … and {len(values) - _MAX_ROWS} more"] if len(values) > _MAX_ROWS else []
        return "\n".join([*(_rows(row) for row in rows), *cut_off])
    if isinstance(values, list):
        shown = [_number(value) for value in values[:_MAX_COLUMNS]]
        cut_off = ["…"] if len(values) > _MAX_COLUMNS else []
        return "  " + " ".join(f"{text:>9}" for text in [*shown, *cut_off])
    return f"  {_number(values)}"


def _number(value: object) -> str:
    return f"{value + 0.0:.4g}" if isinstance(value, float) else str(value)  # no -0
