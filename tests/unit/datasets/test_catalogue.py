from pathlib import Path

import pytest

from grader.datasets.catalogue import CATALOGUE, Checksums, KnownFile, verify
from grader.errors import DataUnavailable
from grader.settings import resource

HELLO = b"hello"
HELLO_MD5 = "5d41402abc4b2a76b9719d911017c592"
HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def known(*, md5: str | None = None, sha256: str | None = None) -> KnownFile:
    return KnownFile("data", 10, Checksums(md5=md5, sha256=sha256))


def test_a_file_is_known_by_whichever_checksums_the_table_has():
    by_md5, by_sha256 = known(md5=HELLO_MD5), known(sha256=HELLO_SHA256)
    assert verify(HELLO, [by_md5], path=Path("f")) is by_md5
    assert verify(HELLO, [by_sha256], path=Path("f")) is by_sha256


def test_both_checksums_must_agree_where_both_are_known():
    with pytest.raises(DataUnavailable):
        verify(HELLO, [known(md5=HELLO_MD5, sha256="0" * 64)], path=Path("f"))


def test_the_candidate_that_matches_is_returned_not_the_first():
    candidates = [known(md5="0" * 32), known(sha256=HELLO_SHA256)]
    assert verify(HELLO, candidates, path=Path("f")) is candidates[1]


def test_a_wrong_file_is_told_by_name_what_was_expected_and_what_was_found():
    with pytest.raises(DataUnavailable) as caught:
        verify(HELLO, [known(md5="0" * 32), known(sha256="1" * 64)], path=Path("folder/f"))
    assert str(caught.value) == (
        f"{Path('folder/f')} is not the data that is known: expected MD5 {'0' * 32} or SHA-256 {'1' * 64}, "
        f"got MD5 {HELLO_MD5} (SHA-256 {HELLO_SHA256})"
    )


def test_every_file_in_the_table_has_a_checksum():
    sets = (CATALOGUE.mnist_sample, CATALOGUE.mnist_full, *CATALOGUE.bloodmnist)
    sums = [file.checksums for known_set in sets for file in known_set.files]
    assert len(sums) == 10
    for checksums in sums:
        assert checksums.md5 or checksums.sha256
        assert checksums.md5 is None or len(checksums.md5) == 32
        assert checksums.sha256 is None or len(checksums.sha256) == 64


def test_the_licence_page_states_the_checksums_of_the_table():
    page = (resource("fixtures/data") / "LICENSE.md").read_text(encoding="utf-8")
    for file in CATALOGUE.mnist_full.files:
        assert f"| `{file.name}` | {file.checksums.md5} |" in page
    for file in CATALOGUE.mnist_sample.files:
        assert f"| `{file.name}` | {file.limit_bytes:,} | {file.checksums.sha256} |" in page
