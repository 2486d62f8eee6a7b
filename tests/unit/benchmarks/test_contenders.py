"""The six checks that contenders share, and how each one's own result is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest

from benchmarks.measuring import Failed, Ran
from benchmarks.peers import contenders, environments
from benchmarks.peers.contenders import (
    BASE,
    ENTRANTS,
    NAMES,
    Place,
    gradescope_utils,
    plain_pytest,
    write_checks,
    write_submissions,
)

RAN = Ran(0.0, 0, "")


@pytest.fixture
def place(tmp_path) -> Place:
    write_checks(tmp_path)
    right, _ = write_submissions(tmp_path)
    (tmp_path / "own").mkdir()
    return Place(tmp_path / "own", right, Path(sys.executable))


def test_there_are_six_checks():
    kinds = ("relu", "sigmoid", "tanh")
    assert sorted(NAMES) == sorted(f"{kind}_{way}" for kind in kinds for way in ("forward", "backward"))


def test_everybody_is_compared_with_a_contender_that_is_there():
    assert BASE in ENTRANTS
    assert {each.environment for each in ENTRANTS.values()} == {None, *environments.PACKAGES}


def test_what_pytest_passed_is_read_from_its_junit_file(place):
    contender = plain_pytest(place)
    cases = "<testcase name='a' /><testcase name='b'><failure >no</failure></testcase>".replace("'", '"')
    (place.folder / "junit.xml").write_text(f"<testsuite>{cases}</testsuite>", encoding="utf-8")
    assert contender.passed(RAN) == 1


def test_what_gradescope_utils_passed_is_read_from_its_results(place):
    contender = gradescope_utils(place)
    (place.folder / "results.json").write_text(json.dumps({"score": 5.0}), encoding="utf-8")
    assert contender.passed(RAN) == 5


def test_a_notebook_of_a_peer_is_a_valid_one(tmp_path):
    contenders._write_notebook(tmp_path / "six.ipynb", [("import six_checks", {})])
    nbformat.validate(nbformat.read(tmp_path / "six.ipynb", 4))


def test_what_cannot_be_installed_is_told_in_pips_own_words(tmp_path, monkeypatch):
    def ran(command):
        is_pip = "pip" in command.arguments
        return Ran(0.0, int(is_pip), "WARNING: slow\nERROR: No matching distribution found for x\nhint\n")

    monkeypatch.setattr(environments, "run", ran)
    with pytest.raises(Failed, match=r"could not be installed: ERROR: No matching distribution found for x"):
        environments.environment_of("nbgrader", tmp_path)
