"""The page of a report: one file without a script, where whatever a student wrote is text."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from functools import cache, partial
from itertools import pairwise

import pytest

from grader.model import Ending, Outcome
from grader.plain_text import quiet, scrub
from grader.reports import FORMATS, rendered, to_html, write_report
from grader.reports.schema import Report
from grader.reports.svg import colour, diverging, ink_on, sequential
from grader.reports.to_json import read_report
from grader.reports.to_json import render as to_json
from grader.scoring import score
from tests.unit.reports.pages import Page
from tests.unit.reports.samples import HOSTILE, SECRET, hostile_report, sample_report
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts

VIEWS = tuple(partial(rendered, name=name) for name in ("html", "html-student"))
BANNED_TAGS = {"script", "iframe", "object", "embed", "form", "input", "base", "link", "video", "audio"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.fixture(scope="module")
def report() -> Report:
    return sample_report()


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(to_html.render(report))


def require_harmless(page: Page) -> None:
    assert not {tag for tag, _ in page.elements} & BANNED_TAGS
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"srcdoc", "srcset"}], tag
        for name in ("href", "src", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), value
        assert "url(" not in (attributes.get("style") or "")
    (policy,) = [each["content"] for each in page.tags("meta") if "http-equiv" in each]
    assert policy.startswith(POLICY)


@cache
def harmless(render) -> Page:
    return Page(render(hostile_report("harmless")))


@pytest.mark.parametrize("render", VIEWS)
def test_the_page_loads_nothing_and_runs_nothing(render, report):
    source = render(report)
    require_harmless(Page(source))
    assert not re.search(r"@import|url\(|https?:|expression\(", source)


@pytest.mark.parametrize("render", VIEWS)
def test_every_id_is_there_once_and_what_points_to_one_finds_it(render, report):
    page = Page(render(report))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    named = [*page.attributes("aria-labelledby"), *page.attributes("aria-describedby")]
    pointed = {name for value in named for name in value.split()}
    pointed |= {value[1:] for value in page.attributes("href")}
    assert pointed <= set(ids)


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text)[:24] for text in HOSTILE])
@pytest.mark.parametrize("render", VIEWS)
def test_whatever_a_student_wrote_is_text(render, text):
    source = render(hostile_report(text))
    source.encode("utf-8")  # no lone surrogate is left
    plain, poisoned = harmless(render), Page(source)
    require_harmless(poisoned)
    assert [tag for tag, _ in poisoned.elements] == [tag for tag, _ in plain.elements]
    assert poisoned.comments == []
    shown = " ".join(quiet(scrub(text)).split())
    assert shown in " ".join(poisoned.text.split())
    assert not set(poisoned.text) & set("\x1b\x07\u202e\u2066\u200b\ufeff\ud800\udfff")


def test_nothing_of_a_hidden_check_is_in_the_students_view(report):
    assert SECRET in to_html.render(report)
    shown = rendered(report, "html-student")
    assert SECRET not in shown
    assert "1 hidden check" in shown
    assert "imports torch" not in shown
    assert "41234567" not in shown


def test_the_instructor_sees_flags_and_hidden_checks(page):
    for words in ("imports torch", "linear.py:3", SECRET, "hidden", "41234567"):
        assert words in page.text


def test_score_and_what_waits_stand_at_the_top(page):
    assert re.search(r"5\.5 / 12", page.text)
    assert "1 points wait for a person" not in page.text
    assert "1 point waits for a person" in page.text
    assert "the second half is thin" in page.text
    assert "2.5 of 3 points by Ada" in page.text


@pytest.mark.parametrize("ending", [each for each in Ending if each is not Ending.FINISHED])
def test_where_there_is_no_score_the_page_says_why(ending):
    told = Page(to_html.render(score(plan_of(), {}, facts(ending, reason="the zip is <b>broken</b>"))))
    assert "No score" in told.text
    assert "the zip is <b>broken</b>" in told.text


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_word(outcome):
    plan = plan_of("q6.1")
    assert Page(to_html.render(score(plan, results_of(plan, a=outcome), facts()))).text


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_the_gap_is_drawn_in_three_maps_and_told_in_three_tables(page):
    titles = re.findall(r"(expected|got|difference)[,:]", page.text)
    assert {"expected", "got", "difference"} <= set(titles)
    captions = page.text.count("difference, got minus expected")
    assert captions >= 2
    assert "nan" in page.text
    assert "\u2212inf" in page.text


def test_drawings_have_a_title_and_a_description(page):
    drawings = page.tags("svg")
    assert len(drawings) >= 10
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in drawings)
    assert len([tag for tag, _ in page.elements if tag == "title"]) == len(drawings) + 1
    assert len([tag for tag, _ in page.elements if tag == "desc"]) == len(drawings)


def test_tables_say_what_their_headings_are_for(page):
    assert all(each.get("scope") in {"row", "col"} for each in page.tags("th"))


def test_places_in_drawings_are_numbers(report):
    for name in ("x", "y", "cx", "cy", "x1", "y2", "width", "height", "points", "viewbox"):
        for value in Page(to_html.render(report)).attributes(name):
            numbers = re.split(r"[ ,]", value)
            assert all(abs(float(number)) < 5000 for number in numbers), (name, value)


def test_pictures_are_what_was_in_the_report(report):
    (first, *_) = Page(to_html.render(report)).tags("img")
    png = base64.b64decode(first["src"].partition(",")[2])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">IIBB", png[16:26]) == (28, 28, 8, 2)
    size = struct.unpack(">I", png[33:37])[0]
    rows = zlib.decompress(png[41 : 41 + size])
    pixels = b"".join(rows[at + 1 : at + 85] for at in range(0, len(rows), 85))
    picture = report.questions[1].checks[0].plots[3].pictures[0]
    assert pixels == base64.b64decode(picture.pixels)
    assert first["alt"] == "Test image of class basophil, predicted eosinophil with confidence 0.97"


def test_a_report_read_back_gives_the_same_page(report):
    assert to_html.render(read_report(to_json(report))) == to_html.render(report)


def test_both_pages_are_formats_of_their_own(report, tmp_path):
    write_report(report, tmp_path, ("html", "html-student"))
    assert SECRET in (tmp_path / FORMATS["html"].file_name).read_text(encoding="utf-8")
    assert SECRET not in (tmp_path / FORMATS["html-student"].file_name).read_text(encoding="utf-8")


@pytest.mark.parametrize("share", [at / 50 for at in range(-50, 51)])
def test_numbers_can_be_read_on_every_colour(share):
    for rgb in (diverging(share, 1.0), sequential(abs(share))):
        assert contrast(colour(rgb), ink_on(rgb)) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, by the formula of WCAG 2.2."""

    def luminance(text: str) -> float:
        parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
