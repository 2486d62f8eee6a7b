"""Points are added exactly, and what was not scored is null, never 0."""

from decimal import Decimal

import pytest

from grader.model import Ending, Outcome
from grader.reports.schema import EnvironmentReport, SubmissionReport, TimingReport
from grader.scoring import Facts, score
from tests.unit.rubrics import plan_of, results_of

ENVIRONMENT = EnvironmentReport(
    is_grade=True,
    note=None,
    isolation=None,
    python="3.12",
    numpy="2",
    torch=None,
    device="cpu",
    platform="x",
    seed=None,
    seed_is_public=False,
    data_profile="sample",
    grader_version="0",
)


def facts(ending=Ending.FINISHED, **more):
    return Facts(
        submission=SubmissionReport(name="alice", sha256="0" * 64, files={}),
        environment=ENVIRONMENT,
        timing=TimingReport(started_at="2026-01-01T00:00:00+00:00", wall_time_s=1.0, checks_s=0.5),
        ending=ending,
        **more,
    )


def test_tenths_add_up_exactly():
    plan = plan_of("q6.1")
    report = score(plan, results_of(plan), facts())
    assert report.score == Decimal("0.7") == report.max_score
    assert report.status == "graded"
    assert report.questions[0].status == "graded"


def test_a_failed_check_costs_its_points_and_nothing_else():
    plan = plan_of("q6.1")
    report = score(plan, results_of(plan, b=Outcome.FAILED), facts())
    assert report.score == Decimal("0.5")


@pytest.mark.parametrize(
    "outcome",
    sorted(set(Outcome) - {Outcome.PASSED, Outcome.GRADER_ERROR, Outcome.MISSING, Outcome.PENDING}),
)
def test_every_fault_of_the_submission_is_0_points_and_graded(outcome):
    plan = plan_of("q6.1")
    report = score(plan, results_of(plan, a=outcome), facts())
    assert report.questions[0].checks[0].score == 0
    assert report.score == Decimal("0.6")
    assert report.status == "graded"


def test_a_question_that_did_not_run_makes_the_report_partial_and_keeps_its_points_in_the_maximum():
    plan = plan_of()
    report = score(plan, results_of(plan), facts())
    assert report.status == "partial"
    assert report.status_reason == "not run: q4.1"
    assert report.score == Decimal("0.7")
    assert report.max_score == report.rubric_max_score == Decimal("5.7")


def test_written_parts_wait_for_a_person():
    plan = plan_of()
    report = score(plan, results_of(plan), facts())
    assert report.pending == Decimal("3.5")
    assert report.questions[0].status == "manual"
    assert report.questions[0].score is None
    assert report.questions[0].checks[0].outcome is Outcome.PENDING
    assert report.questions[0].checks[0].kind == "written"


def test_the_score_is_null_when_nothing_asked_for_could_be_scored():
    assert score(plan_of("q1.3"), {}, facts()).score is None
    assert score(plan_of("q4.1"), {}, facts()).score is None


def test_max_score_is_of_the_questions_asked_for():
    plan = plan_of("q6.1")
    assert score(plan, results_of(plan), facts()).max_score == Decimal("0.7")
    assert score(plan, results_of(plan), facts()).rubric_max_score == Decimal("5.7")


def test_a_check_that_did_not_report_though_the_run_finished_is_missing_and_nobody_is_scored():
    plan = plan_of("q6.1")
    results = results_of(plan)
    del results["q6.1.a"]
    report = score(plan, results, facts())
    assert report.questions[0].checks[0].outcome is Outcome.MISSING
    assert report.status == "grader_error"
    assert report.score is None
    assert report.questions[0].score is None


def test_a_fault_of_ours_in_one_check_leaves_the_report_without_a_score():
    plan = plan_of("q6.1")
    report = score(plan, results_of(plan, a=Outcome.GRADER_ERROR), facts(faults={"q6.1.a": "Traceback"}))
    assert report.status == "grader_error"
    assert report.score is None
    assert report.questions[0].checks[0].score is None
    assert report.questions[0].checks[0].grader_fault == "Traceback"
    assert report.questions[0].checks[1].score == Decimal("0.2")


def test_a_broken_run_makes_what_is_left_our_error():
    plan = plan_of("q6.1")
    results = {name: each for name, each in results_of(plan).items() if name == "q6.1.a"}
    report = score(plan, results, facts(Ending.BROKE, reason="it died", log="killed"))
    assert [check.outcome for check in report.questions[0].checks] == [
        Outcome.PASSED,
        Outcome.GRADER_ERROR,
        Outcome.GRADER_ERROR,
    ]
    assert (report.status, report.status_reason, report.grader_log) == ("grader_error", "it died", "killed")


def test_a_suite_that_does_not_load_is_our_error():
    plan = plan_of("q6.1")
    report = score(plan, {}, facts(broken={"q6.1": "SyntaxError"}))
    assert {check.outcome for check in report.questions[0].checks} == {Outcome.GRADER_ERROR}
    assert report.questions[0].checks[0].grader_fault == "SyntaxError"


def test_an_interruption_keeps_what_was_finished_and_names_the_rest_missing():
    plan = plan_of("q6.1")
    results = {name: each for name, each in results_of(plan).items() if name == "q6.1.a"}
    report = score(plan, results, facts(Ending.INTERRUPTED, reason="grading was interrupted"))
    first, second, _ = report.questions[0].checks
    assert (first.outcome, first.score) == (Outcome.PASSED, Decimal("0.1"))
    assert (second.outcome, second.score) == (Outcome.MISSING, None)
    assert second.feedback.message == "not run: grading was interrupted"
    assert (report.status, report.score) == ("interrupted", None)


@pytest.mark.parametrize(
    "ending, status", [(Ending.REJECTED, "rejected"), (Ending.NO_ISOLATION, "grader_error")]
)
def test_when_nothing_ran_every_question_says_why_and_the_score_is_null(ending, status):
    report = score(plan_of(), {}, facts(ending, reason="because"))
    assert (report.status, report.score, report.pending) == (status, None, 0)
    assert {question.not_run_reason for question in report.questions} == {"because"}
    assert {question.status for question in report.questions} == {"not_run"}


def test_planned_checks_are_never_absent_from_the_report():
    plan = plan_of()
    for ending in (Ending.FINISHED, Ending.BROKE, Ending.INTERRUPTED):
        report = score(plan, {}, facts(ending))
        assert [check.id for check in report.questions[2].checks] == [
            planned.check.id for planned in plan.checks
        ]
