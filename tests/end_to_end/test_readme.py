"""Every command that the README and two more pages show is run, in a folder such as they speak of."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixtures.build import write_zip
from grader import cli
from tests.few_attacks import try_one_of_each_family

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (
    README,
    *((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("formats.md", "similarity.md")),
)
GRADER = (sys.executable, "-m", "grader.cli")

# What cannot be run offline or without all of MNIST, and what is expected of it then.
EXPECTED_EXIT_CODES = {
    "grader check": 1,  # the folder holds the untouched template
    "grader check --profile-grader": 1,
    "grader check . q6.1": 1,
    "grader check . q5.1": 1 if find_spec("torch") else 2,
    "grader grade hw1_alice.zip --profile full --out out": 2,
    "grader data fetch": None,
}
# The whole homework of the same submissions is what `grader grade submissions/*.zip` grades.
SHORTER = {"grader batch submissions --out class": "--questions q6.5"}
CANVAS = """\
Student,ID,SIS Login ID,Section,Homework 1 (77)
    Points Possible,,,,2
Bob,11,bob,One,
Carol,12,carol,One,
"""


# Run by other tests in this folder, which look at what they find too: the judgement's, the students' loop's.
RUN_ELSEWHERE = {"grader selftest --quick", "grader check --watch", "grader check --fresh"}
# Takes a minute, for attacks that other tests make one by one: all of it is the slow tier's.
EVERY_ATTACK = "grader selftest --attacks"


def shown_commands() -> list[str]:
    blocks = [block for page in PAGES for block in shell_blocks(page)]
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("grader ")})


def shell_blocks(page: str) -> list[str]:
    """Return the blocks of a page that are commands, or of no language: not those of YAML."""
    blocks = re.findall(r"^```([a-z]*)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return [block for language, block in blocks if language in {"", "sh"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with a template to check, zips to grade, a report to mark and data to import."""
    base = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "student_template", base, dirs_exist_ok=True)
    write_zip("right_mean_in_loss", base / "hw1_alice.zip")
    (base / "submissions").mkdir()
    write_zip("right_mean_in_linear", base / "submissions" / "bob.zip")
    write_zip("template", base / "submissions" / "carol.zip")
    (base / "FOLDER").mkdir()
    (base / "canvas.csv").write_text(CANVAS, encoding="utf-8")
    assert run("grader grade hw1_alice.zip --questions q2.2 --out out", base).returncode == 0
    return base


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    arguments: list[str] = []
    for word in shlex.split(command)[1:]:
        arguments += sorted(map(str, folder.glob(word))) if "*" in word else [word]
    return subprocess.run(
        [*GRADER, *arguments],
        cwd=folder,
        env=surroundings(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def surroundings(folder: Path) -> dict[str, str]:
    return {"PATH": "", "XDG_CACHE_HOME": str(folder / "cache"), "HOME": str(folder), "COLUMNS": "80"}


def test_the_readme_shows_commands():
    assert len(shown_commands()) >= 8


def shown_and_run() -> list[object]:
    shown = sorted({*shown_commands()} - RUN_ELSEWHERE - {"grader data fetch"})
    assert EVERY_ATTACK in shown
    slow = pytest.param(EVERY_ATTACK, marks=pytest.mark.slow)
    return [slow if command == EVERY_ATTACK else command for command in shown]


@pytest.mark.parametrize("command", shown_and_run())
def test_a_command_of_the_readme_does_what_it_says(command, folder):
    done = run(f"{command} {SHORTER.get(command, '')}", folder)
    expected = EXPECTED_EXIT_CODES.get(command, 0)
    if command == "grader data import FOLDER":
        expected = 2  # the folder is empty, and one sentence says so
    assert done.returncode == expected, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_command_that_tries_every_attack_does_so_with_one_of_each_family(folder, monkeypatch, capsys):
    try_one_of_each_family(monkeypatch)
    monkeypatch.chdir(folder)
    for name, value in surroundings(folder).items():
        monkeypatch.setenv(name, value)
    code = cli.run(shlex.split(EVERY_ATTACK)[1:])
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_grading_a_class_of_three_leaves_a_report_for_each(folder):
    done = run("grader grade submissions/*.zip --questions q6.5 --out class", folder)
    assert done.returncode == 0, done.stderr
    assert sorted(path.parent.name for path in (folder / "class").glob("*/report.json")) == ["bob", "carol"]


def test_the_grade_command_of_the_readme_names_a_submission_that_ships():
    command = re.search(r"<!-- grade-command -->\n```sh\n(.*?)\n```", README, flags=re.DOTALL)
    assert command is not None
    grade = command[1].split(" && ")[-1]
    assert (ROOT / shlex.split(grade)[2] / "mytorch").is_dir()


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- test-command -->" in script
    assert "<!-- test-command -->" in README
