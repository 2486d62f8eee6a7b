"""A deadline counts the seconds that were a worker's own to use."""

from __future__ import annotations

import time

import pytest

from grader.sandbox.deadline import Deadline


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when told to, and how long the machine ran others."""

    class Clock:
        now_s = 1000.0
        held_up_s = 50.0  # before the call at hand

        def deadline(self, seconds: float, factor: float = 10.0) -> Deadline:
            return Deadline(
                seconds, held_up_now_s=lambda: self.held_up_s, so_far_s=self.held_up_s, factor=factor
            )

    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now_s)
    return made


def test_an_idle_machine_counts_every_second(clock):
    deadline = clock.deadline(2.0)
    clock.now_s += 1.5
    assert deadline.remaining_s() == 0.5
    clock.now_s += 0.5
    assert deadline.remaining_s() == 0.0
    assert deadline.held_up_s == 0.0


def test_time_in_which_others_ran_is_given_back(clock):
    deadline = clock.deadline(2.0)
    clock.now_s += 5.0
    clock.held_up_s += 3.5
    assert deadline.remaining_s() == 0.5
    clock.now_s += 0.6
    assert deadline.remaining_s() < 0
    assert deadline.held_up_s == 3.5


def test_what_is_given_back_has_a_limit(clock):
    # A worker whose own threads push each other aside looks held up, too.
    deadline = clock.deadline(2.0, factor=3.0)
    clock.now_s += 9.0
    clock.held_up_s += 9.0
    assert deadline.remaining_s() == -1.0


def test_a_count_that_runs_backwards_gives_nothing(clock):
    deadline = clock.deadline(2.0)
    clock.now_s += 3.0
    clock.held_up_s = 0.0  # the process is gone
    assert deadline.remaining_s() == -1.0
