"""Report to `report.json`, and back."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from grader.errors import UsageError
from grader.plain_text import one_line
from grader.reports.schema import SCHEMA, Report

MAX_REPORT_BYTES = 64 << 20


def render(report: Report) -> str:
    """Return the report as JSON, indented, with a final line break; NaN cannot appear."""
    return json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_report(text: str) -> Report:
    """Read a report back; raise UsageError when it is none."""
    try:
        return Report.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        for each in error.errors():
            if each["loc"] == ("schema",) and isinstance(each["input"], str):
                raise UsageError(
                    f"this is no report of this version: its schema is {each['input'][:60]!r},"
                    f" this version reads {SCHEMA!r}"
                ) from error
        where = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise UsageError(
            f"this is no report of this version: {one_line(where)}: {one_line(first['msg'])}"
        ) from error


class UnreadableReport(UsageError):
    """The file was read, and is no report of this version."""


def read_report_file(path: Path) -> Report:
    """Read the report in a file; raise UsageError where that fails, UnreadableReport if it is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_REPORT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_REPORT_BYTES:
        raise UnreadableReport(f"{path} is larger than any report")
    try:
        return read_report(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnreadableReport(f"{path} is not UTF-8 text") from error
    except UsageError as error:
        raise UnreadableReport(f"{path}: {error}") from error
