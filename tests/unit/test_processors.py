"""How many processors a grading may use is settled by the command, and reaches the checks unchanged."""

from __future__ import annotations

import pytest

from grader import pipeline
from grader.class_cli.batch import ClassRun
from grader.cli import app
from grader.records import request_from_record, request_to_record
from grader.sandbox import machine
from grader.self_check import prepare_self_check
from grader.session import Ending, SuiteRun
from grader.settings import Settings, resource


@pytest.fixture
def requests(monkeypatch, tmp_path):
    """The requests that would have been run, on a machine of four processors."""
    monkeypatch.setenv("GRADER_SETTINGS", str(tmp_path / "none.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = []

    def run_suites(request, **_):
        seen.append(request_from_record(request_to_record(request)))
        return SuiteRun(Ending.FINISHED)

    monkeypatch.setattr(pipeline, "run_suites", run_suites)
    monkeypatch.setattr(machine, "processors", lambda: 4)
    return seen


def test_a_grading_by_itself_uses_all_processors(requests, tmp_path):
    arguments = ["grade", str(resource("reference")), "--out", str(tmp_path), "--questions", "q6.1"]
    app(arguments, standalone_mode=False)
    assert [request.processors for request in requests] == [4]


def test_so_does_a_self_check(requests):
    prepare_self_check(Settings(), ("q6.1",)).run(resource("reference"))
    assert [request.processors for request in requests] == [4]


@pytest.mark.parametrize(
    ("more", "threads"),
    [((), 1), (("--jobs", "2"), 2), (("--jobs", "9"), 1), (("--scheduler", "tcp://127.0.0.1:1"), 1)],
    ids=["one for each processor", "two at once", "more than processors", "on a cluster"],
)
def test_submissions_of_a_batch_share_them(requests, monkeypatch, tmp_path, more, threads):
    runs = []
    monkeypatch.setattr(ClassRun, "grade", lambda run, *_, **__: runs.append(run) or 0)
    app(["batch", str(tmp_path), "--out", str(tmp_path / "out"), *more], standalone_mode=False)
    assert [run.options.processors for run in runs] == [threads]
    assert not requests
