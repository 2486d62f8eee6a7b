"""Findings become sentences, whatever comes in their place."""

from __future__ import annotations

import pytest

from grader.checks.source import SENTENCES, flags_of, not_scanned
from grader.model import Flag
from grader.worker import source_scan

KINDS = {
    *source_scan.USES,
    *source_scan.KIND_OF_ATTRIBUTE.values(),
    *("library", "own_arithmetic", "array_subclass", "patched_library"),
    *("large_source", "bidirectional_text", "not_scanned"),
}


def test_every_kind_of_a_scan_has_its_sentence():
    assert set(SENTENCES) == KINDS


def test_a_finding_becomes_a_sentence_with_its_place():
    found = [("mytorch/nn/loss.py", 12, "library", "torch")]
    assert flags_of(found) == [
        Flag(
            "library",
            "imports torch; mytorch is to be written with NumPy and Python's own library only",
            "mytorch/nn/loss.py, line 12",
        )
    ]


@pytest.mark.parametrize(
    ("file", "line", "place"),
    [("a.py", 3, "a.py, line 3"), ("a.py", 0, "a.py"), ("", 0, None), ("a.py", -1, "a.py")],
)
def test_the_place_is_a_line_a_file_or_nothing(file, line, place):
    assert flags_of([[file, line, "shortcut", "numpy.gradient"]])[0].where == place


def test_no_findings_are_no_flags():
    assert flags_of([]) == []


@pytest.mark.parametrize(
    "answer",
    [
        *(None, "library", {"a": 1}, 3, [None], [[]], ["library"], [["a.py", 1, "library"]]),
        *([["a.py", "1", "library", "torch"]], [["a.py", 1, "points", "100"]], [["a.py", 1, "library", 5]]),
        *([[1, 1, "library", "torch"]], [["a.py", 1.5, "library", "torch"]], [["a.py", 1, None, "torch"]]),
        [["a.py", 1, "library", "torch"]] * 101,
    ],
)
def test_what_is_no_list_of_findings_is_a_flag_itself(answer):
    assert [flag.kind for flag in flags_of(answer)] == ["not_scanned"]


def test_text_of_a_finding_is_one_short_clean_line():
    hostile = "x\n::error::\x1b[31m\u202e" + "y" * 10_000
    (flag,) = flags_of([[hostile, 1, "library", hostile]])
    for text in (flag.message, flag.where):
        assert text.isprintable()
        assert len(text.encode()) < 400


def test_braces_in_a_finding_are_just_text():
    assert "{what.__class__}" in flags_of([["a.py", 1, "library", "{what.__class__}"]])[0].message


def test_sources_that_cannot_be_looked_at_are_told():
    assert not_scanned("the worker died").message == "the sources could not be looked at: the worker died"
