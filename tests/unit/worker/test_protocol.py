"""Every rule of the protocol, and mutated frames: only a value or a FrameError comes out."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

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


@pytest.mark.parametrize("half", [0xD800, 0xDFFF])
def test_half_a_surrogate_pair_is_scrubbed_before_it_is_sent_wherever_it_stands(half):
    value = f"a{chr(half)}b"
    assert round_trip(value) == "a?b"
    assert round_trip({value: value}) == {"a?b": "a?b"}
    packed = b"".join(protocol.pack({"id": 1, "fault": {"message": value}}, []))
    assert read(packed)[0]["fault"] == {"message": "a?b"}


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
    "header, said",
    [
        (b'{"id":1,"id":2}', "a key stands twice"),
        (b'{"id":1,"a":{"b":[],"b":[]}}', "a key stands twice"),
        (b'{"id":NaN}', "NaN is not a number that crosses"),
        (b'{"id":Infinity}', "Infinity is not"),
        (b'{"id":-Infinity}', "-Infinity is not"),
        (b'{"id":1e999}', "a bare float"),
        (b'{"id":-1E+999}', "a bare float"),
        (b'{"id":1.5}', "a bare float"),
        (b'{"id":1.0}', "a bare float"),
        (b'{"id":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"id":-' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"id":9223372036854775808}', "does not fit in 64 bits"),
        (b'{"id":-9223372036854775809}', "does not fit in 64 bits"),
        (b"[" * 100_000, "not JSON: RecursionError"),
        (b'{"a":' * 100_000, "not JSON: RecursionError"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "nested too deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested too deep"),
        (b'{"a":[' + b"0," * 250_000 + b"0]}", "too many values"),
        (b'{"a":[' + b"[]," * 250_000 + b"0]}", "too many values"),
        (b'{"a":"\\ud800"}', "half a surrogate pair"),
        (b'{"a":["x\\udfff\\ud800"]}', "half a surrogate pair"),
        (b'{"\\ud800":1}', "half a surrogate pair"),
        (b'{"a":"\xed\xa0\x80"}', "not JSON: UnicodeDecodeError"),
        (b'{"a":"\xc0\x80"}', "not JSON: UnicodeDecodeError"),
        (b"\xff\xfe{\x00}\x00", "not JSON: UnicodeDecodeError"),
        (b"\xef\xbb\xbf{}", "not JSON: JSONDecodeError"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"{}trailing", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"\x00\x00\x00\x00", "not JSON"),
        (b'{"a":"\x00"}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":0x10}', "not JSON"),
    ],
    ids=lambda value: value[:16].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_headers_that_break_a_rule_are_refused(header, said):
    with pytest.raises(FrameError, match=said):
        read(frame(header))


def test_both_halves_of_a_surrogate_pair_are_one_character():
    assert read(frame(b'{"a":"\\ud83d\\ude00"}'))[0] == {"a": "\U0001f600"}


def test_integers_of_exactly_64_bits_cross():
    header, _ = read(frame(b'{"a":[9223372036854775807,-9223372036854775808,-0]}'))
    assert header == {"a": [2**63 - 1, -(2**63), 0]}


@pytest.mark.parametrize("length", [0, 1, protocol.MAX_HEADER_BYTES + 1, 2**32 - 1])
def test_a_header_length_out_of_bounds_is_refused_before_it_is_read(length):
    with pytest.raises(FrameError, match=f"{length} bytes was announced"):
        read(length.to_bytes(4, "little"))


def test_a_header_of_exactly_the_allowed_length_is_read_and_a_longer_one_is_not_sent():
    room = protocol.MAX_HEADER_BYTES - len('{"id":1,"text":"","arrays":[]}')
    sent = b"".join(protocol.pack({"id": 1, "text": "x" * room}, []))
    assert len(sent) == 4 + protocol.MAX_HEADER_BYTES
    assert len(read(sent)[0]["text"]) == room
    with pytest.raises(FrameError, match="at most 1048576 are allowed"):
        protocol.pack({"id": 1, "text": "x" * (room + 1)}, [])


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "|O", "shape": [1]},
        {"dtype": "<U4", "shape": [1]},
        {"dtype": "|S8", "shape": [1]},
        {"dtype": "|V8", "shape": [1]},
        {"dtype": "<M8[s]", "shape": [1]},
        {"dtype": "<m8", "shape": [1]},
        {"dtype": "<f16", "shape": [1]},
        {"dtype": "<c32", "shape": [1]},
        {"dtype": "=f8", "shape": [1]},
        {"dtype": "f8", "shape": [1]},
        {"dtype": "<f8,<f8", "shape": [1]},
        {"dtype": "(2,)<f8", "shape": [1]},
        {"dtype": [["x", "<f8"]], "shape": [1]},
        {"dtype": None, "shape": [1]},
        {"dtype": "", "shape": [1]},
        {"dtype": "float64", "shape": [1]},
        {"dtype": ">f8", "shape": [1]},
        {"dtype": ["<f8"], "shape": [1]},
        {"dtype": "<f8", "shape": [-1]},
        {"dtype": "<f8", "shape": [True]},
        {"dtype": "<f8", "shape": ["1"]},
        {"dtype": "<f8", "shape": 3},
        {"dtype": "<f8", "shape": [1.0]},
        {"dtype": "<f8", "shape": [None]},
        {"dtype": "<f8", "shape": {}},
        {"dtype": "<f8", "shape": [2**32, 2**32, 0]},
        {"dtype": "<f8", "shape": [0, 2**39, 2**39, 2**39]},
        {"dtype": "<f8", "shape": [2**39]},
        {"dtype": "<f8", "shape": [2**62, 4]},
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
    header = json.dumps({"id": 1, "value": {"$array": 0}, "arrays": [entry]}).encode()
    with pytest.raises(FrameError):  # one byte more would be an EOFError
        read(frame(header))


@pytest.mark.parametrize("entries", [None, 1, "ab", {}, {"0": {}}, [[]], [None], [["<f8", [1]]]], ids=str)
def test_a_list_of_arrays_of_another_kind_is_refused(entries):
    with pytest.raises(FrameError, match=r"list of arrays|exactly its dtype and shape"):
        read(frame(json.dumps({"arrays": entries}).encode()))


def test_more_arrays_than_allowed_are_refused():
    entries = [{"dtype": "|b1", "shape": []}] * (protocol.MAX_ARRAYS + 1)
    with pytest.raises(FrameError, match="too long"):
        list(protocol.array_layouts(entries, budget_bytes=1 << 20))


def of_arrays(*numbers, shape=(100,), count=2):
    """Return a header that describes some arrays and names those of the given numbers."""
    entry = {"dtype": "<f8", "shape": list(shape)}
    return json.dumps({"a": [{"$array": number} for number in numbers], "arrays": [entry] * count}).encode()


def test_the_budget_is_for_all_arrays_of_a_frame_together():
    assert len(read(frame(of_arrays(0, 1), bytes(1600)), budget=1600)[1]) == 2
    with pytest.raises(FrameError, match="more than 1599 bytes of arrays"):
        read(frame(of_arrays(0, 1), bytes(1600)), budget=1599)


@pytest.mark.parametrize("numbers", [(), (0,), (0, 0), (0, 1, 1), (0, 1, 2), (-1, 0, 1), (True, 0), ("0", 1)])
def test_an_array_that_is_not_named_exactly_once_is_refused_before_it_is_read(numbers):
    with pytest.raises(FrameError, match="named"):
        read(frame(of_arrays(*numbers)))


@pytest.mark.parametrize("byte", [2, 255])
def test_a_bool_is_0_or_1(byte):
    header = b'{"a":{"$array":0},"arrays":[{"dtype":"|b1","shape":[3]}]}'
    assert read(frame(header, b"\x00\x01\x00"))[1][0].tolist() == [False, True, False]
    with pytest.raises(FrameError, match="neither 0 nor 1"):
        read(frame(header, bytes([0, byte, 1])))


def test_arrays_are_made_from_bytes_by_frombuffer_alone():
    tree = ast.parse(Path(protocol.__file__).read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
    }
    assert used == {"array", "bool_", "complex128", "dtype", "frombuffer", "generic", "integer"} | {
        "ndarray",
        "uint8",
    }


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"$array": 0},
        {"$array": True},
        {"$array": -1},
        {"$array": 0.5},
        {"$array": [0]},
        {"$float": 1},
        {"$float": "0x" + "1" * 50},
        {"$float": "0x1p99999"},
        {"$float": None},
        {"$float": "ten"},
        {"$tuple": 1},
        {"$dict": [[1, 2]]},
        {"$dict": [["a", 1], ["a", 2]]},
        {"$dict": [["a"]]},
        {"$dict": {"a": 1}},
        {"$dict": [["a", 1, 2]]},
        {"$dict": [[["a"], 1]]},
        {"$dict": [["x" * (protocol.MAX_TEXT + 1), 1]]},
        "x" * (protocol.MAX_TEXT + 1),
        ["x" * (protocol.MAX_TEXT + 1)],
        0.5,
        {"$unsupported": 1},
        {"$object": 1, "type": "x"},
        {"$tuple": [], "$dict": []},
        {"plain": 1},
    ],
    ids=lambda node: str(node)[:40],
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


@settings(max_examples=1000, deadline=None, derandomize=True)
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
