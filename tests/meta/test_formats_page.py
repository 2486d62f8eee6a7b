"""The page on formats names every format as the table in the code has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.reports import FORMATS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
ROWS = {
    row[0]: row
    for row in re.findall(r"^\| `([a-z0-9-]+)` \| `([a-z_.]+)` \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)
}


def test_the_page_has_a_row_for_each_format_and_no_other():
    assert list(ROWS) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_row_says_file_and_default_view_as_they_are(name):
    _, file_name, whose, view = ROWS[name]
    assert file_name == FORMATS[name].file_name
    assert view.partition(",")[0] == FORMATS[name].views[0]
    assert FORMATS[name].views[0] in whose
