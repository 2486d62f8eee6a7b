"""Moodle's download, as folders and as flat files."""

from __future__ import annotations

import pytest

from grader.cohort.handed_in.discovery import discover
from tests.unit.cohort.folders import tree


def by_label(folder):
    found = discover(folder)
    assert found.layout == "moodle"
    return {each.label: each for each in found.entries}


@pytest.mark.parametrize("end", ["", "_"])
def test_folders_are_told_by_name_and_participant_with_and_without_the_older_underscore(tmp_path, end):
    tree(
        tmp_path,
        f"Anna Berg_12345_assignsubmission_file{end}/hw1.zip",
        f"Müller Carl_77_assignsubmission_file{end}/mytorch/x.py",
    )
    entries = by_label(tmp_path)
    anna = entries["Anna-Berg-12345"]
    assert anna.path.name == "hw1.zip"
    assert [(each.name, each.lms_id, each.key) for each in anna.students] == [
        ("Anna Berg", "12345", "lms_id:12345")
    ]
    (carl,) = [each for each in entries.values() if each is not anna]
    assert carl.label.endswith("-77")
    assert carl.students[0].name == "Müller Carl"
    assert carl.path == tmp_path / f"Müller Carl_77_assignsubmission_file{end}"


def test_flat_files_of_one_participant_are_one_entry(tmp_path):
    start = "Anna Berg_12345_assignsubmission_file_"
    tree(tmp_path, f"{start}hw1.zip", f"{start}report.pdf", "Bob_7_assignsubmission_file_work.rar")
    entries = by_label(tmp_path)
    assert entries["Anna-Berg-12345"].path.name == f"{start}hw1.zip"
    assert entries["Anna-Berg-12345"].notes == ("only 'hw1.zip' is graded; not looked at: 'report.pdf'",)
    assert entries["Bob-7"].problem.startswith("'work.rar' is a rar archive, which is not opened")


def test_two_zips_of_one_participant_are_a_row_with_its_reason(tmp_path):
    start = "Anna_1_assignsubmission_file_"
    entries = by_label(tree(tmp_path, f"{start}hw1.zip", f"{start}hw2.zip"))
    assert entries["Anna-1"].problem == "there are 2 zip files, 'hw1.zip' and 'hw2.zip'; keep one"


def test_typed_text_is_told_and_is_no_submission_by_itself(tmp_path):
    tree(
        tmp_path,
        "Anna_1_assignsubmission_file_/hw1.zip",
        "Anna_1_assignsubmission_onlinetext_/onlinetext.html",
        "Bob_2_assignsubmission_onlinetext_/onlinetext.html",
        "Carl_3_assignsubmission_onlinetext_onlinetext.html",
    )
    entries = by_label(tmp_path)
    typed = "text was typed into Moodle, which is not graded"
    assert entries["Anna-1"].problem is None
    assert entries["Anna-1"].notes == (typed,)
    assert entries["Bob-2"].problem == entries["Carl-3"].problem == f"{typed}; nothing else was handed in"


def test_people_of_one_name_are_two(tmp_path):
    tree(tmp_path, "Li Wei_1_assignsubmission_file_/a.zip", "Li Wei_2_assignsubmission_file_/a.zip")
    entries = by_label(tmp_path)
    assert {label: each.problem for label, each in entries.items()} == {"Li-Wei-1": None, "Li-Wei-2": None}


def test_a_folder_and_files_of_one_participant_are_a_row_with_its_reason(tmp_path):
    tree(tmp_path, "Anna_1_assignsubmission_file_/a.zip", "Anna_1_assignsubmission_file_a.zip")
    (entry,) = by_label(tmp_path).values()
    assert entry.problem.startswith("there are several folders or files of one participant")


def test_the_default_group_has_no_number(tmp_path):
    entries = by_label(tree(tmp_path, "Default group_assignsubmission_file_/a.zip"))
    (entry,) = entries.values()
    assert entry.students[0].name == "Default group"
    assert entry.students[0].lms_id is None


def test_what_moodle_did_not_name_is_an_entry_that_says_so(tmp_path):
    tree(tmp_path, "Anna_1_assignsubmission_file_/a.zip", "late by mail.zip", "grades.csv")
    found = discover(tmp_path)
    stray = next(each for each in found.entries if each.path.name == "late by mail.zip")
    assert stray.problem is None
    assert stray.notes == (
        "its name is not one that Moodle's download gives; it was taken for one student's work",
    )
    assert found.sentences == ("not taken for anybody's work, by the kind of file: 'grades.csv'",)
