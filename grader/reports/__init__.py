"""Report to text, one module a format."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from grader.errors import MachineFault, UsageError
from grader.scratch import new_locked_file, remove_unheld_file, try_lock

if TYPE_CHECKING:
    from grader.reports.schema import Report


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """A format: the file it is written to, and the module with its `render(report) -> str`."""

    file_name: str
    module: str


# The one list of formats; modules are loaded when a report is written.
FORMATS: Mapping[str, ReportFormat] = MappingProxyType(
    {
        "json": ReportFormat("report.json", "grader.reports.to_json"),
        "student": ReportFormat("student.json", "grader.reports.to_student"),
        "html": ReportFormat("report.html", "grader.reports.to_html"),
        "html-student": ReportFormat("student.html", "grader.reports.to_html_student"),
    }
)


# Room for the largest report: what fails for a full disk fails before an hour of grading.
_ROOM_BYTES = 1 << 20
_LONGEST_WAIT_S = 30.0


def write_report(report: Report, folder: Path, formats: tuple[str, ...] = ("json",)) -> Path:
    """Write a report in the named formats into a folder; return the path of its `report.json`.

    Each file appears whole or not at all. `json` is always written: the other formats can be made from it.
    Raise MachineFault where that fails; an older report is still there then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in dict.fromkeys(("json", *formats)):
            chosen = FORMATS[name]
            text: str = import_module(chosen.module).render(report)
            write_atomically(folder / chosen.file_name, text)
    except OSError as error:
        raise MachineFault(
            f"the report cannot be written into {folder}: {error.strerror or error}; grade again"
        ) from error
    return folder / FORMATS["json"].file_name


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
    for chosen in FORMATS.values():
        for left_over in folder.glob(_unfinished(chosen.file_name, "*")):
            remove_unheld_file(left_over)


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


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by `text` in one step, so that no reader and no interruption sees half of it."""
    data = text.encode("utf-8")
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
