"""Who in the roster it is that handed something in.

A place's numbers come first, then logins, addresses and names. Whoever hands in may choose the name that a
place shows: a name never stands against a number, login or address that says otherwise, nor where two
people have it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from grader.cohort.handed_in.layouts.layout import Handed, alike
from grader.cohort.handed_in.roster import IDENTIFYING, Roster
from grader.cohort.model import Entry, Student

_NOT_OF_A_WORD = re.compile(r"[\W_]+")
_MOST_WORDS = 8
_FIELDS = ("name", *IDENTIFYING, "section")


class Matcher:
    """Finds the people of a roster by what a layout tells of them."""

    def __init__(self, roster: Roster, handed: Iterable[Handed]) -> None:
        self._by: dict[str, dict[str, list[Student]]] = {
            kind: defaultdict(list) for kind in (*IDENTIFYING, "name", "squeezed")
        }
        for person in roster.students:
            self._add(person)
        if not self._by["sid"]:  # a roster with one column of numbers may just call it ID
            self._by["sid"] = self._by["lms_id"]
        told = [each for one in handed for each in one.entry.students]
        # A column that fits nobody holds another place's numbers, and says nothing against a name.
        self._telling = [
            kind for kind in IDENTIFYING if any(self._people(kind, getattr(each, kind)) for each in told)
        ]

    def _add(self, person: Student) -> None:
        for kind in IDENTIFYING:
            if (value := getattr(person, kind)) is not None:
                self._by[kind][alike(value)].append(person)
        for spelled in _spellings(person.name):
            self._by["name"][spelled].append(person)
        for squeezed in {_squeezed(spelled) for spelled in _spellings(person.name)}:
            self._by["squeezed"][squeezed].append(person)

    def named(self, handed: Handed) -> Entry:
        """Return the entry with its people as the roster knows them; whom it does not know stays."""
        people = []
        for told in handed.entry.students:
            found = self.found(told, by_any_name=handed.is_named_by_hand)
            people.append(told if found is None else _completed(found, told))
        return replace(handed.entry, students=tuple({each.key: each for each in people}.values()))

    def found(self, told: Student, *, by_any_name: bool = False) -> Student | None:
        """Return the one person in the roster that this is, or None.

        `by_any_name`: the name is one that an instructor gave, and may be a number, a login or an address.
        """
        looks = [(kind, getattr(told, kind)) for kind in IDENTIFYING]
        if by_any_name:
            looks += [(kind, told.name) for kind in IDENTIFYING]
        if told.name is not None:
            # Canvas leaves nothing of a name but its letters; people who name files do much the same.
            looks += [("name", " ".join(told.name.split())), ("squeezed", _squeezed(alike(told.name)))]
        found = (self._only(kind, value, told) for kind, value in looks)
        return next((person for person in found if person is not None), None)

    def _people(self, kind: str, value: str | None) -> Sequence[Student]:
        return self._by[kind].get(alike(value), ()) if value else ()

    def _only(self, kind: str, value: str | None, told: Student) -> Student | None:
        people = self._people(kind, value)
        return people[0] if len(people) == 1 and not self._contradicts(people[0], told) else None

    def _contradicts(self, person: Student, told: Student) -> bool:
        """Tell whether two descriptions cannot be of one person."""
        return any(
            alike(ours) != alike(theirs)
            for kind in self._telling
            if (ours := getattr(person, kind)) is not None and (theirs := getattr(told, kind)) is not None
        )


def absent(roster: Roster, entries: Iterable[Entry]) -> tuple[Student, ...]:
    """Return those on the roster from whom there is nothing."""
    there = {each.key for entry in entries for each in entry.students}
    return tuple(person for person in roster.students if person.key not in there)


def strangers(roster: Roster, entries: Iterable[Entry]) -> tuple[Student, ...]:
    """Return those who handed something in and are not on the roster, each once."""
    known = {person.key for person in roster.students}
    people = {each.key: each for entry in entries for each in entry.students if each.key not in known}
    return tuple(people.values())


def _completed(person: Student, told: Student) -> Student:
    """Return a person of the roster with what only the place tells of them."""
    missing = {kind: getattr(told, kind) for kind in _FIELDS if getattr(person, kind) is None}
    return replace(person, **missing)


def _spellings(name: str | None) -> Sequence[str]:
    """Return a name as it is, and with each of its words first: "Anna Berg" is also "Berg Anna"."""
    if name is None:
        return ()
    words = alike(name).split()
    turns = range(len(words)) if len(words) <= _MOST_WORDS else range(1)
    return tuple(dict.fromkeys(" ".join(words[turn:] + words[:turn]) for turn in turns))


def _squeezed(name: str) -> str:
    return _NOT_OF_A_WORD.sub("", name)
