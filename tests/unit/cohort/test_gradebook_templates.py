"""Which column of a place's file is filled and whose lines are in it; what cannot be used is one sentence."""

from decimal import Decimal

import pytest

from grader.cohort.gradebooks.template import number_in, number_text
from grader.cohort.gradebooks.template_file import read_template, template_of
from grader.errors import UsageError
from tests.unit.cohort.class_samples import CANVAS, MOODLE_DE


def canvas(text=CANVAS, column="Homework 1"):
    return template_of(text.encode(), "canvas.csv", column)


def moodle(text=MOODLE_DE, column=None):
    return template_of(text.encode(), "moodle.csv", column)


class TestCanvas:
    def test_students_are_read_with_all_their_numbers_and_both_ways_of_their_name(self):
        found = canvas()
        assert found.place == "Canvas"
        assert (found.title, found.max_score) == ("Homework 1 (101)", Decimal("0.70"))
        first = found.lines[0]
        assert (first.student.lms_id, first.student.sid, first.student.login) == (
            "1001",
            "s-001",
            "aenne@uni.edu",
        )
        assert first.names == ("Müller, Änne", "Änne Müller")
        assert [line.student.lms_id for line in found.lines] == [
            "1001",
            "1002",
            "1003",
            "1004",
            "1005",
            "1009",
        ]

    def test_excused_students_and_those_without_the_assignment_keep_their_cells(self):
        kept = {line.student.lms_id: line.kept for line in canvas().lines if line.kept}
        assert kept.keys() == {"1003", "1005"}
        assert "excused" in kept["1003"]

    @pytest.mark.parametrize("column", ["Essay, long", "essay,  LONG (102)", "102"])
    def test_an_assignment_is_named_by_heading_title_or_number(self, column):
        assert canvas(column=column).title == "Essay, long (102)"

    def test_the_only_assignment_needs_no_name(self):
        text = (
            "Student,ID,SIS Login ID,Section,A (1),Final Score\nPoints Possible,,,,5,(read only)\nX,1,x,s,,\n"
        )
        assert canvas(text, None).title == "A (1)"

    def test_first_and_last_names_may_stand_apart(self):
        text = "LastName,FirstName,ID,SIS Login ID,Section,A (1)\n    Points Possible,,,,,5\nDoe,Jo,7,jd,s,\n"
        found = canvas(text, None)
        assert found.lines[0].names == ("Doe, Jo", "Jo Doe")
        assert (found.lines[0].student.lms_id, found.lines[0].student.login) == ("7", "jd")

    def test_semicolons_and_decimal_commas_are_seen(self):
        text = (
            "Student;ID;SIS Login ID;Section;A, b, c, d (1)\n    Points Possible;;;;5,00\nDoe, Jo;7;jd;s;\n"
        )
        found = canvas(text, None)
        assert (found.table.delimiter, found.decimal_mark, found.max_score) == (";", ",", 5)

    @pytest.mark.parametrize(
        "change, column, sentence",
        [
            (
                ("", ""),
                None,
                "has several assignments: 'Homework 1 (101)', 'Essay, long (102)'; name one with",
            ),
            (("", ""), "Homework 2", "has no assignment 'Homework 2'; it has 'Homework 1 (101)', "),
            (("", ""), "Notes", "'Notes' of canvas.csv is not an assignment's"),
            (("", ""), "Current Score", "'Current Score' of canvas.csv is not an assignment's"),
            (('"Essay, long (102)"', "homework 1 (103)"), "Homework 1", "several columns 'Homework 1'"),
            ((",0.70,", ",(read only),"), "Homework 1", "'Homework 1 (101)' of canvas.csv is read only"),
            ((",0.70,", ",(nur Lesen),"), "Homework 1", "read only"),
            (("Student,ID,", "Student,Number,"), "Homework 1", "no column 'ID'"),
            (("Section", "Group"), "Homework 1", "no column 'Section'"),
            (
                (",,,,,,Manual Posting,", ",,,,,,Manual Posting (scores hidden from instructors),"),
                "Homework 1",
                "hidden from instructors",
            ),
            (('"Late, Lou",1005,,lou,Group 2,,N/A,,,,', '"Late, Lou",1005'), "101", "line 8 has fewer cells"),
            (('"Student, Test"', '"Student, Test'), "101", "opened in its line 9 never closes"),
        ],
    )
    def test_what_cannot_be_filled_is_one_sentence(self, change, column, sentence):
        with pytest.raises(UsageError) as told:
            canvas(CANVAS.replace(*change), column)
        assert sentence in str(told.value)
        assert "\n" not in str(told.value)

    def test_a_heading_is_shown_without_what_a_terminal_obeys(self):
        text = 'Student,ID,SIS Login ID,Section,"A\x9b31m\n::error::x (1)",B (2)\nX,1,x,s,,\n'
        with pytest.raises(UsageError) as told:
            canvas(text, None)
        assert "\x9b" not in str(told.value)
        assert "\n" not in str(told.value)


HEADINGS = {
    "en": 'Identifier,"Full name","Email address",Status,Grade,"Maximum grade","Grade can be changed"',
    "de": 'ID,"Vollständiger Name",E-Mail,Status,Bewertung,Bestwertung,"Bewertung kann geändert werden"',
    "fr": 'Identifiant,"Nom complet",Courriel,Statut,Note,"Note maximale","La note peut être modifiée"',
    "es": 'Identificador,"Nombre completo",Correo,Estado,Calificación,"Calificación máxima",'
    '"La calificación puede ser cambiada"',
    "it": 'Identificativo,Nome,Email,Stato,Valutazione,"Valutazione massima",x',
    "pt": 'N,Nome,Email,Estado,Nota,"Nota máxima","A nota pode ser alterada."',
    "pt_br": 'Identificador,"Nome completo",Email,Status,Nota,"Nota máxima","Nota pode ser alterada"',
    "pl": 'identyfikator,Nazwa,E-mail,Status,Ocena,"Maksymalna ocena","Ocenę można zmienić"',
    # not in the table: by structure
    "cs": 'Identifikátor,Jméno,E-mail,Stav,Známka,"Nejlepší známka","Lze změnit"',
    "ja": "識別子,フルネーム,メール,状態,評点,最大,変更",
}
WORDS = {"en": "Participant ", "de": "Teilnehmer/in", "pl": "Uczestnik", "ja": "参加者"}


class TestMoodle:
    @pytest.mark.parametrize("language", HEADINGS)
    def test_columns_are_found_in_any_language(self, language):
        word = WORDS.get(language, "Participant")
        rows = (
            f'{word}11,"Ann B",ann@uni.edu,sent,,"70,00",x\n'
            f'{word}12,"Ben C",ben@uni.edu,none,"12,50","70,00",x\n'
        )
        found = moodle(f"{HEADINGS[language]}\n{rows}")
        assert (found.place, found.column, found.max_score, found.decimal_mark) == ("Moodle", 4, 70, ",")
        assert [line.student.lms_id for line in found.lines] == ["11", "12"]
        assert [line.student.email for line in found.lines] == ["ann@uni.edu", "ben@uni.edu"]
        assert found.lines[0].names == ("Ann B",)

    def test_a_grade_that_cannot_be_changed_stays(self):
        assert [line.kept for line in moodle().lines] == [None, None, "cannot be changed in Moodle", None]

    def test_comments_are_found(self):
        assert moodle().comments == 9

    def test_where_names_are_hidden_the_status_is_not_taken_for_one(self):
        text = (
            "Identifier,Status,Grade,Maximum grade,Grade can be changed\n"
            "Participant 1,Submitted,,70.00,Yes\nParticipant 2,No submission,,70.00,Yes\n"
        )
        assert [line.names for line in moodle(text).lines] == [(), ()]

    def test_an_address_that_a_student_wrote_as_an_answer_is_not_taken_for_theirs(self):
        text = (
            "Identifier,Full name,Status,Grade,Maximum grade,Online text\n"
            "Participant 1,Ann,Submitted,,70.00,victim@uni.edu\nParticipant 2,Ben,Submitted,,70.00,x\n"
        )
        assert [line.student.email for line in moodle(text).lines] == [None, None]

    def test_blank_lines_are_nobodys(self):
        assert len(moodle(MOODLE_DE + "\n\n").lines) == 4

    @pytest.mark.parametrize(
        "text, column, sentence",
        [
            ("Identifier,Grade,Scale\nParticipant 1,,a\n", None, "graded by a scale of words"),
            ("Id,X,Y\nParticipant 1,,text\n", None, "no column that is known to be that of grades"),
            ("Id,Grade,Note\nParticipant 1,,\n", None, "several columns of moodle.csv may be that of grades"),
            (MOODLE_DE, "Status", "'Status' of moodle.csv is not one of grades"),
            (MOODLE_DE, "Bestwertung", "'Bestwertung' of moodle.csv is not one of grades"),
            (MOODLE_DE, "ID", "'ID' of moodle.csv is not one of grades"),
            (MOODLE_DE, "Note", "has no column 'Note'; it has 'ID', 'Vollständiger Name', "),
            (MOODLE_DE.replace('"0,70",Nein', '"0,80",Nein'), None, "is not the same in all lines"),
            (MOODLE_DE.replace('"0,60","0,70",Ja,-,-,', ""), None, "fewer cells than its header"),
        ],
    )
    def test_what_cannot_be_filled_is_one_sentence(self, text, column, sentence):
        with pytest.raises(UsageError) as told:
            moodle(text, column)
        assert sentence in str(told.value)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n \n", "is empty"),
        (b"PK\x03\x04\x14\x00", "is not a CSV file: it is not text; export it as CSV"),
        (b"\x00\x01\x02", "is not a CSV file"),
        (b"just a sentence", "neither Canvas' gradebook"),
        (b"First Name,Last Name,SID\nA,B,1\n", "neither Canvas' gradebook"),
        (b"Identifier,Grade\nParticipant 1,\nParticipant 1,\n", "neither Canvas' gradebook"),
        (b"Student\nX\n", "neither Canvas' gradebook"),
    ],
)
def test_a_file_that_is_no_gradebook_is_one_sentence(data, sentence, tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError) as told:
        read_template(path)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_template_that_is_not_there_or_a_folder_is_one_sentence(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_template(path)


@pytest.mark.parametrize(
    "value, mark, text",
    [
        ("70", ".", "70"),
        ("0.30", ",", "0,3"),
        ("66.666666666", ".", "66.66667"),
        ("0", ".", "0"),
        ("1E+2", ",", "100"),
    ],
)
def test_points_are_written_exactly_up_to_five_decimals(value, mark, text):
    assert number_text(Decimal(value), mark) == text


@pytest.mark.parametrize(
    "text, value", [("12,5", "12.5"), (" 7 ", "7"), ("", None), ("1.000,5", None), ("٣", None), ("=1", None)]
)
def test_numbers_are_read_with_point_or_comma_and_nothing_else_is(text, value):
    assert number_in(text) == (None if value is None else Decimal(value))
