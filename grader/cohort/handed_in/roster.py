"""A roster: a CSV of who is in the class, as places export it or as somebody keeps it in a spreadsheet.

Headers are told by their words, whatever their case and punctuation. Sources: the exports of Gradescope's
roster, Canvas' gradebook, Moodle's participants and grading worksheet, GitHub Classroom's and Classroom
50's rosters.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.cohort.handed_in.layouts.layout import alike, student
from grader.cohort.model import Student
from grader.errors import UsageError
from grader.intake.names import quoted

# What a header may be called, without its case, spaces and punctuation. The first column of a kind counts.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "full name", "student name", "student", "display name", "sortable name", "roster name"),
    "first": ("first name", "first", "given name", "given names", "forename"),
    "last": ("last name", "last", "surname", "family name"),
    "email": ("email", "email address", "e-mail", "mail", "student email", "school email"),
    "sid": (
        *("sid", "student id", "student number", "id number", "sis user id", "sis id", "university id"),
        *("matriculation number", "matriculation no"),
    ),
    "login": (
        *("login", "login id", "sis login id", "username", "user name", "user"),
        *("github", "github username", "github login", "github user"),
    ),
    "lms_id": (
        *("id", "lms id", "canvas id", "canvas user id", "moodle id", "user id"),
        *("participant", "participant number", "participant id", "identifier"),
    ),
    "section": ("section", "sections", "section name", "group", "groups"),
    "role": ("role", "roles"),
}
IDENTIFYING = ("sid", "lms_id", "login", "email")
_WORDS = {"sid": "student id", "lms_id": "id", "login": "login", "email": "email", "name": "name"}

_MOST_BYTES = 16 << 20
_MOST_ROWS = 100_000
# Of Gradescope's and Moodle's rosters: who is in the course and hands in nothing.
_STAFF = frozenset(
    (
        "instructor",
        "ta",
        "teaching assistant",
        "reader",
        "teacher",
        "editingteacher",
        "non-editing teacher",
        "manager",
    )
)
# Moodle's worksheet calls the number "Participant 12345", in the language of the site.
_SEPARATORS = ",;\t"
_SEPARATOR = re.compile(r'"?sep=([,;\t])"?\r?\n', re.IGNORECASE)  # a first line that Excel reads
_PARTICIPANT = re.compile(r"\D*\s(?P<number>[0-9]{1,20})")


@dataclass(frozen=True, slots=True)
class Roster:
    """The students of a class, in the order of the file."""

    students: tuple[Student, ...]

    @property
    def logins(self) -> frozenset[str]:
        """Return the user names as they are compared."""
        return frozenset(alike(each.login) for each in self.students if each.login is not None)


def read_roster(path: Path) -> Roster:
    """Read a roster; raise UsageError where it is none, or names somebody twice."""
    shown = quoted(path.name)
    lines = _lines(_decoded(path, shown), shown)
    columns = _columns(lines[0][1], shown) if lines else {}
    if not columns:
        raise UsageError(f"the roster {shown} is empty; its first line names the columns")
    people = [
        (number, person)
        for number, cells in lines[1:]
        if (person := _person(_cells(cells, columns), columns)) is not None
    ]
    if not people:
        raise UsageError(f"the roster {shown} names nobody below its first line")
    _require_each_once(people, shown)
    return Roster(tuple(person for _, person in people))


def _decoded(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise UsageError(f"the roster {shown} cannot be read: {reason}") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"the roster {shown} is larger than {_MOST_BYTES >> 20} MB")
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the roster {shown} is not in UTF-8 or UTF-16; save it as 'CSV UTF-8' in the spreadsheet"
        ) from error


def _lines(content: str, shown: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank with the lines they begin at; the first one tells the separator."""
    named = _SEPARATOR.match(content)
    first = 1 if named is None else 2
    content = content if named is None else content[named.end() :]
    separator = named[1] if named is not None else max(_SEPARATORS, key=content.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    lines, number = [], first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((number, cells))
            number = first + reader.line_num
            if len(lines) > _MOST_ROWS:
                raise UsageError(f"the roster {shown} has more than {_MOST_ROWS:,} rows")
    except csv.Error as error:
        raise UsageError(f"the roster {shown} is no CSV from line {number} on; save it again") from error
    return lines


def _columns(header: Sequence[str], shown: str) -> dict[str, int]:
    columns: dict[str, int] = {}
    for place, cell in enumerate(header):
        kind = _KINDS.get(_words(cell))
        if kind is not None:
            columns.setdefault(kind, place)
    if not columns.keys() & {"name", "first", "last", *IDENTIFYING}:
        known = "name, first name and last name, email, student id, login or id"
        raise UsageError(
            f"the first line of the roster {shown} names no column that tells who is who: {known}"
        )
    return columns


def _words(header: str) -> str:
    return " ".join(re.findall(r"\w+", header.replace("_", " ").casefold()))


_KINDS = {_words(name): kind for kind, names in HEADERS.items() for name in names}


def _cells(cells: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    found = {kind: cells[place].strip() for kind, place in columns.items() if place < len(cells)}
    return {kind: value for kind, value in found.items() if value}


def _person(cells: Mapping[str, str], columns: Mapping[str, int]) -> Student | None:
    """Return the person of a row; None for staff, and for the rows that places put beside people."""
    if cells.get("role", "").casefold() in _STAFF:
        return None
    name = cells.get("name") or " ".join(cells[part] for part in ("first", "last") if part in cells)
    # Canvas' second row, and its account for trying things out.
    if name.casefold() in {"points possible", "student, test"} and "name" in columns:
        return None
    identifier = cells.get("lms_id")
    found = _PARTICIPANT.fullmatch(identifier) if identifier else None
    return student(
        name=_first_name_first(name),
        email=cells.get("email"),
        sid=cells.get("sid"),
        login=cells.get("login"),
        lms_id=found["number"] if found else identifier,
        section=cells.get("section"),
    )


def _first_name_first(name: str) -> str:
    last, comma, first = (part.strip() for part in name.partition(","))
    return f"{first} {last}" if comma and first and last and "," not in first else name


def _require_each_once(people: Sequence[tuple[int, Student]], shown: str) -> None:
    for kind in IDENTIFYING:
        _require_one_line(((number, getattr(person, kind)) for number, person in people), kind, shown)
    nameless = [(number, person.name) for number, person in people if person.key.startswith("name:")]
    _require_one_line(iter(nameless), "name", shown)


def _require_one_line(values: Iterator[tuple[int, str | None]], kind: str, shown: str) -> None:
    lines: dict[str, int] = {}
    for number, value in values:
        if value is None:
            continue
        earlier = lines.setdefault(alike(value), number)
        if earlier != number:
            same = f"the same {_WORDS[kind]}, {quoted(value)}"
            raise UsageError(f"lines {earlier} and {number} of the roster {shown} have {same}")
