"""What a class handed in is found whatever the names, and nothing is lost or followed."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.cohort.handed_in.discovery import discover
from grader.cohort.handed_in.layouts import LAYOUTS
from grader.errors import UsageError
from tests.unit.cohort.folders import tree

HOSTILE = (
    "a\nb", "a\rb", "a\tb", "a\u202eb", "a\u200fb", "\x1b[31mred", "a\\b", "..a", "a..", "con", "$(touch)",
    "::error::x", "=HYPERLINK(1)", "<script>", "a'b\"c", " a ", "-rf", "\u200b", "é", "e\u0301", "ß", "SS",
    "x" * 251, "李" * 80, "%2e%2e%2f", "~", "nul",
)  # fmt: skip


def test_hostile_names_are_entries_with_safe_labels_and_students_of_one_line(tmp_path):
    for name in HOSTILE:
        (tmp_path / f"{name}.zip").write_bytes(b"")
    found = discover(tmp_path, layout="plain")
    assert len(found.entries) == len(HOSTILE)
    assert len({each.label.casefold() for each in found.entries}) == len(HOSTILE)
    for each in found.entries:
        assert each.path.parent == tmp_path
        assert each.path.exists()
        for person in each.students:
            assert "\n" not in person.name
            assert len(person.name.encode()) <= 300
            assert not any(unicodedata.category(character).startswith("C") for character in person.name)
        for sentence in (each.problem or "", *each.notes):
            assert sentence.isprintable()


def test_a_name_that_is_no_text_is_an_entry_and_its_student_is_text(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.zip")).write_bytes(b"")
    (entry,) = discover(tmp_path).entries
    assert entry.label.isascii()
    entry.students[0].name.encode()


@pytest.mark.parametrize("pair", [("Anna", "anna"), ("é", "e\u0301"), ("a", "a\u200b")])
def test_names_that_are_one_to_some_system_are_one_student_twice(tmp_path, pair):
    for name in pair:
        (tmp_path / f"{name}.zip").write_bytes(b"")
    found = discover(tmp_path)
    assert len({each.label.casefold() for each in found.entries}) == 2
    assert all("handed in twice" in each.problem for each in found.entries)


def test_letters_that_some_systems_take_for_one_are_two_students(tmp_path):
    found = discover(tree(tmp_path, "Weiß.zip", "Weiss.zip"))
    assert [each.problem for each in found.entries] == [None, None]


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.sets(NAMES, min_size=2, max_size=8), st.data())
def test_a_label_stays_when_others_hand_in(tmp_path_factory, names, data):
    folder = tmp_path_factory.mktemp("class")
    ordered = sorted(names)
    before = data.draw(st.integers(1, len(ordered) - 1))
    labels = {}
    for name in ordered[:before]:
        (folder / f"{name}.zip").write_bytes(b"")
    for each in discover(folder, layout="plain").entries:
        labels[each.path.name] = each.label
    for name in ordered[before:]:
        (folder / f"{name}.zip").write_bytes(b"")
    after = {each.path.name: each for each in discover(folder, layout="plain").entries}
    assert len(after) == len(ordered)
    clashing = {name for name, each in after.items() if each.problem is not None}
    assert {name: after[name].label for name in labels.keys() - clashing} == {
        name: label for name, label in labels.items() if name not in clashing
    }


def test_the_order_is_that_of_the_labels_and_every_look_finds_the_same(tmp_path):
    tree(tmp_path, "b.zip", "A.zip", "c/mytorch/x.py", "a-1.zip")
    found = discover(tmp_path)
    assert [each.label for each in found.entries] == ["A", "a-1", "b", "c"]
    assert discover(tmp_path) == found


def test_ten_thousand_submissions_are_each_looked_at_once_and_none_is_opened(tmp_path, monkeypatch):
    for number in range(10_000):
        (tmp_path / f"student{number:05}_{number}_{number}_hw1.zip").touch()
    looks = 0
    scan = os.scandir

    def counted(path):
        nonlocal looks
        looks += 1
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    found = discover(tmp_path)
    assert (len(found.entries), found.layout, looks) == (10_000, "canvas", 1)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "is empty: there is nothing to grade"),
        ([".DS_Store", "__MACOSX/x"], "is empty: there is nothing to grade"),
    ],
)
def test_an_empty_folder_is_one_sentence(tmp_path, names, said):
    with pytest.raises(UsageError) as refused:
        discover(tree(tmp_path, *names))
    assert str(refused.value).endswith(said)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("layout", [None, *LAYOUTS])
def test_a_folder_of_files_that_nobody_hands_in_is_one_sentence(tmp_path, layout):
    tree(tmp_path, "notes.txt", "roster.csv")
    with pytest.raises(UsageError) as refused:
        discover(tmp_path, layout=layout)
    assert "\n" not in str(refused.value)


def test_what_is_no_folder_is_one_sentence(tmp_path):
    tree(tmp_path, "class.zip")
    with pytest.raises(
        UsageError, match=r"class\.zip' is not a folder; unpack the download and name its folder"
    ):
        discover(tmp_path / "class.zip")
    with pytest.raises(UsageError, match=r"there is no folder '.*none'; check the path"):
        discover(tmp_path / "none")
    with pytest.raises(UsageError, match="is no path; check its spelling"):
        discover(tmp_path / "a\0b")


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch):
    def refusing(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        discover(tmp_path)


def test_the_folder_that_is_written_to_is_nobodys(tmp_path):
    tree(tmp_path, "anna.zip", "out/anna/report.json", "roster.csv")
    found = discover(tmp_path, without=[tmp_path / "out", tmp_path / "x" / ".." / "roster.csv"])
    assert [each.label for each in found.entries] == ["anna"]
    assert found.sentences == ()


def test_a_layout_may_be_named(tmp_path):
    tree(tmp_path, "anna_1_2_hw.zip")
    assert discover(tmp_path).layout == "canvas"
    found = discover(tmp_path, layout="plain")
    assert (found.layout, found.entries[0].label) == ("plain", "anna_1_2_hw")


def test_the_only_students_folder_is_not_taken_for_a_class(tmp_path):
    found = discover(tree(tmp_path, "anna/hw1/mytorch/x.py"))
    assert (found.layout, found.folder, found.entries[0].path) == ("plain", tmp_path, tmp_path / "anna")


def test_a_class_that_is_named_by_a_link_is_read(tmp_path):
    tree(tmp_path / "class", "anna.zip", "bob.zip")
    (tmp_path / "link").symlink_to(tmp_path / "class")
    assert len(discover(tmp_path / "link").entries) == 2


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_row_of_the_table_is_called_what_it_says(name):
    assert LAYOUTS[name].name == name
