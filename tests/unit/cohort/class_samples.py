"""Classes and templates for tests: graded folders, and Canvas' and Moodle's files as they really look."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

from grader.cohort.model import Entry, Student
from grader.reports.schema import Report
from grader.reports.to_json import read_report, render
from tests.contract.report_samples import graded

# As Canvas' exporter writes it: a row of posting, points with spaces before them, totals that are read only.
CANVAS = (
    'Student,ID,SIS User ID,SIS Login ID,Section,Notes,Homework 1 (101),"Essay, long (102)",'
    "Assignments Current Score,Current Score,Final Grade\r\n"
    ",,,,,,Manual Posting,,,,\r\n"
    "    Points Possible,,,,,,0.70,10.00,(read only),(read only),(read only)\r\n"
    '"Müller, Änne",1001,s-001,aenne@uni.edu,Group 1,=1+1,,9.50,,88.00,B\r\n'
    '"Smith, Jo",1002,s-002,jo.smith,Group 1,,0.10,,,,\r\n'
    '"Smith, Jo",1003,s-003,jo2,Group 2,"said ""hi""\nthere",EX,,,,\r\n'
    '"O\'Neil, Zoë",1004,,zoe,Group 2,,,,,,\r\n'
    '"Late, Lou",1005,,lou,Group 2,,N/A,,,,\r\n'
    '"Student, Test",1009,,,Group 2,,,,,,\r\n'
)
# As Moodle writes it in German: no space before the number, decimal commas, a byte order mark.
MOODLE_DE = (
    '\ufeffID,"Vollständiger Name",E-Mail-Adresse,Status,Bewertung,Bestwertung,'
    '"Bewertung kann geändert werden","Zuletzt geändert (Abgabe)","Zuletzt geändert (Bewertung)",'
    '"Feedback als Kommentar"\n'
    'Teilnehmer/in501,"Änne Müller",aenne@uni.edu,"Zur Bewertung abgegeben",,"0,70",Ja,'
    '"Dienstag, 2. Dezember 2025, 10:37",-,\n'
    'Teilnehmer/in502,"Jo Smith",jo@uni.edu,"Keine Abgabe",,"0,70",Ja,-,-,"<p>hand-written</p>"\n'
    'Teilnehmer/in503,"Zoë O\'Neil",zoe@uni.edu,"Zur Bewertung abgegeben","0,50","0,70",Nein,-,-,\n'
    'Teilnehmer/in504,"Lou Late",lou@uni.edu,"Zur Bewertung abgegeben","0,60","0,70",Ja,-,-,\n'
)


def report(score: str | None = "0.3", **changes: object) -> Report:
    """Return a report worth 0.7 points; `changes` are made to its JSON."""
    content = json.loads(render(graded()))
    content["score"] = None if score is None else float(Decimal(score))
    content["rubric_max_score"] = content["max_score"] = 0.7
    environment = changes.pop("environment", {})
    content["environment"] |= environment
    return read_report(json.dumps(content | changes))


def write_class(folder: Path, **reports: Report) -> Path:
    """Write a class as `grader grade` leaves it: a folder a submission, named for it."""
    for name, each in reports.items():
        place = folder / name.replace("__", " ")
        place.mkdir(parents=True)
        (place / "report.json").write_text(render(each), encoding="utf-8")
    return folder


def different_cells(before: bytes, after: bytes, delimiter: str = ",") -> dict[tuple[int, int], str]:
    """Compare two files by a reader that is not ours; they have as many lines and cells, and one start."""
    one, other = (
        list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))
        for data in (before, after)
    )
    assert [len(row) for row in one] == [len(row) for row in other]
    assert before[:3] == after[:3]
    assert before.count(b"\r") == after.count(b"\r")
    return {
        (line, column): cell
        for line, row in enumerate(other)
        for column, cell in enumerate(row)
        if cell != one[line][column]
    }


def entry(label: str, *students: Student, **facts) -> Entry:
    return Entry(label=label, path=Path(label), students=students, **facts)


def student(key: str, **known) -> Student:
    return Student(key=key, **known)
