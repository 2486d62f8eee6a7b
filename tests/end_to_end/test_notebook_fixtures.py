"""Every fixture of Problems 4 and 5, graded for real, loses what its expected.toml names, and says why.

A fixture is graded in the questions it speaks of, so that a replay runs no more than those need.
"""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from fixtures import notebook_fixtures
from grader.notebooks.claims import KINDS
from grader.pipeline import HW1, Graded, GradeOptions, grade
from grader.reports.schema import CheckReport, Report
from grader.sandbox import default_limits
from tests.required import needs_experiments, not_here

NOT_ENOUGH_ISOLATION = 4
NAMES = notebook_fixtures.names()
GRADED = [name for name in NAMES if not notebook_fixtures.expectation(name).refused]
# What the issue asks for, by the beginning of a fixture's name.
ASKED_FOR = (
    *("right_plain", "right_other_style", "wrong_architecture", "softmax_before_cross_entropy"),
    *("labels_not_squeezed", "confusion_matrix_transposed", "he_and_xavier_swapped", "std_for_variance"),
    *("trained_on_test_data", "fabricated_outputs", "stale_outputs", "cells_out_of_order", "crash_in_q4"),
    *("q5_missing", "endless_cell", "right_with_60_megabytes", "no_notebook", "two_notebooks"),
    *("right_format_3", "broken_json"),
)


def graded(name: str, folder) -> Graded:
    """Grade a fixture in the questions that it speaks of; leave the test where this machine cannot."""
    expected = notebook_fixtures.expectation(name)
    notebook_fixtures.write_folder(name, folder / name)
    result = grade(folder / name, GradeOptions(questions=expected.asked, limits=limits_of(expected)))
    if result.exit_code == NOT_ENOUGH_ISOLATION:
        not_here(str(result.error) or "not enough isolation on this machine")
    return result


def limits_of(expected: notebook_fixtures.Expectation):
    """Return the usual limits, but for a cell that is meant to reach its own."""
    if expected.cell_limit_s is None:
        return None
    return dataclasses.replace(default_limits(), cell_s=expected.cell_limit_s)


def said(check: CheckReport) -> str:
    """Return what a check told the student: what is wrong and, where that is known, why."""
    parts = check.feedback.model_dump()
    return f"{parts['message']} {parts.get('cause') or ''}"


def lost(report: Report) -> dict[str, list[str]]:
    """Return the questions below full, with what their checks said: what a failure should show."""
    return {
        question.id: [
            f"{check.id}: {check.outcome}: {said(check)}"
            for check in question.checks
            if check.kind == "auto" and check.score != check.max_score
        ]
        for question in report.questions
        if any(check.kind == "auto" and check.score != check.max_score for check in question.checks)
    }


@pytest.mark.slow
@pytest.mark.needs_confinement
@needs_experiments
@pytest.mark.parametrize("name", GRADED)
def test_a_fixture_loses_what_it_says_and_keeps_the_rest(name, tmp_path):
    expected = notebook_fixtures.expectation(name)
    result = graded(name, tmp_path)
    assert result.error is None, result.error
    report = result.report
    assert report.status == "graded", report.status_reason

    found = lost(report)
    assert set(expected.loses) <= set(found), found
    assert not set(expected.keeps) & set(found), found
    silent = [
        question
        for question, words in expected.says.items()
        if words.lower() not in str(found[question]).lower()
    ]
    assert not silent, found[silent[0]]

    assert set(expected.found_by_checks) <= {flag.kind for flag in report.flags}
    flags = [flag for flag in report.flags if flag.kind in KINDS]
    if expected.flags is not None:
        assert sorted({flag.kind for flag in flags}) == sorted(expected.flags), flags


@pytest.mark.slow
@pytest.mark.needs_confinement
@needs_experiments
@pytest.mark.parametrize("name", sorted(set(NAMES) - set(GRADED)))
def test_what_cannot_be_graded_says_what_to_hand_in(name, tmp_path):
    expected = notebook_fixtures.expectation(name)
    report = graded(name, tmp_path).report
    assert report.status in {"rejected", "graded"}
    assert not any(question.score for question in report.questions)
    said = report.model_dump_json()
    assert [words for words in expected.refused if words not in said] == []


# ----------------------------------------------------------------------- the fixtures are what they say


def test_there_is_a_fixture_for_each_that_was_asked_for_and_more():
    assert set(ASKED_FOR) <= set(NAMES)
    assert len(NAMES) >= 30


def test_every_folder_is_a_fixture_with_a_title_of_its_own():
    folders = {path for path in notebook_fixtures.FOLDER.iterdir() if path.is_dir()}
    assert sorted(path.name for path in folders - {notebook_fixtures.RUNS}) == NAMES
    titles = [notebook_fixtures.expectation(name).title for name in NAMES]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_composes_and_differs_from_its_base(name):
    files = notebook_fixtures.files(name)
    assert notebook_fixtures.files(name) == files
    expected = notebook_fixtures.expectation(name)
    book = notebook_fixtures.notebook(name)
    is_base = book == notebook_fixtures.base_notebook(expected.base or "plain")
    assert not is_base or expected.made or name == "right_without_outputs"


@pytest.mark.parametrize("name", NAMES)
def test_an_expectation_names_known_questions_and_flags(name):
    expected = notebook_fixtures.expectation(name)
    rubric = tomllib.loads((HW1.folder / "rubric.toml").read_text(encoding="utf-8"))
    known = {question["id"] for question in rubric["question"]}
    assert expected.asked
    assert set(expected.asked) <= known
    assert not set(expected.loses) & set(expected.keeps)
    assert set(expected.says) <= set(expected.loses)
    assert set(expected.flags or ()) <= set(KINDS)
    assert expected.flags is None or expected.outputs or name == "right_without_outputs"
    assert expected.base in {None, *notebook_fixtures.BASES}
    if name.startswith("right_"):
        assert expected.loses == ()
    else:
        assert expected.loses or expected.found_by_checks or expected.flags


@pytest.mark.parametrize("base", notebook_fixtures.BASES)
def test_a_stored_run_has_each_code_cell_of_its_base(base):
    book = notebook_fixtures.base_notebook(base)
    run = notebook_fixtures.run_of(base)
    assert list(run) == [cell["id"] for cell in book["cells"] if cell["cell_type"] == "code"]
    assert [shown["count"] for shown in run.values()] == list(range(1, len(run) + 1))
