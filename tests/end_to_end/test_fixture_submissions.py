"""Every fixture submission loses exactly what its expected.toml names, and reads why.

The quick tier grades a right fixture in what its own files have a part in, but for gradient checking where
that is not its own, and a half-done one in every question. Of those with a fault it grades some, in what that
loses and in what their changed file has a part in, but for the two slow questions if they stay full;
`test_fixture_faults` judges the others. The slow tier grades all in all: a style of one's own and a fault
cost no other question.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from fixtures import build
from grader.pipeline import GradeOptions, grade
from grader.reports.schema import CheckReport, QuestionReport, Report
from tests.required import not_here

REPOSITORY = Path(__file__).resolve().parents[2]
NOT_ENOUGH_ISOLATION = 4
Job = tuple[str, tuple[str, ...]]  # a fixture, and the questions that it is graded in
ALL = tuple(f"q6.{number}" for number in range(1, 8))
# What a change of one file may change.
TAKES_PART_IN = {
    PurePosixPath("mytorch/nn/modules/linear.py"): ("q6.1", "q6.3", "q6.6", "q6.7"),
    PurePosixPath("mytorch/nn/modules/activation.py"): ("q6.2", "q6.6", "q6.7"),
    PurePosixPath("mytorch/nn/modules/loss.py"): ("q6.3", "q6.6", "q6.7"),
    PurePosixPath("mytorch/nn/sequential.py"): ("q6.4", "q6.6", "q6.7"),
    PurePosixPath("mytorch/nn/optim.py"): ("q6.5", "q6.7"),
    PurePosixPath("mytorch/utils.py"): ("q6.6",),
}
# The two that take more time than all others, where they lose nothing.
IN_THE_SLOW_TIER = frozenset({"q6.6", "q6.7"})
GRADIENT_CHECKING = ("q6.6", PurePosixPath("mytorch/utils.py"))
NAMES = build.names()
RIGHT = [name for name in NAMES if name.startswith("right_")]
WITH_ONE_FAULT = [name for name in NAMES if not name.startswith(("right_", "half_", "template"))]
# Those that would take this process with them, and the first of each changed file.
NOT_FOR_THIS_PROCESS = ("mse_fills_the_memory", "sgd_exits", "sigmoid_crashes_the_interpreter")
NOT_FOR_THIS_PROCESS += ("tanh_never_returns", "relu_floods_the_output")
FIRST_OF_ITS_FILE = {next(iter(build.own_files(name))): name for name in reversed(WITH_ONE_FAULT)}
GRADED_FOR_REAL = sorted({*NOT_FOR_THIS_PROCESS, *FIRST_OF_ITS_FILE.values()})
QUICK = sorted({*NAMES} - {*WITH_ONE_FAULT} | {*GRADED_FOR_REAL})
# Of every kind: a zip wrapped deeply, a fault that is found, one that ends the worker, a file that breaks.
BY_COMMAND = ("right_wrapped_deeply", "sgd_climbs", "sgd_exits", "half_loss_with_syntax_error")


def quick_questions(name: str) -> tuple[str, ...]:
    """Return what a fixture is graded in, in the quick tier."""
    if name in RIGHT:
        return _of_its_own(build.own_files(name))
    if name not in WITH_ONE_FAULT:
        return ALL
    touched = TAKES_PART_IN.get(next(iter(build.own_files(name))), ALL)
    return tuple(sorted((set(touched) - IN_THE_SLOW_TIER) | build.expectation(name).loses))


def _of_its_own(files: Collection[PurePosixPath]) -> tuple[str, ...]:
    """Return what files have a part in; what is not known by name, as a base class, has one in everything."""
    touched = {question for file in files for question in TAKES_PART_IN.get(file, ALL)}
    question, file = GRADIENT_CHECKING
    return tuple(sorted(touched if file in files else touched - {question}))


def graded(name: str, questions: tuple[str, ...], folder: Path) -> Report:
    """Grade a fixture's zip in some questions."""
    submission = folder / f"{name}.zip"
    build.write_zip(name, submission)
    result = grade(submission, GradeOptions(questions=questions))
    if result.exit_code == NOT_ENOUGH_ISOLATION:
        not_here(str(result.error) or "not enough isolation on this machine")
    return result.report


@pytest.fixture(scope="module")
def reports(request, tmp_path_factory) -> Iterator[dict[Job, Future]]:
    """Grade the fixtures whose tests were selected, two at a time, those that only wait for a limit first."""
    items = [item for item in request.session.items if item.module is request.module]
    jobs = {
        (item.callspec.params["name"], item.callspec.params["questions"])
        for item in items
        if hasattr(item, "callspec")
    }
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {job: pool.submit(graded, *job, tmp_path_factory.mktemp("zip")) for job in in_order(jobs)}
        pool.shutdown(cancel_futures=True)


def in_order(jobs: set[Job]) -> list[Job]:
    def key(job: Job) -> tuple[bool, Job]:
        return "timeout" not in {row.outcome for row in build.expectation(job[0]).outcomes}, job

    return sorted(jobs, key=key)


def automatic(question: QuestionReport) -> list[CheckReport]:
    return [check for check in question.checks if check.kind == "auto"]


def losses(report: Report) -> dict[str, list[str]]:
    """Return the questions below full, with their checks that did not pass: what a failure should show."""
    return {
        question.id: [
            f"{check.id}: {check.outcome}: {said(check)}"
            for check in automatic(question)
            if check.score != check.max_score
        ]
        for question in report.questions
        if any(check.score != check.max_score for check in automatic(question))
    }


def said(check: CheckReport) -> str:
    """Return what a check told the student: what is wrong and, where that is known, why."""
    parts = check.feedback.model_dump()
    return f"{parts['message']} {parts.get('cause') or ''}"


def outcomes(report: Report) -> set[tuple[str, str]]:
    """Return (id, outcome) of every check, and of every question as a whole."""
    return {
        (place, check.outcome)
        for question in report.questions
        for check in question.checks
        for place in (question.id, check.id)
    }


def require_expected(report: Report, name: str, questions: tuple[str, ...]) -> None:
    """Hold a report against the fixture's expected.toml, in the questions that were graded."""
    expected = build.expectation(name)
    assert report.status == "graded", report.status_reason
    assert tuple(question.id for question in report.questions if automatic(question)) == questions
    lost = losses(report)
    assert "grader_error" not in {outcome for _, outcome in outcomes(report)}, lost
    assert lost.keys() == expected.loses, lost
    scores = {question.id: question.score for question in report.questions}
    assert {question: scores[question] for question in expected.scores} == expected.scores, lost
    wanted = {(row.check or row.question, row.outcome) for row in expected.outcomes}
    assert wanted <= outcomes(report), lost
    words = {check.id: said(check) for question in report.questions for check in question.checks}
    silent = [row for row in expected.messages if row.text not in words[row.check]]
    assert not silent, words[silent[0].check]


@pytest.mark.needs_confinement
@pytest.mark.parametrize(("name", "questions"), [(name, quick_questions(name)) for name in QUICK], ids=QUICK)
def test_a_fixture_loses_exactly_what_it_says(name, questions, reports):
    require_expected(reports[name, questions].result(), name, questions)


@pytest.mark.slow
@pytest.mark.needs_confinement
@pytest.mark.parametrize(("name", "questions"), [(name, ALL) for name in WITH_ONE_FAULT], ids=WITH_ONE_FAULT)
def test_a_fault_costs_no_other_question(name, questions, reports):
    require_expected(reports[name, questions].result(), name, questions)


@pytest.mark.slow
@pytest.mark.needs_confinement
@pytest.mark.parametrize(("name", "questions"), [(name, ALL) for name in RIGHT], ids=RIGHT)
def test_a_style_of_its_own_costs_no_question_at_all(name, questions, reports):
    require_expected(reports[name, questions].result(), name, questions)


@pytest.mark.needs_confinement
def test_one_command_grades_several_zips_and_none_of_them_changes_another(tmp_path):
    """What the tests above grade one by one, an instructor grades with one command."""
    zips = [tmp_path / f"{name}.zip" for name in BY_COMMAND]
    for path in zips:
        build.write_zip(path.stem, path)
    command = [sys.executable, "-m", "grader.cli", "grade", *map(str, zips), "--questions", "q6.2,q6.3,q6.5"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip() or "not enough isolation on this machine")
    assert done.returncode == 0, done.stderr
    for name in BY_COMMAND:
        content = (tmp_path / "out" / name / "report.json").read_text(encoding="utf-8")
        report = Report.model_validate(json.loads(content))
        assert losses(report).keys() == build.expectation(name).loses - {"q6.7"}
