"""`grader gradebook` fills, prints and refuses as it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grader import cli
from grader.cohort.journal import Journal, Recorded
from grader.cohort.model import Entry, Row, Student
from grader.cohort.rows import row_of, stamp_of, written_text
from grader.reports.to_json import read_report_file
from tests.contract.report_samples import HOSTILE, hostile, partial
from tests.unit.cohort.class_samples import CANVAS, MOODLE_DE, different_cells, report, write_class


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


def test_of_a_batch_people_and_times_are_those_of_its_journal(tmp_path, capfd):
    due = datetime(2026, 10, 1, 12, tzinfo=UTC)
    folder, template = tmp_path / "class", tmp_path / "moodle.csv"
    template.write_bytes(MOODLE_DE.encode())
    write_class(folder, early=report("0.7"), late=report("0.6"))
    with Journal(folder, assignment="tiny") as journal:
        for label, lms_id, hours in (("early", "501", -1), ("late", "502", 30), ("empty", "504", 0)):
            entry = Entry(
                label=label,
                path=Path(label),
                students=(Student(key=f"lms_id:{lms_id}", lms_id=lms_id),),
                submitted_at=due + timedelta(hours=hours),
                due_at=due,
            )
            path = folder / label / "report.json"
            row, written = Row(entry=entry, status="odd", reason="an empty folder"), None
            if path.exists():
                row = row_of(entry, read_report_file(path), path)
                written = written_text((), stamp_of(path))
            journal.record(Recorded(row, written=written))
    policy = tmp_path / "late.toml"
    policy.write_text("percent_per_day = 10\n")
    out = tmp_path / "filled.csv"
    arguments = ["gradebook", str(folder), "--template", str(template), "--policy", str(policy)]
    assert cli.run([*arguments, "--out", str(out)]) == 1
    assert different_cells(MOODLE_DE.encode(), out.read_bytes()) == {(1, 4): "0,7", (2, 4): "0,48"}
    told = capfd.readouterr().out
    assert "1 d 6 h late: minus 20 % of" in " ".join(told.split())
    assert "Lou Late (empty): nothing was graded: an empty folder" in told
