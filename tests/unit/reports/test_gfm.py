"""Foreign text in Markdown reads as it was written, in a table, in a sentence and in a block."""

from __future__ import annotations

from html.parser import HTMLParser

import cmarkgfm
import pytest

from grader.plain_text import one_line, quiet, scrub
from grader.reports.gfm import block, code, plain
from tests.contract.report_samples import HOSTILE, HOSTILE_LINES

LINES = [one_line(line) for line in HOSTILE_LINES]
ODD = [
    "a|b",
    "|",
    "`",
    "``a`",
    " ` ",
    "\\|",
    "\\",
    "a\\",
    "1. x",
    "- x",
    "+ x",
    "= x",
    "# x",
    "~~~",
    "*a* _b_",
    "&lt;",
]


class Cells(HTMLParser):
    def __init__(self, tag: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tag, self.depth, self.texts, self.others = tag, 0, [], set()

    def handle_starttag(self, tag, attrs):
        if tag == self.tag:
            self.depth += 1
            self.texts.append("")
        elif self.depth:
            self.others.add(tag)

    def handle_endtag(self, tag):
        self.depth -= tag == self.tag

    def handle_data(self, data):
        if self.depth:
            self.texts[-1] += data


def shown(markdown: str, tag: str) -> Cells:
    cells = Cells(tag)
    cells.feed(cmarkgfm.github_flavored_markdown_to_html(markdown))
    return cells


@pytest.mark.parametrize("write", [code, plain])
@pytest.mark.parametrize("text", [*LINES, *ODD])
def test_a_cell_of_a_table_shows_the_text_and_the_next_cell_is_its_own(write, text):
    cells = shown(f"| a | b |\n| --- | --- |\n| {write(text)} | next |\n", "td")
    assert cells.texts == [quiet(one_line(text)), "next"]
    assert cells.others <= {"code"}


@pytest.mark.parametrize("text", [*LINES, *ODD])
def test_a_bullet_shows_the_text_and_nothing_becomes_of_it(text):
    cells = shown(f"- {plain(text)}\n", "ul")
    assert "".join(cells.texts).strip() == quiet(one_line(text))
    assert cells.others <= {"li", "code"}


@pytest.mark.parametrize("text", [HOSTILE, *LINES, *ODD, "```\na", "a\n````\nb", "a\tb"])
def test_a_block_shows_every_line(text):
    cells = shown(f"before\n\n{block(text)}\n\nafter\n", "code")
    expected = quiet(scrub(text, max_bytes=64 << 10)).replace("\t", "    ").rstrip("\n")
    assert cells.texts == [expected + "\n"]
    assert not cells.others


@pytest.mark.parametrize("text", ["@everyone", "see #1", "x@y.example", "https://x.example", "www.x.example"])
def test_what_github_would_link_or_tell_somebody_of_is_code(text):
    assert plain(text) == f"`{text}`"
