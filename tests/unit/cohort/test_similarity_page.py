"""The page and the JSON say what was found; whatever a student wrote is text in them."""

from __future__ import annotations

import json
import re

import pytest

from grader.cohort.model import Entry
from grader.cohort.similarity.comparing import compare
from grader.cohort.similarity.page import SCHEMA, as_json, render
from grader.plain_text import scrub
from tests.unit.cohort.similarity_folders import (
    OPTIONS,
    OTHERS,
    SHARED,
    class_of_text,
    entries,
    write_student,
)
from tests.unit.reports.pages import Page
from tests.unit.reports.samples import HOSTILE
from tests.unit.reports.test_to_html import BANNED_TAGS


def require_harmless(page: Page) -> None:
    assert not {tag for tag, _ in page.elements} & (BANNED_TAGS | {"img"})
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in {"srcdoc", "src"}], tag
        assert (attributes.get("href") or "#").startswith("#")
        assert "style" not in attributes
    assert page.comments == []
    (policy,) = [each["content"] for each in page.tags("meta") if "http-equiv" in each]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; base-uri")


def test_the_page_shows_the_pair_and_its_code_side_by_side(tmp_path):
    page = Page(
        render(compare(entries(tmp_path, ["ann", "bob", "eve"], [SHARED, SHARED, OTHERS[1]]), OPTIONS))
    )
    text = " ".join(page.text.split())
    require_harmless(page)
    assert text.count("self.probs = np.exp(shifted)") == 2
    assert text.count("mytorch/nn/loss.py, lines 2\u20135") == 2
    assert "ann and bob" in text
    assert "eve and" not in text
    assert "only in these two" in text
    assert "It is no verdict" in text
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    pointed = {value[1:] for value in page.attributes("href")} | {*page.attributes("aria-labelledby")}
    assert pointed <= set(ids)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_student_is_more_than_text(tmp_path, text):
    plain = Page(render(class_of_text(tmp_path / "plain", "harmless")))
    source = render(class_of_text(tmp_path / "hostile", text))
    source.encode("utf-8")
    poisoned = Page(source)
    require_harmless(poisoned)
    lines = len(text.splitlines())
    if lines == 1:
        tags = [tag for tag, _ in plain.elements]
        assert [tag for tag, _ in poisoned.elements] == tags
    if text.isprintable() and len(text) < 150:
        assert " ".join(scrub(text).replace("##[", "## [").split()) in " ".join(poisoned.text.split())
    assert not set(poisoned.text) & set("\x1b\x07\u202e\u2066\u200b\ufeff\ud800\udfff")
    assert not re.search(r"^[^\S\n]*::|##\[", source.partition("</style>")[2], flags=re.MULTILINE)
    assert not re.search(r"@import|expression\(", re.sub(r"<body>.*", "", source, flags=re.DOTALL))
    assert json.loads(as_json(class_of_text(tmp_path / "json", text)))["compared"] == 3


def test_what_turns_the_direction_of_text_is_written_out(tmp_path):
    page = Page(render(class_of_text(tmp_path, "if a\u202e == b")))
    assert r"# if a\u202e == b" in page.text
    assert r"if a\u202e == b one" in page.text


def test_long_lines_and_long_passages_are_cut_and_it_is_said(tmp_path):
    body = "".join(
        f"a{number} = b[{number}] + c.sum() * {'(d - e) / ' * (number % 7)} f\n" for number in range(400)
    )
    sources = [body + "x = '" + "y" * 1000 + "'\n" + SHARED] * 2
    page = Page(render(compare(entries(tmp_path, ["ann", "bob"], sources), OPTIONS)))
    assert "lines are not shown" in page.text
    assert "y" * 400 not in page.text
    assert len(page.text) < 60_000


def test_the_json_names_the_same_pairs_and_all_their_lines(tmp_path):
    notebooks = [
        Entry(label=name, path=write_student(tmp_path / name, "a = 1", cells=("b = 2", SHARED)))
        for name in ("ann", "bob")
    ]
    found = json.loads(as_json(compare(notebooks, OPTIONS)))
    assert (found["schema"], found["compared"], found["min_tokens"]) == (SCHEMA, 2, 15)
    (pair,) = found["pairs"]
    assert (pair["one"], pair["other"]) == ("ann", "bob")
    assert 0 < pair["score"] <= 1
    place = {"file": "work.ipynb", "cell": 2, "first_line": 2, "last_line": 5}
    assert pair["regions"][0]["one"][-1] == pair["regions"][0]["other"][-1] == place
    assert pair["regions"][0]["usual"] == 2


def test_a_class_without_anything_in_common_gets_a_page_that_says_so(tmp_path):
    page = Page(render(compare(entries(tmp_path, ["ann", "bob"], list(OTHERS)), OPTIONS)))
    assert "No two submissions share any unusual code." in " ".join(page.text.split())
