"""Report to text, one module a format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from grader.errors import UsageError

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
    }
)


def write_report(report: Report, folder: Path, formats: tuple[str, ...] = ("json",)) -> Path:
    """Write a report in the named formats into a folder; return the path of its `report.json`.

    Each file appears whole or not at all. `json` is always written: the other formats can be made from it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(("json", *formats)):
        chosen = FORMATS[name]
        text: str = import_module(chosen.module).render(report)
        write_atomically(folder / chosen.file_name, text)
    return folder / FORMATS["json"].file_name


def ensure_writable(folder: Path) -> None:
    """Make a folder and try to write into it, before an hour of grading; raise UsageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / ".grader-can-write", "")
        (folder / ".grader-can-write").unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}: {error.strerror or error}; choose another --out"
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by `text` in one step, so that no reader and no interruption sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
