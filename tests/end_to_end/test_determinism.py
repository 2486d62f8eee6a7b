"""The same submission gets the same report, durations aside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from grader.reports.schema import SCHEMA_FILE

SUBMISSIONS = Path(__file__).resolve().parents[2] / "fixtures" / "submissions"
# What may differ: when it ran and how long it took.
TIMES = {"duration_s", "timing"}


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def report_of(submission: Path, out: Path) -> dict:
    command = [sys.executable, "-m", "grader.cli", "grade", str(submission), "--questions", "q6", "--out"]
    done = subprocess.run([*command, str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    # The schema is the published one, the validator is not ours.
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(report)
    return timeless(report)


@pytest.mark.parametrize(
    "name", ["right_mean_in_linear", pytest.param("right_mean_in_loss", marks=pytest.mark.slow)]
)
def test_grading_twice_gives_the_same_report(name, tmp_path):
    reports = [report_of(SUBMISSIONS / name, tmp_path / str(run)) for run in range(2)]
    assert reports[0] == reports[1]
