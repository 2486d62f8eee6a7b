"""Is a report right? Added up again from the plan alone, without anything of the scoring itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

import jsonschema

from grader.plan import Plan, PlannedQuestion
from grader.reports.schema import MAX_ANSWER_BYTES, SCHEMA_FILE

Content = Mapping[str, Any]

NOT_SCORED = {"rejected", "interrupted", "grader_error"}
# Whose outcome is nobody's verdict on the submission: no points, but no zero either.
UNJUDGED = {"grader_error", "missing", "pending"}


def require_right(text: str, plan: Plan) -> Content:
    """Return the content of a `report.json`; fail unless it is valid, whole, and adds up."""
    validator().validate(json.loads(text))
    content: Content = json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    answers = {
        check["answer"]["text"]
        for question in content["questions"]
        for check in question["checks"]
        if check["answer"] is not None
    }
    for shown in _texts(content):
        assert not {c for c in shown if ord(c) < 32} - {"\n", "\t"}, shown[:200]
        assert len(shown.encode()) <= (MAX_ANSWER_BYTES if shown in answers else 4096)
    assert [question["id"] for question in content["questions"]] == [
        each.question.id for each in plan.questions
    ]
    for question, planned in zip(content["questions"], plan.questions, strict=True):
        _require_checks(question, planned)
        _require_question(question, planned)
    _require_totals(content)
    return content


@cache
def validator() -> jsonschema.Draft202012Validator:
    """Return the published schema, compiled once."""
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def automatic(question: Content) -> list[Content]:
    """Return the checks of a question that no person marks."""
    return [check for check in question["checks"] if check["kind"] == "auto"]


def _require_checks(question: Content, planned: PlannedQuestion) -> None:
    """Every planned check is there once, in order, with its points, and a score that its outcome allows."""
    worth = {each.check.id: each.points for each in planned.checks if planned.not_run_reason is None}
    assert [check["id"] for check in automatic(question)] == list(worth)
    for check in automatic(question):
        assert check["max_score"] == worth[check["id"]]
        allowed = None if check["outcome"] in UNJUDGED else 0
        assert check["score"] == (check["max_score"] if check["outcome"] == "passed" else allowed), check
        assert check["feedback"]["message"] or check["outcome"] == "passed"
    written = {check["id"]: check["max_score"] for check in question["checks"] if check["kind"] == "written"}
    assert written in ({}, planned.written)
    assert all(check["score"] is None for check in question["checks"] if check["kind"] == "written")


def _require_question(question: Content, planned: PlannedQuestion) -> None:
    """Its score is the sum of its checks', and null unless every one of them was judged."""
    scores = [check["score"] for check in automatic(question)]
    assert question["max_score"] == planned.max_score
    if scores and None not in scores:
        assert (question["status"], question["score"]) == ("graded", sum(scores))
    elif scores or planned.not_run_reason:
        assert (question["status"], question["score"]) == ("not_run", None)
        assert question["not_run_reason"]
    else:
        assert question["status"] in {"manual", "not_run"}
        assert question["score"] is None


def _require_totals(content: Content) -> None:
    """The total is the sum of the questions', and null exactly where the status says so."""
    questions = content["questions"]
    checks = [check for question in questions for check in question["checks"]]
    assert content["max_score"] == sum(question["max_score"] for question in questions)
    assert content["rubric_max_score"] >= content["max_score"]
    assert content["pending"] == sum(check["max_score"] for check in checks if check["outcome"] == "pending")
    scored = [question["score"] for question in questions if question["score"] is not None]
    if content["status"] in NOT_SCORED or not scored:
        assert content["score"] is None
    else:
        assert content["score"] == sum(scored)
    if content["status"] not in NOT_SCORED:
        assert not [check for check in checks if check["kind"] == "auto" and check["score"] is None]
        open_ones = [question for question in questions if question["status"] == "not_run"]
        assert content["status"] == ("partial" if open_ones else "graded")
    assert content["status_reason"] or content["status"] == "graded"


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} in a report")
