"""Students are named by the roster, by what tells most of who they are."""

from __future__ import annotations

import pytest

from grader.cohort.handed_in.discovery import discover
from grader.cohort.handed_in.roster import read_roster
from grader.errors import UsageError
from tests.unit.cohort.folders import tree

ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Email
"Berg, Anna",11,0042,aberg,anna@example.edu
"van der Ek, Dora",12,0043,dek,dora@example.edu
"Wei, Li",13,0044,lwei1,li1@example.edu
"Wei, Li",14,0045,lwei2,li2@example.edu
"""


@pytest.fixture
def roster(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(ROSTER)
    return read_roster(path)


def keys(found):
    return {each.path.name: [person.key for person in each.students] for each in found.entries}


def test_a_plain_name_may_be_a_number_a_login_an_address_or_a_name(tmp_path, roster):
    folder = tree(tmp_path / "class", "0042.zip", "DEK/mytorch/x.py", "li1@example.edu.zip", "14.zip")
    found = discover(folder, roster=roster)
    assert keys(found) == {
        "0042.zip": ["sid:0042"],
        "DEK": ["sid:0043"],
        "li1@example.edu.zip": ["sid:0044"],
        "14.zip": ["sid:0045"],
    }
    assert (found.absent, found.strangers) == ((), ())
    assert {each.students[0].name for each in found.entries} == {"Anna Berg", "Dora van der Ek", "Li Wei"}


@pytest.mark.parametrize("name", ["Dora van der Ek", "van der Ek, Dora", "dora_van_der_ek", "vanderEkDora"])
def test_a_name_is_known_however_it_is_put_together(tmp_path, roster, name):
    found = discover(tree(tmp_path / "class", f"{name}.zip"), roster=roster)
    assert keys(found) == {f"{name}.zip": ["sid:0043"]}


def test_canvas_is_known_by_its_number_and_by_what_it_leaves_of_a_name(tmp_path, roster):
    names = ("bergxanna_11_1_hw.zip", "vanderekdora_12_2_hw.zip", "weili_14_3_hw.zip")
    found = discover(tree(tmp_path / "class", *names), roster=roster)
    assert [each.students[0].key for each in found.entries] == ["sid:0042", "sid:0043", "sid:0045"]
    assert found.entries[0].students[0].name == "Anna Berg"


def test_a_name_that_two_people_have_names_neither(tmp_path, roster):
    found = discover(tree(tmp_path / "class", "Li Wei.zip"), roster=roster)
    assert [each.name for each in found.strangers] == ["Li Wei"]


def test_a_name_that_somebody_gave_themselves_does_not_stand_against_a_number(tmp_path, roster):
    folder = tmp_path / "class"
    for name in ("Anna Berg_11", "Anna Berg_999", "aberg_998", "0042_997"):
        tree(folder, f"{name}_assignsubmission_file_/hw.zip")
    found = discover(folder, roster=roster)
    assert [each.students[0].key for each in found.entries if each.students[0].key.startswith("sid:")] == [
        "sid:0042"
    ]
    assert [each.lms_id for each in found.strangers] == ["997", "999", "998"]
    assert not [each for each in found.entries if each.problem]


def test_numbers_of_another_place_say_nothing_against_a_name(tmp_path, roster):
    found = discover(tree(tmp_path / "class", "Anna Berg_5012_assignsubmission_file_/hw.zip"), roster=roster)
    (person,) = found.entries[0].students
    assert (person.key, person.lms_id) == ("sid:0042", "11")


def test_what_only_the_place_tells_is_kept(tmp_path):
    (tmp_path / "roster.csv").write_text("name,sid\nAnna Berg,0042\n")
    folder = tree(tmp_path / "class", "Anna Berg_5012_assignsubmission_file_/hw.zip")
    found = discover(folder, roster=read_roster(tmp_path / "roster.csv"))
    (person,) = found.entries[0].students
    assert (person.key, person.sid, person.lms_id) == ("sid:0042", "0042", "5012")


def test_a_column_of_numbers_that_is_just_called_id_is_read_as_gradescopes_number_too(tmp_path):
    (tmp_path / "roster.csv").write_text("id,name\n0042,Anna B.\n")
    folder = tree(tmp_path / "class", "submission_1/mytorch/x.py")
    (folder / "submission_metadata.yml").write_text(
        "submission_1:\n  :submitters:\n  - :name: Anna Berg\n    :sid: '0042'\n"
    )
    found = discover(folder, roster=read_roster(tmp_path / "roster.csv"))
    assert found.strangers == ()
    assert found.entries[0].students[0].name == "Anna B."


def test_who_handed_in_nothing_and_who_is_not_on_the_roster_are_told(tmp_path, roster):
    found = discover(tree(tmp_path / "class", "aberg.zip", "mallory\u202e.zip"), roster=roster)
    assert [each.sid for each in found.absent] == ["0043", "0044", "0045"]
    assert [each.name for each in found.strangers] == ["mallory"]
    assert found.sentences == (
        "on the roster, but handed in nothing (3): Dora van der Ek, Li Wei, Li Wei",
        "handed in, but not on the roster (1): mallory",
    )


def test_one_student_under_two_names_handed_in_twice(tmp_path, roster):
    found = discover(tree(tmp_path / "class", "aberg.zip", "Anna Berg.zip", "dek.zip"), roster=roster)
    problems = {each.path.name: each.problem for each in found.entries}
    assert problems == {
        "aberg.zip": "handed in twice, also as 'Anna Berg.zip'; keep the one that counts",
        "Anna Berg.zip": "handed in twice, also as 'aberg.zip'; keep the one that counts",
        "dek.zip": None,
    }


def test_a_long_list_of_names_is_cut(tmp_path):
    (tmp_path / "roster.csv").write_text("name\n" + "".join(f"student {number}\n" for number in range(30)))
    found = discover(tree(tmp_path / "class", "student 0.zip"), roster=read_roster(tmp_path / "roster.csv"))
    (said,) = found.sentences
    assert said.startswith("on the roster, but handed in nothing (29): student 1, ")
    assert said.endswith("student 10 and 19 more")


def test_an_unknown_layout_is_one_sentence(tmp_path):
    with pytest.raises(
        UsageError, match="there is no layout 'x'; there are: gradescope, moodle, github, canvas, plain"
    ):
        discover(tree(tmp_path, "a.zip"), layout="x")
