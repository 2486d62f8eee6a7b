"""What is printed fits 80 columns, and nothing of a student's is taken literally."""

import io
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from grader import terminal
from grader.model import ArrayExcerpt, CheckResult, Ending, Feedback, Isolation, Outcome
from grader.reports import wording
from grader.reports.schema import ExcerptReport, IsolationReport
from grader.scoring import score
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import ENVIRONMENT, facts

NASTY = "\x1b[2J[red]wrong[/red]\n::error::x\n##[error]y ##vso[z \u202e:smile:"


def printed(show, *arguments):
    stream = io.StringIO()
    console = Console(file=stream, width=80, markup=False, emoji=False, highlight=False)
    show(console, *arguments)
    return stream.getvalue()


def report_with(message, *names, **more):
    plan = plan_of(*names)
    results = results_of(plan)
    check = plan.checks[1].check
    results[check.id] = CheckResult(check, Outcome.FAILED, Feedback(message, **more), 0.1)
    return score(plan, results, facts())


def test_the_summary_line_of_a_problem_is_there():
    text = printed(terminal.print_report, report_with("wrong", "q6.1"), Path("out/report.json"))
    assert "Problem 6: 0.5/0.7\n" in text
    assert "Total: 0.5/0.7 (graded)\n" in text
    assert "report: out/report.json" in text


def test_every_row_names_question_score_checks_and_the_first_problem_within_80_columns():
    text = printed(terminal.print_report, report_with("the mean is taken twice " * 9), Path("r.json"))
    row = next(line for line in text.splitlines() if line.startswith("q6.1"))
    assert row.split()[:4] == ["q6.1", "Linear", "0.5/0.7", "2/3"]
    assert "the mean is taken twice" in row
    assert max(map(len, text.splitlines())) <= 80


def test_what_did_not_run_is_said_once_with_its_reason_and_points():
    text = printed(terminal.print_report, report_with("wrong"), Path("r.json"))
    assert "Not run, 1.5 points open: q4.1: this version has no automatic checks for them" in text
    assert "Total: 0.5/5.7 (partial, 3.5 wait for a person)" in text


def test_text_of_a_student_is_neither_markup_nor_control_nor_a_command_to_a_service():
    report = report_with(NASTY)
    text = printed(terminal.print_report, report, Path("r.json"))
    text += printed(terminal.print_self_check, report, plan_of())
    assert "[red]wrong[/red]" in text
    assert ":smile:" in text
    for bad in ("\x1b", "\u202e", "##[", "##vso["):
        assert bad not in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.parametrize("ending", [Ending.REJECTED, Ending.NO_ISOLATION, Ending.INTERRUPTED])
def test_a_report_without_a_score_says_why(ending):
    report = score(plan_of(), {}, facts(ending, reason="there is a reason"))
    text = printed(terminal.print_report, report, Path("r.json"))
    assert "No score: there is a reason" in text
    assert "Total" not in text


def test_a_report_that_is_no_grade_says_so_and_one_that_is_names_its_isolation():
    isolation = Isolation(2, "confined", "confined")
    report = report_with("wrong").model_copy(
        update={
            "environment": ENVIRONMENT.model_copy(
                update={
                    "note": "not a grade: level 1",
                    "is_grade": False,
                    "isolation": IsolationReport(
                        level=isolation.level,
                        name=isolation.name,
                        provider="x",
                        covers=(),
                        does_not_cover=(),
                        probes={},
                    ),
                }
            )
        }
    )
    text = printed(terminal.print_report, report, Path("r.json"))
    assert "NOT A GRADE: LEVEL 1" in text
    assert "isolation: level 2 (confined); data: sample" in text


def test_a_self_check_tells_of_each_failure_in_order_and_what_is_not_shown():
    excerpt = ArrayExcerpt((9, 9), "float64", (1, 0), [[0.123456789, "nan"], [1.0, 2.0]], is_whole=False)
    plan = plan_of(visible_only=True)
    results = results_of(plan)
    check = plan.checks[1].check
    feedback = Feedback(
        "wrong. Likely cause: a factor",
        expected=excerpt,
        got="a text",
        first_bad_index=(1, 0),
        reproduce="print(Linear(5, 3))",
        likely_cause="a factor",
        handout="Q6.1",
    )
    results[check.id] = CheckResult(check, Outcome.FAILED, feedback, 0.1)
    text = printed(terminal.print_self_check, score(plan, results, facts()), plan)
    assert text.splitlines() == [
        "q6.1 Linear: 1 of 2 visible checks pass",
        "  failed, 0 of 0.2 points: B (q6.1.b)",
        "    | to see it yourself: print(Linear(5, 3))",
        "    | wrong",
        "    | expected: float64 of shape (9, 9), the part from [1, 0] on",
        "    |      0.1235       nan",
        "    |           1         2",
        "    | got: a text",
        "    | likely cause: a factor",
        "    | in the handout: Q6.1",
        "",
        "1 of 2 visible checks pass. 1 hidden check worth 0.4 points is not shown here.",
        "This is a self-check, not a grade.",
    ]


def test_a_large_excerpt_says_that_it_is_cut():
    excerpt = ExcerptReport(
        shape=(20, 20), dtype="int64", offset=(0, 0), values=[[1] * 20] * 20, is_whole=True
    )
    lines = wording.excerpt_text(excerpt).splitlines()
    assert lines[1].endswith("…")
    assert lines[-1] == "  … and 12 more"
    assert max(map(len, lines)) <= 76


def test_points_lose_only_needless_zeros():
    assert [wording.points(Decimal(text)) for text in ("6", "2.50", "0", "100", "0.125")] == [
        "6",
        "2.5",
        "0",
        "100",
        "0.125",
    ]


def test_the_rubric_is_a_table_with_a_total():
    text = printed(terminal.print_rubric, plan_of())
    assert [line.split()[:3] for line in text.splitlines()] == [
        ["question", "points", "by"],
        ["q1.3", "3", "3"],
        ["q4.1", "2", "0.5"],
        ["q6.1", "0.7", "2"],
        ["total", "5.7", "tiny"],
    ]


def test_progress_is_silent_where_nobody_watches():
    def show(console):
        with terminal.progress(console, plan_of(), "alice") as on_event:
            for name in ("q6.1.a", "q6.1.b"):
                on_event(terminal.Event(name))

    assert printed(show) == ""


def test_what_is_known_from_an_earlier_run_says_so_and_still_tells_its_findings():
    plan = plan_of(visible_only=True)
    results = results_of(plan, a=Outcome.FAILED)
    show = partial(terminal.print_self_check, unchanged={"q6.1"})
    text = printed(show, score(plan, results, facts()), plan)
    assert text.startswith("q6.1 Linear: 1 of 2 visible checks pass, as before\n  failed, 0 of 0.1 points: A")
    not_run = score(plan, results, facts(Ending.NO_ISOLATION, reason="there is none"))
    assert "as before" not in printed(show, not_run, plan)
