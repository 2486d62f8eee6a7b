"""A self-check as a fragment of HTML for the output of a notebook's cell.

Every text is escaped; no script, no style sheet, nothing to load. Colours are left to the page, light or
dark, but for the bars beside each check, and no colour says what words do not.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

from grader.errors import cause_sentence
from grader.model import Outcome
from grader.plain_text import quiet, scrub
from grader.plan import Plan
from grader.reports.schema import CheckReport, ExcerptReport, FeedbackReport, QuestionReport, Report
from grader.reports.wording import excerpt_text
from grader.terminal import check_heading, closing_sentences, own_verdict, skipped_checks

_FRAME = "font-family:inherit;line-height:1.4;max-width:60em;overflow-wrap:anywhere"
_BLOCK = "margin:0.3em 0;padding:0.1em 0 0.1em 0.7em;border-left:3px solid {colour}"
_PRE = "margin:0.2em 0;padding:0;white-space:pre-wrap;background:none;color:inherit;font-size:0.95em"
# Each stands out from white and from black by 3 : 1 at least.
_PASSED, _FAILED, _OTHER = "#2e8b57", "#d9483b", "#b8860b"


def result_as_html(
    report: Report, plan: Plan, *, unchanged: Collection[str] = (), notes: Sequence[str] = ()
) -> str:
    """Return a self-check with the words that `grader check` prints; `notes` are sentences to add."""
    questions = "".join(_question(each, is_unchanged=each.id in unchanged) for each in report.questions)
    below = sentences_as_html(map(_text, [*closing_sentences(report, plan), *notes]))
    return f'<div style="{_FRAME}">{questions}{below}</div>'


def sentences_as_html(escaped: Iterable[str]) -> str:
    """Return paragraphs; their texts are escaped already."""
    return "".join(f'<p style="margin:0.4em 0">{sentence}</p>' for sentence in escaped)


def _question(question: QuestionReport, *, is_unchanged: bool) -> str:
    heading = f"{question.id} {question.title}: {own_verdict(question, is_unchanged=is_unchanged)}"
    is_right = all(check.outcome is Outcome.PASSED for check in question.checks)
    opened = "" if is_right and question.not_run_reason is None else " open"
    told = [check for check in question.checks if check.outcome is not Outcome.SKIPPED]
    checks = "".join(map(_check, told)) + "".join(
        _block(_OTHER, _text(what) + _part(_lines(reason))) for what, reason in skipped_checks(question)
    )
    return (
        f'<details{opened} style="margin:0.3em 0"><summary style="cursor:pointer">'
        f"<strong>{_text(heading)}</strong></summary>{checks}</details>"
    )


def _check(check: CheckReport) -> str:
    if check.outcome is Outcome.PASSED:
        return _block(_PASSED, _text(check_heading(check)))
    return _block(_FAILED, _text(check_heading(check)) + _feedback(check.feedback))


def _feedback(feedback: FeedbackReport) -> str:
    """Return what is told about a check that did not pass; rows of numbers keep their columns."""
    parts = []
    if feedback.reproduce is not None:
        parts.append(f"to see it yourself: <code>{_text(feedback.reproduce)}</code>")
    parts.append(_lines(feedback.message.removesuffix(cause_sentence(feedback.likely_cause or ""))))
    for label, value in (("expected", feedback.expected), ("got", feedback.got)):
        if isinstance(value, ExcerptReport):
            parts.append(f'<pre style="{_PRE}">{label}: {_text(excerpt_text(value))}</pre>')
        elif value is not None:
            parts.append(f"{label}: {_lines(value)}")
    if feedback.likely_cause is not None:
        parts.append(f"<strong>likely cause: {_lines(feedback.likely_cause)}</strong>")
    if feedback.handout:
        parts.append(f"in the handout: {_text(feedback.handout)}")
    return "".join(map(_part, parts))


def _block(colour: str, inside: str) -> str:
    return f'<div style="{_BLOCK.format(colour=colour)}">{inside}</div>'


def _part(inside: str) -> str:
    return f'<div style="margin:0.15em 0">{inside}</div>'


def _text(text: str) -> str:
    return html.escape(quiet(scrub(text)))


def _lines(text: str) -> str:
    return _text(text).replace("\n", "<br>")
