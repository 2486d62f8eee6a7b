"""What a layout is: how a place's download is known, and how it is read."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from grader.cohort.handed_in.labels import label_of
from grader.cohort.handed_in.layouts.choosing import Choice
from grader.cohort.handed_in.layouts.listing import Thing
from grader.cohort.model import Entry, Student
from grader.plain_text import one_line

_LONGEST_TEXT_BYTES = 300


@dataclass(frozen=True, slots=True)
class Listing:
    """A class's folder. `logins` are the user names of the roster, where there is one."""

    folder: Path
    things: tuple[Thing, ...]
    logins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Handed:
    """An entry as a layout read it.

    `is_named_by_hand`: who it is from is told by a name that the instructor gave, be it a login or a number.
    """

    entry: Entry
    is_named_by_hand: bool = False


@dataclass(slots=True)
class Reading:
    """What a layout made of a folder. What it could not place is in `rest`."""

    handed: list[Handed] = field(default_factory=list)
    rest: list[Thing] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Layout:
    """One place's way to lay out a class. `holds` describes it in the documentation."""

    name: str
    title: str
    holds: str
    recognises: Callable[[Listing], bool]
    read: Callable[[Listing], Reading]


def text(value: str | None) -> str | None:
    """Return a text of a stranger as one line without what does not print; None where nothing is left."""
    return (one_line(value, max_bytes=_LONGEST_TEXT_BYTES) or None) if value else None


def alike(value: str) -> str:
    """Return what two spellings of one name share: neither case nor Unicode form tells people apart.

    Letters do: Weiß and Weiss are two people, though some systems could not hold files of both names.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).lower())


def student(
    *,
    name: str | None = None,
    email: str | None = None,
    sid: str | None = None,
    login: str | None = None,
    lms_id: str | None = None,
    section: str | None = None,
) -> Student | None:
    """Return a person with the key that tells them apart best; None where nothing is told of them."""
    told = {
        "sid": text(sid),
        "lms_id": text(lms_id),
        "login": text(login),
        "email": text(email),
        "name": text(name),
    }
    kind = next((kind for kind, value in told.items() if value is not None), None)
    if kind is None:
        return None
    return Student(key=f"{kind}:{alike(told[kind] or '')}", section=text(section), **told)


def entry_of(
    choice: Choice, name: str, students: Iterable[Student | None], *, label: str | None = None
) -> Entry:
    """Return the entry of what was chosen; its label is made of `name`, unless another one is given."""
    return Entry(
        label=label or label_of(name),
        path=choice.path,
        students=tuple(each for each in students if each is not None),
        attempt=choice.attempt,
        problem=choice.problem,
        notes=choice.notes,
    )


def is_most(count: int, things: Iterable[object]) -> bool:
    """Tell whether more than half of what is there is of a kind."""
    return 2 * count > sum(1 for _ in things)
