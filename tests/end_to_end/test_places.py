"""Every command that docs/places.md shows is run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.build import write_zip
from tests.places import recipe_of_gitlab, shown_commands
from tests.required import if_here


def run(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", "HOME": str(folder), "COLUMNS": "80"} | more
    program = [sys.executable, "-m", "grader.cli", *command]
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", shown_commands())
def test_a_command_of_the_page_writes_what_it_says(command, tmp_path):
    program, *arguments = shlex.split(command)
    assert program == "grader"
    done = run(arguments, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / arguments[-1]).exists()


def test_the_page_shows_the_three_bundles():
    assert [command.split()[2] for command in shown_commands()] == ["student", "gradescope", "actions"]


@pytest.mark.needs_confinement
def test_the_grading_of_the_recipe_for_gitlab_leaves_what_it_keeps(tmp_path, available):
    if_here(next(finding for finding in available.values() if finding.level >= 2))
    write_zip("right_mean_in_loss", tmp_path / "alice.zip")
    (line,) = (line for line in recipe_of_gitlab().splitlines() if "grader grade" in line)
    arguments = shlex.split(line.partition("bin/grader ")[2].replace("$SUBMISSION", "alice.zip"))
    done = run([*arguments, "--questions", "q6.5"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {
        "junit.xml",
        "report.json",
        "report.md",
    }
