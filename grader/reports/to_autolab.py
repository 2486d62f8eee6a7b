"""Report to what an Autolab autograder prints: text, a line for the formatted feedback, a line of scores.

Source: docs.autolabproject.com (formatted feedback; the guide for lab authors) and Autolab's
`parseAutoresult`. That one puts quotation marks around every word before a colon, so that the last line holds
ids and numbers only; and where it cannot read the line, it gives every problem 0 points. So a report without
a score is a line that is read, `{"scores": {}}`: then Autolab stores none. Problems are named by the
questions' ids: `q6.1`. The student's view is the default: students read what is printed.
"""

from __future__ import annotations

import json
import re
from typing import Any

from grader.plain_text import one_line, quiet
from grader.reports.rows import Row, rows_of
from grader.reports.schema import QuestionReport, Report, plain_number
from grader.reports.wording import (
    cut,
    environment_sentence,
    for_the_instructor,
    open_sentences,
    points,
    score_sentence,
)

_LONGEST_HINT = 1000
_LONGEST_NAME = 160
_NO_PROBLEM = re.compile(r"[^A-Za-z0-9._-]")
# What stands in the line of the formatted feedback itself; no stage may take its place.
_RESERVED = frozenset({"_presentation", "stages"})


def render(report: Report) -> str:
    """Return all that goes to standard output; every line of foreign text begins with a bar."""
    rows = rows_of(report)
    told = [score_sentence(report), *open_sentences(report), environment_sentence(report)]
    told += [line for row in rows if row.state in ("failed", "unscored") for line in _told(row)]
    told += [f"  | {line}" for line in for_the_instructor(report).splitlines()]
    return "\n".join((*told, _feedback(report, rows), _scores(report))) + "\n"


def _told(row: Row) -> list[str]:
    return ["", f"{row.id}: {row.verdict}: {row.title}", *(f"  | {line}" for line in row.details.split("\n"))]


def _feedback(report: Report, rows: list[Row]) -> str:
    """Return the line that Autolab shows as a table: a stage for each question, and one for the result."""
    stages: dict[str, dict[str, Any]] = {"Result": _result(report)}
    for question in report.questions:
        cases = {
            cut(row.name, _LONGEST_NAME): _case(row)
            for row in rows
            if row.question == question.id and row.state not in ("pending", "unscored")
        }
        if cases:
            stages[_stage(question, stages)] = cases
    return json.dumps({"_presentation": "semantic", "stages": [*stages], **stages}, allow_nan=False)


def _result(report: Report) -> dict[str, Any]:
    """Return values rather than cases: a case can only pass or fail, and what is open did neither."""
    result: dict[str, Any] = {"Status": report.status}
    if report.score is not None:
        result["Points"] = f"{points(report.score)} of {points(report.max_score)}"
    for number, sentence in enumerate(open_sentences(report), 1):
        result[f"Note {number}"] = cut(sentence, _LONGEST_HINT)
    return result


def _case(row: Row) -> dict[str, Any]:
    if row.state == "passed":
        return {"passed": True}
    return {"passed": False, "hint": cut(f"{row.verdict}: {row.message}", _LONGEST_HINT)}


def _stage(question: QuestionReport, taken: dict[str, Any]) -> str:
    name = quiet(one_line(cut(f"{question.id} {question.title}", _LONGEST_NAME)))
    return f"{name} " if name in _RESERVED or name in taken else name


def _scores(report: Report) -> str:
    scores = {
        _NO_PROBLEM.sub("_", question.id): plain_number(question.score)
        for question in report.questions
        if question.score is not None and report.score is not None
    }
    last: dict[str, Any] = {"scores": scores}
    if report.score is not None:
        last["scoreboard"] = [plain_number(report.score)]
    return json.dumps(last, allow_nan=False)
