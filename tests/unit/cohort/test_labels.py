"""Labels are safe, unique, and the same whoever else is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.cohort.handed_in.labels import label_of, label_with_number, with_unique_labels
from grader.cohort.model import Entry
from grader.intake.names import RESERVED_ON_WINDOWS

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300)


@given(NAMES)
def test_a_label_is_safe_whatever_the_name(name):
    label = label_of(name)
    assert SAFE.fullmatch(label)
    assert label[-1] not in ". "
    assert not RESERVED_ON_WINDOWS.fullmatch(label)


@given(NAMES, NAMES)
def test_two_names_have_two_labels(one, other):
    assert (label_of(one) == label_of(other)) == (one == other)


@given(NAMES, st.from_regex(r"[0-9]{1,20}", fullmatch=True))
def test_a_label_with_a_number_is_safe_and_ends_in_it(name, number):
    label = label_with_number(name, number)
    assert SAFE.fullmatch(label)
    assert label.endswith(f"-{number}")


@given(st.lists(NAMES | st.sampled_from(["Anna", "anna", "ANNA", "a b", "a-b"]), max_size=20))
def test_labels_of_a_class_are_unique_to_a_system_that_ignores_case(names):
    entries = [Entry(label=label_of(name), path=Path(name)) for name in dict.fromkeys(names)]
    labels = [each.label for each in with_unique_labels(entries)]
    assert len({each.casefold() for each in labels}) == len(entries)
    assert all(map(SAFE.fullmatch, labels))


@pytest.mark.parametrize(("name", "label"), [("anna", "anna"), ("hw1-a.b_c", "hw1-a.b_c"), ("Anna", "Anna")])
def test_a_safe_name_is_its_own_label(name, label):
    assert label_of(name) == label


def test_names_of_one_safe_form_end_in_a_hash_of_their_own():
    labels = [label_of(name) for name in ("a-b", "a b", "a:b", "CON", "a" * 65, "李伟")]
    assert labels[0] == "a-b"
    assert re.fullmatch(r"a-b-[0-9a-f]{8}", labels[1])
    assert re.fullmatch(r"CON-[0-9a-f]{8}", labels[3])
    assert len(labels[4]) == 64
    assert len(set(labels)) == 6
