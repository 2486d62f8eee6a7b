"""docs/classes.md says which layouts and headers there are."""

from __future__ import annotations

from pathlib import Path

from grader.cohort.handed_in.layouts import LAYOUTS
from grader.cohort.handed_in.roster import HEADERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "classes.md").read_text(encoding="utf-8")


def rows_below(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    _, _, after = PAGE.partition(f"\n{heading}\n")
    lines = [line for line in after.partition("\n#")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_layouts_is_the_one_in_the_program():
    expected = [[f"`{each.name}`", each.title, each.holds] for each in LAYOUTS.values()]
    assert rows_below("## What a folder may hold") == expected


def test_the_table_of_headers_is_the_one_in_the_program():
    headers = [row[1] for row in rows_below("### The roster")]
    assert headers == [", ".join(names) for names in HEADERS.values()]
