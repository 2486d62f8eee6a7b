"""What the page on classes shows of the gradebook can be done as it says."""

from __future__ import annotations

import re
import shlex
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from grader import cli
from grader.cohort.gradebooks.policy_file import policy_of
from grader.cohort.gradebooks.records import ACCEPTABLE
from tests.unit.cohort.class_samples import CANVAS, MOODLE_DE, report, write_class

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "gradebook.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line
    for language, block in BLOCKS
    for line in block.splitlines()
    if language == "sh" and line.startswith("grader gradebook ")
]
POLICY = next(block for language, block in BLOCKS if language == "toml")


def test_commands_are_shown():
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_the_page_says(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("canvas.csv").write_bytes(CANVAS.encode())
    Path("moodle.csv").write_bytes(MOODLE_DE.encode())
    Path("late.toml").write_text(POLICY)
    write_class(Path("graded"), **{"aenne@uni.edu": report("0.5")})
    # That class has no recorded times, so that a policy enters nothing.
    assert cli.run(shlex.split(command)[1:]) == int("--policy" in command)
    assert Path("filled.csv").is_file()


def test_the_policy_that_is_shown_is_one():
    policy = policy_of(tomllib.loads(POLICY, parse_float=Decimal))
    assert (policy.percent_per_day, policy.attempts) == (10, "best")


def test_every_key_and_every_word_is_explained():
    for word in (*ACCEPTABLE, *tomllib.loads(POLICY), "points_per_day", "steps", "percent_of", "zone"):
        assert f"`{word}" in PAGE
