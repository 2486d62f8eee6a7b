"""Canvas' "Download Submissions": flat files.

Source: lib/content_zipper.rb. A name is `<name>[_LATE]_<user>_<file's id>_<file>`: the name is the sortable
one (last name first) in small letters without all that is no letter, digit or underscore; of a group
assignment it is the group's. With anonymous marking it is `[LATE_]anon_<code>_<file's id>_<file>`. Text and
links that were typed in are `<name>[_LATE]_<user>_text.html` and `..._link.html`. What is handed in again
under the same name gets -1, -2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from grader.cohort.handed_in.labels import label_of, label_with_number
from grader.cohort.handed_in.layouts.choosing import Choice, chosen_of, with_note
from grader.cohort.handed_in.layouts.layout import (
    Handed,
    Layout,
    Listing,
    Reading,
    entry_of,
    is_most,
    student,
)
from grader.cohort.handed_in.layouts.listing import Thing
from grader.cohort.model import Entry, Student

_NUMBER = "[0-9]{1,20}"
_NAMED = re.compile(
    rf"(?P<name>.+?)(?P<late>_LATE)?_(?P<user>{_NUMBER})_(?:{_NUMBER}_(?P<file>.+)|(?P<typed>text|link)\.html(?:-\d+)?)",
    re.DOTALL,
)
_ANONYMOUS = re.compile(
    rf"(?P<late>LATE_)?(?P<name>anon)_(?P<user>[A-Za-z0-9]{{1,20}})_"
    rf"(?:{_NUMBER}_(?P<file>.+)|(?P<typed>text|link)\.html(?:-\d+)?)",
    re.DOTALL,
)
_TYPED = "a text or a link was typed into Canvas, which is not graded"


@dataclass(slots=True)
class _Work:
    """What one user handed in."""

    name: str
    user: str
    is_anonymous: bool
    is_late: bool = False
    files: list[Thing] = field(default_factory=list)
    typed: list[Thing] = field(default_factory=list)


def recognises(listing: Listing) -> bool:
    """Tell whether most of what is there has a name as Canvas gives it."""
    return is_most(sum(_match(each) is not None for each in listing.things), listing.things)


def read(listing: Listing) -> Reading:
    """Make an entry of each user's files."""
    reading = Reading()
    works: dict[str, _Work] = {}
    for each in listing.things:
        found = _match(each)
        if found is None:
            reading.rest.append(each)
            continue
        is_anonymous = found.re is _ANONYMOUS
        work = works.setdefault(found["user"], _Work(found["name"], found["user"], is_anonymous))
        work.is_late |= found["late"] is not None
        (work.typed if found["typed"] else work.files).append(each)
    reading.handed = [Handed(_entry(work)) for work in works.values()]
    return reading


def _match(thing: Thing) -> re.Match[str] | None:
    if thing.kind == "folder":
        return None
    return _ANONYMOUS.fullmatch(thing.name) or _NAMED.fullmatch(thing.name)


def _entry(work: _Work) -> Entry:
    label = label_of(f"anon_{work.user}") if work.is_anonymous else label_with_number(work.name, work.user)
    entry = entry_of(_choice(work), "", [_student(work)], label=label)
    return replace(entry, is_late=work.is_late)


def _student(work: _Work) -> Student | None:
    return student(lms_id=work.user, name=None if work.is_anonymous else work.name)


def _choice(work: _Work) -> Choice:
    if not work.files:
        return Choice(work.typed[0].path, f"{_TYPED}; nothing else was handed in")
    choice = chosen_of(work.files, work.files[0].path, shown=_shown, numbered=True)
    return with_note(choice, _TYPED) if work.typed else choice


def _shown(thing: Thing) -> str:
    found = _match(thing)
    return (found["file"] if found else None) or thing.name


LAYOUT = Layout(
    name="canvas",
    title="Canvas' download",
    holds="files `<name>_<user>_<number>_<file>`, with `_LATE` after the name where it was late",
    recognises=recognises,
    read=read,
)
