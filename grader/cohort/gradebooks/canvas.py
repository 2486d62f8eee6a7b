"""Canvas' gradebook, as "Export Entire Gradebook" saves it.

Source: Canvas' own exporter and importer (instructure/canvas-lms, lib/gradebook_exporter.rb and
lib/gradebook_importer.rb): headings are never translated, "(read only)" is; the row of manual posting comes
before the points possible; "EX" is an excused student, "N/A" one to whom the assignment is not given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.cohort.gradebooks.csv_cells import Table
from grader.cohort.gradebooks.template import (
    Template,
    TemplateLine,
    decimal_mark_of,
    number_in,
    require_one,
    require_whole,
    same,
    shown,
)
from grader.cohort.model import Student
from grader.errors import UsageError

_ASSIGNMENT = re.compile(r"(?P<title>.*\S)\s*\((?P<id>[0-9]+)\)\s*", re.DOTALL | re.ASCII)
_TOTAL = re.compile("(Current|Final) (Score|Points|Grade)|Override (Score|Grade|Status)")
_POSTING = re.compile(r"\s*((Muted|Manual Posting).*)?\s*", re.IGNORECASE | re.DOTALL)
_HIDDEN = re.compile(r"\s*Manual Posting\s*\S.*", re.IGNORECASE | re.DOTALL)
_KEPT = {"ex": "is excused in Canvas", "n/a": "is not given this assignment in Canvas"}
# What Canvas has of a student, between the ID and the section: heading, and where it goes.
_NUMBERS = {"SIS User ID": "sid", "SIS Login ID": "login", "Section": "section"}


def is_canvas(table: Table) -> bool:
    """Whether the header begins as Canvas' does."""
    header = table.header
    place = _id_column(header)
    return _has_students(header) and place < len(header) and "ID" in header[place]


def is_damaged_canvas(table: Table) -> bool:
    """Whether the header begins as Canvas' does, but for the column of numbers."""
    return len(table.header) > 1 and _has_students(table.header)


def _has_students(header: Sequence[str]) -> bool:
    return "Student" in header[0] or tuple(header[:2]) == ("LastName", "FirstName")


def _id_column(header: Sequence[str]) -> int:
    return 2 if header[0] == "LastName" else 1


def canvas_template(table: Table, name: str, wanted: str | None) -> Template:
    """Find the assignment's column and the students; raise UsageError where that cannot be done."""
    header = table.header
    id_column = _id_column(header)
    section = next((number for number, title in enumerate(header) if "Section" in title), None)
    if section is None:
        raise UsageError(f"{name} has no column 'Section': export the gradebook from Canvas again")
    column = _column(table, name, wanted, first=section + 1)
    students = [
        number
        for number, line in enumerate(table.lines)
        if number and not line.is_blank and not _is_about_assignments(table, number)
    ]
    points = [number for number, line in enumerate(table.lines) if "Points Possible" in line.value(0)]
    _require_open(table, column, name, points)
    for number in students:
        require_whole(table, number, column, name)
    worth = number_in(table.lines[points[0]].value(column)) if points else None
    return Template(
        place="Canvas",
        table=table,
        column=column,
        title=header[column],
        lines=tuple(_line(table, number, id_column, section, column) for number in students),
        max_score=worth,
        decimal_mark=decimal_mark_of(
            [table.lines[number].value(column) for number in (*points, *students)],
            [
                line.value(other)
                for line in table.lines[1:]
                for other, title in enumerate(header)
                if other > section and (_ASSIGNMENT.fullmatch(title) or _TOTAL.search(title))
            ],
        ),
    )


def _column(table: Table, name: str, wanted: str | None, *, first: int) -> int:
    header = table.header
    columns = [
        number
        for number, title in enumerate(header)
        if number >= first and _ASSIGNMENT.fullmatch(title) and not _TOTAL.search(title)
    ]
    if wanted is None:
        return require_one(
            columns,
            table,
            wanted=f"{name} has several assignments",
            none=f"{name} has no assignment's column, such as 'Homework 1 (12345)'",
        )
    named = [number for number in columns if _is_called(header[number], wanted)]
    if not named and any(same(title, wanted) for title in header):
        raise UsageError(f"the column {shown([wanted])} of {name} is not an assignment's: it is never filled")
    having = f"; it has {shown(header[number] for number in columns)}" if columns else ""
    return require_one(
        named,
        table,
        wanted=f"{name} has several columns {shown([wanted])}",
        none=f"{name} has no assignment {shown([wanted])}{having}",
    )


def _is_called(title: str, wanted: str) -> bool:
    """Whether a heading is the one that was asked for: all of it, its title, or its number."""
    found = _ASSIGNMENT.fullmatch(title)
    return found is not None and (
        same(title, wanted) or same(found["title"], wanted) or found["id"] == wanted.strip()
    )


def _is_about_assignments(table: Table, number: int) -> bool:
    line = table.lines[number]
    values = [line.value(column) for column in range(len(line.cells))]
    return "Points Possible" in values[0] or all(_POSTING.fullmatch(value) for value in values)


def _require_open(table: Table, column: int, name: str, points: list[int]) -> None:
    """Raise UsageError for a column that Canvas would not take grades for."""
    title = shown([table.header[column]])
    for number in points:
        said = table.lines[number].value(column)
        if said.strip() and number_in(said) is None:
            raise UsageError(f"the column {title} of {name} is read only: Canvas would ignore what is in it")
    for number, line in enumerate(table.lines):
        is_told = number and _is_about_assignments(table, number) and _HIDDEN.fullmatch(line.value(column))
        if is_told:
            raise UsageError(
                f"Canvas takes no grades for {title} while they are hidden from instructors: post them first"
            )


def _line(table: Table, number: int, id_column: int, section: int, column: int) -> TemplateLine:
    line, header = table.lines[number], table.header
    known = {
        field: line.value(place).strip() or None
        for place in range(id_column + 1, section + 1)
        for heading, field in _NUMBERS.items()
        if heading in header[place]
    }
    names = [line.value(place).strip() for place in range(id_column)]
    if id_column == 2:
        names = [f"{names[0]}, {names[1]}", f"{names[1]} {names[0]}"]
    else:
        last, comma, first = names[0].partition(",")
        names += [f"{first.strip()} {last.strip()}"] if comma else []
    lms_id = line.value(id_column).strip() or None
    student = Student(
        key=lms_id or f"line {number + 1}",
        name=names[0] or None,
        lms_id=lms_id,
        **known,
    )
    kept = _KEPT.get(line.value(column).strip().casefold())
    return TemplateLine(number=number, student=student, names=tuple(filter(None, names)), kept=kept)
