"""What is known of a place's own CSV file: which column to fill, and whose line is whose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

from grader.cohort.gradebooks.csv_cells import Table
from grader.cohort.model import Student
from grader.errors import UsageError
from grader.plain_text import one_line

Place = Literal["Canvas", "Moodle"]

_NUMBER = re.compile(r"\s*(-?[0-9]{1,12}(?:([.,])[0-9]{1,12})?)\s*", re.ASCII)
# As many as Moodle keeps; Canvas shows two.
_SMALLEST = Decimal("0.00001")
_WIDE = Context(prec=60)
_SHOWN_TITLES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLine:
    """A student's line. `names` are all ways in which the place writes the name.

    `kept` says why the place's own value must stay: None where the cell may be filled.
    """

    number: int  # of the table's lines
    student: Student
    names: tuple[str, ...] = ()
    kept: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A place's file, and what was found in it."""

    place: Place
    table: Table
    column: int
    title: str
    lines: tuple[TemplateLine, ...]
    max_score: Decimal | None
    decimal_mark: Literal[".", ","] = "."
    comments: int | None = None  # the column of feedback comments

    def before(self, line: TemplateLine) -> str:
        """Return what is in a student's cell now."""
        return self.table.lines[line.number].value(self.column)


def number_in(text: str) -> Decimal | None:
    """Return the number that a cell holds, with a point or a comma; None where it holds something else."""
    found = _NUMBER.fullmatch(text)
    return None if found is None else Decimal(found[1].replace(",", "."))


def decimal_mark_of(*samples: Iterable[str]) -> Literal[".", ","]:
    """Return the mark of the first samples that have decimals: a comma where all of them do, else a point."""
    for texts in samples:
        found = {match[2] for match in map(_NUMBER.fullmatch, texts) if match and match[2]}
        if found:
            return "," if found == {","} else "."
    return "."


def number_text(value: Decimal, mark: str) -> str:
    """Return points as a cell: exact up to five decimals, and rounded half up there."""
    rounded = value.quantize(_SMALLEST, ROUND_HALF_UP, _WIDE)
    text = format(rounded, "f").rstrip("0").rstrip(".")
    return text.replace(".", mark)


def shown(titles: Iterable[str]) -> str:
    """Return titles for a sentence: each on one line and not too long, the first few of many."""
    texts = [repr(one_line(title, max_bytes=120)) for title in titles]
    more = f" and {len(texts) - _SHOWN_TITLES} more" if len(texts) > _SHOWN_TITLES else ""
    return ", ".join(texts[:_SHOWN_TITLES]) + more


def same(one: str, other: str) -> bool:
    """Whether two headings are the same but for case and white space."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def require_one(columns: list[int], table: Table, *, wanted: str, none: str) -> int:
    """Return the only column that fits; raise UsageError where none does, or several do."""
    if not columns:
        raise UsageError(none)
    if len(columns) > 1:
        titles = shown(table.header[column] for column in columns)
        raise UsageError(f"{wanted}: {titles}; name one with --column")
    return columns[0]


def require_whole(table: Table, number: int, column: int, name: str) -> None:
    """Raise UsageError where a student's line ends before the column that is to be filled."""
    if len(table.lines[number].cells) <= column:
        raise UsageError(f"{name} is damaged: its line {number + 1} has fewer cells than its header")
