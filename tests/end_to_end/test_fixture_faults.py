"""Every fixture with one fault loses what its expected.toml names, judged in this process.

The same checks as a grading's, without its processes: a fifth of the time. What a grading adds to that is
tried on some of them, and on all that are right, in `test_fixture_submissions`, whose slow tier grades all.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal

import pytest

from fixtures import build
from grader.datasets import load_mnist
from grader.pipeline import HW1
from tests.end_to_end.test_fixture_submissions import GRADED_FOR_REAL, WITH_ONE_FAULT, quick_questions
from tests.suite_runner import Verdict, judge, lost_questions

JUDGED_HERE = [name for name in WITH_ONE_FAULT if name not in GRADED_FOR_REAL]
POINTS = {
    f"{question['id']}.{check}": Decimal(str(points))
    for question in tomllib.loads((HW1.folder / "rubric.toml").read_text(encoding="utf-8"))["question"]
    for check, points in question.get("checks", {}).items()
}


def told(verdict: Verdict) -> str:
    """Return what a check told the student: what is wrong and, where that is known, why."""
    return f"{verdict.message} {getattr(verdict.fault, 'cause', None) or ''}"


def score_of(question: str, verdicts: Mapping[str, Verdict]) -> Decimal:
    passed = [name for name, verdict in verdicts.items() if verdict.outcome == "passed"]
    return sum((POINTS[name] for name in passed if name.startswith(f"{question}.")), Decimal())


@pytest.mark.parametrize("name", JUDGED_HERE)
def test_a_fixture_with_one_fault_loses_exactly_what_it_says(name, tmp_path):
    expected = build.expectation(name)
    build.write_folder(name, tmp_path / name)
    questions = quick_questions(name)
    data = load_mnist("sample", None) if "q6.7" in questions else None
    verdicts = judge(tmp_path / name, questions=questions, dataset=data)
    assert {check.rpartition(".")[0] for check in verdicts} == set(questions)
    assert lost_questions(verdicts) == expected.loses, verdicts
    for question, score in expected.scores.items():
        assert score_of(question, verdicts) == score
    outcomes = {
        (place, verdict.outcome)
        for check, verdict in verdicts.items()
        for place in (check, check.rpartition(".")[0])
    }
    assert {(row.check or row.question, row.outcome) for row in expected.outcomes} <= outcomes
    silent = [row for row in expected.messages if row.text not in told(verdicts[row.check])]
    assert not silent, told(verdicts[silent[0].check])
