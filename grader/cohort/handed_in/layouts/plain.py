"""A plain folder: zips and folders, each called after its student.

A name may be anything that tells who it is: a name, a login, a number, an address. A roster says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grader.cohort.handed_in.layouts.choosing import (
    ARCHIVES,
    DOCUMENTS,
    SOURCES,
    Choice,
    chosen_as,
    with_note,
)
from grader.cohort.handed_in.layouts.layout import Handed, Layout, Listing, Reading, alike, entry_of, student
from grader.cohort.handed_in.layouts.listing import Thing
from grader.intake.names import quoted

_MAY_BE_WORK = ARCHIVES | DOCUMENTS | SOURCES | {".zip", ""}
_MOST_NAMED = 3


def read(listing: Listing) -> Reading:
    """Make an entry of each zip and folder, and of each file that somebody may have handed in instead."""
    reading = Reading()
    work, documents, rest = _sorted(listing.things)
    companions: dict[str, list[Thing]] = {}
    homes = {alike(each.stem) for each in work}
    for each in documents:
        stem = alike(each.stem)
        if stem in homes:
            companions.setdefault(stem, []).append(each)
        else:
            work.append(each)
    for each in sorted(work, key=lambda thing: thing.name):
        choice = chosen_as(each)
        for other in companions.get(alike(each.stem), ()):
            choice = with_note(choice, f"not looked at: {quoted(other.name)}")
        reading.handed.append(_handed(each, choice))
    reading.sentences.extend(_left_aside(rest))
    return reading


def read_rest(things: Sequence[Thing], folder: Path, *, title: str) -> Reading:
    """Read what another layout could not place as a plain folder's, each with a note that says so."""
    reading = read(Listing(folder, tuple(things)))
    note = f"its name is not one that {title} gives; it was taken for one student's work"
    reading.handed = [
        replace(each, entry=replace(each.entry, notes=(*each.entry.notes, note))) for each in reading.handed
    ]
    return reading


def _handed(thing: Thing, choice: Choice) -> Handed:
    return Handed(entry_of(choice, thing.stem, [student(name=thing.stem)]), is_named_by_hand=True)


def _sorted(things: Sequence[Thing]) -> tuple[list[Thing], list[Thing], list[Thing]]:
    """Return what is somebody's work, what may be all that somebody handed in, and files of other kinds."""
    work, documents, rest = [], [], []
    for each in things:
        suffix = each.suffix.lower()
        if each.kind == "file" and suffix not in _MAY_BE_WORK:
            rest.append(each)
        elif each.kind == "file" and suffix in DOCUMENTS:
            documents.append(each)
        else:
            work.append(each)
    return work, documents, rest


def _left_aside(files: Sequence[Thing]) -> list[str]:
    if not files:
        return []
    named = ", ".join(quoted(each.name) for each in files[:_MOST_NAMED])
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return [f"not taken for anybody's work, by the kind of file: {named}{more}"]


LAYOUT = Layout(
    name="plain",
    title="a plain folder",
    holds="zips and folders, each called after its student",
    recognises=lambda _: True,
    read=read,
)
