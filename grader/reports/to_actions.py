"""Report to a step of a GitHub workflow: a summary in Markdown, and annotations as workflow commands.

Source: GitHub's documentation of workflow commands and the actions/runner: a summary of more than 1024 KiB is
dropped whole, ten annotations of each kind are kept for a step, and a line that begins with `::` is obeyed.
The student's view is the default: the student sees the page of the run.
"""

from __future__ import annotations

from grader.reports import gfm
from grader.reports.rows import Row, as_many_as_fit, most_valuable_first, rows_of
from grader.reports.schema import Report
from grader.reports.wording import cut, open_sentences, score_sentence

MAX_SUMMARY_BYTES = 1024 << 10
MAX_ANNOTATIONS = 10  # of each kind
_ROOM_BYTES = 24 << 10  # for other lines of the same step
_LONGEST_MESSAGE = 1000
_LONGEST_TITLE = 120


def render(report: Report) -> str:
    """Return the step summary; whole rows are left out where it would be too large, and it says so."""
    rows = rows_of(report)

    def summary(kept: list[Row]) -> str:
        missing = len(rows) - len(kept)
        note = f"{missing} of {len(rows)} rows were left out: a step's summary holds 1024 KB.\n"
        parts = (
            gfm.heading(report),
            note if missing else "",
            gfm.table(kept),
            gfm.details(kept),
            gfm.instructors_part(report),
            gfm.footer(report),
        )
        return "\n".join(part for part in parts if part)

    return as_many_as_fit(rows, summary, max_bytes=MAX_SUMMARY_BYTES - _ROOM_BYTES)


def commands(report: Report) -> str:
    """Return the workflow commands that annotate the student's files: what cost most comes first.

    A check that did not pass is an error at the student's own line where that is known; what has no score is
    a warning, and the total a notice. Checks that were skipped have no annotation: another one says why.
    """
    rows = rows_of(report)
    failed = [row for row in most_valuable_first(rows) if row.state == "failed"]
    unscored = [row for row in rows if row.state == "unscored"]
    errors = [_of_row("error", row) for row in failed[:MAX_ANNOTATIONS]]
    if report.score is None:
        errors = [_command("error", "not scored", score_sentence(report)), *errors[: MAX_ANNOTATIONS - 1]]
    warnings = [_of_row("warning", row) for row in unscored[:MAX_ANNOTATIONS]]
    told = "\n".join((score_sentence(report), *open_sentences(report)))
    notice = _command("notice", f"{report.assignment.id}: {report.submission.name}", told)
    return "".join(f"{line}\n" for line in (*errors, *warnings, notice))


def _of_row(kind: str, row: Row) -> str:
    return _command(kind, row.name, f"{row.verdict}: {row.message}", file=row.file, line=row.line)


def _command(kind: str, title: str, message: str, *, file: str | None = None, line: int | None = None) -> str:
    place = "" if file is None else f"file={_property(file)},line={line},"
    shown = f"title={_property(cut(title, _LONGEST_TITLE))}::{_data(cut(message, _LONGEST_MESSAGE))}"
    return f"::{kind} {place}{shown}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
