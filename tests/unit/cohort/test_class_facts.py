"""What is said of a class is what its reports say; what was not scored is in no number, and no zero."""

from __future__ import annotations

import statistics
import tracemalloc
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.cohort.page import facts as class_facts
from grader.cohort.page.facts import distribution, gather
from grader.model import Feedback, Outcome
from grader.reports.schema import FeedbackReport
from tests.unit.cohort.samples import (
    SIGMOID,
    TANH,
    failed,
    report_of,
    row_named,
    without_report,
)

FAULT = (Outcome.GRADER_ERROR, Feedback("the disk was full"))


def facts_of(*reports, rows=()):
    pairs = [(row_named(each.submission.name, each), each) for each in reports]
    return gather([*pairs, *((row, None) for row in rows)])


@given(st.lists(st.integers(0, 400).map(lambda quarters: quarters / 4), min_size=1, max_size=60))
def test_the_distribution_is_that_of_the_statistics_module_and_of_numpy(scores):
    found = distribution(scores)
    assert found.count == len(scores)
    assert found.mean == pytest.approx(statistics.mean(scores))
    assert found.median == statistics.median(scores)
    quartiles = (found.lower_quartile, found.median, found.upper_quartile)
    assert quartiles == pytest.approx(tuple(np.percentile(scores, (25, 50, 75))))
    if len(scores) > 1:
        assert quartiles == pytest.approx(tuple(statistics.quantiles(scores, n=4, method="inclusive")))
    assert (found.lowest, found.highest) == (min(scores), max(scores))


def test_nothing_has_no_distribution():
    assert distribution([]) is None
    assert gather([]).submissions == ()


def test_what_was_not_scored_is_counted_by_status_and_is_no_zero():
    graded = report_of("ada")
    broken = report_of("bob").model_copy(update={"status": "grader_error", "score": None})
    rejected = without_report("eve", "rejected", "the zip is damaged")
    found = facts_of(graded, broken, rows=[rejected, without_report("joe", "odd", "an empty folder")])
    assert found.statuses == {"graded": 1, "grader_error": 1, "rejected": 1, "odd": 1}
    assert found.scores == (float(graded.score),)
    assert found.distribution.mean == float(graded.score)
    assert [(each.kind, each.reason, each.labels) for each in found.not_graded] == [
        ("rejected", "the zip is damaged", ("eve",)),
        ("odd", "an empty folder", ("joe",)),
    ]
    assert [(each.kind, each.labels) for each in found.faults] == [("grader_error", ("bob",))]


def test_a_pass_rate_is_of_those_with_a_verdict():
    found = facts_of(
        report_of("a"),
        report_of("b", {TANH: failed("no")}),
        report_of("c", {TANH: (Outcome.SKIPPED, Feedback("not tried"))}),
        report_of("d", {TANH: FAULT}),
    )
    (tanh,) = [each for each in found.checks if each.id == TANH]
    assert tanh.outcomes == {
        Outcome.PASSED: 1,
        Outcome.FAILED: 1,
        Outcome.SKIPPED: 1,
        Outcome.GRADER_ERROR: 1,
    }
    assert (tanh.passed, tanh.judged, tanh.pass_rate) == (1, 3, pytest.approx(1 / 3))


def test_a_check_that_nobody_could_be_judged_by_has_no_pass_rate():
    found = facts_of(report_of("d", {TANH: FAULT}))
    (tanh,) = [each for each in found.checks if each.id == TANH]
    assert tanh.pass_rate is None


def test_a_question_is_told_by_its_mean_and_by_who_has_all_of_its_points():
    found = facts_of(report_of("a"), report_of("b", {TANH: failed("no"), SIGMOID: failed("no")}))
    (activations,) = [each for each in found.questions if each.id == "q6.2"]
    assert (activations.mean, activations.full, activations.scored, activations.pass_rate) == (4.0, 1, 2, 0.5)


def test_faults_of_ours_are_told_with_the_check_the_reason_and_whose_they_are():
    found = facts_of(report_of("a", {TANH: FAULT}), report_of("b", {TANH: FAULT}), report_of("c"))
    assert ("grader_error", TANH, "the disk was full", ("a", "b")) in [
        (each.kind, each.where, each.reason, each.labels) for each in found.faults
    ]


def test_a_question_that_was_not_run_is_a_fault_with_its_reason():
    report = report_of("a")
    questions = tuple(
        each.model_copy(update={"status": "not_run", "score": None, "not_run_reason": "torch is not there"})
        for each in report.questions
        if each.id == "q5.2"
    )
    found = facts_of(report.model_copy(update={"questions": questions, "status": "partial"}))
    assert [(each.kind, each.where, each.reason) for each in found.faults] == [
        ("not run", "q5.2", "torch is not there")
    ]
    assert found.questions[0].not_run == 1


def test_marks_outstanding_are_told_by_part_with_their_points_and_whose_they_are():
    found = facts_of(report_of("a"), report_of("b"))
    assert [(each.where, each.points, each.labels) for each in found.outstanding] == [
        ("q1.3.answer", Decimal(3), ("a", "b")),
        ("q5.2.analysis", Decimal(1), ("a", "b")),
    ]


def test_flags_are_told_by_kind_and_who():
    found = facts_of(report_of("flagged 1"), report_of("b"), report_of("flagged 2"))
    assert [(each.kind, each.labels) for each in found.flags] == [("library", ("flagged 1", "flagged 2"))]


def test_the_slowest_come_first_and_only_a_few_of_them():
    found = facts_of(*(report_of(f"s{at}", wall_time_s=float(at % 40)) for at in range(80)))
    assert [each.seconds for each in found.slow_submissions[:3]] == [39.0, 39.0, 38.0]
    assert [each.label for each in found.slow_submissions[:2]] == ["s39", "s79"]
    assert len(found.slow_submissions) == len(found.slow_checks) == class_facts.MOST_SLOW


def test_more_different_reasons_than_any_class_has_are_counted_only(monkeypatch):
    monkeypatch.setattr(class_facts, "MAX_GROUPS", 3)
    found = facts_of(rows=[without_report(f"s{at}", "rejected", f"reason {at}") for at in range(10)])
    assert len(found.not_graded) == 3
    assert found.groups_left_out == 7


def test_thousands_of_reports_are_counted_within_the_memory_of_a_few_numbers_each():
    whole = report_of("x", {TANH: failed("no"), SIGMOID: failed("no")})
    question = whole.questions[-1]

    def pairs(count):
        for at in range(count):  # as reports are that were read from files: their texts are not shared
            told = FeedbackReport.model_construct(message=f"so {at + 1}", expected=f"{at}" * 1000)
            checks = tuple(each.model_copy(update={"feedback": told}) for each in question.checks[:2])
            questions = (question.model_copy(update={"checks": checks}),)
            report = whole.model_copy(update={"questions": questions})
            yield row_named(f"student-{at:05}", report), report

    def peak(count):
        tracemalloc.start()
        try:
            found = gather(pairs(count))
            return found, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    _, few = peak(50)
    found, many = peak(5000)
    assert len(found.submissions) == 5000
    assert {len(each.labels) for each in found.clusters} == {5000}
    assert (many - few) / 4950 < 1200  # bytes a submission; the texts of its report alone are more
