"""Find what a class handed in: one entry for each thing that is somebody's, gradable or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader.cohort.handed_in.labels import with_unique_labels
from grader.cohort.handed_in.layouts import LAYOUTS, Handed, Layout, Listing, Reading, recognised
from grader.cohort.handed_in.layouts.listing import Thing, things_in
from grader.cohort.handed_in.layouts.plain import read_rest
from grader.cohort.handed_in.matching import Matcher, absent, strangers
from grader.cohort.handed_in.roster import Roster
from grader.cohort.model import Entry, Student
from grader.errors import UsageError
from grader.intake import safe_text
from grader.intake.names import quoted

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a class handed in, in the order of the labels.

    `folder` is the one that was read; it may be the export inside the folder that was named. `sentences` are
    for the instructor. Without a roster nobody is `absent` and nobody a stranger.
    """

    layout: str
    folder: Path
    entries: tuple[Entry, ...]
    sentences: tuple[str, ...] = ()
    absent: tuple[Student, ...] = ()
    strangers: tuple[Student, ...] = ()


def discover(
    folder: Path, *, layout: str | None = None, roster: Roster | None = None, without: Collection[Path] = ()
) -> Found:
    """Find what was handed in; `without` names what else lies there: the folder that is written to, a roster.

    The layout is recognised where it is not named. Nothing that was handed in is opened, but for the last
    commit of a clone. Raise UsageError where the folder cannot be read or holds nothing.
    """
    listing, place, sentences = _listed(folder, layout, roster, without)
    reading = place.read(listing)
    handed = _all_handed(reading, listing, place)
    sentences += reading.sentences
    if not handed:
        raise UsageError(f"there is nothing in {_shown(folder)} that somebody could have handed in")
    entries = [each.entry for each in handed]
    if roster is not None:
        matcher = Matcher(roster, handed)
        entries = [matcher.named(each) for each in handed]
    labelled = with_unique_labels(_with_attempts(entries))
    return Found(
        layout=place.name,
        folder=listing.folder,
        entries=tuple(sorted(labelled, key=lambda each: (each.label.casefold(), each.label))),
        sentences=(*sentences, *_about_roster(roster, labelled)),
        absent=() if roster is None else absent(roster, labelled),
        strangers=() if roster is None else strangers(roster, labelled),
    )


def _listed(
    folder: Path, layout: str | None, roster: Roster | None, without: Collection[Path]
) -> tuple[Listing, Layout, list[str]]:
    """List the folder, or the one export inside it, and tell its layout."""
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"there is no layout {quoted(layout)}; there are: {', '.join(LAYOUTS)}")
    logins = frozenset() if roster is None else roster.logins
    listing = Listing(folder, _things(folder, without), logins)
    if layout is not None:
        return listing, LAYOUTS[layout], []
    place = recognised(listing)
    within = _inside(listing, without) if place is LAYOUTS["plain"] else None
    if within is None:
        return listing, place, []
    inner = recognised(within)
    if inner is place:
        return listing, place, []
    return within, inner, [f"{inner.title} was found and read in the folder {quoted(within.folder.name)}"]


def _inside(listing: Listing, without: Collection[Path]) -> Listing | None:
    """List the folder that is all there is: a download may have been unpacked into one of its own."""
    if len(listing.things) != 1 or listing.things[0].kind != "folder":
        return None
    folder = listing.things[0].path
    try:
        things = things_in(folder, without=without)
    except OSError:
        return None
    return Listing(folder, things, listing.logins) if things else None


def _things(folder: Path, without: Collection[Path]) -> tuple[Thing, ...]:
    try:
        things = things_in(folder, without=without)
    except NotADirectoryError as error:
        raise UsageError(
            f"{_shown(folder)} is not a folder; unpack the download and name its folder"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no folder {_shown(folder)}; check the path") from error
    except OSError as error:
        raise UsageError(f"{_shown(folder)} cannot be read: {error.strerror or 'error'}") from error
    except ValueError as error:  # a path with a NUL in it
        raise UsageError(f"{_shown(folder)} is no path; check its spelling") from error
    if not things:
        raise UsageError(f"{_shown(folder)} is empty: there is nothing to grade")
    return things


def _all_handed(reading: Reading, listing: Listing, place: Layout) -> list[Handed]:
    if not reading.rest:
        return reading.handed
    rest = read_rest(reading.rest, listing.folder, title=place.title)
    reading.sentences += rest.sentences
    return reading.handed + rest.handed


def _with_attempts(entries: Sequence[Entry]) -> list[Entry]:
    """Tell attempts of the same people apart by their times; where those do not tell, say so."""
    by_people: dict[frozenset[str], list[int]] = defaultdict(list)
    by_person: dict[str, set[int]] = defaultdict(set)
    for place, entry in enumerate(entries):
        if entry.students:
            by_people[frozenset(each.key for each in entry.students)].append(place)
        for each in entry.students:
            by_person[each.key].add(place)
    changed = list(entries)
    for places in by_people.values():
        if len(places) > 1:
            changed = _numbered(changed, places)
    return [
        _told_of_groups(entry, place, entries, by_people, by_person) for place, entry in enumerate(changed)
    ]


def _numbered(entries: list[Entry], places: Sequence[int]) -> list[Entry]:
    times = {place: entries[place].submitted_at for place in places}
    known = sorted((time, place) for place, time in times.items() if time is not None)
    changed = list(entries)
    if len(known) == len(places) == len({time for time, _ in known}):
        for attempt, (_, place) in enumerate(known, start=1):
            changed[place] = replace(entries[place], attempt=attempt)
        return changed
    names = [entries[place].path.name for place in places]
    for place in places:
        other = next(each for each in (*names, "") if each != entries[place].path.name) or names[0]
        more = f" and {len(places) - 2} more" if len(places) > 2 else ""
        problem = f"handed in twice, also as {quoted(other)}{more}; keep the one that counts"
        changed[place] = replace(entries[place], problem=entries[place].problem or problem)
    return changed


def _told_of_groups(
    entry: Entry,
    place: int,
    entries: Sequence[Entry],
    by_people: Mapping[frozenset[str], Sequence[int]],
    by_person: Mapping[str, set[int]],
) -> Entry:
    """Say of a person in several groups that there is more of them: each group's work is graded."""
    same = set(by_people.get(frozenset(each.key for each in entry.students), ()))
    notes = []
    for each in entry.students:
        others = by_person[each.key] - same - {place}
        if others:
            label = entries[min(others)].label
            notes.append(f"{quoted(each.name or each.key)} is also among those who handed in {label}")
    return replace(entry, notes=(*entry.notes, *notes)) if notes else entry


def _about_roster(roster: Roster | None, entries: Sequence[Entry]) -> list[str]:
    if roster is None:
        return []
    sentences = []
    if missing := absent(roster, entries):
        sentences.append(f"on the roster, but handed in nothing ({len(missing)}): {_names(missing)}")
    if unknown := strangers(roster, entries):
        sentences.append(f"handed in, but not on the roster ({len(unknown)}): {_names(unknown)}")
    return sentences


def _names(people: Iterable[Student]) -> str:
    names = [safe_text(each.name or each.key.partition(":")[2]) for each in people]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _shown(folder: Path) -> str:
    return f"'{safe_text(str(folder), limit=120)}'"
