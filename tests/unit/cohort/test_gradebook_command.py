"""`grader gradebook` fills, prints and refuses as it says."""

from __future__ import annotations

import json

import pytest

from grader import cli
from tests.contract.report_samples import HOSTILE, hostile, partial
from tests.unit.cohort.class_samples import CANVAS, different_cells, report, write_class


@pytest.fixture
def arguments(tmp_path):
    template = tmp_path / "canvas.csv"
    template.write_bytes(CANVAS.encode())
    folder = write_class(tmp_path / "class", zoe=report("0.25"), stranger=partial())
    return ["gradebook", str(folder), "--template", str(template), "--out", str(tmp_path / "out.csv")]


def test_grades_are_printed_and_what_was_left_out_is_the_exit_code(arguments, tmp_path, capfd):
    assert cli.run([*arguments, "--column", "101"]) == 1
    told = capfd.readouterr()
    assert told.err == ""
    assert all(len(line) <= 80 for line in told.out.splitlines() if str(tmp_path) not in line)
    assert "O'Neil, Zoë" in told.out
    assert "No line in the template (1):\n  stranger: the template has no line for them" in told.out
    assert "Nothing handed in (5):" in told.out
    assert different_cells(CANVAS.encode(), (tmp_path / "out.csv").read_bytes()) == {(6, 6): "0.25"}


def test_where_all_are_entered_the_exit_code_is_0(arguments, tmp_path):
    for path in (tmp_path / "class" / "stranger").iterdir():
        path.unlink()
    assert cli.run([*arguments, "--column", "101"]) == 0


def test_the_same_is_printed_as_json(arguments, tmp_path, capfd):
    assert cli.run([*arguments, "--column", "101", "--json"]) == 1
    record = json.loads(capfd.readouterr().out)
    (entered,) = record["entered"]
    assert (entered["lms_id"], entered["raw"], entered["cell"], entered["before"]) == (
        "1004",
        0.25,
        "0.25",
        "",
    )
    assert record["unmatched"] == [
        {"who": "stranger", "label": "stranger", "reason": "the template has no line for them"}
    ]


@pytest.mark.parametrize(
    "more", [(), ("--column", "x"), ("--column", "Notes"), ("--policy", "none.toml"), ("--accept", "all")]
)
def test_what_cannot_be_carried_out_is_one_sentence_and_exit_2(more, arguments, tmp_path, capfd):
    assert cli.run([*arguments, *more]) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_folder_without_reports_is_one_sentence_and_exit_2(arguments, tmp_path, capfd):
    arguments[1] = str(tmp_path / "nothing")
    assert cli.run([*arguments, "--column", "101"]) == 2
    assert "there are no graded submissions" in capfd.readouterr().err


def test_a_policy_is_read_from_its_file(arguments, tmp_path, capfd):
    policy = tmp_path / "late.toml"
    policy.write_text("due = 2026-10-01T12:00:00Z\npercent_per_day = 10\n")
    assert cli.run([*arguments, "--column", "101", "--policy", str(policy)]) == 1
    assert "it is not recorded when it was handed in" in capfd.readouterr().out


def test_hostile_names_and_reasons_are_printed_as_text(tmp_path, capfd):
    name = HOSTILE[:600].replace('"', "")
    template = tmp_path / "canvas.csv"
    template.write_bytes(CANVAS.replace("O'Neil, Zoë", name.replace("\x00", "")).encode("utf-8", "replace"))
    if b"\x1b" in template.read_bytes():  # which is no text to us
        template.write_bytes(template.read_bytes().replace(b"\x1b", b"\xc2\x9b"))
    folder = write_class(tmp_path / "class", zoe=hostile())
    arguments = ["gradebook", str(folder), "--template", str(template), "--out", str(tmp_path / "o.csv")]
    cli.run([*arguments, "--column", "101", "--scale", "none"])
    told = capfd.readouterr()
    for mark in ("\x1b", "\x9b", "\u202e", "##["):
        assert mark not in told.out + told.err
    assert not any(line.lstrip().startswith("::") for line in told.out.splitlines())
