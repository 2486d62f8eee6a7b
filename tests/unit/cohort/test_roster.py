"""A roster as places and spreadsheets write it, and what cannot be one."""

from __future__ import annotations

import codecs

import pytest

from grader.cohort.handed_in.roster import HEADERS, read_roster
from grader.errors import UsageError


def roster(tmp_path, content, *, name="roster.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def people(path):
    kinds = ("name", "email", "sid", "login", "lms_id", "section")
    return [
        {kind: value for kind in kinds if (value := getattr(each, kind)) is not None}
        for each in read_roster(path).students
    ]


def test_gradescopes_roster_without_its_staff(tmp_path):
    path = roster(
        tmp_path,
        "First Name,Last Name,SID,Email,Role,Section\n"
        "Anna,Berg,0042,anna@example.edu,Student,A\n"
        "Carl,Teacher,,carl@example.edu,Instructor,\n"
        "Dora,Helper,,dora@example.edu,TA,\n",
    )
    assert people(path) == [{"name": "Anna Berg", "sid": "0042", "email": "anna@example.edu", "section": "A"}]


def test_canvas_gradebook_without_its_row_of_points_and_its_test_student(tmp_path):
    path = roster(
        tmp_path,
        "Student,ID,SIS User ID,SIS Login ID,Section,HW 1 (99)\n"
        ",,,,,Manual Posting\n"
        "    Points Possible,,,,,10\n"
        '"Berg, Anna",12345,0042,aberg,"A, B",9\n'
        '"Student, Test",99,,abcdef,A,\n',
    )
    assert people(path) == [
        {"name": "Anna Berg", "lms_id": "12345", "sid": "0042", "login": "aberg", "section": "A, B"}
    ]


def test_moodles_worksheet_in_another_language_and_its_list_of_participants(tmp_path):
    worksheet = "Identifier,Full name,Email address,Status,Grade\nTeilnehmer/in 12345,Anna Berg,a@b.c,,\n"
    assert people(roster(tmp_path, worksheet)) == [{"name": "Anna Berg", "email": "a@b.c", "lms_id": "12345"}]
    members = "First name;Last name;ID number;Email address;Groups\nAnna;Berg;0042;a@b.c;G1\n"
    assert people(roster(tmp_path, members)) == [
        {"name": "Anna Berg", "email": "a@b.c", "sid": "0042", "section": "G1"}
    ]


def test_rosters_of_github(tmp_path):
    classroom = '"identifier","github_username","github_id","name"\n"anna@b.c","aberg","1","Anna Berg"\n'
    assert people(roster(tmp_path, classroom)) == [
        {"name": "Anna Berg", "login": "aberg", "lms_id": "anna@b.c"}
    ]
    fifty = "username,first_name,last_name,email,section,github_id\naberg,Anna,Berg,a@b.c,1,77\n"
    assert people(roster(tmp_path, fifty)) == [
        {"name": "Anna Berg", "login": "aberg", "email": "a@b.c", "section": "1"}
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Name,E-Mail\r\nAnna Müller,a@b.c\r\n".encode(),
        codecs.BOM_UTF8 + "name;EMAIL\nAnna Müller;a@b.c\n".encode(),
        codecs.BOM_UTF16_LE + "Name\temail\r\nAnna Müller\ta@b.c\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + 'sep=;\r\nName;email\r\n"Anna Müller";a@b.c\r\n'.encode("utf-16-be"),
        '"sep=,"\nName , e_mail,,\n\n,,\n Anna Müller ,a@b.c,,\n'.encode(),
    ],
)
def test_every_way_in_which_spreadsheets_save_it_reads_the_same(tmp_path, content):
    assert people(roster(tmp_path, content)) == [{"name": "Anna Müller", "email": "a@b.c"}]


def test_every_header_that_is_documented_is_known(tmp_path):
    for kind, names in HEADERS.items():
        for name in names:
            for spelled in (name, name.upper(), f" {name.replace(' ', '_')} "):
                path = roster(
                    tmp_path, f"{spelled},login\nvalue 7,x\n" if kind != "login" else f"{spelled}\nx\n"
                )
                assert len(read_roster(path).students) == 1, name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the roster 'roster.csv' is empty; its first line names the columns"),
        ("\n,,\n", "the roster 'roster.csv' is empty; its first line names the columns"),
        ("name,email\n", "the roster 'roster.csv' names nobody below its first line"),
        (
            "color,size\nred,1\n",
            "the first line of the roster 'roster.csv' names no column that tells who is who: name, ",
        ),
        (
            "name\nM\xfcller".encode("latin-1"),
            "the roster 'roster.csv' is not in UTF-8 or UTF-16; save it as",
        ),
        (codecs.BOM_UTF16_LE + b"n", "the roster 'roster.csv' is not in UTF-8 or UTF-16; save it as"),
        ('name\nx\n"y', "the roster 'roster.csv' is no CSV from line 3 on; save it again"),
        ("name\n" + "x" * 200_000, "the roster 'roster.csv' is no CSV from line 2 on; save it again"),
        (
            "name,email\nAnna,a@b.c\n\nBob,b@b.c\nCarl,A@B.C\n",
            "lines 2 and 5 of the roster 'roster.csv' have the same email, 'A@B.C'",
        ),
        (
            'sep=;\nname;sid\n"Anna\nBerg";1\nBob;1\n',
            "lines 3 and 5 of the roster 'roster.csv' have the same student id, '1'",
        ),
        ("name\nAnna\nanna\n", "lines 2 and 3 of the roster 'roster.csv' have the same name, 'anna'"),
        ("id,name\n7,a\n7,b\n", "lines 2 and 3 of the roster 'roster.csv' have the same id, '7'"),
        ("github,name\na,a\nA,b\n", "lines 2 and 3 of the roster 'roster.csv' have the same login, 'A'"),
    ],
)
def test_what_is_no_roster_is_one_sentence_and_exit_code_2(tmp_path, content, said):
    with pytest.raises(UsageError) as refused:
        read_roster(roster(tmp_path, content))
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_roster_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"the roster 'none\.csv' cannot be read: No such file or directory"):
        read_roster(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"the roster .* cannot be read: Is a directory"):
        read_roster(tmp_path)


def test_two_people_of_one_name_are_two_where_something_else_tells_them_apart(tmp_path):
    path = roster(tmp_path, "name,sid\nLi Wei,1\nLi Wei,2\n")
    assert [each.key for each in read_roster(path).students] == ["sid:1", "sid:2"]


def test_cells_are_one_line_of_what_prints(tmp_path):
    path = roster(tmp_path, f'name,sid\n"A\u202enn\x1b[31ma\nB",1\n{"x" * 1000},2\n')
    first, second = (each.name for each in read_roster(path).students)
    assert first == "Anna B"
    assert len(second.encode()) <= 300
