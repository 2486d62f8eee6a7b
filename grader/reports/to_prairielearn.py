"""Report to the `results.json` of PrairieLearn's external graders.

Source: prairielearn.readthedocs.io/en/latest/externalGrading. The student's view is the default: students
read it. `gradable` is false where there is no score: PrairieLearn then takes no attempt away and stores no
score. It shows points only if every test has some, so what waits or was not run is told in the texts, and is
no test. Of more than 1 MB nothing is kept, so that the rest of many tests is added up in one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from grader.reports.rows import Row, as_many_as_fit, rows_of
from grader.reports.schema import Report, plain_number
from grader.reports.wording import environment_sentence, for_the_instructor, open_sentences, score_sentence
from grader.reports.writing import json_text

MAX_BYTES = 1_000_000


def render(report: Report) -> str:
    """Return `results.json`; `score` is the share of the points, 0 to 1."""
    if report.score is None or not report.max_score:
        return json_text(_not_gradable(report))
    rows = rows_of(report)
    return as_many_as_fit(rows, lambda kept: _graded(report, rows, kept), max_bytes=MAX_BYTES)


def _not_gradable(report: Report) -> dict[str, Any]:
    message = score_sentence(report)
    told = "\n".join(filter(None, (message, environment_sentence(report), for_the_instructor(report))))
    return {"gradable": False, "message": message, "format_errors": [message], "output": told, "images": []}


def _graded(report: Report, rows: list[Row], kept: list[Row]) -> str:
    score = report.score or Decimal(0)
    identities = {id(row) for row in kept}
    judged = [row for row in rows if row.score is not None]
    rest = [row for row in judged if id(row) not in identities]
    tests = [_test(row) for row in judged if id(row) in identities]
    if rest:
        tests.append(_rest(rest))
    unscored = [f"{row.name}: {row.verdict}: {row.message}" for row in kept if row.score is None]
    told = (environment_sentence(report), *unscored, for_the_instructor(report))
    return json_text(
        {
            "gradable": True,
            "score": min(1.0, float(score / report.max_score)),
            "message": "\n".join((score_sentence(report), *open_sentences(report))),
            "output": "\n".join(filter(None, told)),
            "images": [],
            "tests": tests,
        }
    )


def _test(row: Row) -> dict[str, Any]:
    return {
        "name": row.id,
        "description": row.title,
        "points": plain_number(row.score or Decimal(0)),
        "max_points": plain_number(row.max_score),
        "message": f"{row.verdict}: {row.message}",
        "output": "" if row.state == "passed" else row.details,
        "images": [],
    }


def _rest(rows: list[Row]) -> dict[str, Any]:
    return {
        "name": f"{len(rows)} further checks",
        "description": "They had no room here.",
        "points": plain_number(sum((row.score or Decimal(0) for row in rows), Decimal(0))),
        "max_points": plain_number(sum((row.max_score for row in rows), Decimal(0))),
        "message": "",
        "output": "",
        "images": [],
    }
