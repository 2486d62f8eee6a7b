"""Report to the `result.json` of Classroom 50's runner (`classroom50/result/v1`).

Source: the schema's fields and cross rules as CS50's Classroom 50 collects them. Its points are integers: all
of them are ours times SCALE, and every test says so. What only the runner knows comes from its environment;
`owner` and `assignment_type` are stamped by the runner afterwards. It has no way to say "not scored": for
such a report there is no file, which the runner takes for a failed run. The student's view is the default:
the result is attached to a release of the student's repository.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from grader.environment import environment_values
from grader.errors import UsageError
from grader.plain_text import one_line
from grader.reports.rows import Row, rows_of
from grader.reports.schema import Report
from grader.reports.wording import cut, open_sentences, score_sentence
from grader.reports.writing import json_text, started_at

SCALE = 100  # integers to a point
_VARIABLES = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
    "review": "REVIEW_URL",
}
_SUBMISSION = re.compile("submit/.+")
_LONGEST_MESSAGE = 500


def require_runner() -> dict[str, str]:
    """Return what the runner says of the submission; raise UsageError outside of it."""
    found = environment_values(tuple(_VARIABLES.values()))
    if missing := [name for name in _VARIABLES.values() if not found.get(name)]:
        raise UsageError(
            f"classroom50 is made inside its runner, which sets {', '.join(_VARIABLES.values())};"
            f" {missing[0]} is not set"
        )
    values = {key: one_line(found[name]) for key, name in _VARIABLES.items()}
    if not _SUBMISSION.fullmatch(values["submission"]):
        raise UsageError(f"SUBMISSION_TAG must begin with submit/, not be {values['submission']!r}")
    return values


def render(report: Report) -> str:
    """Return `result.json`; raise UsageError outside of the runner, or where there is no score."""
    if report.score is None:
        raise UsageError("classroom50 cannot hold a report without a score")
    content: dict[str, Any] = {
        "schema": "classroom50/result/v1",
        **require_runner(),
        "datetime": started_at(report).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": min(scaled(report.score), scaled(report.max_score)),
        "max-score": scaled(report.max_score),
        "tests": [*_notes(report), *map(_test, rows_of(report))],
    }
    return json_text(content)


def scaled(value: Decimal) -> int:
    """Return points as the place's integers."""
    return int((value * SCALE).to_integral_value(ROUND_HALF_EVEN))


def _notes(report: Report) -> list[dict[str, Any]]:
    """Return tests that are worth nothing and say what the score does not: its scale, and what is open."""
    sentences = (f"{SCALE} points here are 1 point of the rubric", score_sentence(report))
    return [
        {"test-name": sentence, "passed": True, "score": 0, "max-score": 0, "scale": SCALE}
        for sentence in (*sentences, *open_sentences(report))
    ]


def _test(row: Row) -> dict[str, Any]:
    """Return a test; one without a score is worth nothing, so that it neither wins nor loses points."""
    score, worth = (scaled(row.score), scaled(row.max_score)) if row.score is not None else (0, 0)
    return {
        "test-name": row.name,
        "passed": row.state == "passed",
        "score": min(score, worth),
        "max-score": worth,
        "scale": SCALE,
        "outcome": row.outcome,
        "message": cut(f"{row.verdict}: {row.message}", _LONGEST_MESSAGE),
    }
