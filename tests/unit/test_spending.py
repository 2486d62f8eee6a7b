"""What a run cost is counted, and what a worker says of it is worth little."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from grader.model import Spent
from grader.spending import Spending, profile_rows


@dataclass(frozen=True)
class Counted:
    """A worker that has been sent and has sent back some bytes."""

    sent_bytes: int = 10
    received_bytes: int = 20


@pytest.mark.parametrize(
    ("said", "counted_s"),
    [
        ({"took_us": 250_000}, 0.25),
        ({"took_us": 10**400}, 0.5),
        ({"took_us": -(10**400)}, 0.0),
        ({"took_us": True}, 0.0),
        ({"took_us": "1"}, 0.0),
        ({"took_us": [1]}, 0.0),
        ({"took_us": None}, 0.0),
        ({}, 0.0),
    ],
    ids=str,
)
def test_what_a_worker_says_it_took_is_bounded_by_what_was_waited_for(said, counted_s):
    spending = Spending()
    spending.note_students_time(said, within_s=0.5)
    assert spending.student_s == pytest.approx(counted_s)


def test_the_costs_of_several_students_add_up():
    spending = Spending()
    with spending.on_a_worker():
        spending.round_trips = 3
    spending.add_bytes(Counted())
    spent = spending.added_to(spending.added_to(Spent(loading_s=2.0)))
    assert (spent.workers, spent.round_trips, spent.sent_bytes, spent.received_bytes) == (2, 6, 20, 40)
    assert spent.loading_s == pytest.approx(2.0)
    assert spent.student_s is None


def test_a_worker_that_does_not_start_is_counted_too():
    spending = Spending()
    with pytest.raises(OSError, match="no memory"), spending.on_a_worker():
        raise OSError("no memory")
    assert spending.workers == 1


@pytest.mark.parametrize(
    ("lanes_s", "saved"),
    [(1.0, []), (1.75, ["saved, since questions ran together"])],
    ids=["one", "two"],
)
def test_the_parts_of_a_profile_add_up_to_the_whole(lanes_s, saved):
    spent = Spent(python_s=0.25, loading_s=0.5, checks_s=1.0, lanes_s=lanes_s, workers_s=0.25, waiting_s=0.5)
    rows = profile_rows(spent, wall_time_s=2.0)
    seconds = [float(each) for _, each, _ in rows]
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1])
    assert [name for name, each, _ in rows if float(each) < 0] == saved
    assert not any("student" in name for name, _, _ in rows)


def test_the_students_own_time_is_a_part_of_the_answers_and_said_to_be_a_word():
    rows = profile_rows(Spent(student_s=0.125), wall_time_s=1.0)
    assert ("  of these, the student's own code", "0.125", "as the worker says") in rows


def test_a_grading_that_ran_nothing_has_a_profile_of_nothing():
    assert {name: seconds for name, seconds, _ in profile_rows(None, wall_time_s=0.5)}["all"] == "0.500"
