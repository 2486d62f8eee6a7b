"""Report to text, one module a format; `docs/formats.md` says which place takes which, and why."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from grader.errors import MachineFault, UsageError
from grader.scratch import new_locked_file, remove_unheld_file, try_lock

if TYPE_CHECKING:
    from grader.reports.schema import Report


View = Literal["student", "instructor"]
VIEWS: tuple[View, ...] = get_args(View)
# A place that shows its file to students gets their view unless somebody asks for the other one.
_STUDENTS_FIRST: tuple[View, ...] = ("student", "instructor")
_INSTRUCTORS_FIRST: tuple[View, ...] = ("instructor", "student")


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A format: the file it is written to, and the module with its `render(report) -> str`.

    `views` are those it has, the default first. `needs_runner` is true where the text holds what only the
    place's own runner knows, `holds_unscored` is false where the place cannot be told "not scored": nothing
    is written then, since a zero would be wrong.
    """

    file_name: str
    module: str
    views: tuple[View, ...]
    needs_runner: bool = False
    holds_unscored: bool = True


# The one list of formats; modules are loaded when a report is written.
FORMATS: Mapping[str, ReportFormat] = MappingProxyType(
    {
        "json": ReportFormat("report.json", "grader.reports.to_json", _INSTRUCTORS_FIRST),
        "student": ReportFormat("student.json", "grader.reports.to_json", ("student",)),
        "markdown": ReportFormat("report.md", "grader.reports.to_markdown", _STUDENTS_FIRST),
        "junit": ReportFormat("junit.xml", "grader.reports.to_junit", _INSTRUCTORS_FIRST),
        "gradescope": ReportFormat("results.json", "grader.reports.to_gradescope", _STUDENTS_FIRST),
        "classroom50": ReportFormat(
            "result.json",
            "grader.reports.to_classroom50",
            _STUDENTS_FIRST,
            needs_runner=True,
            holds_unscored=False,
        ),
        "github-classroom": ReportFormat(
            "github_classroom.txt", "grader.reports.to_github_classroom", _STUDENTS_FIRST
        ),
        "actions": ReportFormat("step_summary.md", "grader.reports.to_actions", _STUDENTS_FIRST),
        "autolab": ReportFormat("autolab.txt", "grader.reports.to_autolab", _STUDENTS_FIRST),
        "prairielearn": ReportFormat("prairielearn.json", "grader.reports.to_prairielearn", _STUDENTS_FIRST),
        "csv": ReportFormat("report.csv", "grader.reports.to_csv", _INSTRUCTORS_FIRST),
        "html": ReportFormat("report.html", "grader.reports.to_html", _INSTRUCTORS_FIRST),
        "html-student": ReportFormat("student.html", "grader.reports.to_html", ("student",)),
    }
)


# Room for the largest report: what fails for a full disk fails before an hour of grading.
_ROOM_BYTES = 1 << 20
_LONGEST_WAIT_S = 30.0


def format_named(name: str) -> ReportFormat:
    """Return a format by its name; raise UsageError on a name that is none."""
    if name not in FORMATS:
        raise UsageError(f"unknown format {name!r}; known: {', '.join(FORMATS)}")
    return FORMATS[name]


def require_formats(names: Iterable[str]) -> None:
    """Raise UsageError where one of the formats cannot be made here, before an hour of grading."""
    for name in names:
        if format_named(name).needs_runner:
            import_module(FORMATS[name].module).require_runner()


def rendered(report: Report, name: str, view: View | None = None) -> str:
    """Return a report in a format, in one view; None is the format's default.

    What a student must not read is taken out before the format's own module sees the report. Raise UsageError
    where the format has no such view, or cannot hold a report without a score.
    """
    chosen = format_named(name)
    if view is not None and view not in chosen.views:
        raise UsageError(f"the format {name} is for the {chosen.views[0]}; for the {view} there is json")
    if report.score is None and not chosen.holds_unscored:
        raise UsageError(unscored_sentence(name))
    if (view or chosen.views[0]) == "student":
        report = import_module("grader.reports.student_view").student_view(report)
    text: str = import_module(chosen.module).render(report)
    return text


def unscored_sentence(name: str) -> str:
    """Say why a report without a score has no file of that format."""
    return f"the report has no score, and {name} could only be told a zero: it was not written"


def left_out(report: Report, formats: Iterable[str]) -> list[str]:
    """Return those of the formats that cannot hold the report."""
    return [name for name in formats if report.score is None and not FORMATS[name].holds_unscored]


def write_report(report: Report, folder: Path, formats: tuple[str, ...] = ("json",)) -> Path:
    """Write a report in the named formats into a folder; return the path of its `report.json`.

    Each file appears whole or not at all. `json` is always written: the other formats can be made from it.
    Of a format that cannot hold the report, an older file is removed: it would be taken for this grading's.
    Raise MachineFault where that fails; an older report is still there then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(("json", *formats)):
            path = folder / FORMATS[name].file_name
            if left_out(report, (name,)):
                path.unlink(missing_ok=True)
            else:
                write_atomically(path, rendered(report, name))
    except OSError as error:
        raise MachineFault(
            f"the report cannot be written into {folder}: {error.strerror or error}; grade again"
        ) from error
    return folder / FORMATS["json"].file_name


def write_again(report: Report, folder: Path) -> None:
    """Write a changed report in each format that lies in a folder, so that none tells of the old one.

    `report.json` comes last: who is killed here finds it unchanged, and does it again. What holds words of
    a place's own runner is left as it is. Raise OSError where one cannot be written.
    """
    others = [name for name in FORMATS if name != "json"]
    for name in (*others, "json"):
        path = folder / FORMATS[name].file_name
        if name == "json" or (path.exists() and not FORMATS[name].needs_runner):
            write_atomically(path, rendered(report, name))


def ensure_writable(folder: Path) -> None:
    """Make a folder and try to write into it, before an hour of grading; raise UsageError if that fails.

    What a grader that was killed while it wrote has left there is removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # without a name where the system can
            file.write(bytes(_ROOM_BYTES))
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}: {error.strerror or error}; choose another --out"
        ) from error
    remove_unfinished(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove what a grader that was killed while it wrote a report has left in a folder."""
    names = [_unfinished(chosen.file_name, "*") for chosen in FORMATS.values()]
    for path in folder.iterdir() if folder.is_dir() else ():
        if any(path.match(name) for name in names):
            remove_unheld_file(path)


def may_hold_marks(path: Path) -> bool:
    """Say whether a report at a path could hold a person's marks; looked at without what reads reports."""
    try:
        report = json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(report, dict) or report.get("marks") != []


@contextlib.contextmanager
def folder_held(folder: Path) -> Iterator[None]:
    """Keep other graders from changing the reports in a folder, from reading one to writing it.

    The lock is on the folder itself, so that nothing is left behind. Where the system has no such locks, two
    graders at the same moment are not kept apart.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders; a folder that is not there is told by whoever needs it
        yield
        return
    try:
        give_up_s = time.monotonic() + _LONGEST_WAIT_S
        while try_lock(descriptor) is False:
            if time.monotonic() > give_up_s:
                raise MachineFault(f"another grader holds {folder} for too long; try again")
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file by `content` in one step, so that no reader and no interruption sees half of it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary, descriptor = new_locked_file(
        lambda: path.with_name(_unfinished(path.name, secrets.token_hex(4))), mode=0o666
    )
    with contextlib.ExitStack() as stack:
        stack.callback(temporary.unlink, missing_ok=True)
        stream = stack.enter_context(open(descriptor, "wb"))  # noqa: PTH123 -- it is open already
        stream.write(data)
        stream.flush()
        os.fsync(descriptor)
        if os.name == "nt":  # where an open file cannot be renamed, and locks nothing
            stream.close()
        temporary.replace(path)


def _unfinished(name: str, mark: str) -> str:
    return f".{name}.{mark}.tmp"
