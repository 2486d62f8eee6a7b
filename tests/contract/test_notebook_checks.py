"""Checks of a notebook's question through the real pipeline: the fixtures, and what is not there to run."""

from __future__ import annotations

import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from grader import pipeline, plan
from grader.model import Outcome
from grader.pipeline import Assignment, GradeOptions
from tests.contract.notebooks import notebook_of
from tests.required import needs_experiments

SUITE = '''
from grader.pytest_plugin import check

@check("q5.1.shape")
def test_shape(notebook):
    """The shape is right."""
    function = notebook.after("q5.1").value("initialize_weights")
    assert notebook.student.call_with_tensors(function, None, (2, 3), "he").shape == (2, 3)

@check("q5.1.repeats")
def test_repeats(notebook, blood, unseen, note):
    """The same worker answers."""
    images, labels = unseen(16)
    assert images.shape == (16, 28, 28, 3) and labels.shape == (16,)
    assert blood.train_images.shape[1:] == (28, 28, 3)
    note(f"{notebook.student.workers_started} worker, {len(notebook.cells)} cells")

@check("q5.1.crashes")
def test_crashes(notebook):
    """A call that ends the worker."""
    notebook.student.call_with_tensors(notebook.after("q5.1").value("crash"), None)

@check("q5.1.after")
def test_after(notebook):
    """What was there is there again."""
    function = notebook.after("q5.1").value("initialize_weights")
    assert notebook.student.call_with_tensors(function, None, (1, 1), "he").shape == (1, 1)
'''
RUBRIC = """
schema = "grader/rubric/v1"
assignment = "tiny"
version = "1"
[[question]]
id = "q5.1"
title = "Initialise"
points = 4
requires = ["notebook", "torch"]
[question.checks]
shape = 1
repeats = 1
crashes = 1
after = 1
"""
CELLS = (
    "import os, torch",
    "## Q5.1",
    "def initialize_weights(shape, method):\n    return torch.zeros(shape)",
    "def crash():\n    os._exit(1)",
)


@pytest.fixture
def options(tmp_path):
    folder = tmp_path / "assignment"
    (folder / "visible").mkdir(parents=True)
    (folder / "hidden").mkdir()
    (folder / "visible" / "test_q5_1.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    (folder / "rubric.toml").write_text(RUBRIC, encoding="utf-8")
    assignment = Assignment(folder, places={}, names={"q5.1": ("initialize_weights",)})
    return GradeOptions(assignment=assignment, min_isolation=1, device="cpu")


def submission(folder: Path, notebook: bytes | None) -> Path:
    (folder / "mytorch").mkdir(parents=True)
    (folder / "mytorch" / "__init__.py").write_text("", encoding="utf-8")
    if notebook is not None:
        (folder / "homework.ipynb").write_bytes(notebook)
    return folder


@needs_experiments
def test_a_notebook_is_replayed_once_for_all_checks_and_again_after_a_crash(tmp_path, options):
    events = []
    graded = pipeline.grade(
        submission(tmp_path / "alice", notebook_of(*CELLS)), options, on_event=events.append
    )
    (question,) = graded.report.questions
    found = {check.id.rpartition(".")[2]: check for check in question.checks}
    assert {name: check.outcome for name, check in found.items()} == {
        "shape": Outcome.PASSED,
        "repeats": Outcome.PASSED,
        "crashes": Outcome.EXITED,
        "after": Outcome.PASSED,
    }, [check.feedback.message for check in question.checks]
    assert found["repeats"].feedback.message == "1 worker, 3 cells"
    assert graded.report.environment.isolation is not None
    assert "replaying the notebook: cell 2 of 3 (Q5.1)" in [event.note for event in events]


@needs_experiments
@pytest.mark.parametrize("content", [b"no JSON", b'{"cells": 3}'])
def test_a_notebook_that_cannot_be_read_fails_its_checks_with_the_reason(tmp_path, options, content):
    graded = pipeline.grade(submission(tmp_path / "alice", content), options)
    (question,) = graded.report.questions
    outcomes = {check.outcome for check in question.checks}
    assert outcomes == {Outcome.FAILED}
    assert "notebook" in question.checks[0].feedback.message


@needs_experiments
def test_without_a_notebook_its_checks_fail_and_say_so(tmp_path, options):
    graded = pipeline.grade(submission(tmp_path / "alice", None), options)
    (question,) = graded.report.questions
    assert {check.feedback.message for check in question.checks} == {"no notebook was handed in"}
    assert (graded.report.status, graded.report.score) == ("graded", 0)


def test_without_pytorch_the_questions_of_a_notebook_are_not_run_and_say_so(tmp_path, options, monkeypatch):
    monkeypatch.setattr(plan, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    graded = pipeline.grade(submission(tmp_path / "alice", None), options)
    (question,) = graded.report.questions
    assert question.status == "not_run"
    assert "needs torch" in (question.not_run_reason or "")
    assert graded.report.status == "partial"
