"""What was found in a class as a page for a person, side by side, and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grader.cohort.model import Entry
from grader.cohort.similarity.comparing import Pair, Similarity
from grader.cohort.similarity.index import LEAST_WEIGHT
from grader.cohort.similarity.regions import Place, Region
from grader.distribution import NAME
from grader.plain_text import one_line, scrub
from grader.reports.pages import render_page
from grader.reports.writing import json_text

SCHEMA = "grader/similarity/v1"
_TEMPLATES = Path(__file__).with_name("templates")
_MOST_REGIONS = 12  # of a pair that are shown; JSON has all
_MOST_LINES = 60  # of each side of a region
_MOST_CHARACTERS = 300  # of a line
_MOST_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class ShownPlace:
    """Some lines of one text, with their numbers, as they are shown."""

    where: str
    lines: tuple[tuple[int, str], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class ShownRegion:
    """A passage of both submissions, and how usual it is."""

    title: str
    usual: str
    sides: tuple[tuple[str, tuple[ShownPlace, ...]], ...]


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A pair as it is shown; `names` may be anything."""

    names: tuple[str, str]
    score: str
    shared: int
    passages: int
    rarest: str
    regions: tuple[ShownRegion, ...]


def render(found: Similarity) -> str:
    """Return the page: one file that needs no network and no script."""
    values = {
        "found": found,
        "pairs": [_shown_pair(pair, found) for pair in found.pairs],
        "problems": [(name_of(entry), visible(text)) for entry, text in found.problems],
        "percent": percent,
        "least": f"{LEAST_WEIGHT:g}",
        "version": version(NAME),
    }
    return render_page("similarity.html", values, folder=_TEMPLATES)


def as_json(found: Similarity) -> str:
    """Return what was found as JSON: the same pairs, with all regions and without their code."""
    return json_text(
        {
            "schema": SCHEMA,
            "compared": found.compared,
            "min_tokens": found.grain.surely_found,
            "k": found.grain.k,
            "w": found.grain.w,
            "usual_above": found.usual_from,
            "median": found.median,
            "high": found.high,
            "problems": [
                {"submission": name_of(entry), "problem": scrub(text)} for entry, text in found.problems
            ],
            "pairs": [_pair_record(pair) for pair in found.pairs],
        }
    )


def name_of(entry: Entry) -> str:
    """Return what a submission is called, in one line of harmless text."""
    return one_line(visible(entry.label), max_bytes=_MOST_NAME_BYTES)


def percent(share: float) -> str:
    """Return a share for a person; there is no more than all."""
    return f"{100 * min(share, 1):.0f} %"


def visible(text: str) -> str:
    r"""Return text in which what cannot be seen is written out: a right-to-left mark as `\u202e`."""
    return "".join(
        character if character.isprintable() or character == "\n" else _escaped(character)
        for character in text.expandtabs(4)
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def cut(text: str, most: int) -> str:
    """Return a text, and no more than so many characters of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _shown_pair(pair: Pair, found: Similarity) -> ShownPair:
    names = name_of(pair.one), name_of(pair.other)
    return ShownPair(
        names=names,
        score=percent(pair.score),
        shared=pair.shared,
        passages=len(pair.regions),
        rarest=rarest(pair, found),
        regions=tuple(
            _shown_region(number, region, names, found)
            for number, region in enumerate(pair.regions[:_MOST_REGIONS], start=1)
        ),
    )


def rarest(pair: Pair, found: Similarity) -> str:
    """Say in how many submissions the pair's weightiest passage stands."""
    return _usual(pair.regions[0], found) if pair.regions else "\u2013"


def _usual(region: Region, found: Similarity) -> str:
    return f"{region.usual} of {found.compared}"


def _shown_region(number: int, region: Region, names: tuple[str, str], found: Similarity) -> ShownRegion:
    return ShownRegion(
        title=f"Passage {number}: {region.tokens} tokens",
        usual="only in these two" if region.usual <= 2 else f"in {_usual(region, found)} submissions",
        sides=tuple(
            (name, tuple(_shown_places(side))) for name, side in zip(names, region.sides, strict=True)
        ),
    )


def _shown_places(places: tuple[Place, ...]) -> Iterator[ShownPlace]:
    room = _MOST_LINES
    for place in places:
        lines = place.text.lines[place.first_line - 1 : place.last_line]
        shown = [cut(visible(line), _MOST_CHARACTERS) for line in lines[:room]]
        room -= len(shown)
        yield ShownPlace(
            where=_where(place),
            lines=tuple(enumerate(shown, start=place.first_line)),
            left_out=len(lines) - len(shown),
        )


def _where(place: Place) -> str:
    cell = "" if place.text.cell is None else f", cell {place.text.cell}"
    lines = f"{place.first_line}\u2013{place.last_line}"
    if place.first_line == place.last_line:
        return f"{visible(place.text.file)}{cell}, line {place.first_line}"
    return f"{visible(place.text.file)}{cell}, lines {lines}"


def _pair_record(pair: Pair) -> dict[str, Any]:
    return {
        "score": round(min(pair.score, 1.0), 4),
        "one": name_of(pair.one),
        "other": name_of(pair.other),
        "shared_fingerprints": pair.shared,
        "regions": [
            {
                "tokens": region.tokens,
                "usual": region.usual,
                "weight": round(region.weight, 3),
                "one": [_place_record(place) for place in region.sides[0]],
                "other": [_place_record(place) for place in region.sides[1]],
            }
            for region in pair.regions
        ],
    }


def _place_record(place: Place) -> dict[str, Any]:
    return {
        "file": one_line(visible(place.text.file)),
        "cell": place.text.cell,
        "first_line": place.first_line,
        "last_line": place.last_line,
    }
