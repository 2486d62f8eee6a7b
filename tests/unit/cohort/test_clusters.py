"""Failures of one check with one diagnosis are one cluster, whoever has them and however often."""

from __future__ import annotations

import pytest

from grader.cohort.failures import clusters
from grader.cohort.failures.clusters import Clusters, cluster_id, failures
from grader.model import Feedback, Outcome
from tests.unit.cohort.samples import SECRET, SIGMOID, TANH, failed, report_of


def gathered(*reports) -> Clusters:
    found = Clusters()
    for report in reports:
        found.add(report.submission.name, report)
    return found


def test_the_same_failure_of_several_is_one_cluster_with_all_their_labels():
    found = gathered(
        report_of("ada", {TANH: failed("the first at [0] is 1.5 and should be 2")}),
        report_of("bob", {TANH: failed("the first at [3] is -7 and should be 0.25")}),
        report_of("eve", {TANH: failed("it is the transpose")}),
        report_of("joe"),
    ).sorted()
    assert [each.labels for each in found] == [("ada", "bob"), ("eve",)]
    assert found[0].check == TANH
    assert found[0].example == "the first at [0] is 1.5 and should be 2"


def test_the_same_message_about_two_checks_or_of_two_outcomes_is_two_clusters():
    said = Feedback("it took 3 s")
    found = gathered(
        report_of("ada", {TANH: (Outcome.TIMEOUT, said), SIGMOID: (Outcome.TIMEOUT, said)}),
        report_of("bob", {TANH: (Outcome.CRASHED, said)}),
    )
    assert len(found.sorted()) == 3


@pytest.mark.parametrize(
    "outcome", [Outcome.PASSED, Outcome.SKIPPED, Outcome.GRADER_ERROR, Outcome.MISSING, Outcome.PENDING]
)
def test_what_nobody_did_wrong_by_themselves_is_no_failure(outcome):
    assert list(failures(report_of("ada", {TANH: (outcome, Feedback("so"))}))) == []


def test_an_id_does_not_depend_on_the_class_nor_on_who_has_the_failure():
    one = report_of("ada", {TANH: failed("it is 3.5 times too large", "the mean is taken twice (N = 7)")})
    other = report_of("bob", {TANH: failed("it is 1.5 times too large", "the mean is taken twice (N = 9)")})
    (alone,) = gathered(other).sorted()
    (first,) = gathered(one, other).sorted()
    assert alone.id == first.id == cluster_id(next(failures(one)))
    assert len(first.id) == 10


def test_ids_stay_what_they_are_since_comments_are_kept_by_them():
    check = next(failures(report_of("ada", {TANH: failed("wrong: 3 of 3 entries differ", "a sum")})))
    assert cluster_id(check) == "6842eca244"


def test_most_submissions_come_first_and_equal_ones_in_the_order_of_their_checks():
    two = {TANH: failed("a"), SECRET: failed("b")}
    found = gathered(report_of("ada", two), report_of("bob", {**two, SIGMOID: failed("c")})).sorted()
    assert [(each.check, len(each.labels)) for each in found] == [(SECRET, 2), (TANH, 2), (SIGMOID, 1)]


def test_more_different_failures_than_any_class_has_are_counted_only(monkeypatch):
    monkeypatch.setattr(clusters, "MAX_CLUSTERS", 2)
    found = gathered(*(report_of(f"s{at}", {TANH: failed("x" * (at + 1))}) for at in range(5)))
    assert len(found.sorted()) == 2
    assert found.left_out == 3


def test_an_example_is_short_and_one_line():
    (found,) = gathered(report_of("ada", {TANH: failed("a\nb\t\u202e" + "x" * 4000)})).sorted()
    assert found.example.startswith("a b x")
    assert len(found.example.encode()) <= 700
