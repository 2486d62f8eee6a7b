"""Rubrics and suites made in memory, for tests that need no files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from grader.model import Check, CheckResult, Feedback, Outcome, Visibility
from grader.plan import Plan, make_plan
from grader.rubric import Rubric, parse_rubric
from grader.suites import DeclaredCheck

QUESTIONS = [
    {"id": "q1.3", "title": "By hand", "points": 3, "written": {"proof": 3}},
    {
        "id": "q4.1",
        "title": "Data",
        "points": 2,
        "requires": ["notebook", "torch", "medmnist"],
        "written": {"balanced": Decimal("0.5")},
    },
    {
        "id": "q6.1",
        "title": "Linear",
        "points": Decimal("0.7"),
        "requires": ["mytorch"],
        "checks": {"a": Decimal("0.1"), "b": Decimal("0.2"), "secret": Decimal("0.4")},
    },
]


def make_rubric() -> Rubric:
    """Return a rubric with a question by hand, one without checks yet, and one with three checks."""
    return parse_rubric(
        {"schema": "grader/rubric/v1", "assignment": "tiny", "version": "1", "question": QUESTIONS}
    )


def declared() -> dict[str, DeclaredCheck]:
    """Return the checks that q6.1's suites would declare."""
    hidden = {"secret"}
    return {
        f"q6.1.{name}": DeclaredCheck(
            Check(
                f"q6.1.{name}",
                name.upper(),
                Visibility.HIDDEN if name in hidden else Visibility.VISIBLE,
            ),
            Path("hidden" if name in hidden else "visible") / "test_q6_1.py",
            uses_dataset=name == "b",
        )
        for name in ("a", "b", "secret")
    }


def plan_of(*wanted: str, visible_only: bool = False, installed: bool = True) -> Plan:
    """Plan the named questions."""
    return make_plan(
        make_rubric(),
        declared(),
        wanted=wanted,
        visible_only=visible_only,
        is_installed=lambda _: installed,
    )


def results_of(plan: Plan, **outcomes: Outcome) -> dict[str, CheckResult]:
    """Return a result for every check of a plan: the named outcome, else passed."""
    return {
        planned.check.id: CheckResult(
            planned.check,
            outcomes.get(planned.check.id.rpartition(".")[2], Outcome.PASSED),
            Feedback("so"),
            0.25,
        )
        for planned in plan.checks
    }
