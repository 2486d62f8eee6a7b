"""Report to `report.json`, and back."""

from __future__ import annotations

import json

from pydantic import ValidationError

from grader.errors import UsageError
from grader.reports.schema import SCHEMA, Report


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
        raise UsageError(f"this is no report of this version: {where}: {first['msg']}") from error
