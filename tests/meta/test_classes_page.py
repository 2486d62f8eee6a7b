"""docs/classes.md says which layouts and headers there are."""

from __future__ import annotations

from pathlib import Path

from grader.cohort.layouts import LAYOUTS
from grader.cohort.roster import HEADERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "classes.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]


def test_the_table_of_layouts_is_the_one_in_the_program():
    rows = [row for row in ROWS if row[0].startswith("`")]
    assert rows == [[f"`{each.name}`", each.title, each.holds] for each in LAYOUTS.values()]


def test_the_table_of_headers_is_the_one_in_the_program():
    headers = [row[1] for row in ROWS if len(row) == 2 and row[0] not in {"column", "---"}]
    assert headers == [", ".join(names) for names in HEADERS.values()]
