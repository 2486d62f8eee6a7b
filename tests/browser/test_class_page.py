"""The page of a class in a real browser: narrow and wide, light and dark, printed, by keyboard, harmless."""

# ruff: noqa: PLC0415 -- what a place may lack is imported where it is used

from __future__ import annotations

import io
from pathlib import Path

import pytest

from grader.cohort.failures.clusters import cluster_id, failures
from grader.cohort.failures.comments import Comment
from grader.cohort.model import Entry, Row, Student
from grader.cohort.page.facts import gather
from grader.cohort.page.writing import render
from grader.model import Feedback, Outcome
from grader.reports import write_report
from tests.browser.conftest import Browser
from tests.browser.test_report_page import A4_PIXELS, CONTRASTS, axe_findings
from tests.unit.cohort.samples import SECRET, SIGMOID, TANH, failed, report_of, row_named, without_report
from tests.unit.reports.samples import HOSTILE, hostile_report

NAMES = (*HOSTILE, "javascript:document.title='owned'", "../..", "ü" * 300, "\u05d0\u05d1 Ada", "bob")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Write the page of a class with one of everything, of strangers, and of nobody."""
    folder = tmp_path_factory.mktemp("class")
    pairs = []
    for at, name in enumerate(NAMES):
        told = {TANH: failed("the first at [0] is 1.5 and should be 2", "the mean is taken twice")}
        told |= {SIGMOID: failed(name), SECRET: failed("hidden")} if at % 3 else {}
        told |= {SECRET: (Outcome.GRADER_ERROR, Feedback(name))} if at % 7 == 0 else {}
        label = f"flagged {at}"
        report = report_of(label, told, wall_time_s=float(at))
        path = write_report(report, folder / label, ("json", "html") if at % 2 else ("json",))
        row = row_named(label, report, path)
        student = Student(key=name, name=name)
        entry = Entry(label=label, path=path.parent, students=(student,))
        pairs.append((Row(entry=entry, status=row.status, report=path), report))
    report = report_of(
        "x", {TANH: failed("the first at [0] is 1 and should be 2", "the mean is taken twice")}
    )
    key = next(map(cluster_id, failures(report)))
    comments = {
        each: Comment(cluster=each, check=TANH, diagnosis="", text=HOSTILE[2], by=HOSTILE[0], at="2026-01-01")
        for each in (key, "0123456789")
    }
    odd = [(without_report(name, "rejected", name), None) for name in NAMES]
    hostile = [
        (Row(entry=Entry(label=text, path=Path(text)), status="graded"), hostile_report(text))
        for text in HOSTILE
    ]
    sources = {
        "class": render(gather([*pairs, *odd]), comments, folder=folder / HOSTILE[3], beside=folder),
        "hostile": render(gather(hostile), {}, folder=Path("class"), beside=folder),
        "empty": render(gather([]), {}, folder=Path("class"), beside=folder),
    }
    for name, source in sources.items():
        (folder / f"{name}.html").write_text(source, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in sources}


@pytest.mark.parametrize("name", ["class", "hostile", "empty"])
@pytest.mark.parametrize("width", [320, 360, 1200])
def test_the_page_fits_and_does_nothing_by_itself(browser: Browser, pages, name, width):
    browser.show(pages[name], width=width)
    title = browser.ask("return document.title")
    browser.open_all()
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    assert browser.ask("return document.title") == title != "owned"
    assert browser.told() == [pages[name].as_uri()]


@pytest.mark.parametrize(
    "name, width, scheme",
    [("class", 1200, "light"), ("class", 360, "dark"), ("hostile", 360, "light"), ("empty", 360, "dark")],
)
def test_axe_finds_nothing_that_keeps_anybody_out(browser: Browser, pages, name, width, scheme):
    browser.show(pages[name], width=width, scheme=scheme)
    browser.open_all()
    assert axe_findings(browser) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_drawing_stands_out_from_what_is_behind_it(browser: Browser, pages, scheme):
    browser.show(pages["class"], scheme=scheme)
    labels, faint = browser.ask(CONTRASTS)
    assert labels > 10
    assert faint == []


def test_every_link_to_a_report_leads_to_a_file_beside_the_page(browser: Browser, pages):
    browser.show(pages["class"])
    links = set(browser.ask("return [...document.links].map(link => link.href.split('#')[0])"))
    root = pages["class"].parent.as_uri()
    assert all(link.startswith(f"{root}/") for link in links)
    assert sum(link.endswith("/report.html") for link in links) == len(NAMES) // 2


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(browser: Browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.show(pages["class"])
    wanted = browser.ask(
        "return [...document.querySelectorAll(\"a[href], summary, [tabindex='0']\")]"
        ".filter(each => each.checkVisibility({contentVisibilityAuto: true})).length"
    )
    for _ in range(min(wanted, 40)):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        outline = browser.ask("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline not in {"none", "hidden"}
    assert wanted > 40


def test_the_page_prints_whole(browser: Browser, pages):
    from pypdf import PdfReader

    browser.show(pages["class"], width=A4_PIXELS, media="print")
    assert browser.ask("return document.documentElement.scrollWidth") <= A4_PIXELS
    browser.show(pages["class"])
    reader = PdfReader(io.BytesIO(browser.printed()))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for words in ("The same failure", "grader comment", "This page loads nothing and runs nothing."):
        assert words in text
