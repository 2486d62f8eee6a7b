"""Moodle's "Download all submissions", as folders or as flat files.

Source: mod/assign/classes/downloader.php (earlier mod/assign/locallib.php). A name is `<full
name>_<participant>_assignsubmission_<plugin>`, with an underscore at its end in older versions; underscores
of the full name have become spaces. Folders are the default since 3.1; else the file's name follows. Blind
marking calls everybody Participant. Of teams, name and number are the group's, and none is there for the
default group. Older versions put the group and a dash before the name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from grader.cohort.handed_in.labels import label_of, label_with_number
from grader.cohort.handed_in.layouts.choosing import Choice, chosen_in, chosen_of, with_note
from grader.cohort.handed_in.layouts.layout import Handed, Layout, Listing, Reading, entry_of, student
from grader.cohort.handed_in.layouts.listing import Thing
from grader.cohort.model import Student

_NAME = re.compile(
    r"(?P<name>.+?)(?:_(?P<number>[0-9]{1,20}))?_assignsubmission_(?P<plugin>file|onlinetext)(?:_(?P<file>.*))?",
    re.DOTALL,
)
_TYPED = "text was typed into Moodle, which is not graded"


@dataclass(slots=True)
class _Work:
    """What one participant handed in."""

    name: str
    number: str | None
    folders: list[Thing] = field(default_factory=list)
    files: list[Thing] = field(default_factory=list)
    typed: list[Thing] = field(default_factory=list)


def recognises(listing: Listing) -> bool:
    """Tell whether there is a name that only Moodle gives."""
    return any(_NAME.fullmatch(each.name) for each in listing.things)


def read(listing: Listing) -> Reading:
    """Make an entry of each participant."""
    reading = Reading()
    works: dict[str, _Work] = {}
    for each in listing.things:
        found = _NAME.fullmatch(each.name)
        if found is None:
            reading.rest.append(each)
            continue
        number = found["number"]
        work = works.setdefault(number or f"name {found['name']}", _Work(found["name"], number))
        if found["plugin"] == "onlinetext":
            work.typed.append(each)
        else:
            (work.folders if each.kind == "folder" else work.files).append(each)
    reading.handed = [
        Handed(entry_of(_choice(work), "", _students(work), label=_label(work))) for work in works.values()
    ]
    return reading


def _students(work: _Work) -> list[Student | None]:
    return [student(name=work.name, lms_id=work.number)]


def _label(work: _Work) -> str:
    return label_of(work.name) if work.number is None else label_with_number(work.name, work.number)


def _choice(work: _Work) -> Choice:
    if len(work.folders) + bool(work.files) > 1:
        where = (work.folders or work.files)[0]
        return Choice(
            where.path, "there are several folders or files of one participant; keep the one that counts"
        )
    if work.folders:
        choice = chosen_in(work.folders[0].path)
    elif work.files:
        choice = chosen_of(work.files, work.files[0].path, shown=_shown)
    else:
        return Choice(work.typed[0].path, f"{_TYPED}; nothing else was handed in")
    return with_note(choice, _TYPED) if work.typed else choice


def _shown(thing: Thing) -> str:
    found = _NAME.fullmatch(thing.name)
    return (found["file"] if found else None) or thing.name


LAYOUT = Layout(
    name="moodle",
    title="Moodle's download",
    holds="folders `<name>_<number>_assignsubmission_file_`, or files whose names begin so",
    recognises=recognises,
    read=read,
)
