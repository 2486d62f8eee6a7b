"""Any format of a report that is on disk already, without grading again."""

from __future__ import annotations

from pathlib import Path

from grader.errors import UsageError
from grader.reports import VIEWS, View, format_named, rendered, to_actions, write_atomically
from grader.reports.schema import Report
from grader.reports.student_view import student_view
from grader.reports.to_json import read_report_file
from grader.settings import step_summary_file


def convert(path: Path, name: str, *, view: str | None = None, out: Path | None = None) -> str:
    """Make a format of the report at `path`; return what is to be printed. Raise UsageError where it cannot.

    The text goes to `out`, whole or not at all, or else is what is printed. For `actions` the annotations are
    printed, and the summary is added to the step's own file where there is one.
    """
    chosen = format_named(name)
    if out is not None and out.resolve() == path.resolve():
        raise UsageError(f"--out {out} is the report itself, with all that was marked; choose another")
    asked = _view_named(view)
    report = read_report_file(path)
    text = rendered(report, name, asked)
    commands = _commands(report, asked or chosen.views[0]) if name == "actions" else ""
    summary = step_summary_file() if name == "actions" else None
    if out is not None:
        _write(out, text)
    elif summary is not None:
        _add(summary, text)
    else:
        return f"{commands}\n{text}" if commands else text
    return commands


def _view_named(view: str | None) -> View | None:
    for known in VIEWS:
        if view == known:
            return known
    if view is None:
        return None
    raise UsageError(f"unknown view {view!r}; known: {', '.join(VIEWS)}")


def _commands(report: Report, view: View) -> str:
    return to_actions.commands(student_view(report) if view == "student" else report)


def _write(out: Path, text: str) -> None:
    try:
        write_atomically(out, text)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error


def _add(summary: Path, text: str) -> None:
    data = text.encode()
    try:
        with summary.open("ab") as file:
            if file.tell() + len(data) > to_actions.MAX_SUMMARY_BYTES:
                raise UsageError(
                    "the summary of this step would be larger than 1024 KB, which GitHub drops whole;"
                    " give each report a step of its own"
                )
            file.write(data)
    except OSError as error:
        raise UsageError(f"cannot add to the step's summary {summary}: {error.strerror or error}") from error
