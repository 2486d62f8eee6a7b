"""Every fixture submission, graded through the command line, loses exactly what its expected.toml names."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from tests.required import not_here

REPOSITORY = Path(__file__).resolve().parents[2]
NOT_ENOUGH_ISOLATION = 4


def load_builder() -> ModuleType:
    """Import fixtures/build.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("fixture_builder", REPOSITORY / "fixtures" / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


BUILDER = load_builder()


def grade(name: str, folder: Path) -> dict:
    """Grade a fixture's zip as an instructor would, and return the report."""
    submission = folder / f"{name}.zip"
    BUILDER.write_zip(name, submission)
    command = [sys.executable, "-m", "grader.cli", "grade", str(submission), "--questions", "q6"]
    done = subprocess.run(
        [*command, "--out", str(folder)], capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip() or "not enough isolation on this machine")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text(encoding="utf-8"), parse_float=Decimal)


@pytest.fixture(scope="module")
def reports(request, tmp_path_factory) -> Iterator[dict[str, Future]]:
    """Grade the fixtures whose tests were selected, two at a time."""
    selected = [item for item in request.session.items if item.module is request.module]
    names = [item.callspec.params["name"] for item in selected]
    folders = {name: tmp_path_factory.mktemp(name) for name in names}
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(grade, name, folder) for name, folder in folders.items()}
        pool.shutdown(cancel_futures=True)


def automatic(question: dict) -> list[dict]:
    return [check for check in question["checks"] if check["kind"] == "auto"]


def losses(report: dict) -> dict[str, list[str]]:
    """Return the questions below full, with their checks that did not pass: what a failure should show."""
    return {
        question["id"]: [
            f"{check['id']}: {check['outcome']}: {check['feedback']['message']}"
            for check in automatic(question)
            if check["score"] != check["max_score"]
        ]
        for question in report["questions"]
        if any(check["score"] != check["max_score"] for check in automatic(question))
    }


def outcomes(report: dict) -> set[tuple[str, str]]:
    """Return (id, outcome) of every check, and of every question as a whole."""
    return {
        (place, check["outcome"])
        for question in report["questions"]
        for check in question["checks"]
        for place in (question["id"], check["id"])
    }


@pytest.mark.needs_confinement
@pytest.mark.parametrize("name", BUILDER.names())
def test_a_fixture_loses_exactly_what_it_says(name, reports):
    expected = BUILDER.expectation(name)
    report = reports[name].result()

    assert report["status"] == "graded"
    assert [question["id"] for question in report["questions"] if automatic(question)] == [
        f"q6.{number}" for number in range(1, 8)
    ]
    lost = losses(report)
    assert "grader_error" not in {outcome for _, outcome in outcomes(report)}, lost
    assert lost.keys() == expected.loses, lost
    scores = {question["id"]: question["score"] for question in report["questions"]}
    assert {question: scores[question] for question in expected.scores} == expected.scores, lost
    wanted = {(row.check or row.question, row.outcome) for row in expected.outcomes}
    assert wanted <= outcomes(report), lost
