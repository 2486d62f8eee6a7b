"""Moodle's offline grading worksheet, in whatever language it was downloaded.

Source: mod/assign/gradingtable.php and mod/assign/feedback/offline of Moodle for the columns and their order;
its language packs (component assign, assignfeedback_comments, and core for "Grade") for the headings below.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

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

# English, German, French, Spanish, Italian, Portuguese, Brazilian Portuguese, Polish. A language that is
# missing here is read by what is in the cells.
_GRADE = ("Grade", "Bewertung", "Note", "Calificación", "Valutazione", "Nota", "Ocena")
_MAXIMUM = (
    *("Maximum Grade", "Bestwertung", "Note maximale", "Calificación máxima", "Valutazione massima"),
    *("Nota máxima", "Maksymalna ocena"),
)
_SCALE = ("Scale", "Skala", "Barème", "Escala", "Scala")
_CHANGEABLE = (
    *("Grade can be changed", "Bewertung kann geändert werden", "La note peut être modifiée"),
    *("La calificación puede ser cambiada", "La valutazione può essere cambiata"),
    *("A nota pode ser alterada.", "Nota pode ser alterada"),
)
_COMMENTS = (
    *("Feedback comments", "Feedback als Kommentar", "Feedback par commentaires"),
    *("Comentarios de retroalimentación", "Commenti", "Comentários de feedback", "Komentarz zwrotny"),
)
_FULL_NAME = ("Full name", "Vollständiger Name", "Nom complet", "Nombre completo", "Nome completo")
_ID_NUMBER = ("ID number", "ID-Nummer", "Número de identificação", "Codice identificativo")
_USER_NAME = ("Username", "Anmeldename", "Identificação de usuário")
_NO = frozenset({"no", "nein", "non", "não", "nie"})

# "Participant 12345"; many translations have no space there.
_PARTICIPANT = re.compile(r"(?P<word>\D*[^\W\d_]\D*?)\s*(?P<id>[0-9]+)\s*", re.DOTALL)
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_IDENTIFIER = 0  # in a download, always the first


def is_moodle(table: Table) -> bool:
    """Whether the first column says the same word and a number of its own in each student's line."""
    numbers = _students(table)
    found = [_PARTICIPANT.fullmatch(table.lines[number].value(_IDENTIFIER)) for number in numbers]
    words = {match["word"] for match in found if match}
    ids = {match["id"] for match in found if match}
    return bool(numbers) and None not in found and len(words) == 1 and len(ids) == len(numbers)


def moodle_template(table: Table, name: str, wanted: str | None) -> Template:
    """Find the column of grades and the students; raise UsageError where that cannot be done."""
    numbers = _students(table)
    maximum = _maximum_column(table, numbers)
    column = _grade_column(table, name, wanted, maximum)
    for number in numbers:
        require_whole(table, number, max(column, maximum or 0), name)
    most = {number_in(value) for value in _values(table, numbers, maximum)}
    if len(most) > 1:
        raise UsageError(f"{name} is damaged: its maximum grade is not the same in all lines")
    comments = _known(table, _COMMENTS)
    name_column = _name_column(table, numbers, column)
    return Template(
        place="Moodle",
        table=table,
        column=column,
        title=table.header[column],
        lines=tuple(_line(table, number, name_column, column) for number in numbers),
        max_score=most.pop(),
        decimal_mark=decimal_mark_of(_values(table, numbers, column), _values(table, numbers, maximum)),
        comments=comments[-1] if comments else None,
    )


def _students(table: Table) -> list[int]:
    return [number for number, line in enumerate(table.lines) if number and not line.is_blank]


def _known(table: Table, headings: Sequence[str]) -> list[int]:
    return [
        number
        for number, title in enumerate(table.header)
        if any(same(title, heading) for heading in headings)
    ]


def _values(table: Table, numbers: Sequence[int], column: int | None) -> list[str]:
    """Return what a column says of the students; nothing each where there is no such column."""
    if column is None:
        return [""] * len(numbers)
    return [table.lines[number].value(column) for number in numbers]


def _maximum_column(table: Table, numbers: Sequence[int]) -> int | None:
    """Return the column of the maximum grade: by its heading, else by one number beside grades."""
    if known := _known(table, _MAXIMUM):
        return known[0]
    fitting = [
        column
        for column in range(2, len(table.header))
        if _is_maximum(table, numbers, column) and _holds_grades(table, numbers, column - 1)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is_maximum(table: Table, numbers: Sequence[int], column: int) -> bool:
    values = {number_in(value) for value in _values(table, numbers, column)}
    most = next(iter(values), None)
    return len(values) == 1 and most is not None and most > Decimal(0)


def _holds_grades(table: Table, numbers: Sequence[int], column: int) -> bool:
    values = _values(table, numbers, column)
    return all(not value.strip() or number_in(value) is not None for value in values)


def _name_column(table: Table, numbers: Sequence[int], column: int) -> int | None:
    """Return the column of names: by its heading, else beside the identifier, where names are not hidden.

    Where they are, the status stands there, right before the grade, and says the same of many.
    """
    if known := _known(table, _FULL_NAME):
        return known[0]
    values = _values(table, numbers, _IDENTIFIER + 1)
    has_names = column - 1 > _IDENTIFIER + 1 and len(set(values)) > len(values) / 2
    return _IDENTIFIER + 1 if has_names else None


def _grade_column(table: Table, name: str, wanted: str | None, maximum: int | None) -> int:
    numbers = _students(table)
    known = _known(table, _GRADE)
    if wanted is not None:
        columns = [number for number, title in enumerate(table.header) if same(title, wanted)]
        column = require_one(
            columns,
            table,
            wanted=f"{name} has several columns {shown([wanted])}",
            none=f"{name} has no column {shown([wanted])}; it has {shown(table.header)}",
        )
    elif maximum and (maximum - 1 in known or not known):
        column = maximum - 1  # Moodle writes them side by side
    else:
        column = require_one(
            known,
            table,
            wanted=f"several columns of {name} may be that of grades",
            none=f"{name} has no column that is known to be that of grades; name it with --column:"
            f" {shown(table.header)}",
        )
    if _known(table, _SCALE) and maximum is None:
        raise UsageError(f"{name} is graded by a scale of words; points cannot be entered there")
    if column in (_IDENTIFIER, maximum) or not _holds_grades(table, numbers, column):
        title = shown([table.header[column]])
        raise UsageError(f"the column {title} of {name} is not one of grades: it is never filled")
    return column


def _line(table: Table, number: int, name_column: int | None, grade: int) -> TemplateLine:
    line = table.lines[number]
    found = _PARTICIPANT.fullmatch(line.value(_IDENTIFIER))
    values = [line.value(column).strip() for column in range(len(line.cells))]
    name = "" if name_column is None else line.value(name_column).strip()
    student = Student(
        key=values[_IDENTIFIER],
        name=name or None,
        # Only before the grade: after it comes what students wrote, another's address, say.
        email=next((value for value in values[:grade] if _ADDRESS.fullmatch(value)), None),
        sid=_first(values, _known(table, _ID_NUMBER)),
        login=_first(values, _known(table, _USER_NAME)),
        lms_id=found["id"] if found else None,
    )
    changeable = _first(values, _known(table, _CHANGEABLE)) or ""
    kept = "cannot be changed in Moodle" if changeable.casefold() in _NO else None
    return TemplateLine(number=number, student=student, names=(name,) if name else (), kept=kept)


def _first(values: Sequence[str], columns: Sequence[int]) -> str | None:
    return next((values[column] for column in columns if column < len(values) and values[column]), None)
