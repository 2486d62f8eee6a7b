"""Every rule of the protocol, and mutated frames: only a value or a FrameError comes out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.worker import protocol
from grader.worker.protocol import FrameError, Unencodable, Unsupported


class NoHandles:
    """An end that keeps no objects."""

    def to_node(self, value):
        raise Unencodable(f"a {type(value).__name__}")

    def from_node(self, node):
        raise FrameError("no objects here")


def reader(data: bytes):
    position = 0

    def read(count: int) -> bytearray:
        nonlocal position
        if position + count > len(data):
            raise EOFError
        position += count
        return bytearray(data[position - count : position])

    return read


def frame(header: bytes, arrays: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "little") + header + arrays


def read(data: bytes, budget: int = 1 << 20):
    return protocol.read_frame(reader(data), budget_bytes=budget)


def round_trip(value):
    arrays: list[np.ndarray] = []
    node = protocol.encode(value, arrays, NoHandles())
    header, received = read(b"".join(protocol.pack({"id": 1, "value": node}, arrays)), 1 << 24)
    return protocol.decode(header["value"], received, NoHandles())


@pytest.mark.parametrize("dtype", sorted(protocol.DTYPES))
def test_arrays_of_every_allowed_dtype_arrive_unchanged(dtype):
    sent = np.arange(6).reshape(2, 3).astype(dtype)
    got = round_trip(sent)
    assert got.dtype == sent.dtype
    assert got.tolist() == sent.tolist()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1, 1)])
def test_empty_and_scalar_arrays_keep_their_shape(shape):
    assert round_trip(np.zeros(shape)).shape == shape


def test_big_endian_and_strided_arrays_arrive_as_plain_little_endian_ones():
    sent = np.arange(12, dtype=">f8").reshape(3, 4)[:, ::2]
    got = round_trip(sent)
    assert got.dtype == np.dtype("<f8")
    assert got.tolist() == sent.tolist()


def test_a_subclass_that_lies_arrives_as_a_plain_array():
    class AlwaysEqual(np.ndarray):
        def __eq__(self, other):
            return np.array(True)

        __hash__ = None

    assert type(round_trip(np.ones(3).view(AlwaysEqual))) is np.ndarray


@pytest.mark.parametrize("value", [0.1, math.inf, -math.inf, -0.0, 5e-324, np.float64(2.5)])
def test_floats_arrive_bit_for_bit(value):
    assert math.copysign(1, round_trip(value)) == math.copysign(1, value)
    assert round_trip(value) == value


def test_nan_arrives_as_nan():
    assert math.isnan(round_trip(math.nan))


def test_a_float32_scalar_keeps_its_dtype_as_an_array_without_dimensions():
    got = round_trip(np.float32(1.5))
    assert (got.dtype, got.shape) == (np.float32, ())


@pytest.mark.parametrize(
    "value", [None, True, False, 7, -(2**63), "é😀", [1, [2]], (1, (2.0,)), {"a": [None]}]
)
def test_plain_values_arrive_equal_and_of_the_same_type(value):
    assert round_trip(value) == value
    assert type(round_trip(value)) is type(value)


def test_lone_surrogates_are_scrubbed():
    assert round_trip("a\ud800b") == "a?b"


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()], dtype=object),
        np.array(["text"]),
        np.array([1], dtype="datetime64[s]"),
        np.zeros(2, dtype=[("x", "f8")]),
        10**30,
        {1: 2},
        object(),
        "x" * (protocol.MAX_TEXT + 1),
        np.longdouble(1) if np.dtype(np.longdouble).itemsize > 8 else object(),
    ],
)
def test_what_cannot_cross_is_described_and_never_sent(value):
    with pytest.raises(Unencodable):
        protocol.encode(value, [], NoHandles())


def test_a_list_that_holds_itself_cannot_cross():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(Unencodable):
        protocol.encode(loop, [], NoHandles())


@pytest.mark.parametrize(
    "header",
    [
        b'{"id":1,"id":2}',
        b'{"id":NaN}',
        b'{"id":Infinity}',
        b'{"id":1e999}',
        b'{"id":1.5}',
        b'{"id":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":[' + b"0," * 250_000 + b"0]}",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"{}trailing",
    ],
    ids=lambda header: header[:12].decode("latin-1"),
)
def test_headers_that_break_a_rule_are_refused(header):
    with pytest.raises(FrameError):
        read(frame(header))


@pytest.mark.parametrize("length", [0, 1, protocol.MAX_HEADER_BYTES + 1, 2**32 - 1])
def test_a_header_length_out_of_bounds_is_refused_before_it_is_read(length):
    with pytest.raises(FrameError):
        read(length.to_bytes(4, "little"))


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "|O", "shape": [1]},
        {"dtype": "<U4", "shape": [1]},
        {"dtype": "float64", "shape": [1]},
        {"dtype": ">f8", "shape": [1]},
        {"dtype": ["<f8"], "shape": [1]},
        {"dtype": "<f8", "shape": [-1]},
        {"dtype": "<f8", "shape": [True]},
        {"dtype": "<f8", "shape": ["1"]},
        {"dtype": "<f8", "shape": 3},
        {"dtype": "<f8", "shape": [2**32, 2**32, 0]},
        {"dtype": "<f8", "shape": [2**39]},
        {"dtype": "<f8", "shape": [2**50]},
        {"dtype": "<f8", "shape": [1] * 40},
        {"dtype": "<f8", "shape": [200_000]},
        {"dtype": "<f8"},
        {"dtype": "<f8", "shape": [1], "more": 1},
        "array",
    ],
    ids=str,
)
def test_array_descriptions_that_break_a_rule_are_refused_before_anything_is_allocated(entry):
    with pytest.raises(FrameError):
        read(frame(json.dumps({"id": 1, "arrays": [entry]}).encode()))


def test_the_budget_is_for_all_arrays_of_a_frame_together():
    entry = {"dtype": "<f8", "shape": [100]}
    with pytest.raises(FrameError):
        read(frame(json.dumps({"arrays": [entry, entry]}).encode(), bytes(1600)), budget=1500)


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"$array": 0},
        {"$array": True},
        {"$array": -1},
        {"$float": 1},
        {"$float": "0x" + "1" * 50},
        {"$float": "ten"},
        {"$tuple": 1},
        {"$dict": [[1, 2]]},
        {"$dict": [["a", 1], ["a", 2]]},
        {"$dict": [["a"]]},
        {"$unsupported": 1},
        {"$object": 1, "type": "x"},
        {"$tuple": [], "$dict": []},
        {"plain": 1},
    ],
    ids=str,
)
def test_value_nodes_that_break_a_rule_are_refused(node):
    with pytest.raises(FrameError):
        protocol.decode(node, [], NoHandles())


def test_an_unsupported_value_arrives_as_its_description():
    assert protocol.decode({"$unsupported": "an object array"}, [], NoHandles()) == Unsupported(
        "an object array"
    )


VALID = b"".join(
    protocol.pack(
        {"id": 1, "values": [{"$array": 0}, {"$float": "0x1.8p+1"}, {"$tuple": [1, None]}, "text"]},
        [np.arange(4.0)],
    )
)


@settings(max_examples=3000, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255), st.sampled_from("rid")),
        min_size=1,
        max_size=4,
    )
)
def test_a_mutated_frame_is_a_value_or_a_frame_error_and_nothing_else(mutations):
    data = bytearray(VALID)
    for position, byte, kind in mutations:
        at = min(position, len(data) - 1)
        if kind == "r":
            data[at] = byte
        elif kind == "i":
            data.insert(at, byte)
        elif len(data) > 1:
            del data[at]
    try:
        header, arrays = read(bytes(data))
        protocol.decode(header.get("values"), arrays, NoHandles())
    except (FrameError, EOFError):
        pass
