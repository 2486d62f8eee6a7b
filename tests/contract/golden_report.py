"""A real report as each format shows it: `python -m tests.contract.golden_report` grades and writes it anew.

What differs from run to run and from machine to machine is replaced: times, versions, the isolation.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from fixtures.build import write_zip
from grader.reports import FORMATS, rendered, to_actions
from grader.reports.schema import Report
from grader.reports.student_view import student_view
from grader.reports.to_json import read_report
from tests.contract.report_samples import RUNNER

FOLDER = Path(__file__).with_name("golden")
FIXTURE = "relu_is_leaky"
QUESTIONS = "q2.2,q6.2"
ANNOTATIONS = "annotations.txt"
REPORT = "report.json"
_NUMBER = re.compile(r"-?\d[\d.]*(?:e[+-]?\d+)?")


def grade(folder: Path) -> subprocess.CompletedProcess[str]:
    """Grade the fixture into a folder."""
    write_zip(FIXTURE, folder / f"{FIXTURE}.zip")
    command = [*("grade", f"{FIXTURE}.zip", "--questions", QUESTIONS, "--seed", "7", "--out", ".")]
    return subprocess.run(
        [sys.executable, "-m", "grader.cli", *command],
        cwd=folder,
        env=os.environ | {"GRADER_COURSE_SECRET": "golden"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def settled(text: str) -> Report:
    """Return the report without what differs from run to run and from machine to machine."""
    content = json.loads(text)
    content["environment"] |= {"python": "3.11", "numpy": "2", "torch": None, "platform": "Linux"}
    content["environment"]["isolation"] = {
        "level": 2,
        "name": "confined",
        "provider": "confined",
        "covers": ["files", "network"],
        "does_not_cover": ["faults of the kernel itself"],
        "probes": {"files": "blocked", "network": "blocked"},
    }
    content["timing"] = {"started_at": "2026-01-01T00:00:00+00:00", "wall_time_s": 2.5, "checks_s": 0.5}
    for question in content["questions"]:
        for check in question["checks"]:
            check["duration_s"] = 0.01
    return read_report(json.dumps(content))


def gist(report: Report) -> Any:
    """Return what any machine must find: verdicts, points and words, without the digits of arrays."""
    return [
        (
            *(check.id, check.title, check.outcome, check.score, check.max_score, check.visibility),
            *(_NUMBER.sub("#", check.feedback.message), check.feedback.likely_cause, check.feedback.handout),
        )
        for question in report.questions
        for check in question.checks
    ]


def shown(report: Report) -> dict[str, str]:
    """Return the files that the report becomes, by name, in each format's default view.

    The report itself and its student's view are what the others are made of, so that they prove nothing here.
    Pages are looked at in tests/browser, not compared.
    """
    left_out = {"json", "student", "html", "html-student"}
    others = {name: chosen for name, chosen in FORMATS.items() if name not in left_out}
    with mock.patch.dict(os.environ, RUNNER):
        files = {chosen.file_name: rendered(report, name) for name, chosen in others.items()}
    return files | {ANNOTATIONS: to_actions.commands(student_view(report))}


def main() -> None:
    """Write the golden files anew."""
    with tempfile.TemporaryDirectory() as folder:
        done = grade(Path(folder))
        if done.returncode:
            raise SystemExit(done.stderr)
        report = settled(Path(folder, "report.json").read_text(encoding="utf-8"))
    FOLDER.mkdir(exist_ok=True)
    for name, text in (shown(report) | {REPORT: rendered(report, "json")}).items():
        (FOLDER / name).write_bytes(text.encode())


if __name__ == "__main__":
    main()
