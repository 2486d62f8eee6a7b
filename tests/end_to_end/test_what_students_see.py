"""A wrong submission, graded with hidden checks: nothing of them is in what its student is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.build import write_zip
from grader.reports.to_json import read_report
from tests.required import not_here
from tests.unit.test_student_view import leaks

NOT_ENOUGH_ISOLATION = 4


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader.cli", *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Path:
    """Return the folder of a submission's reports, of one that only hidden checks find wrong."""
    folder = tmp_path_factory.mktemp("students")
    write_zip("linear_remembers_the_first_batch", folder / "alice.zip")
    done = run(
        *("grade", "alice.zip", "--questions", "q6.1", "--format", "student", "--out", "out"), folder=folder
    )
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return folder


def test_the_students_report_holds_nothing_of_a_hidden_check_but_verdicts_and_counts(graded: Path) -> None:
    report = read_report((graded / "out" / "report.json").read_text(encoding="utf-8"))
    text = (graded / "out" / "student.json").read_text(encoding="utf-8")
    assert leaks(text, report) == []
    (question,) = read_report(text).questions
    hidden = [check for check in question.checks if check.visibility == "hidden"]
    assert sum(int(check.title.split()[0]) for check in hidden) == 3
    assert "failed" in {check.outcome for check in hidden}


def test_a_self_check_holds_nothing_of_a_hidden_check_but_count_and_points(graded: Path) -> None:
    report = read_report((graded / "out" / "report.json").read_text(encoding="utf-8"))
    shutil.unpack_archive(graded / "alice.zip", graded / "alice")
    done = run("check", "alice", "q6.1", folder=graded)
    assert "3 hidden checks worth 1.25 points are not shown here." in " ".join(done.stdout.split())
    assert leaks(done.stdout + done.stderr, report) == []
