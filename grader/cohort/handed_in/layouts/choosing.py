"""Which of the things that one student handed in is graded: a zip, or the folder that holds them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.cohort.handed_in.layouts.listing import Thing, handed_in
from grader.intake.names import PACKAGE_NAME, folded, quoted

# Archives that are not opened: only a zip is read without running a program of somebody else's.
ARCHIVES = frozenset(
    (
        ".rar",
        ".7z",
        ".tar",
        ".tgz",
        ".tar.gz",
        ".tar.bz2",
        ".tar.xz",
        ".tar.zst",
        ".gz",
        ".bz2",
        ".xz",
        ".zipx",
    )
)
SOURCES = frozenset((".py", ".ipynb"))
# What people hand in instead of their work; any of them may be all that somebody handed in.
DOCUMENTS = frozenset((".pdf", ".doc", ".docx", ".odt", ".pages", ".rtf", ".html", ".htm", ".tex"))
_NUMBERED = re.compile(r"(?P<name>.+?)(?:-(?P<number>[0-9]{1,4}))?", re.DOTALL)
_AS_A_ZIP = "ask for one zip of the homework folder"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is graded, or the sentence on why nothing can be. `attempt` is above 1 where a file says so."""

    path: Path
    problem: str | None = None
    notes: tuple[str, ...] = ()
    attempt: int = 1


def chosen_in(folder: Path) -> Choice:
    """Choose in a student's own folder: its only zip where no folder mytorch is beside it, else all of it.

    mytorch may lie one folder deeper: systems unpack a zip beside it, people hand in the folder around.
    """
    try:
        things = handed_in(folder)
    except OSError as error:
        return Choice(folder, f"the folder cannot be read: {error.strerror or 'error'}")
    if not things:
        return Choice(folder, "the folder is empty: nothing was handed in")
    choice = chosen_of(things, folder)
    is_work = any(each.kind == "folder" or each.suffix.lower() in SOURCES for each in things)
    if _has_package(things) or (choice.problem is not None and is_work and not _linked(things)):
        return Choice(folder, notes=_zips_left(things))
    return choice


def chosen_of(
    things: Sequence[Thing], where: Path, *, shown: Callable[[Thing], str] = lambda each: each.name,
    numbered: bool = False,
) -> Choice:  # fmt: skip
    """Choose among a student's files, of which there is at least one: a zip, and what lies beside it is told.

    `shown` is what the student called a file. Where the place numbers what is handed in again
    (hw1.zip, hw1-1.zip), the last of several is the one that counts.
    """
    if problem := _linked(things):
        return Choice(where, problem)
    zips = [each for each in things if _is_zip(each)]
    if not zips:
        return Choice(where, _why_not(things, shown))
    if len(zips) == 1:
        return Choice(zips[0].path, notes=_beside(zips[0], things, shown))
    latest = _latest(zips, shown) if numbered else None
    if latest is None:
        first, second, *_ = sorted(map(shown, zips))
        return Choice(
            where,
            f"there are {len(zips)} zip files, {quoted(first)} and {quoted(second)}; keep one",
        )
    chosen, attempt = latest
    return Choice(chosen.path, notes=_beside(chosen, things, shown), attempt=attempt)


def chosen_as(thing: Thing, *, shown: str | None = None) -> Choice:
    """Choose where one thing is all there is."""
    if thing.kind == "folder":
        return chosen_in(thing.path)
    return chosen_of((thing,), thing.path, shown=lambda each: shown or each.name)


def with_note(choice: Choice, note: str) -> Choice:
    """Return a choice with one more sentence for the instructor."""
    return replace(choice, notes=(*choice.notes, note))


def _has_package(things: Sequence[Thing]) -> bool:
    folders = [each for each in things if each.kind == "folder"]
    if any(folded(each.name) == PACKAGE_NAME for each in folders):
        return True
    if not any(map(_is_zip, things)):
        return False  # there is no other choice than the folder
    return any(os.path.lexists(each.path / PACKAGE_NAME) for each in folders)


def _zips_left(things: Sequence[Thing]) -> tuple[str, ...]:
    zips = [each for each in things if _is_zip(each)]
    return (f"the folder is graded; not looked at: {quoted(zips[0].name)}",) if zips else ()


def _is_zip(thing: Thing) -> bool:
    return thing.kind == "file" and thing.suffix.lower() == ".zip"


def _linked(things: Sequence[Thing]) -> str | None:
    link = next((each for each in things if each.kind == "link"), None)
    if link is not None:
        return (
            f"{quoted(link.name)} is a link, which is not followed; put the real file or folder in its place"
        )
    return None


def _why_not(things: Sequence[Thing], shown: Callable[[Thing], str]) -> str:
    first = things[0]
    archive = next((each for each in things if each.suffix.lower() in ARCHIVES), None)
    if archive is not None:
        kind = archive.suffix.lower().removeprefix(".")
        return f"{quoted(shown(archive))} is a {kind} archive, which is not opened; {_AS_A_ZIP}"
    if all(each.kind == "other" for each in things):
        return f"{quoted(shown(first))} is neither a file nor a folder; remove it"
    if len(things) > 1:
        return f"there are {len(things)} files, {quoted(shown(first))} among them, and no zip; {_AS_A_ZIP}"
    return f"{quoted(shown(first))} is not a zip, and nothing else was handed in; {_AS_A_ZIP}"


def _beside(chosen: Thing, things: Sequence[Thing], shown: Callable[[Thing], str]) -> tuple[str, ...]:
    others = [shown(each) for each in things if each is not chosen]
    if not others:
        return ()
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return (f"only {quoted(shown(chosen))} is graded; not looked at: {quoted(others[0])}{more}",)


def _latest(zips: Sequence[Thing], shown: Callable[[Thing], str]) -> tuple[Thing, int] | None:
    """Return the last of files that differ in their number only, and which attempt it is."""
    numbers: dict[int, Thing] = {}
    names = set()
    for each in zips:
        found = _NUMBERED.fullmatch(shown(each).removesuffix(each.suffix))
        if found is None:
            return None
        names.add(folded(found["name"]))
        numbers[int(found["number"] or 0)] = each
    if len(names) > 1 or len(numbers) < len(zips):
        return None
    number = max(numbers)
    return numbers[number], number + 1
