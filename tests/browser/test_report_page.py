"""The page of a report in a real browser: narrow and wide, light and dark, printed, by keyboard, harmless."""

# ruff: noqa: PLC0415 -- what a place may lack is imported where it is used

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest

from grader.reports import rendered, to_html
from tests.browser.conftest import Browser
from tests.unit.reports.samples import HOSTILE, hostile_report, sample_report

# A small telephone, what WCAG asks for (400 % on a screen of 1280 pixels), and a screen.
WIDTHS = (360, 320, 1200)
SCHEMES = ("light", "dark")
A4_PIXELS = 794
# What a page must not do; and a page that does it, so that it is seen to be noticed.
GUILTY = """<!DOCTYPE html><title>guilty</title><img src="http://127.0.0.1:9/x.png">
<script>document.title = 'owned'; console.error('an error')</script>"""
CONTROLS = "a[href], summary, [tabindex='0']"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Write the pages that are looked at."""
    folder = tmp_path_factory.mktemp("pages")
    sources = {
        "instructor": to_html.render(sample_report()),
        "student": rendered(sample_report(), "html-student"),
        "guilty": GUILTY,
    }
    sources |= {f"hostile{at}": to_html.render(hostile_report(text)) for at, text in enumerate(HOSTILE)}
    for name, source in sources.items():
        (folder / f"{name}.html").write_text(source, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in sources}


@pytest.mark.parametrize(
    "name, width",
    [
        *((name, width) for name in ("instructor", "student") for width in WIDTHS),
        *((f"hostile{at}", 320) for at in range(len(HOSTILE))),
    ],
)
def test_the_page_fits_and_does_nothing_by_itself(browser: Browser, pages, name, width):
    browser.show(pages[name], width=width)
    title = browser.ask("return document.title")
    browser.open_all()
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    assert browser.ask("return document.title") == title != "owned"
    assert browser.told() == [pages[name].as_uri()]


def test_a_page_that_does_something_is_noticed(browser: Browser, pages):
    browser.show(pages["guilty"])
    assert browser.ask("return document.title") == "owned"
    told = browser.told()
    assert "http://127.0.0.1:9/x.png" in told
    assert any("an error" in each for each in told)
    assert {"html-has-lang", "image-alt"} <= set(axe_findings(browser))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_follows_the_readers_light_or_dark(browser: Browser, pages, scheme):
    browser.show(pages["instructor"], scheme=scheme)
    background = browser.ask("return getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").partition(",")[0])
    assert (red > 200) == (scheme == "light")


# Every width, every scheme and every view once: one run takes seconds.
@pytest.mark.parametrize(
    "name, width, scheme",
    [("instructor", 1200, "light"), ("instructor", 360, "dark"), ("student", 360, "light")],
)
def test_axe_finds_nothing_that_keeps_anybody_out(browser: Browser, pages, name, width, scheme):
    browser.show(pages[name], width=width, scheme=scheme)
    browser.open_all()
    assert axe_findings(browser) == {}


def axe_findings(browser: Browser) -> dict[str, list[str]]:
    """Return the rules of axe-core that the page breaks, and the first elements that do."""
    package = importlib.util.find_spec("axe_core_python")
    browser.ask((Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(done);"
    )
    assert found["passes"]
    return {each["id"]: [node["html"][:200] for node in each["nodes"][:3]] for each in found["violations"]}


# What axe does not look at: text in drawings.
CONTRASTS = """
const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
const linear = part => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
const luminance = rgb => 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
const behind = node => {
  for (let at = node; at; at = at.parentElement) {
    const rgb = parts(getComputedStyle(at).backgroundColor);
    if (rgb.length === 3 || rgb[3] > 0) return rgb;
  }
  return [255, 255, 255];
};
const ratio = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const found = [];
for (const node of document.querySelectorAll("svg .label, svg .line, svg .mark")) {
  const style = getComputedStyle(node);
  const ink = parts(node.matches(".line") ? style.stroke : style.fill);
  const least = node.matches(".label") ? 4.5 : 3;
  if (ratio(ink, behind(node)) < least) found.push([node.outerHTML, ratio(ink, behind(node))]);
}
return [document.querySelectorAll("svg .label").length, found];
"""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_drawings_stand_out_from_what_is_behind_them(browser: Browser, pages, scheme):
    browser.show(pages["instructor"], scheme=scheme)
    labels, faint = browser.ask(CONTRASTS)
    assert labels > 50
    assert faint == []


def test_the_tab_key_reaches_every_control_in_order_and_shows_where_it_is(browser: Browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.show(pages["instructor"])
    browser.ask(
        f"document.querySelectorAll({CONTROLS!r}).forEach((each, at) => {{ each.dataset.at = at; }});"
    )
    wanted = browser.ask(
        f"return [...document.querySelectorAll({CONTROLS!r})]"
        ".filter(each => each.checkVisibility({contentVisibilityAuto: true})).map(each => each.dataset.at)"
    )
    assert len(wanted) > 20
    reached = []
    for _ in wanted:
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        at, outline = browser.ask(
            "const on = document.activeElement; return [on.dataset.at, getComputedStyle(on).outlineStyle]"
        )
        reached.append(at)
        assert outline not in {"none", "hidden"}
    assert reached == wanted


def test_the_first_control_skips_to_the_report(browser: Browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.show(pages["instructor"])
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.ask("return document.activeElement.id") == "main"


def test_the_enter_key_opens_what_is_folded(browser: Browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.show(pages["instructor"])
    closed = browser.ask("return document.querySelector('details:not([open]) > summary')")
    closed.send_keys(Keys.ENTER)
    assert browser.ask("return arguments[0]") is None
    assert closed.find_element("xpath", "..").get_attribute("open") is not None


@pytest.mark.parametrize("name", ["instructor", "student"])
def test_the_page_prints_whole(browser: Browser, pages, name):
    from pypdf import PdfReader

    browser.show(pages[name], width=A4_PIXELS, media="print")
    assert browser.ask("return document.documentElement.scrollWidth") <= A4_PIXELS
    browser.show(pages[name])
    reader = PdfReader(io.BytesIO(browser.printed()))
    text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert len(reader.pages) >= 2
    assert all(len(page.extract_text()) > 40 for page in reader.pages)  # none is empty
    for words in ("carol: hw1", "5.5 / 12", "This page loads nothing and runs nothing."):
        assert words in text
    assert "accuracy 0.97" in text  # it stands in what is folded on a screen
    if name == "instructor":
        assert "the kernel itself" in text
