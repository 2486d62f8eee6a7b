from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake import safe_name, safe_text


@given(st.text(st.characters(), max_size=200))
def test_quoted_text_is_always_one_short_printable_line(text):
    shown = safe_text(text)
    assert shown.isprintable()
    assert len(shown) <= 60
    assert "##" not in shown


def test_plain_names_are_quoted_as_they_are():
    assert safe_text("hw1/mytorch/nn/caf\u00e9 (1).py") == "hw1/mytorch/nn/caf\u00e9 (1).py"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *(("a\nb", r"a\nb"), ("\x1b[31m", r"\x1b[31m"), ("a\u202eb", r"a\u202eb"), ("\udcff", r"\udcff")),
        ("##vso[task]", r"#\x23vso[task]"),
    ],
)
def test_what_does_not_print_is_escaped(text, shown):
    assert safe_text(text) == shown


def test_the_end_of_a_long_name_stays():
    shown = safe_text("a" * 500 + "/linear.py")
    assert shown.endswith("/linear.py")
    assert "\u2026" in shown


@given(st.text(st.characters(), max_size=200))
def test_a_submissions_name_is_always_safe_to_print_and_to_use(text):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", safe_name(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(("hw1", "hw1"), ("Ada Lovelace (2)", "Ada-Lovelace-2"), ("Zo\u00eb", "Zoe"), ("-rf", "rf")),
        *(("Ada \u2014 hw\u00b71", "Ada-hw-1"), ("a_b-c.d", "a_b-c.d"), ("x" * 64, "x" * 64)),
    ],
)
def test_a_name_stays_readable(text, name):
    assert safe_name(text) == name


def test_a_name_with_nothing_to_keep_becomes_a_submission():
    assert safe_name("..").startswith("submission-")


@pytest.mark.parametrize(
    ("one", "other"), [("\u738b", "\u674e"), ("\u738b hw1", "\u674e hw1"), ("x" * 65, "x" * 66), ("..", "")]
)
def test_names_that_lose_their_letters_stay_apart(one, other):
    assert safe_name(one) != safe_name(other)
    assert len(safe_name(one)) <= 64


def test_text_at_the_limit_is_not_cut():
    assert safe_text("x" * 60) == "x" * 60
    assert safe_text("x" * 61) != "x" * 61
