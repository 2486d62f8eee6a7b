"""Report to the legacy reporter of GitHub Classroom, for forks that still use it.

Source: classroom-resources/autograding-grading-reporter: it reads `<STEP>_RESULTS`, which is the step output
`result`, base64 of JSON, adds up the tests' scores, and posts no points where `max_score` is 0. That is how a
report without a score is told, beside the status `error`. An environment variable holds 128 KiB, so that the
rest of many tests is added up in one. The text is the line `result=...` for `$GITHUB_OUTPUT`. The student's
view is the default: the log of the run is the student's.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from grader.reports.rows import Row, as_many_as_fit, rows_of
from grader.reports.schema import Report, plain_number
from grader.reports.wording import cut, open_sentences, points, score_sentence

MAX_OUTPUT_BYTES = 120_000
MAX_TEST_OUTPUT = 500  # characters
_LONGEST_NAME = 200
_STATUS = {"passed": "pass", "failed": "fail", "skipped": "fail", "pending": "pass", "unscored": "error"}


def render(report: Report) -> str:
    """Return the line that a step adds to `$GITHUB_OUTPUT`."""
    rows = rows_of(report)
    return as_many_as_fit(rows, lambda kept: _line(report, rows, kept), max_bytes=MAX_OUTPUT_BYTES)


def _line(report: Report, rows: list[Row], kept: list[Row]) -> str:
    is_scored = report.score is not None
    tests = [_note(report), *(_test(row, is_scored=is_scored) for row in kept)]
    if len(kept) < len(rows):
        tests.append(_rest(rows, kept, is_scored=is_scored))
    content = {
        "version": 1,
        "status": _status(report, rows),
        "max_score": plain_number(report.max_score) if is_scored else 0,
        "tests": tests,
    }
    return f"result={base64.b64encode(json.dumps(content, allow_nan=False).encode()).decode()}\n"


def _status(report: Report, rows: list[Row]) -> str:
    states = {row.state for row in rows}
    if report.score is None or "unscored" in states:
        return "error"
    return "fail" if states & {"failed", "skipped"} else "pass"


def _note(report: Report) -> dict[str, Any]:
    """Return a test that is worth nothing and says what the number of points does not."""
    status = "error" if report.score is None else "pass"
    told = (score_sentence(report), *open_sentences(report))
    return _entry(told[0], status, Decimal(0), message=told[0], output="\n".join(told), duration_s=0.0)


def _test(row: Row, *, is_scored: bool) -> dict[str, Any]:
    # The reporter adds up numbers, and null is none: a test without a score adds 0, as an error, not a fail.
    score = row.score if is_scored and row.score is not None else Decimal(0)
    return _entry(
        row.name,
        _STATUS[row.state],
        score,
        message=f"{row.verdict}: {row.message}",
        output="" if row.state == "passed" else row.details,
        duration_s=row.duration_s,
        file=row.file or "",
        line=row.line or 0,
    )


def _rest(rows: list[Row], kept: list[Row], *, is_scored: bool) -> dict[str, Any]:
    identities = {id(row) for row in kept}
    rest = [row for row in rows if id(row) not in identities]
    score = sum((row.score or Decimal(0) for row in rest), Decimal(0)) if is_scored else Decimal(0)
    worth = points(sum((row.max_score for row in rest), Decimal(0)))
    name = f"{len(rest)} further checks worth {worth} points, which had no room here"
    status = "pass" if all(row.state == "passed" for row in rest) else "fail"
    return _entry(name, status, score, message=name, output="", duration_s=0.0)


def _entry(
    name: str,
    status: str,
    score: Decimal,
    *,
    message: str,
    output: str,
    duration_s: float,
    file: str = "",
    line: int = 0,
) -> dict[str, Any]:
    return {
        "name": cut(name, _LONGEST_NAME),
        "status": status,
        "score": plain_number(score),
        "message": cut(message, MAX_TEST_OUTPUT),
        "test_code": "",
        "filename": file,
        "line_no": line,
        "duration": round(duration_s, 3),
        "output": cut(output, MAX_TEST_OUTPUT),
    }
