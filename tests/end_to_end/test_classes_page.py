"""Every command that docs/classes.md and docs/class-report.md show is run, in that order."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.build import write_zip
from grader.cohort.failures.clusters import cluster_id, failures
from grader.reports.to_json import read_report_file

DOCS = Path(__file__).resolve().parents[2] / "docs"
# The whole homework is what the README's command grades; here a question that takes a moment stands for it.
QUESTION = ("--questions", "q6.5")
FAILS = "sgd_changes_one_parameter_only"


def shown(page: str) -> list[str]:
    """Return the commands in a page's blocks of shell."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("grader ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("class")
    (base / "submissions").mkdir()
    for name, student in (("right_mean_in_linear", "alice"), (FAILS, "bob"), ("template", "carol")):
        write_zip(name, base / "submissions" / f"{student}.zip")
    (base / "roster.csv").write_text(
        "Name,Email\nalice,a@example.org\nbob,b@example.org\ncarol,c@example.org\n"
    )
    return base


def run(command: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grader.cli", *shlex.split(command)[1:], *more],
        cwd=folder,
        env={"PATH": "", "HOME": str(folder), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_for_a_class_do_what_the_page_says(folder):
    commands = shown("classes.md")
    assert len(commands) >= 5
    for command in commands:
        grades = not command.startswith("grader batch merge")
        done = run(command, folder, *(QUESTION if grades else ()))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    for out in ("class", "parts/2"):
        assert (folder / out / "class.csv").exists(), out
        assert (folder / out / "class.html").exists(), out
    assert len(list((folder / "class").glob("*/report.json"))) == 3


def test_a_comment_reaches_the_report_of_whoever_has_the_failure(folder):
    done = run("grader batch submissions --out graded", folder, *QUESTION)
    assert done.returncode == 0, done.stderr
    (command,) = [line for line in shown("class-report.md") if line.startswith("grader comment")]
    report = read_report_file(folder / "graded" / "bob" / "report.json")
    cluster = cluster_id(next(iter(failures(report))))
    words = shlex.split(command)
    done = run(shlex.join([*words[:3], cluster, *words[4:]]), folder)
    assert done.returncode == 0, done.stderr
    text = words[4]
    assert text in (folder / "graded" / "bob" / "report.json").read_text(encoding="utf-8")
    assert text not in (folder / "graded" / "alice" / "report.json").read_text(encoding="utf-8")
    again = run("grader batch submissions --out graded --retry-faults", folder, *QUESTION)
    assert again.returncode == 0
    assert text in (folder / "graded" / "bob" / "report.json").read_text(encoding="utf-8")
