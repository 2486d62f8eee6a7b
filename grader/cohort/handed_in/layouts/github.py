"""Clones of student repositories: GitHub Classroom's and Classroom 50's.

Sources: github/gh-classroom (`gh classroom clone student-repos` clones into
`<assignment>-submissions/<assignment>-<login>`) and foundation50/classroom50 (`gh teacher download` clones
`<classroom>-<assignment>-<login>` into `<classroom>-<assignment>_submissions_<time>`, with scores.csv
beside; its first versions had `<login>-<assignment>`). A team's repository has the team's name in the place
of the login.

When something was handed in is what the last commit says, which is whatever the student's machine said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from grader.cohort.handed_in.layouts.choosing import chosen_in
from grader.cohort.handed_in.layouts.git_commit import committed_at
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
from grader.cohort.model import Entry

_PARENT = re.compile(r"(?P<prefix>.+?)(?:-submissions|_submissions_[0-9T_]+)(?: ?\(\d+\)|-\d+)?")
_SCORES = "scores.csv"


def recognises(listing: Listing) -> bool:
    """Tell whether most of what is there are repositories."""
    things = [each for each in listing.things if each.name != _SCORES]
    return is_most(sum(map(_is_repository, things)), things)


def read(listing: Listing) -> Reading:
    """Make an entry of each repository."""
    reading = Reading()
    repositories = []
    for each in listing.things:
        if _is_repository(each):
            repositories.append(each)
        elif each.name != _SCORES:
            reading.rest.append(each)
    logins = _logins(listing, [each.name for each in repositories])
    reading.handed = [Handed(_entry(each, logins.get(each.name))) for each in repositories]
    if any(each.entry.submitted_at for each in reading.handed):
        reading.sentences.append("times are what the last commits say, and students' machines set those")
    if unknown := len(repositories) - len(logins):
        reading.sentences.append(
            f"of {unknown} repositories it could not be told which part of the name is the login;"
            " give a roster with logins"
        )
    return reading


def _is_repository(thing: Thing) -> bool:
    return thing.kind == "folder" and os.path.lexists(thing.path / ".git")


def _entry(repository: Thing, login: str | None) -> Entry:
    person = student(login=login) or student(name=repository.name)
    entry = entry_of(chosen_in(repository.path), repository.name, [person])
    return replace(entry, submitted_at=committed_at(repository.path))


def _logins(listing: Listing, names: Sequence[str]) -> dict[str, str]:
    """Return the logins by the repositories' names, as far as they can be told."""
    prefix, suffix = _around(listing, names)
    found = {}
    for name in names:
        known = _known(name, listing.logins)
        if known is not None:
            found[name] = known
        elif (prefix or suffix) and name.startswith(prefix) and name.endswith(suffix):
            login = name[len(prefix) : len(name) - len(suffix)]
            if login:
                found[name] = login
    return found


def _known(name: str, logins: frozenset[str]) -> str | None:
    """Return the longest login of the roster that the name ends or begins with, at a dash."""
    lowered = name.lower()
    dashes = [place for place, character in enumerate(name) if character == "-"]
    endings = [name[place + 1 :] for place in dashes if lowered[place + 1 :] in logins]
    beginnings = [name[:place] for place in reversed(dashes) if lowered[:place] in logins]
    return next(iter((*endings, *beginnings)), name if lowered in logins else None)


def _around(listing: Listing, names: Sequence[str]) -> tuple[str, str]:
    """Return what is before and after the logins: as the folder's name says, else what all have in common."""
    parent = _PARENT.fullmatch(listing.folder.resolve().name)
    if parent is not None and any(name.startswith(f"{parent['prefix']}-") for name in names):
        return f"{parent['prefix']}-", ""
    if len(names) < 2:
        return "", ""
    # Of any number of names, the first and the last in their order share what all share.
    prefix = _shared(min(names), max(names))
    if "-" in prefix:
        return prefix[: prefix.rindex("-") + 1], ""
    backwards = [name[::-1] for name in names]
    suffix = _shared(min(backwards), max(backwards))[::-1]
    return "", suffix[suffix.index("-") :] if "-" in suffix else ""


def _shared(one: str, other: str) -> str:
    return "".join(
        each for each, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )


LAYOUT = Layout(
    name="github",
    title="GitHub clones",
    holds="repositories `<assignment>-<login>`, each with its `.git`",
    recognises=recognises,
    read=read,
)
