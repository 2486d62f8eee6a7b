"""Every fixture of Problems 1-3, graded for real, loses exactly what its expected.toml names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from fixtures import theory_fixtures
from grader import pipeline
from grader.errors import SandboxUnavailable
from grader.reports.schema import CheckReport, Report
from tests.required import not_here

REPOSITORY = Path(__file__).resolve().parents[2]
NOT_ENOUGH_ISOLATION = 4
QUESTIONS = ("q1.1", "q1.2", "q2.1", "q2.3", "q3.1")
NAMES = theory_fixtures.names()


def asked(name: str) -> tuple[str, ...]:
    """Return the questions to grade: all, or those of the problem whose functions are not the base's."""
    expected = theory_fixtures.expectation(name)
    touched = {question.partition(".")[0] for question in expected.loses}
    return tuple(
        question for question in QUESTIONS if expected.base is None or question.partition(".")[0] in touched
    )


def grade(submission: Path, questions: tuple[str, ...]) -> Report:
    """Grade without a command line, whose start takes longer than these questions do."""
    options = pipeline.GradeOptions(questions=questions, course_secret="a course's secret")
    graded = pipeline.grade(submission, options)
    if isinstance(graded.error, SandboxUnavailable):
        not_here(str(graded.error))
    assert graded.error is None, graded.error
    return graded.report


def grade_fixture(name: str, folder: Path) -> Report:
    theory_fixtures.write_folder(name, folder / name)
    return grade(folder / name, asked(name))


@pytest.fixture(scope="module")
def reports(request, tmp_path_factory) -> Iterator[dict[str, Future[Report]]]:
    """Grade the fixtures whose tests were selected, two at a time."""
    selected = [item for item in request.session.items if item.module is request.module]
    names = [item.callspec.params["name"] for item in selected if hasattr(item, "callspec")]
    folders = {name: tmp_path_factory.mktemp(name) for name in names}
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(grade_fixture, name, folder) for name, folder in folders.items()}
        pool.shutdown(cancel_futures=True)


def checks_of(report: Report) -> dict[str, CheckReport]:
    return {check.id: check for question in report.questions for check in question.checks}


def scores_of(report: Report) -> dict[str, Decimal | None]:
    return {question.id: question.score for question in report.questions}


@pytest.mark.needs_confinement
@pytest.mark.parametrize("name", NAMES)
def test_a_fixture_loses_exactly_what_it_says(name, reports):
    expected = theory_fixtures.expectation(name)
    report = reports[name].result()
    unhappy = {
        check: (row.outcome, row.feedback.message)
        for check, row in checks_of(report).items()
        if row.outcome != "passed"
    }

    assert report.status == "graded"
    assert {flag.kind for flag in report.flags} == ({"library"} if name == "theory_by_torch" else set())
    assert {check.rpartition(".")[0] for check in unhappy} == set(expected.loses), unhappy
    assert {outcome for outcome, _ in unhappy.values()} <= {"failed", "skipped"}, unhappy
    scores = scores_of(report)
    assert {question: scores[question] for question in expected.scores} == expected.scores, unhappy
    for check, words in expected.says.items():
        assert words in unhappy[check][1]


@pytest.mark.needs_confinement
def test_without_theory_the_rest_is_graded_and_the_file_is_named(tmp_path):
    shutil.copytree(REPOSITORY / "reference" / "mytorch", tmp_path / "mytorch")
    report = grade(tmp_path, ("q1.1", "q3.1", "q6.5"))
    assert (report.status, scores_of(report)) == ("graded", {"q1.1": 0, "q3.1": 0, "q6.5": 2})
    message = checks_of(report)["q1.1.softmax_values"].feedback.message
    assert message == "theory.py is not in the submission"


@pytest.mark.needs_confinement
def test_a_theory_that_does_not_parse_costs_nothing_of_mytorch(tmp_path):
    shutil.copytree(REPOSITORY / "reference" / "mytorch", tmp_path / "mytorch")
    theory_fixtures.write_folder("theory_with_syntax_error", tmp_path)
    assert scores_of(grade(tmp_path, ("q2.3", "q6.5"))) == {"q2.3": 0, "q6.5": 2}


@pytest.mark.needs_confinement
def test_theory_alone_is_a_submission_where_nothing_else_is_asked(tmp_path):
    theory_fixtures.write_folder("right_theory_plain", tmp_path / "work")
    command = [sys.executable, "-m", "grader.cli", "check", str(tmp_path / "work"), "q1", "q2", "q3"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip() or "not enough isolation on this machine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "q3.1" in done.stdout


# ----------------------------------------------------------------------- the fixtures are what they say


def test_there_are_enough_of_both_kinds():
    assert len([name for name in NAMES if name.startswith("right_theory_")]) >= 6
    assert len([name for name in NAMES if name.startswith("theory_")]) >= 18


def test_every_folder_is_a_fixture_with_a_title_of_its_own():
    assert sorted(path.name for path in theory_fixtures.FOLDER.iterdir()) == NAMES
    titles = [theory_fixtures.expectation(name).title for name in NAMES]
    assert len(set(titles)) == len(titles)
    assert len({theory_fixtures.source(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_expectation_names_known_questions_and_only_a_wrong_fixture_loses(name):
    expected = theory_fixtures.expectation(name)
    assert set(expected.loses) <= set(QUESTIONS)
    assert bool(expected.loses) == name.startswith("theory_")
    assert expected.base in {None, "right_theory_plain"}
    assert {check.rpartition(".")[0] for check in expected.says} <= set(expected.loses)
