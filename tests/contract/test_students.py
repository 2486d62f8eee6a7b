"""The workers of one run's questions are forked from one that has loaded NumPy, or started: held alike."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from grader.errors import StudentCrashed
from grader.model import Check, Visibility
from grader.records import GradingRequest
from grader.sandbox.early import early_worker
from grader.sandbox.forked import ForkedProcess
from grader.sandbox.processes import SpawnedProcess
from grader.sandbox.providers import PROVIDERS
from grader.sandbox.usage import children_of, is_running
from grader.students import Students
from tests.contract.submissions import opened, reference_request, write_package
from tests.end_to_end.traces import adopting_orphans
from tests.required import if_here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are looked at through /proc")
QUESTIONS = ("q6.1", "q6.2", "q6.3")
FORKING = [provider.name for provider in PROVIDERS if provider.can_fork]
STARTING = [provider.name for provider in PROVIDERS if not provider.can_fork]
CRASHES = """
    import os
    class ReLU:
        def forward(self, x):
            os.abort()
"""


def check_of(question: str) -> Check:
    return Check(id=f"{question}.values", title="", visibility=Visibility.VISIBLE)


@pytest.fixture
def order(folder, available) -> GradingRequest:
    """What three questions of the reference are graded by, under level 1; each test says under what it is."""
    return reference_request(folder, *map(check_of, QUESTIONS))


@pytest.fixture(params=FORKING)
def forking(request, available, order) -> GradingRequest:
    return dataclasses.replace(order, provider=if_here(available[request.param]))


@pytest.fixture
def students():
    """Make the workers of runs; end what they keep."""
    made: list[Students] = []

    def make(order: GradingRequest, *, early: bool = True) -> Students:
        made.append(Students(order, early_worker(order) if early else None))
        return made[-1]

    yield make
    for each in made:
        each.close()


def was_forked(student) -> bool:
    return isinstance(student._worker.process._process, ForkedProcess)


def test_all_workers_of_several_questions_are_forked_from_the_early_one(forking, students):
    early = early_worker(forking)
    several = Students(forking, early)
    parents = []
    for _ in QUESTIONS:
        with several.open() as student:
            assert was_forked(student)
            assert student.new("ReLU").type_name == "ReLU"
            parents.append(parent_of(student.worker_process_id))
    assert parents == [early.begun.process.worker_id()] * len(QUESTIONS)
    several.close()
    assert not is_running(parents[0])


def test_a_forked_worker_is_held_as_one_that_is_started_and_says_the_same(forking, students):
    with students(forking).open() as forked, opened(forking) as other:
        assert was_forked(forked)
        assert isinstance(other._worker.process._process, SpawnedProcess)
        assert (forked.isolation, forked.versions) == (other.isolation, other.versions)


def test_one_question_needs_no_zygote(forking, students):
    one = dataclasses.replace(forking, checks=forking.checks[:1])
    with students(one).open() as student:
        assert not was_forked(student)
    assert students(one)._zygote is None


def test_questions_of_a_notebook_are_not_counted(forking, students):
    """They have a worker of another kind."""
    with_notebook = dataclasses.replace(forking, names=dict.fromkeys(QUESTIONS[1:], ()))
    with students(with_notebook).open() as student:
        assert not was_forked(student)


@pytest.mark.parametrize("provider", STARTING)
def test_where_each_worker_is_another_user_or_is_not_held_every_one_is_started(
    provider, available, order, students
):
    several = students(dataclasses.replace(order, provider=if_here(available[provider])))
    for _ in QUESTIONS:
        with several.open() as student:
            assert not was_forked(student)


def test_without_an_early_worker_those_after_the_first_are_forked(forking, students):
    several = students(forking, early=False)
    found = []
    for _ in QUESTIONS:
        with several.open() as student:
            found.append(was_forked(student))
    assert found == [False, True, True]


def test_an_early_worker_under_what_does_not_hold_here_is_no_zygote_for_what_does(forking, students):
    """As where bubblewrap is installed and may make no namespaces: the next provider holds the worker."""
    several = students(forking)
    several._request = dataclasses.replace(forking, provider="separate")
    with several.open() as student:
        assert not was_forked(student)
        assert student.isolation.level == 1
    assert several._zygote is None


def test_the_zygote_outlives_its_workers_and_the_orphans_of_others(forking, students):
    write_package(forking.submission_root, mytorch__nn__modules__activation=CRASHES)
    several = students(forking)
    with adopting_orphans():
        with several.open() as student:
            zygote = parent_of(student.worker_process_id)
            student.begin_check("q6.1.values", seed=1)
            with pytest.raises(StudentCrashed):
                student.new("ReLU").forward(1.0)
            student.begin_check("q6.1.values", seed=2)  # by another fork
            assert was_forked(student)
            with opened(forking) as other:
                assert other.worker_process_id
        assert is_running(zygote)
        with several.open() as student:
            assert parent_of(student.worker_process_id) == zygote
        several.close()
    assert not is_running(zygote)


@pytest.mark.parametrize(("most", "forked"), [(3, [False, True]), (1, [False, False])])
def test_a_lost_zygote_costs_nobody_anything_and_a_few_others_come(
    forking, students, monkeypatch, most, forked
):
    monkeypatch.setattr("grader.students.MOST_ZYGOTES", most)
    several = students(forking)
    with several.open() as student:
        assert was_forked(student)
        lost = parent_of(student.worker_process_id)
        os.kill(lost, signal.SIGKILL)
        gone_by = time.monotonic() + 10
        while is_running(lost) and time.monotonic() < gone_by:
            time.sleep(0.005)
    found = []
    for _ in QUESTIONS[1:]:
        with several.open() as student:
            found.append(was_forked(student))
            assert student.new("ReLU").type_name == "ReLU"
    assert found == forked


def test_a_zygote_that_hangs_is_waited_for_once(forking, students, monkeypatch):
    monkeypatch.setattr("grader.sandbox.run_zygote.START_SECONDS", 3.0)
    several = students(forking)
    with several.open() as student:
        hangs = parent_of(student.worker_process_id)
    os.kill(hangs, signal.SIGSTOP)
    found = []
    for _ in QUESTIONS[1:]:
        with several.open() as student:
            found.append(was_forked(student))
    assert found == [False, True]
    assert not is_running(hangs)


def test_nothing_is_left_when_it_ends_early_or_is_never_used(forking, students):
    before = set(children_of(os.getpid()))
    never, early = students(forking), students(forking)
    early.open().close()
    assert set(children_of(os.getpid())) > before
    never.close()
    early.close()
    assert set(children_of(os.getpid())) == before


def parent_of(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))
