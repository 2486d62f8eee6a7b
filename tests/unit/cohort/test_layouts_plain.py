"""A plain folder: each zip and folder is a student's, and what cannot be graded is an entry that says why."""

from __future__ import annotations

import os

import pytest

from grader.cohort.handed_in.discovery import discover
from tests.unit.cohort.folders import tree


def only(found):
    (entry,) = found.entries
    return entry


def test_zips_and_folders_are_entries_called_after_their_students(tmp_path):
    found = discover(tree(tmp_path, "bob.zip", "anna/mytorch/a.py", "Carl Müller.zip"))
    assert found.layout == "plain"
    assert [(each.path.name, each.students[0].name, each.problem) for each in found.entries] == [
        ("anna", "anna", None),
        ("bob.zip", "bob", None),
        ("Carl Müller.zip", "Carl Müller", None),
    ]
    assert [each.label for each in found.entries[:2]] == ["anna", "bob"]
    assert not found.sentences


def test_what_systems_leave_there_is_nobodys(tmp_path):
    names = (".DS_Store", "__MACOSX/x", "Thumbs.db", "desktop.ini", "._anna.zip", "Icon\r", "~$roster.xlsx")
    assert only(discover(tree(tmp_path, "anna.zip", *names))).label == "anna"


def test_the_only_zip_of_a_students_folder_is_graded_and_what_lies_beside_it_is_told(tmp_path):
    entry = only(discover(tree(tmp_path, "anna/hw1.zip", "anna/report.pdf", "anna/.DS_Store")))
    assert entry.path == tmp_path / "anna" / "hw1.zip"
    assert entry.problem is None
    assert entry.notes == ("only 'hw1.zip' is graded; not looked at: 'report.pdf'",)


@pytest.mark.parametrize("inside", ["mytorch/x.py", "hw1/mytorch/x.py"])
def test_a_folder_with_mytorch_is_graded_itself_and_zips_beside_it_are_told(tmp_path, inside):
    entry = only(discover(tree(tmp_path, f"anna/{inside}", "anna/hw1.zip")))
    assert (entry.path, entry.problem) == (tmp_path / "anna", None)
    assert entry.notes == ("the folder is graded; not looked at: 'hw1.zip'",)


def test_a_zip_beside_folders_without_mytorch_is_graded(tmp_path):
    entry = only(discover(tree(tmp_path, "anna/figures/a.png", "anna/hw1.zip")))
    assert entry.path == tmp_path / "anna" / "hw1.zip"


@pytest.mark.parametrize("name", ["anna/hw1/mytorch/x.py", "anna/notebook.ipynb", "anna/theory.py"])
def test_a_folder_without_a_zip_is_graded_itself_where_work_may_be_in_it(tmp_path, name):
    entry = only(discover(tree(tmp_path, name, "anna/notes.rar")))
    assert (entry.path, entry.problem) == (tmp_path / "anna", None)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["anna/"], "the folder is empty: nothing was handed in"),
        (["anna/.DS_Store"], "the folder is empty: nothing was handed in"),
        (["anna/a.zip", "anna/b.zip"], "there are 2 zip files, 'a.zip' and 'b.zip'; keep one"),
        (["anna/hw1.zip", "anna/hw1-1.zip"], "there are 2 zip files, 'hw1-1.zip' and 'hw1.zip'; keep one"),
        (
            ["anna.rar"],
            "'anna.rar' is a rar archive, which is not opened; ask for one zip of the homework folder",
        ),
        (
            ["anna/hw.tar.gz"],
            "'hw.tar.gz' is a tar.gz archive, which is not opened; ask for one zip of the homework folder",
        ),
        (
            ["anna.pdf"],
            "'anna.pdf' is not a zip, and nothing else was handed in; ask for one zip of the homework folder",
        ),
        (
            ["anna/a.pdf", "anna/b.docx"],
            "there are 2 files, 'a.pdf' among them, and no zip; ask for one zip of the homework folder",
        ),
    ],
)
def test_what_cannot_be_graded_is_an_entry_with_one_sentence(tmp_path, names, problem):
    entry = only(discover(tree(tmp_path, *names)))
    assert entry.problem == problem
    assert entry.students[0].name == "anna"


def test_a_zip_and_a_folder_of_one_student_are_two_entries_and_neither_is_graded(tmp_path):
    found = discover(tree(tmp_path, "anna.zip", "anna/mytorch/x.py", "bob.zip"))
    by_name = {each.path.name: each for each in found.entries}
    assert by_name["anna.zip"].problem == "handed in twice, also as 'anna'; keep the one that counts"
    assert by_name["anna"].problem == "handed in twice, also as 'anna.zip'; keep the one that counts"
    assert by_name["bob.zip"].problem is None
    assert len({each.label.casefold() for each in found.entries}) == 3


def test_a_pdf_beside_a_zip_of_the_same_name_is_told_and_no_second_submission(tmp_path):
    entry = only(discover(tree(tmp_path, "anna.zip", "anna.pdf")))
    assert entry.path.name == "anna.zip"
    assert entry.problem is None
    assert entry.notes == ("not looked at: 'anna.pdf'",)


def test_files_that_nobody_hands_in_are_told_of_once(tmp_path):
    found = discover(tree(tmp_path, "anna.zip", "roster.csv", "a.txt", "b.txt", "c.md"))
    assert [each.label for each in found.entries] == ["anna"]
    assert found.sentences == (
        "not taken for anybody's work, by the kind of file: 'a.txt', 'b.txt', 'c.md' and 1 more",
    )


def test_a_link_is_a_row_with_its_reason_and_is_not_followed(tmp_path):
    outside = tree(tmp_path / "outside", "secret/mytorch/x.py", "secret.zip")
    folder = tree(tmp_path / "class", "bob.zip", "carl/")
    (folder / "anna").symlink_to(outside / "secret")
    (folder / "dora.zip").symlink_to(outside / "secret.zip")
    (folder / "carl" / "hw1.zip").symlink_to(outside / "secret.zip")
    (folder / "carl" / "mine.py").write_text("")
    by_label = {each.label: each for each in discover(folder).entries}
    for label, name in (("anna", "anna"), ("dora", "dora.zip"), ("carl", "hw1.zip")):
        why = f"'{name}' is a link, which is not followed; put the real file or folder in its place"
        assert by_label[label].problem == why
    assert by_label["bob"].problem is None


def test_a_pipe_is_a_row_with_its_reason_and_is_not_opened(tmp_path):
    tree(tmp_path, "bob.zip")
    os.mkfifo(tmp_path / "anna.zip")
    by_label = {each.label: each for each in discover(tmp_path).entries}
    assert by_label["anna"].problem == "'anna.zip' is neither a file nor a folder; remove it"


def test_a_students_folder_that_cannot_be_read_is_a_row_with_its_reason(tmp_path, monkeypatch):
    tree(tmp_path, "anna/hw1.zip", "bob.zip")
    scan = os.scandir

    def refusing(path):
        if str(path).endswith("anna"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    by_label = {each.label: each.problem for each in discover(tmp_path).entries}
    assert by_label == {"anna": "the folder cannot be read: Permission denied", "bob": None}
