"""The page of similar submissions in a real browser: it fits, does nothing, and keeps nobody out."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cohort.similarity.comparing import compare
from grader.cohort.similarity.page import render
from tests.browser.conftest import Browser
from tests.browser.test_report_page import A4_PIXELS, WIDTHS, axe_findings
from tests.unit.cohort.similarity_folders import OPTIONS, OTHERS, SHARED, class_of_text, entries
from tests.unit.reports.samples import HOSTILE


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Write the pages that are looked at."""
    folder = tmp_path_factory.mktemp("pages")
    made = entries(folder, ["ann", "b" * 200, "eve"], [SHARED, SHARED + "x = y" * 300, OTHERS[0]])
    sources = {"plain": render(compare(made, OPTIONS))}
    sources |= {
        f"hostile{at}": render(class_of_text(folder / str(at), text)) for at, text in enumerate(HOSTILE)
    }
    for name, source in sources.items():
        (folder / f"{name}.html").write_text(source, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in sources}


@pytest.mark.parametrize(
    "name, width",
    [*(("plain", width) for width in WIDTHS), *((f"hostile{at}", 320) for at in range(len(HOSTILE)))],
)
def test_the_page_fits_and_does_nothing_by_itself(browser: Browser, pages, name, width):
    browser.show(pages[name], width=width)
    browser.open_all()
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    assert browser.ask("return document.title") == "Similar submissions: 3 compared"
    assert browser.told() == [pages[name].as_uri()]


@pytest.mark.parametrize("width, scheme", [(1200, "light"), (360, "dark")])
def test_axe_finds_nothing_that_keeps_anybody_out(browser: Browser, pages, width, scheme):
    browser.show(pages["plain"], width=width, scheme=scheme)
    browser.open_all()
    assert axe_findings(browser) == {}


@pytest.mark.parametrize("width", [360, 1200])
def test_the_two_sides_are_beside_each_other_where_there_is_room(browser: Browser, pages, width):
    browser.show(pages["plain"], width=width)
    tops = browser.ask(
        "return [...document.querySelector('.sides').children].map(each => each.getBoundingClientRect().top)"
    )
    assert len(tops) == 2
    assert (tops[0] == tops[1]) == (width == 1200)


def test_the_page_fits_on_paper(browser: Browser, pages):
    browser.show(pages["plain"], width=A4_PIXELS, media="print")
    assert browser.ask("return document.documentElement.scrollWidth") <= A4_PIXELS
    assert browser.printed().startswith(b"%PDF")
