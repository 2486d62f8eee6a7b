"""Damage to a valid zip is refused, or leaves the very files that were there."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import SubmissionRejected
from grader.intake.archive import read_archive
from grader.selftest.zip_maker import UTF8, Member, members_of, streamed, with_zip64_end, zip_of

FILES = {"mytorch/__init__.py": b"", "mytorch/nn/a.py": b"a = 1\n" * 40, "hw1.ipynb": b"{}"}
VALID = {
    "plain": zip_of(members_of(FILES)),
    "stored": zip_of(members_of(FILES, method=0, mode=0, system=0)),
    "streamed": zip_of([streamed(name, content, flags=UTF8) for name, content in FILES.items()]),
    "wide": zip_of([streamed(name, content, wide=True, signature=False) for name, content in FILES.items()]),
    "zip64": with_zip64_end(zip_of([*members_of(FILES), Member("mytorch/nn/", b"", mode=0o040755)])),
}
TRUTH = {name: read_archive(data).files for name, data in VALID.items()}
SIGNATURES = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08")
TELLING = (0, 1, 2, 8, 0x7F, 0x80, 0xFE, 0xFF)


def headers_of(data: bytes) -> list[int]:
    """Return the offsets of every byte in a header, where damage is most likely to be believed."""
    starts = [at for at in range(len(data)) if data[at : at + 4] in SIGNATURES]
    return sorted({at for start in starts for at in range(start, min(start + 56, len(data)))})


def mutated(kind: str, choose) -> bytes:
    """Damage a valid zip in one to three places; `choose(sequence)` picks."""
    data = bytearray(VALID[kind])
    headers = headers_of(data)
    for _ in range(choose(range(1, 4))):
        at = min(choose([choose(headers), choose(range(len(VALID[kind])))]), max(len(data) - 1, 0))
        length = choose([1, 2, 4, 8, 30])
        value = choose(TELLING)
        match choose(["set", "set", "fill", "cut", "insert", "repeat", "truncate", "move"]):
            case "set":
                data[at : at + 1] = bytes([value])
            case "fill":
                data[at : at + length] = bytes([value]) * length
            case "cut":
                del data[at : at + length]
            case "insert":
                data[at:at] = bytes([value]) * length
            case "repeat":
                data[at:at] = data[at : at + length]
            case "truncate":
                del data[at:]
            case "move":
                data[at : at + length] = data[-length:]
    return bytes(data)


def is_refused_or_unchanged(data: bytes, kind: str) -> bool:
    try:
        contents = read_archive(data)
    except SubmissionRejected as refusal:
        message = str(refusal)
        return message.isprintable() and len(message) < 300
    return contents.files == TRUTH[kind]


@pytest.mark.parametrize("kind", VALID)
def test_ten_thousand_damaged_zips_are_refused_or_unchanged(kind):
    picker = random.Random(20260401)
    for number in range(2_000):
        data = mutated(kind, picker.choice)
        assert is_refused_or_unchanged(data, kind), (number, data.hex())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_damaged_zip_is_refused_or_unchanged(kind, drawn):
    data = mutated(kind, lambda options: drawn.draw(st.sampled_from(options)))
    assert is_refused_or_unchanged(data, kind)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_refused_in_one_sentence(data, looks_like_a_zip):
    with pytest.raises(SubmissionRejected):
        read_archive((b"PK" if looks_like_a_zip else b"") + data)


@pytest.mark.parametrize("kind", VALID)
def test_every_truncation_is_refused(kind):
    for length in range(len(VALID[kind])):
        with pytest.raises(SubmissionRejected):
            read_archive(VALID[kind][:length])
