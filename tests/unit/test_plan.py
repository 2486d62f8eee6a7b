"""A plan says what will run, and why the rest will not."""

from decimal import Decimal

import pytest

from grader.errors import UsageError
from grader.pipeline import HW1
from grader.plan import agree, make_plan, require_all_checks
from grader.rubric import load_rubric, parse_rubric
from grader.suites import read_suites
from tests.unit.rubrics import QUESTIONS, declared, make_rubric, plan_of


def test_everything_is_planned_when_nothing_is_asked_for():
    plan = plan_of()
    assert [planned.question.id for planned in plan.questions] == ["q1.3", "q4.1", "q6.1"]
    assert [planned.check.id for planned in plan.checks] == ["q6.1.a", "q6.1.b", "q6.1.secret"]


def test_a_question_for_a_person_is_not_held_up():
    assert plan_of("q1.3").questions[0].not_run_reason is None


def test_a_question_without_checks_says_so():
    assert plan_of("q4.1").questions[0].not_run_reason == (
        "this version has no automatic checks for q4.1 yet"
    )


def test_a_question_without_checks_also_names_the_packages_it_will_need():
    assert plan_of("q4.1", installed=False).questions[0].not_run_reason == (
        "this version has no automatic checks for q4.1 yet "
        "(they will need torch, medmnist: pip install 'mytorch-grader[experiments]')"
    )


def test_a_question_whose_packages_are_missing_does_not_run():
    rubric = parse_rubric(
        {
            "schema": "grader/rubric/v1",
            "assignment": "tiny",
            "version": "1",
            "question": [QUESTIONS[2] | {"requires": ["torch"]}],
        }
    )
    plan = make_plan(rubric, declared(), is_installed=lambda _: False)
    assert plan.questions[0].not_run_reason == "needs torch: pip install 'mytorch-grader[experiments]'"
    assert plan.checks == ()


def test_only_questions_that_run_require_parts_of_the_submission():
    assert plan_of().required_parts == {"mytorch"}
    assert plan_of("q4.1").required_parts == set()


def test_theory_is_optional_to_hand_in_and_needs_nothing_beside_it():
    rubric = load_rubric(HW1.folder / "rubric.toml")
    plan = make_plan(rubric, read_suites(HW1.folder), wanted=["q1.1", "q2.3", "q3.1"])
    assert {planned.not_run_reason for planned in plan.questions} == {None}
    assert len(plan.checks) > 20
    assert plan.required_parts == set()


def test_the_data_set_is_needed_only_by_checks_that_take_it():
    assert plan_of().uses_dataset
    assert not plan_of("q4.1").uses_dataset


def test_a_self_check_has_visible_checks_only_and_knows_what_it_leaves_out():
    plan = plan_of(visible_only=True)
    assert [planned.question.id for planned in plan.questions] == ["q6.1"]
    assert [planned.check.id for planned in plan.checks] == ["q6.1.a", "q6.1.b"]
    assert plan.questions[0].max_score == Decimal("0.3")
    assert [planned.check.id for planned in plan.hidden] == ["q6.1.secret"]


def test_a_self_check_replays_a_notebook_only_where_that_is_asked_for():
    rubric = load_rubric(HW1.folder / "rubric.toml")
    everything = make_plan(rubric, read_suites(HW1.folder), visible_only=True)
    assert everything.on_request[0] == "q4.1"
    assert everything.on_request[-1] == "q5.4"
    assert not {planned.question.problem for planned in everything.questions} & {"q4", "q5"}
    asked = make_plan(rubric, read_suites(HW1.folder), wanted=["q5.1"], visible_only=True)
    assert [planned.question.id for planned in asked.questions] == ["q5.1"]
    assert asked.on_request == ()


def test_a_rubric_must_not_name_a_check_that_does_not_exist():
    fewer = {name: entry for name, entry in declared().items() if name != "q6.1.b"}
    with pytest.raises(UsageError, match=r"names the check q6\.1\.b, which does not exist; known: q6\.1\.a"):
        agree(make_rubric().questions, fewer)


def test_a_rubric_must_not_leave_out_a_check():
    content = QUESTIONS[2] | {"checks": {"a": Decimal("0.7")}}
    rubric = parse_rubric(
        {"schema": "grader/rubric/v1", "assignment": "tiny", "version": "1", "question": [content]}
    )
    with pytest.raises(UsageError, match=r"leaves out the check q6\.1\.b; give it 0 points instead"):
        agree(rubric.questions, declared())


def without_the_hidden_check():
    question = QUESTIONS[2] | {
        "checks": {"a": Decimal("0.1"), "b": Decimal("0.2")},
        "withheld": {"checks": 1, "points": Decimal("0.4")},
    }
    return parse_rubric(
        {"schema": "grader/rubric/v1", "assignment": "tiny", "version": "1", "question": [question]}
    )


def test_checks_that_are_withheld_count_as_hidden():
    there = {name: entry for name, entry in declared().items() if "secret" not in name}
    plan = make_plan(without_the_hidden_check(), there, visible_only=True)
    whole = plan_of(visible_only=True)
    assert (plan.hidden_count, plan.hidden_points) == (whole.hidden_count, whole.hidden_points)
    assert (plan.hidden_count, plan.hidden_points) == (1, Decimal("0.4"))


def test_nothing_is_graded_without_the_hidden_checks():
    with pytest.raises(UsageError, match=r"withholds hidden checks, .* so nothing can be graded"):
        require_all_checks(without_the_hidden_check())
    require_all_checks(make_rubric())


def test_leaving_out_experiments_runs_none_of_them_and_says_why():
    plan = make_plan(
        load_rubric(HW1.folder / "rubric.toml"),
        read_suites(HW1.folder),
        wanted=["q4", "q6.1", "q2.2"],
        without_experiments=True,
        is_installed=lambda _: True,
    )
    reasons = {planned.question.id: planned.not_run_reason for planned in plan.questions}
    assert {name for name, reason in reasons.items() if reason is None} == {"q2.2", "q6.1"}
    assert reasons["q4.1"] == "was left out: graded without PyTorch, as was asked for"
    assert not plan.uses_notebook
    assert {planned.check.question for planned in plan.checks} == {"q6.1"}
