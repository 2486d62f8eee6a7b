"""`grader similarity`: a class of zips and folders in, a page and a table out, whatever is among them."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from fixtures.build import write_folder, write_zip
from grader import cli
from grader.cohort.model import Entry, Student
from grader.cohort.similarity.comparing import Options, compare
from grader.errors import UsageError
from tests.unit.cohort.similarity_folders import OPTIONS, OTHERS, SHARED, entries, write_student


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder for a class, to work beside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "class"
    folder.mkdir()
    return folder


def run(*arguments: str, capsys) -> tuple[int, str, str]:
    code = cli.run(["similarity", *arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return code, said.out, said.err


def test_a_class_of_fixtures_is_compared(place, capsys):
    write_zip("right_mean_in_loss", place / "ann.zip")
    write_folder("right_crlf", place / "bob")
    write_zip("right_mean_in_linear", place / "eve.zip")
    (place / ".DS_Store").write_bytes(b"\0")
    (place / "grades.csv").write_text("ann,1\n")
    code, out, err = run("class", "--json", "found/all.json", capsys=capsys)
    assert code == 0
    assert err.splitlines() == ["grader: not taken for anybody's work, by the kind of file: 'grades.csv'"]
    pairs = json.loads((place.parent / "found" / "all.json").read_text())["pairs"]
    assert (pairs[0]["one"], pairs[0]["other"], pairs[0]["score"]) == ("ann", "bob", 1.0)
    assert pairs[1]["score"] < 0.3
    assert "<bdi>ann</bdi>" in (place.parent / "similarity.html").read_text()
    assert out.split("\n")[1].split() == [
        "100",
        "%",
        str(len(pairs[0]["regions"])),
        "2",
        "of",
        "3",
        "ann",
    ]
    assert "it is no verdict" in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())


def test_the_same_class_gives_the_same_bytes(place, capsys):
    for at, name in enumerate(("right_mean_in_loss", "right_slots", "right_loops", "right_tabs")):
        write_zip(name, place / f"{at}.zip")
    for out in ("one", "two"):
        assert run("class", "--out", f"{out}.html", "--json", f"{out}.json", capsys=capsys)[0] == 0
    for suffix in ("html", "json"):
        one, two = ((place.parent / f"{out}.{suffix}").read_bytes() for out in ("one", "two"))
        assert one == two


def test_what_cannot_be_opened_is_told_and_left_out(place, capsys):
    write_student(place / "ann", SHARED)
    write_student(place / "bob", SHARED)
    (place / "bomb.zip").write_bytes(b"PK\x03\x04 no zip")
    (place / "empty").mkdir()
    (place / "link").symlink_to("/etc")
    os.mkfifo(place / "waits.zip")
    broken = write_student(place / "carol", OTHERS[0])
    (broken / "work.ipynb").write_text('{"cells": [' * 1000)
    code, out, err = run("class", capsys=capsys)
    assert code == 0
    assert "3 submissions compared" in " ".join(out.split())
    told = err.splitlines()
    assert [line.split(":")[1].strip() for line in told] == [
        "bomb",
        "carol",
        "empty",
        "link",
        "waits",
    ]
    assert "work.ipynb cannot be read" in told[1]
    assert all("left out" in line for line in told if "carol" not in line)


@pytest.mark.parametrize(
    "wrong", [["nowhere"], ["class"], ["class", "--top", "0"], ["class", "--min-tokens", "2"]]
)
def test_what_cannot_be_done_is_one_sentence(place, capsys, wrong):
    write_student(place / "ann", SHARED)
    code, _, err = run(*wrong, capsys=capsys)
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_a_page_that_cannot_be_written_is_one_sentence(place, capsys):
    write_student(place / "ann", SHARED)
    write_student(place / "bob", SHARED)
    code, _, err = run("class", "--out", "class", capsys=capsys)
    assert code == 2
    assert "cannot write class" in err


def test_starter_code_of_the_course_is_subtracted(place, capsys):
    write_student(place / "ann", SHARED)
    write_student(place / "bob", SHARED)
    write_student(place.parent / "given", SHARED)
    assert run("class", "--json", "a.json", capsys=capsys)[0] == 0
    assert run("class", "--starter", "given", "--json", "b.json", capsys=capsys)[0] == 0
    found = [json.loads((place.parent / name).read_text())["pairs"] for name in ("a.json", "b.json")]
    assert [len(pairs) for pairs in found] == [1, 0]


def test_a_starter_that_is_not_there_is_one_sentence(place, capsys):
    write_student(place / "ann", SHARED)
    code, _, err = run("class", "--starter", "nowhere", capsys=capsys)
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_only_so_many_pairs_are_shown_as_were_asked_for(place, capsys):
    for name in "abcde":
        write_student(place / name, SHARED)
    assert run("class", "--top", "3", "--json", "a.json", capsys=capsys)[0] == 0
    assert len(json.loads((place.parent / "a.json").read_text())["pairs"]) == 3


def test_names_of_any_kind_are_one_line_of_harmless_text(place, capsys):
    names = ["a\nb\x1b[31m", "\u202egpj.exe", "x" * 250, os.fsdecode(b"\xff\xfe"), "[bold]::error::"]
    for name in names:
        write_student(place / name, SHARED)
    code, out, _ = run("class", "--json", "a.json", capsys=capsys)
    assert code == 0
    assert not set(out) & set("\x1b\u202e")
    assert all(len(line) <= 80 for line in out.splitlines())
    json.loads((place.parent / "a.json").read_text(encoding="utf-8"))


def test_attempts_of_one_person_are_no_pair(tmp_path):
    made = entries(tmp_path, ["ann", "bob", "carol"], [SHARED] * 3)
    ann = (Student(key="ann"),)
    attempts = [
        Entry(label="1", path=made[0].path, students=ann),
        Entry(label="2", path=made[1].path, students=(Student(key="dan"), *ann)),
        Entry(label="3", path=made[2].path, students=(Student(key="carol"),)),
    ]
    found = compare(attempts, OPTIONS)
    assert [(pair.one.label, pair.other.label) for pair in found.pairs] == [("1", "3"), ("2", "3")]


def test_an_entry_with_a_problem_is_not_opened(tmp_path):
    made = entries(tmp_path, ["ann", "bob"], [SHARED] * 2)
    odd = Entry(label="odd", path=tmp_path / "nowhere", problem="the archive is empty")
    found = compare([*made, odd], OPTIONS)
    assert found.problems == ((odd, "left out: the archive is empty"),)


def test_a_submission_that_is_taken_away_meanwhile_has_no_passages(tmp_path):
    made = entries(tmp_path, ["ann", "bob"], [SHARED] * 2)

    def on_step(label: str) -> None:
        if label == "bob":
            shutil.rmtree(made[0].path)

    (pair,) = compare(made, OPTIONS, on_step).pairs
    assert pair.score > 0
    assert pair.regions == ()


def test_a_submission_that_changes_meanwhile_stops_nothing(tmp_path):
    made = entries(tmp_path, ["ann", "bob"], [SHARED] * 2)

    def on_step(label: str) -> None:
        if label == "bob":
            (made[0].path / "mytorch" / "nn" / "loss.py").write_text(OTHERS[0] + OTHERS[1] + SHARED[:90])

    (pair,) = compare(made, OPTIONS, on_step).pairs
    assert all(region.weight > 0 for region in pair.regions)


def test_two_submissions_at_least_are_needed(tmp_path):
    with pytest.raises(UsageError, match="only 1 of 1 submissions"):
        compare(entries(tmp_path, ["ann"], [SHARED]), Options(min_tokens=15, top=5))


def test_too_much_code_is_told_and_compared_up_to_there(tmp_path):
    padding = "".join(f"x{number} = y[{number}] + z.sum()\n" for number in range(12_000))
    made = entries(tmp_path, ["ann", "bob"], [SHARED + padding, SHARED])
    found = compare(made, OPTIONS)
    assert [(entry.label, "too much code" in text) for entry, text in found.problems] == [("ann", True)]
    assert found.pairs[0].regions
