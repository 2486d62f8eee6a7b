"""A worker that is started before it is needed is held like any other, or it is not taken."""

from __future__ import annotations

import dataclasses
import os
import sys
import time

import pytest

from grader.model import Check, Visibility
from grader.records import GradingRequest
from grader.sandbox import processes
from grader.sandbox.early import early_worker
from grader.sandbox.usage import children_of, is_running
from tests.contract.submissions import opened, reference_request
from tests.end_to_end.traces import adopting_orphans
from tests.required import if_here

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are looked at through /proc")
CHECK = Check(id="q6.2.relu_values", title="ReLU", visibility=Visibility.VISIBLE, needs=())


@pytest.fixture
def request_(folder) -> GradingRequest:
    return reference_request(folder, CHECK)


def test_an_early_worker_is_the_students_and_is_probed_like_any_other(provider, request_):
    request = dataclasses.replace(request_, provider=provider)
    early = early_worker(request)
    with opened(request, early) as student:
        assert student.worker_process_id == early.begun.process.worker_id()
        assert student.resolve("ReLU").type_name == "ReLU"
    with opened(request) as later:
        assert later.isolation == student.isolation


def test_an_early_worker_for_another_folder_is_not_taken(request_, folder):
    other = folder / "other"
    other.mkdir()
    early = early_worker(dataclasses.replace(request_, submission_root=other))
    with opened(request_, early) as student:
        assert student.worker_process_id != early.begun.process.process_id
        assert student.resolve("ReLU").type_name == "ReLU"
    early.end()


def test_an_early_worker_for_other_limits_is_not_taken(request_):
    other = dataclasses.replace(request_.limits, memory_bytes=request_.limits.memory_bytes * 2)
    early = early_worker(dataclasses.replace(request_, limits=other))
    with opened(request_, early) as student:
        assert student.worker_process_id != early.begun.process.process_id
    early.end()


def test_an_early_worker_that_nobody_came_for_ends(request_):
    early = early_worker(request_)
    early.end()
    assert not is_running(early.begun.process.process_id)


@pytest.mark.skipif(sys.platform != "linux", reason="only there are orphans adopted")
def test_nobody_waits_until_what_has_ended_is_collected(request_, available, monkeypatch):
    """The first process of a container may never collect the worker that bubblewrap leaves behind."""
    monkeypatch.setattr(processes, "REAP_SECONDS", 120.0)
    request = dataclasses.replace(request_, provider=if_here(available["bubblewrap"]))
    early = early_worker(request)
    with opened(request):  # by now the early one has a worker in its wrapper
        worker_id = early.begun.process.worker_id()
    assert worker_id != early.begun.process.process_id
    with adopting_orphans():
        before = set(children_of(os.getpid()))
        started = time.monotonic()
        early.end()
        assert time.monotonic() - started < 60
        assert not is_running(worker_id)
        for orphan in set(children_of(os.getpid())) - before:  # it is this process that has not collected it
            os.waitpid(orphan, 0)


def test_a_replay_and_a_run_without_checks_have_no_early_worker(request_):
    assert early_worker(dataclasses.replace(request_, notebook="hw.ipynb")) is None
    assert early_worker(dataclasses.replace(request_, checks=())) is None


def test_where_no_sandbox_is_good_enough_there_is_no_early_worker_and_no_error(request_):
    assert early_worker(dataclasses.replace(request_, min_isolation=2)) is None


def test_a_name_is_asked_for_once_per_worker_and_again_of_a_new_one(request_):
    with opened(request_) as student:
        first = student.resolve("ReLU")
        before = student.round_trips
        assert student.resolve("ReLU") is first
        assert student.round_trips == before
        student.close()
        student.begin_check("q6.2.relu_values", seed=1)
        assert student.resolve("ReLU") is not first
        assert student.new("ReLU").type_name == "ReLU"
