"""Of hidden checks a student sees the class of the verdict and the count, nothing of what was expected."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from grader.checks.plots import errors
from grader.feedback import feedback_of
from grader.model import CheckResult, Feedback, Flag, Outcome, Visibility
from grader.plan import make_plan
from grader.reports import rendered, to_json
from grader.reports.schema import Report
from grader.reports.student_view import student_view
from grader.rubric import load_rubric
from grader.scoring import score
from grader.suites import read_suites
from tests.suite_runner import SUITES
from tests.unit.assignments.feedback_texts import FAULTS, judged
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts

# Faults that only a hidden check sees; its message says what was expected.
SEEN_BY_HIDDEN_CHECKS = (
    *("first_batch_cached", "first_gradient_kept", "batch_of_one_squeezed", "tanh_first_batch_cached"),
    *("ce_clipped", "ce_first_batch_cached", "mse_second_backward", "nested_left_out", "container_copies"),
    *("momentum", "zero_grad_clears_weights", "large_floor"),
)


def hidden_message(text: str) -> CheckResult:
    plan = plan_of("q6.1")
    check = next(each.check for each in plan.checks if each.check.visibility is Visibility.HIDDEN)
    return CheckResult(check, Outcome.FAILED, Feedback(text, expected=text, got=text, reproduce=text), 1.0)


def report_of(*hidden: CheckResult) -> Report:
    plan = plan_of("q6.1")
    results = results_of(plan) | {result.check.id: result for result in hidden}
    return score(plan, results, facts(flags=[Flag("library", "imports torch", "linear.py")], log="our log"))


def leaks(shown: str, report: Report) -> list[str]:
    """Return what a text holds of a report's hidden checks: names, titles, sentences, numbers."""
    hidden = [
        check
        for question in report.questions
        for check in question.checks
        if check.visibility is not Visibility.VISIBLE
    ]
    secrets = {text for check in hidden for text in (check.id, check.title)}
    for check in hidden:
        told = check.model_copy(update={"duration_s": 0.0, "max_score": Decimal(0), "score": Decimal(0)})
        if check.outcome is not Outcome.PASSED:
            secrets.add(check.feedback.message)
            secrets |= set(re.findall(r"-?\d+\.\d{4,}(?:e-?\d+)?", told.model_dump_json()))
    return sorted(secret for secret in secrets if secret in shown)


def test_nothing_that_a_hidden_check_says_is_in_the_view() -> None:
    report = report_of(hidden_message("SECRET 1.23456"))
    assert leaks(to_json.render(report), report) != []
    assert leaks(rendered(report, "student"), report) == []
    assert "SECRET" not in rendered(report, "student")


def test_hidden_checks_are_one_row_for_each_outcome_and_the_points_still_add_up() -> None:
    report = report_of(hidden_message("SECRET"))
    (question,) = student_view(report).questions
    row = question.checks[-1]
    assert (row.id, row.title, row.outcome) == ("q6.1.hidden_failed", "1 hidden check", Outcome.FAILED)
    assert row.feedback.message == "1 hidden check: failed; what is asked there is not shown"
    assert (row.score, row.max_score) == (Decimal(0), Decimal("0.4"))
    assert sum(check.max_score for check in question.checks) == question.max_score
    assert sum(check.score for check in question.checks) == question.score
    assert [check.id for check in question.checks[:-1]] == ["q6.1.a", "q6.1.b"]


def test_a_hidden_check_without_a_verdict_leaves_its_row_without_one() -> None:
    plan = plan_of("q6.1")
    results = {name: found for name, found in results_of(plan).items() if not name.endswith("secret")}
    row = student_view(score(plan, results, facts())).questions[0].checks[-1]
    assert row.score is None


def test_flags_our_own_words_and_the_seed_are_the_instructors() -> None:
    report = report_of()
    environment = report.environment.model_copy(update={"seed": 7})
    view = student_view(report.model_copy(update={"environment": environment, "grader_log": "ours"}))
    assert (view.flags, view.grader_log, view.environment.seed) == ((), None, None)
    assert view.score == report.score


def test_the_view_of_a_view_is_the_same() -> None:
    report = report_of(hidden_message("SECRET"))
    (question,) = report.questions
    another = question.checks[-1].model_copy(update={"id": "q6.1.another"})
    two = report.model_copy(
        update={"questions": (question.model_copy(update={"checks": (*question.checks, another)}),)}
    )
    for seen in (report, two):
        view = student_view(seen)
        assert student_view(view) == view
    assert view.questions[0].checks[-1].title == "2 hidden checks"


@pytest.mark.parametrize("name", SEEN_BY_HIDDEN_CHECKS)
def test_what_a_hidden_check_expected_of_wrong_code_is_nowhere_in_the_view(name: str) -> None:
    fault = FAULTS[name]
    plan = make_plan(load_rubric(SUITES / "rubric.toml"), read_suites(SUITES), wanted=[fault.question])
    check = next(each.check for each in plan.checks if each.check.id == fault.check)
    assert check.visibility is Visibility.HIDDEN
    feedback = feedback_of(check, judged(fault).fault, handout="")
    results = results_of(plan) | {check.id: CheckResult(check, Outcome.FAILED, feedback, 0.1)}
    report = score(plan, results, facts())
    shown = rendered(report, "student")
    assert leaks(shown, report) == []
    rows = [row for row in json.loads(shown)["questions"][0]["checks"] if row["outcome"] == "failed"]
    assert [row["title"] for row in rows] == ["1 hidden check"]


def test_what_a_hidden_check_drew_is_the_instructors() -> None:
    drawn = errors("SECRET", {"SECRET": 0.125})
    report = report_of(replace(hidden_message("so"), plots=(drawn,)))
    assert "SECRET" in to_json.render(report)
    assert "SECRET" not in rendered(report, "student")
