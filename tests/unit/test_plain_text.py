"""Foreign text is harmless once scrubbed, and a cut text says so."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.plain_text import MAX_TEXT_BYTES, one_line, quiet, scrub


def test_terminal_sequences_disappear_with_their_arguments():
    assert scrub("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07") == "red link"


def test_line_breaks_and_tabs_stay_and_carriage_returns_go():
    assert scrub("a\r\nb\tc\rd\x85e\u2028f") == "a\nb\tcd\ne\nf"


def test_bidirectional_and_zero_width_characters_go():
    assert scrub("a\u202eb\u200bc\u2066d\ufeff") == "abcd"


def test_lone_surrogates_go():
    scrub("a\ud800b").encode()


def test_a_long_text_is_cut_to_the_limit_and_says_so():
    text = scrub("x" * 10_000)
    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert text.endswith("[cut: the whole text has 10000 characters]")


def test_a_cut_never_splits_a_character():
    assert "\ufffd" not in scrub("é" * 10_000)


def test_a_text_of_control_characters_only_comes_out_short():
    assert len(scrub("\x00" * 100_000)) < 100


def test_one_line_has_no_line_breaks():
    assert one_line("a\n  b\tc\n") == "a b c"


@given(st.text(alphabet=st.characters(), max_size=6000))
def test_scrubbed_text_is_short_printable_and_stays_as_it_is(text):
    scrubbed = scrub(text)
    assert len(scrubbed.encode()) <= MAX_TEXT_BYTES
    assert scrub(scrubbed) == scrubbed
    assert not [
        character
        for character in scrubbed
        if character not in "\n\t" and unicodedata.category(character)[0] == "C"
    ]


@pytest.mark.parametrize(
    "text, shown",
    [
        ("::error::x", ": :error::x"),
        ("a\n \t::stop-commands::b", "a\n \t: :stop-commands::b"),
        ("a ##[error]b ##vso[c]", "a ## [error]b ## vso[c]"),
        ("a::b", "a::b"),
    ],
)
def test_what_a_ci_service_would_obey_is_broken_up(text, shown):
    assert quiet(text) == shown
    assert quiet(quiet(text)) == shown
