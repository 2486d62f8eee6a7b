"""Gradescope's export: whose a folder is, is read from a file that Ruby wrote and strangers filled."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import pytest
import yaml

from grader.cohort.handed_in.discovery import discover
from grader.cohort.handed_in.layouts import ruby_yaml
from grader.cohort.handed_in.layouts.gradescope import time_of
from grader.errors import UsageError
from tests.unit.cohort.folders import tree

# As Gradescope writes it: symbols for keys, Rails' object of a time, an alias for what is there twice, a
# name whose encoding Ruby did not know, numbers with zeros in front, and results that nobody asked for.
EXPORT = """\
---
submission_101:
  :submitters:
  - :name: Anna Berg
    :sid: '0042'
    :email: anna@example.edu
  :created_at: 2026-09-20 18:20:54.123456789 Z
  :score: 12.5
  :status: processed
  :results:
    tests:
    - &1 {name: "1) q1", output: "&2 *x !ruby/object:Kernel {}", score: 1.0}
    - *1
  :history:
  - :id: 99
    :created_at: 2026-09-19 08:00:00.000000000 Z
    :submitters: [{":name": Somebody Else}]
submission_102:
  :submitters:
  - &3
    :name: !binary |-
      Q2FybCBNw7xsbGVy
    :sid: 0043
    :email: carl@example.edu
  - :name: Dora Ek
    :sid:
    :email: dora@example.edu
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-09-21 01:00:00.000000000 Z
    zone: &4 !ruby/object:ActiveSupport::TimeZone
      name: Etc/UTC
    time: 2026-09-20 18:00:00.000000000 Z
submission_103: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
  ':submitters':
  - *3
  ':created_at': 2026-09-22 10:00:00.5 +02:00
"""


def export(folder, text=EXPORT):
    tree(folder, "submission_101/mytorch/x.py", "submission_102/hw1.zip", "submission_103/mytorch/x.py")
    (folder / "submission_metadata.yml").write_text(text, encoding="utf-8")
    return folder


def test_a_folder_is_told_whose_it_is_and_when_it_was_handed_in(tmp_path):
    found = discover(export(tmp_path))
    assert found.layout == "gradescope"
    first, second, third = found.entries
    assert first.label == "submission_101"
    assert first.path == tmp_path / "submission_101"
    assert first.submitted_at == datetime(2026, 9, 20, 18, 20, 54, 123456, tzinfo=UTC)
    (anna,) = first.students
    assert (anna.name, anna.sid, anna.email, anna.key) == (
        "Anna Berg",
        "0042",
        "anna@example.edu",
        "sid:0042",
    )
    assert second.path == tmp_path / "submission_102" / "hw1.zip"
    assert [each.name for each in second.students] == ["Carl Müller", "Dora Ek"]
    assert [each.key for each in second.students] == ["sid:0043", "email:dora@example.edu"]
    assert second.submitted_at == datetime(2026, 9, 21, 1, tzinfo=UTC)
    assert third.students == (second.students[0],)
    assert third.submitted_at == datetime(2026, 9, 22, 8, 0, 0, 500000, tzinfo=UTC)
    assert third.is_late is None


def test_who_is_in_two_groups_is_told_of_and_both_are_graded(tmp_path):
    _, second, third = discover(export(tmp_path)).entries
    assert second.problem is None
    assert third.problem is None
    assert third.notes == ("'Carl Müller' is also among those who handed in submission_102",)


def test_a_folder_without_a_record_and_a_record_without_a_folder_are_entries(tmp_path):
    export(tmp_path, "submission_101:\n  :submitters: []\n../../evil:\n  :submitters:\n  - :name: Eve\n")
    by_label = {each.label: each for each in discover(tmp_path).entries}
    assert len(by_label) == 4
    assert by_label["submission_101"].notes == ("submission_metadata.yml names nobody for it",)
    assert by_label["submission_102"].notes == ("submission_metadata.yml does not say whose it is",)
    (eve,) = [each for each in by_label.values() if each.students]
    assert eve.problem.startswith("submission_metadata.yml names it, but it is not in the folder")
    assert eve.path.parent == tmp_path
    assert eve.students[0].name == "Eve"


def test_an_export_one_folder_deeper_is_found_there(tmp_path):
    export(tmp_path / "assignment_8046601_export")
    tree(tmp_path, "__MACOSX/x")
    found = discover(tmp_path)
    assert found.folder == tmp_path / "assignment_8046601_export"
    assert len(found.entries) == 3
    assert found.sentences == (
        "Gradescope's export was found and read in the folder 'assignment_8046601_export'",
    )


def test_of_an_assignment_of_pdfs_each_is_a_row_with_its_student(tmp_path):
    tree(tmp_path, "101.pdf")
    (tmp_path / "submission_metadata.yml").write_text("101.pdf:\n  :submitters:\n  - :name: Anna\n")
    (entry,) = discover(tmp_path).entries
    assert entry.students[0].name == "Anna"
    assert "is not a zip" in entry.problem


def test_people_handing_in_again_are_told_apart_by_time(tmp_path):
    people = "  :submitters:\n  - :sid: '1'\n  - :sid: '2'\n"
    swapped = "  :submitters:\n  - :sid: '2'\n  - :sid: '1'\n"
    export(
        tmp_path,
        f"submission_101:\n{people}  :created_at: 2026-09-21 00:00:00 Z\n"
        f"submission_102:\n{swapped}  :created_at: 2026-09-20 00:00:00 Z\n"
        "submission_103:\n  :submitters:\n  - :sid: '3'\n",
    )
    entries = discover(tmp_path).entries
    assert [(each.attempt, each.problem) for each in entries] == [(2, None), (1, None), (1, None)]


def test_no_alias_is_expanded_wherever_it_stands(tmp_path):
    laughs = "\n".join(f"  - &a{level} [{', '.join([f'*a{level - 1}'] * 20)}]" for level in range(1, 60))
    record = f'  :submitters:\n  - &a0 {{":name": Anna}}\n{laughs}\n  - *a0\n  :created_at: *a59\n'
    (entry, *_) = discover(export(tmp_path, f"submission_101:\n{record}")).entries
    assert [each.name for each in entry.students] == ["Anna"]
    assert entry.submitted_at is None


def test_no_tag_makes_an_object(tmp_path):
    made = tmp_path / "made"
    record = (
        "  :submitters:\n"
        f"  - !!python/object/apply:os.system ['touch {made}']\n"
        f"  - :sid: !!python/object/apply:os.mkdir ['{made}']\n"
        "  - :name: !!python/name:os.system ''\n"
        "  - :name: !ruby/object:Kernel Anna\n"
    )
    (entry, *_) = discover(export(tmp_path, f"submission_101:\n{record}")).entries
    assert [each.name for each in entry.students] == ["Anna"]
    assert not made.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("submission_101: [", "is not YAML (line 2)"),
        ("\tx", "is not YAML (line 1)"),
        ("- a\n- b\n", "does not list submissions by name"),
        ("just text", "does not list submissions by name"),
        ("", "does not list submissions by name"),
        ("[" * 100_000, "is nested too deep"),
        ("a: " + "{a: " * 100_000, "is nested too deep"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_a_metadata_file_that_is_none_is_one_sentence(tmp_path, text, why):
    with pytest.raises(UsageError) as refused:
        discover(export(tmp_path, text))
    said = str(refused.value)
    assert said.startswith(f"'submission_metadata.yml' {why}")
    assert said.endswith("; download the export again, or read the folder with --layout plain")
    assert "\n" not in said


@pytest.mark.parametrize(
    "record",
    [
        "1",
        "~",
        "[]",
        '{":submitters": 3}',
        '{":submitters": [3, ~, [a]]}',
        '{":submitters": {a: b}, ":created_at": []}',
    ],
)
def test_a_record_of_another_type_names_nobody(tmp_path, record):
    found = discover(export(tmp_path, f"submission_101: {record}\n1: 2\n? [a, b]\n: c\n"))
    assert [each.students for each in found.entries] == [(), (), ()]


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    export(tmp_path)
    with (tmp_path / "submission_metadata.yml").open("r+b") as stream:
        stream.truncate(100_000_000)
    with pytest.raises(UsageError, match=r"'submission_metadata\.yml' is larger than 64 MB"):
        discover(tmp_path)


@pytest.mark.parametrize(("limit", "most"), [("MOST_EVENTS", 50), ("MOST_KEPT", 5)])
def test_a_file_that_holds_too_much_is_given_up(tmp_path, monkeypatch, limit, most):
    monkeypatch.setattr(ruby_yaml, limit, most)
    with pytest.raises(UsageError, match=r"'submission_metadata.yml' (holds|names) too much"):
        discover(export(tmp_path))


def test_results_are_read_over_and_not_kept(tmp_path):
    output = "".join(f"    - {{name: t{number}, output: {'x' * 1000}}}\n" for number in range(5000))
    export(tmp_path, f"submission_101:\n  :submitters:\n  - :sid: '1'\n  :results:\n    tests:\n{output}")
    tracemalloc.start()
    try:
        records = ruby_yaml.read_records(tmp_path / "submission_metadata.yml", {"submitters"})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert records == {"submission_101": {"submitters": [{"sid": "1"}]}}
    assert peak < 2_000_000


@pytest.mark.parametrize(
    "text", ["2026-13-40 00:00:00 Z", "2026-09-20 18:20:54", "soon", "0001-01-01 00:00:00 +14:00"]
)
def test_what_is_no_time_is_not_told(text):
    assert time_of(text) is None


def test_the_reader_in_python_alone_reads_the_same(tmp_path, monkeypatch):
    fast = discover(export(tmp_path))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert discover(tmp_path) == fast
