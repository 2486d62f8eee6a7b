"""Rows of mutants that are allowed: known by what stands there, complete, and never out of date."""

from __future__ import annotations

import pytest

from grader.errors import GraderFault
from grader.selftest.contract_rows import read_rows, reason_for, stale_changes
from grader.selftest.mutants import Source, make_mutants

PLACE = Source("mytorch/tiny.py", {"": "q6.9"})
TEXT = "def default(lr=0.1):\n    return lr\n"
ROW = """\
[[row]]
file = "mytorch/tiny.py"
scope = "default"
line = "def default(lr=0.1):"
changes = ["0.1 -> 0.2", "0.1 -> 1.1"]
reason = "any rate will do"
"""


@pytest.fixture
def rows(tmp_path):
    def read(text):
        path = tmp_path / "rows.toml"
        path.write_text(text, encoding="utf-8")
        return read_rows(path)

    return read


def reasons(text, rows) -> dict[str, str]:
    return {m.change: reason_for(m, rows) for m in make_mutants(text, PLACE) if reason_for(m, rows)}


def test_a_row_allows_the_changes_it_names_and_no_others(rows):
    assert reasons(TEXT, rows(ROW)) == dict.fromkeys(("0.1 -> 0.2", "0.1 -> 1.1"), "any rate will do")


def test_a_row_finds_its_line_wherever_it_stands(rows):
    assert reasons("import os\n\n" + TEXT, rows(ROW))


@pytest.mark.parametrize("before, after", [("default(", "other("), ("(lr=0.1)", "(lr=0.1, *more)")])
def test_a_row_does_not_fit_another_place_and_is_stale_then(rows, before, after):
    text = TEXT.replace(before, after)
    assert not reasons(text, rows(ROW))
    assert len(stale_changes(rows(ROW), make_mutants(text, PLACE))) == 2


def test_only_what_no_mutant_does_is_stale(rows):
    found = rows(ROW.replace("1.1", "7"))
    assert stale_changes(found, make_mutants(TEXT, PLACE)) == ["mytorch/tiny.py: default: 0.1 -> 7"]


@pytest.mark.parametrize("line", ROW.splitlines()[1:])
def test_a_row_that_lacks_something_is_our_fault(rows, line):
    with pytest.raises(GraderFault, match="not complete"):
        rows(ROW.replace(line, ""))
