"""A gradebook holds each grade that is one, in its own cell; the rest is the file that was downloaded."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from grader.cohort.gradebooks import filling as gradebook
from grader.cohort.gradebooks.filling import fill_gradebook
from grader.cohort.gradebooks.lateness import Policy
from grader.cohort.gradebooks.records import GradebookOptions
from grader.errors import UsageError
from tests.contract.report_samples import UNSCORED, hostile, not_a_grade, partial
from tests.unit.cohort.class_samples import CANVAS, MOODLE_DE, different_cells, entry, report, student

DUE = datetime(2026, 10, 1, 12, tzinfo=UTC)


class TestCanvas:
    def test_only_the_cells_of_grades_differ(self, place):
        rows = {"1001": report("0.25"), "jo.smith": report("0.7"), "zoe": report("0")}
        filled, cells = place.fill(CANVAS, rows, column="Homework 1")
        assert cells == {(3, 6): "0.25", (4, 6): "0.7", (6, 6): "0"}
        assert [each.who for each in filled.entered] == ["Müller, Änne", "Smith, Jo (1002)", "O'Neil, Zoë"]
        assert filled.without == ("Smith, Jo (1003)", "Late, Lou", "Student, Test")
        assert filled.is_whole

    def test_the_bytes_around_a_grade_are_the_templates(self, place):
        place.fill(CANVAS, {"zoe": report("0.5")}, column="101")
        assert place.out.read_bytes() == CANVAS.encode().replace(b",Group 2,,,,,,", b",Group 2,,0.5,,,,", 1)

    def test_the_same_grade_is_not_written_in_another_way(self, place):
        filled, cells = place.fill(CANVAS, {"jo.smith": report("0.1")}, column="101")
        assert cells == {}
        assert place.out.read_bytes() == CANVAS.encode()
        assert filled.entered[0].cell == "0.10"

    def test_excused_and_unassigned_students_keep_what_canvas_says(self, place):
        filled, cells = place.fill(CANVAS, {"1003": report(), "lou": report()}, column="101")
        assert cells == {}
        assert [each.reason for each in filled.refused] == [
            "is excused in Canvas",
            "is not given this assignment in Canvas",
        ]

    def test_both_sides_of_what_does_not_meet_are_told(self, place):
        rows = {"Jo__Smith": report(), "stranger": report()}
        filled, cells = place.fill(CANVAS, rows, column="101")
        assert cells == {}
        assert {each.label: each.reason for each in filled.unmatched} == {
            "Jo Smith": "2 lines of the template fit this label",
            "stranger": "the template has no line for them",
        }
        assert len(filled.without) == 6
        assert not filled.is_whole

    def test_a_pair_gets_the_grade_of_what_it_handed_in_together(self, place, rows_of):
        pair = (student("a", lms_id="1001"), student("b", login="zoe"), student("c", name="Zoë O'Neil"))
        rows_of((entry("pair", *pair), report("0.6")))
        filled, cells = place.fill(CANVAS, None, column="101")
        assert cells == {(3, 6): "0.6", (6, 6): "0.6"}
        assert [each.by for each in filled.entered] == ["number in the place", "login"]

    def test_semicolons_and_decimal_commas_stay(self, place):
        text = 'Student;ID;SIS Login ID;Section;"A; b (1)"\n    Points Possible;;;;0,70\nDoe, Jo;7;jd;s;\n'
        place.template.write_bytes(text.encode())
        folder = place.class_of({"jd": report("0.25")})
        fill_gradebook(folder, GradebookOptions(template=place.template, out=place.out))
        assert different_cells(text.encode(), place.out.read_bytes(), ";") == {(2, 4): "0,25"}

    def test_the_template_itself_is_written_only_where_it_is_named(self, place):
        place.fill(CANVAS, {"zoe": report("0.5")}, column="101")
        assert place.template.read_bytes() == CANVAS.encode()
        fill_gradebook(
            place.folder / "class",
            GradebookOptions(template=place.template, out=place.template, column="101"),
        )
        assert place.template.read_bytes() == place.out.read_bytes()


class TestMoodle:
    def test_byte_order_mark_line_ends_and_decimal_commas_stay(self, place):
        rows = {"501": report("0.25"), "jo@uni.edu": report("0.7")}
        filled, cells = place.fill(MOODLE_DE, rows)
        assert cells == {(1, 4): "0,25", (2, 4): "0,7"}
        expected = MOODLE_DE.replace('abgegeben",,"0,70"', 'abgegeben","0,25","0,70"', 1)
        expected = expected.replace('Abgabe",,', 'Abgabe","0,7",', 1)
        assert place.out.read_bytes() == expected.encode()
        assert filled.is_whole

    def test_what_moodle_has_locked_stays(self, place):
        filled, cells = place.fill(MOODLE_DE, {"503": report()})
        assert cells == {}
        assert filled.refused[0].reason == "cannot be changed in Moodle"

    def test_a_grade_that_is_replaced_is_told(self, place):
        filled, cells = place.fill(MOODLE_DE, {"504": report("0.1")})
        assert cells == {(4, 4): "0,1"}
        assert filled.entered[0].notes == ("was 0,60",)

    def test_comments_fill_empty_cells_and_no_others(self, place):
        filled, cells = place.fill(MOODLE_DE, {"501": report("0.25"), "502": report("0.5")}, comments=True)
        assert cells == {
            (1, 4): "0,25",
            (1, 9): "Score: 0.25 of 0.7 points<br>q6.1: 0.2/0.7",
            (2, 4): "0,5",
        }
        assert (filled.comments, filled.comments_kept) == (1, 1)

    def test_filling_twice_changes_nothing_more(self, place):
        place.fill(MOODLE_DE, {"501": report("0.25")}, comments=True)
        again = place.folder / "again.csv"
        fill_gradebook(place.folder / "class", GradebookOptions(template=place.out, out=again, comments=True))
        assert again.read_bytes() == place.out.read_bytes()

    def test_comments_need_a_column(self, place):
        with pytest.raises(UsageError, match="no column of feedback comments"):
            place.fill(CANVAS, {"zoe": report()}, column="101", comments=True)

    def test_no_text_that_we_write_begins_like_a_formula(self, place):
        each = hostile("=1+1")
        _, cells = place.fill(MOODLE_DE, {"501": each}, comments=True, scale="none", accept=everything())
        assert all(cell[0] not in "=+-@" for cell in cells.values())


def everything() -> frozenset[str]:
    return frozenset({"partial", "pending", "not-a-grade"})


class TestWhatIsNoGrade:
    @pytest.mark.parametrize("kind", UNSCORED)
    def test_without_a_score_a_cell_stays_whatever_is_accepted(self, kind, place):
        filled, cells = place.fill(
            CANVAS, {"zoe": UNSCORED[kind]()}, column="101", accept=everything(), scale="none"
        )
        assert cells == {}
        assert "no score" in filled.refused[0].reason

    @pytest.mark.parametrize(
        "each, accept, told",
        [
            (partial, "partial,pending", "not run: q4.1; 3.5 points wait for a person"),
            (lambda: report(status="partial"), "partial", "not all of it was run"),
            (not_a_grade, "not-a-grade", "says that it is not a grade"),
            (lambda: report(pending=0.1), "pending", "0.1 points wait for a person"),
        ],
    )
    def test_what_is_doubtful_is_entered_only_where_all_of_it_is_accepted(self, each, accept, told, place):
        options = {"column": "101", "scale": "none"}
        filled, cells = place.fill(CANVAS, {"zoe": each()}, **options)
        assert cells == {}
        assert told in filled.refused[0].reason
        assert filled.refused[0].reason.endswith(f"(--accept {accept})")
        for given in ({"partial"}, {"pending"}, {"not-a-grade"}, set(accept.split(","))):
            asked = GradebookOptions(
                template=place.template, out=place.out, accept=frozenset(given), **options
            )
            again = fill_gradebook(place.folder / "class", asked)
            assert bool(again.entered) == (set(accept.split(",")) <= given)

    def test_an_edited_report_with_a_score_and_no_grading_is_none(self, place):
        filled, cells = place.fill(
            CANVAS, {"zoe": report("0.7", status="interrupted")}, column="101", accept=everything()
        )
        assert cells == {}
        assert "no score (interrupted)" in filled.refused[0].reason

    def test_a_damaged_report_is_told_and_the_others_are_entered(self, place):
        folder = place.class_of({"zoe": report(), "1001": report("0.5")})
        (folder / "zoe" / "report.json").write_text("{")
        filled, cells = place.fill(CANVAS, None, column="101")
        assert cells == {(3, 6): "0.5"}
        assert "this is no report" in filled.refused[0].reason

    def test_what_cannot_be_accepted_is_one_sentence(self, place):
        with pytest.raises(UsageError, match="--accept takes partial, pending, not-a-grade, not 'rejected'"):
            place.fill(CANVAS, {"zoe": report()}, accept=frozenset({"rejected"}))
        assert not place.out.exists()


class TestScale:
    def test_another_maximum_is_one_sentence_and_nothing_is_written(self, place):
        with pytest.raises(UsageError) as told:
            place.fill(CANVAS, {"zoe": report("0.35")}, column="102")
        assert "Canvas counts 10 points for 'Essay, long (102)', and the reports 0.7" in str(told.value)
        assert not place.out.exists()

    @pytest.mark.parametrize("scale, cell", [("proportional", "5"), ("none", "0.35")])
    def test_points_are_converted_or_entered_as_they_are(self, scale, cell, place):
        _, cells = place.fill(CANVAS, {"zoe": report("0.35")}, column="102", scale=scale)
        assert cells == {(6, 7): cell}

    def test_more_than_the_maximum_is_entered_where_the_place_takes_it(self, place):
        text = CANVAS.replace(",0.70,", ",0.20,")
        _, cells = place.fill(text, {"zoe": report("0.35")}, column="101", scale="none")
        assert cells == {(6, 6): "0.35"}

    def test_more_than_moodles_maximum_is_not_entered(self, place):
        filled, cells = place.fill(MOODLE_DE.replace("0,70", "0,20"), {"501": report("0.35")}, scale="none")
        assert cells == {}
        assert filled.refused[0].reason == "0.35 is more than 0.2, which Moodle would ignore"

    def test_a_scale_that_is_none_is_one_sentence(self, place):
        with pytest.raises(UsageError, match="--scale is one of proportional, none"):
            place.fill(CANVAS, {"zoe": report()}, scale="double")


class TestAttemptsAndLateness:
    def attempts(self, rows_of):
        zoe = student("z", login="zoe")
        rows_of(
            (entry("first", zoe, attempt=1, submitted_at=DUE - timedelta(hours=1)), report("0.5")),
            (entry("second", zoe, attempt=2, submitted_at=DUE + timedelta(hours=1)), report("0.6")),
        )

    def test_the_last_attempt_counts_where_nothing_is_said(self, place, rows_of):
        self.attempts(rows_of)
        filled, cells = place.fill(CANVAS, None, column="101")
        assert cells == {(6, 6): "0.6"}
        assert filled.entered[0].notes == ("2 attempts: second counts",)

    @pytest.mark.parametrize(
        "attempts, cell, raw", [("last", "0.3", "0.6"), ("best", "0.5", "0.5"), ("first", "0.5", "0.5")]
    )
    def test_a_policy_decides_and_the_raw_score_is_kept(self, attempts, cell, raw, place, rows_of):
        self.attempts(rows_of)
        policy = Policy(due=DUE, percent_per_day=Decimal(50), attempts=attempts)
        filled, cells = place.fill(CANVAS, None, column="101", policy=policy)
        assert cells == {(6, 6): cell}
        assert filled.entered[0].raw == Decimal(raw)

    def test_an_attempt_that_was_not_graded_does_not_hide_the_best(self, place, rows_of):
        zoe = student("z", login="zoe")
        rows_of(
            (entry("first", zoe, attempt=1), report("0.5")),
            (entry("second", zoe, attempt=2), UNSCORED["rejected"]()),
        )
        _, cells = place.fill(CANVAS, None, column="101", policy=Policy(attempts="best"))
        assert cells == {(6, 6): "0.5"}
        filled, cells = place.fill(CANVAS, None, column="101", policy=Policy(attempts="last"))
        assert cells == {}
        assert "no score (rejected)" in filled.refused[0].reason

    def test_two_submissions_that_nothing_tells_apart_are_left_to_a_person(self, place, rows_of):
        zoe = student("z", login="zoe")
        rows_of((entry("a", zoe), report("0.5")), (entry("b", zoe), report("0.6")))
        filled, cells = place.fill(CANVAS, None, column="101")
        assert cells == {}
        assert filled.refused[0].reason == "which of the attempts counts cannot be told"

    def test_lateness_that_is_not_recorded_is_left_to_a_person(self, place):
        policy = Policy(due=DUE, percent_per_day=Decimal(50))
        filled, cells = place.fill(CANVAS, {"zoe": report()}, column="101", policy=policy)
        assert cells == {}
        assert filled.refused[0].reason == "it is not recorded when it was handed in"


class TestFiles:
    @pytest.mark.parametrize(
        "options",
        [
            {"out": "class"},
            {"feedback": "class"},
            {"feedback": "template.csv"},
            {"feedback": "out/filled.csv"},
            {"out": "template.csv/x.csv"},
            {"feedback_formats": ("pdf",)},
        ],
    )
    def test_a_path_that_cannot_be_written_is_one_sentence(self, options, place):
        options = {
            name: place.folder / value if isinstance(value, str) else value for name, value in options.items()
        }
        with pytest.raises(UsageError) as told:
            place.fill(CANVAS, {"zoe": report()}, column="101", **options)
        assert "\n" not in str(told.value)
        assert not place.out.exists()

    def test_nothing_is_left_beside_what_was_written(self, place):
        place.fill(CANVAS, {"zoe": report()}, column="101", feedback=place.out.parent / "f.zip")
        assert sorted(path.name for path in place.out.parent.iterdir()) == ["f.zip", "filled.csv"]


def test_the_reports_of_a_class_are_not_held_all_at_once(place, monkeypatch):
    alive: list[int] = []
    seen: list[weakref.ref] = []
    read = gradebook.read_report_file

    def counted(path):
        found = read(path)
        gc.collect()
        alive.append(sum(reference() is not None for reference in seen))
        seen.append(weakref.ref(found))
        return found

    monkeypatch.setattr(gradebook, "read_report_file", counted)
    header = "Identifier,Full name,Grade,Maximum grade\n"
    text = header + "".join(f"Participant {number},N{number},,0.70\n" for number in range(8))
    filled, _ = place.fill(text, {f"N{number}": report() for number in range(8)}, comments=False)
    assert len(filled.entered) == 8
    assert max(alive) <= 1
