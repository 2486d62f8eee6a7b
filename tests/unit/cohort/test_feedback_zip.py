"""Each student's report in a zip that Moodle takes back."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from grader.cohort.gradebooks.lateness import Policy
from tests.contract.report_samples import planted
from tests.unit.cohort.class_samples import MOODLE_DE, entry, report, student

DUE = datetime(2026, 10, 1, 12, tzinfo=UTC)


def moodle_reads(name: str) -> tuple[str, str]:
    """Find the participant and the file in a path, as Moodle's importer of feedback zips does."""
    first, *rest = name.split("/")
    parts = first.split("_", 4)
    assert len(parts) >= 4
    assert parts[1].isdecimal()
    assert parts[2:4] == ["assignsubmission", "file"]
    below = "/".join(filter(None, (parts[4] if len(parts) > 4 else "", *rest)))
    assert not below.startswith((".", "~"))
    return parts[1], below


class TestFeedback:
    def test_each_student_finds_their_own_report_and_moodle_finds_the_student(self, place):
        path = place.folder / "feedback.zip"
        filled, _ = place.fill(
            MOODLE_DE,
            {"501": report("0.25"), "502": report("0.5"), "503": report()},
            feedback=path,
            feedback_formats=("html", "markdown"),
        )
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found = {moodle_reads(name): archive.read(name).decode() for name in archive.namelist()}
        assert found.keys() == {
            (number, name) for number in ("501", "502") for name in ("student.html", "student.md")
        }
        assert "0.25" in found["501", "student.html"]
        assert filled.feedback == 2

    def test_nothing_that_a_student_must_not_read_is_in_it(self, place):
        path = place.folder / "feedback.zip"
        place.fill(MOODLE_DE, {"501": planted()}, feedback=path, feedback_formats=("html", "markdown"))
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                assert "PLANTED-SECRET" not in archive.read(name).decode()

    def test_the_same_grades_give_the_same_bytes(self, place):
        first, second = place.folder / "one.zip", place.folder / "two.zip"
        place.fill(MOODLE_DE, {"501": report("0.25"), "502": report()}, feedback=first)
        place.fill(MOODLE_DE, None, feedback=second)
        assert first.read_bytes() == second.read_bytes()

    @pytest.mark.parametrize(
        "name",
        ["a/../../b", "..", "_", "x_9_assignsubmission_file_", "A\u202eB\n", "é" * 300, "=cmd|x", "~.a"],
    )
    def test_a_name_leads_nowhere_else(self, name, place):
        quoted = '"' + name.replace('"', '""') + '"'
        path = place.folder / "feedback.zip"
        place.fill(MOODLE_DE.replace('"Änne Müller"', quoted), {"501": report()}, feedback=path)
        with zipfile.ZipFile(path) as archive:
            (found,) = archive.namelist()
        assert moodle_reads(found) == ("501", "student.html")
        assert len(found.encode()) < 200
        assert ".." not in Path(found).parts

    def test_what_lateness_took_off_is_told_beside_the_report(self, place, rows_of):
        rows_of(
            (entry("a", student("z", lms_id="501"), submitted_at=DUE + timedelta(hours=1)), report("0.6"))
        )
        path = place.folder / "feedback.zip"
        policy = Policy(due=DUE, percent_per_day=Decimal(50))
        _, cells = place.fill(MOODLE_DE, None, feedback=path, policy=policy, comments=True)
        told = "Score: 0.6 of 0.7 points; counts as 0.3 (1 h late: minus 50 % of the score)"
        assert cells[1, 9].startswith(told)
        with zipfile.ZipFile(path) as archive:
            assert archive.read("Änne Müller_501_assignsubmission_file_/lateness.txt").decode() == f"{told}\n"
