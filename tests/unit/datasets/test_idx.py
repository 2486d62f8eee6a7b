import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grader.datasets.idx import encode_idx, parse_idx, read_unpacked, write_idx_gz
from grader.errors import DataUnavailable

HERE = Path("file")
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=3, min_side=0)))
def test_an_array_comes_back_from_its_own_encoding(array):
    np.testing.assert_array_equal(parse_idx(encode_idx(array), path=HERE), array, strict=True)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_with_one_sentence(data):
    try:
        array = parse_idx(data, path=HERE)
    except DataUnavailable as error:
        assert str(error).startswith("file ")  # noqa: PT017
    else:
        assert encode_idx(array) == data


def test_the_array_cannot_be_written_to():
    assert not parse_idx(encode_idx(IMAGES), path=HERE).flags.writeable


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "file is not an IDX file: it does not start with two zero bytes and a type"),
        (b"\x89PNG\r\n\x1a\n", "file is not an IDX file: it does not start with two zero bytes and a type"),
        (b"\0\0\x0d\x01\0\0\0\0", "file holds values of IDX type 0x0d; only unsigned bytes are read"),
        (b"\0\0\x08\x03\0\0\0\x02", "file ends inside its IDX header of 3 dimensions"),
        (b"\0\0\x08\x00\0", "file ends inside its IDX header of 0 dimensions"),
        (encode_idx(IMAGES)[:-1], "file holds 23 values, but its header says (2, 3, 4): 24 values"),
        (encode_idx(IMAGES) + b"\0", "file holds 25 values, but its header says (2, 3, 4): 24 values"),
    ],
)
def test_a_flaw_is_named(data, sentence):
    with pytest.raises(DataUnavailable) as caught:
        parse_idx(data, path=HERE)
    assert str(caught.value) == sentence


def test_a_header_that_claims_terabytes_allocates_nothing():
    data = b"\0\0\x08\x03" + b"\xff" * 12
    with pytest.raises(DataUnavailable, match="holds 0 values"):
        parse_idx(data, path=HERE)


def test_a_gzipped_file_is_unpacked_whatever_its_name_says(tmp_path):
    path = tmp_path / "plain-name"
    path.write_bytes(gzip.compress(b"digits"))
    assert read_unpacked(path, limit_bytes=6) == b"digits"


def test_a_plain_file_is_read_even_if_its_name_ends_in_gz(tmp_path):
    path = tmp_path / "name.gz"
    path.write_bytes(b"digits")
    assert read_unpacked(path, limit_bytes=6) == b"digits"


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzipped", "plain"])
def test_a_file_above_the_limit_is_refused(tmp_path, pack):
    path = tmp_path / "bomb"
    path.write_bytes(pack(b"\0" * 10_000_000))
    with pytest.raises(DataUnavailable, match="is too large: unpacked it may hold 9,999,999 bytes"):
        read_unpacked(path, limit_bytes=9_999_999)


@pytest.mark.parametrize("damage", ["cut short", "a flipped bit", "a wrong length at the end"])
def test_a_damaged_gzip_file_is_refused_with_its_name(tmp_path, damage):
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    write_idx_gz(path, IMAGES)
    data = bytearray(path.read_bytes())
    if damage == "cut short":
        del data[-10:]
    else:
        data[12 if damage == "a flipped bit" else -1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataUnavailable, match=r"t10k-images-idx3-ubyte\.gz cannot be read: "):
        read_unpacked(path, limit_bytes=1000)


def test_a_missing_file_is_named_once_and_without_an_error_number(tmp_path):
    with pytest.raises(DataUnavailable) as caught:
        read_unpacked(tmp_path / "absent", limit_bytes=1)
    assert str(caught.value) == f"{tmp_path / 'absent'} cannot be read: No such file or directory"


def test_the_same_array_is_written_as_the_same_bytes_under_any_name(tmp_path):
    write_idx_gz(tmp_path / "one.gz", IMAGES)
    write_idx_gz(tmp_path / "two.gz", IMAGES)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
