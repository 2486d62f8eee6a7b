"""`grader selftest` as a person runs it: a part of it here, the whole in the slow tier."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from grader import cli
from grader.selftest import judgement
from tests.required import not_here

NOT_ENOUGH_ISOLATION = 4


def selftest(*options: str) -> tuple[int, dict]:
    command = [sys.executable, "-m", "grader.cli", "selftest", "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip())
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.needs_confinement
def test_a_part_of_the_quick_selftest_finds_that_everything_holds(monkeypatch, capsys):
    """A quarter of its mutants, one right variant: the same command, in this process."""
    monkeypatch.setattr(judgement, "QUICK_MUTANTS", 10)
    monkeypatch.setattr(judgement, "QUICK_RIGHT", 1)
    code = cli.run(["selftest", "--quick", "--json"])
    printed = capsys.readouterr()
    if code == NOT_ENOUGH_ISOLATION:
        not_here(printed.err.strip())
    assert printed.out, printed.err
    require_that_all_holds(code, json.loads(printed.out), mutants=10, right=1)


@pytest.mark.slow
@pytest.mark.needs_confinement
def test_the_quick_selftest_finds_that_everything_holds():
    code, told = selftest("--quick")
    require_that_all_holds(code, told, mutants=40, right=5)


def require_that_all_holds(code: int, told: dict, *, mutants: int, right: int) -> None:
    assert told["problems"] == []
    assert code == 0
    assert told["mutants"]["tried"] == mutants
    assert told["mutants"]["killed"] >= 0.75 * mutants
    assert told["repeats"]["count"] == 2
    assert len(told["right"]["results"]) == right
    # What the criteria of other graders are worth on the same mutants: each lets some through.
    ours, *others = told["peers"]
    assert ours["let_through"] == 0
    assert others
    assert all(peer["let_through"] > 0 for peer in others)


@pytest.mark.slow
@pytest.mark.needs_confinement
def test_the_whole_selftest_reaches_its_numbers():
    code, told = selftest("--repeat", "50")
    assert told["problems"] == []
    assert code == 0
    mutants = told["mutants"]
    assert mutants["tried"] == mutants["made"]
    assert mutants["survived"] == mutants["unjudged"] == 0
    assert mutants["killed"] >= 300
    values = [each for each in mutants["results"] if each["fate"] == "killed"]
    assert sum("raises" not in (each["difference"] or "raises") for each in values) >= 300
    assert len(told["right"]["results"]) == told["right"]["known"] >= 30
    assert told["repeats"] == {**told["repeats"], "count": 50, "differing": []}
