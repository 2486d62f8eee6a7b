"""The small things that formats made of JSON share: the text itself, and the time of the grading."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from grader.errors import UsageError
from grader.reports.schema import Report


def json_text(content: Any) -> str:
    """Return JSON, indented, with a final line break; NaN cannot appear."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def started_at(report: Report) -> datetime:
    """Return when the grading began, in UTC; raise UsageError where the report holds no time there."""
    try:
        moment = datetime.fromisoformat(report.timing.started_at)
    except ValueError as error:
        raise UsageError(
            f"the report's timing.started_at is no time: {report.timing.started_at!r}"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
