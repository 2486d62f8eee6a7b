"""Bytes that are no answer: what student code may write into the pipe in place of one.

None of them may become a value, and none may be more than one fault of the student's to the side that reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from grader.selftest.records import HostileFrame
from grader.worker import protocol

Header = Mapping[str, Any]
Make = Callable[[int], bytes]

_ARRAY = {"$array": 0}
_DESCRIBED = {"dtype": "<f8", "shape": [2]}
_EIGHT_ZEROS = bytes(8)
_FAULT = {"kind": "raised", "type": "ValueError", "message": "", "where": []}
_GIBIBYTE = 1 << 30


@cache
def hostile_frames() -> tuple[HostileFrame, ...]:
    """Return every frame of this module; each is made for the request that waits for its answer."""
    sources = (_desynchronised(), _no_json(), _too_much(), _odd_arrays(), _odd_values(), _odd_faults())
    return tuple(frame for source in sources for frame in source)


def _desynchronised() -> Iterator[HostileFrame]:
    def c16(name: str, title: str, make: Make) -> HostileFrame:
        return HostileFrame(f"c16_{name}", ("C16",), title, make)

    yield c16("next_id", "an answer to the next request", lambda number: _answer(number + 1))
    yield c16("last_id", "an answer to the request before, again", lambda number: _answer(number - 1))
    yield c16("no_id", "an answer to no request", lambda _: _frame({"values": [None]}))
    yield c16("true_id", "an answer whose id is true", lambda _: _frame(_values(True)))  # noqa: FBT003
    yield c16("nothing", "an answer that holds nothing", lambda number: _frame({"id": number}))
    yield c16("two_values", "two values for one call", lambda number: _answer(number, None, None))
    yield c16("no_values", "no value for one call", lambda number: _answer(number, values=[]))
    # So many more that nothing waits for the rest of what the shifted length announces.
    yield c16(
        "shifted", "a byte before the answer", lambda number: b"\x00" + _answer(number) + bytes(1 << 16)
    )
    yield c16("printed_verdict", "a verdict as pytest prints it", lambda _: b"== 1 passed in 0.01s ==\n" * 9)
    yield c16("unasked", "a question, though nothing asks", lambda number: _asking(number, _question(0)))
    yield c16("unknown_probe", "a probe that was never made", lambda number: _asking(number, _question(99)))
    yield c16("odd_question", "a question of another kind", lambda number: _asking(number, [1, 2]))


def _no_json() -> Iterator[HostileFrame]:
    def r21(name: str, title: str, text: bytes) -> HostileFrame:
        return HostileFrame(f"r21_{name}", ("R21",), title, lambda number: _frame_of(text % number))

    yield r21("duplicate_key", "a key that stands twice", b'{"id":%d,"values":[1],"values":[null]}')
    yield r21("nan", "NaN as a number", b'{"id":%d,"values":[NaN]}')
    yield r21("1e999", "a number beyond every float", b'{"id":%d,"values":[1e999]}')
    yield r21("bare_float", "a float in decimal", b'{"id":%d,"values":[0.1]}')
    yield r21("long_integer", "an integer of 5,000 digits", b'{"id":%d,"values":[' + b"9" * 5000 + b"]}")
    yield r21("65_bits", "an integer of 65 bits", b'{"id":%d,"values":[9999999999999999999]}')
    yield r21("surrogate", "half a surrogate pair", b'{"id":%d,"values":["\\ud800"]}')
    yield r21("utf8", "bytes that are no UTF-8", b'{"id":%d,"values":["\xed\xa0\x80\xff"]}')
    yield r21("list", "a list where the header is due", b"[%d]")
    yield r21("trailing", "two objects in one header", b'{"id":%d,"values":[1]}{}')
    yield r21("half", "half a header", b'{"id":%d,"values":[')
    yield r21("deep_lists", "100,000 lists in each other", b'{"id":%d,"values":' + b"[" * 100_000)
    yield r21("depth_40", "40 lists in each other", b'{"id":%d,"values":' + b"[" * 40 + b"]" * 40 + b"}")
    yield r21("many_values", "300,000 values", b'{"id":%d,"values":[' + b"[]," * 300_000 + b"0]}")


def _too_much() -> Iterator[HostileFrame]:
    def r17(name: str, title: str, make: Make) -> HostileFrame:
        return HostileFrame(f"r17_{name}", ("R17", "R21"), title, make)

    def lengthy(length: int) -> Make:
        return lambda _: length.to_bytes(protocol.LENGTH_BYTES, "little")

    def sized(*shapes: list[int], dtype: str = "<f8") -> Make:
        arrays = [{"dtype": dtype, "shape": shape} for shape in shapes]
        named = [{"$array": place} for place in range(len(shapes))]
        return lambda number: _answer(number, named, arrays=arrays)

    yield r17("no_header", "a header of no bytes", lengthy(0))
    yield r17("long_header", "a header of one byte more than allowed", lengthy(protocol.MAX_HEADER_BYTES + 1))
    yield r17("4_gib_header", "a header of 4 GiB", lengthy(2**32 - 1))
    yield r17("2_gib", "an array of 2 GiB", sized([2 * _GIBIBYTE], dtype="|u1"))
    yield r17("many_arrays", "200 arrays of 1 MiB each", sized(*[[1 << 20]] * 200, dtype="|u1"))
    yield r17("overflow", "a shape whose product wraps around 2**64", sized([2**32, 2**32]))
    yield r17("empty_overflow", "an empty array of 2**64 rows", sized([2**32, 2**32, 0]))
    yield r17("9_axes", "an array of nine dimensions", sized([1] * 9))
    yield r17("60000_arrays", "60,000 arrays", lambda number: _answer(number, arrays=[0] * 60_000))
    yield r17("long_text", "a text of a megabyte", lambda number: _answer(number, "x" * 1_000_000))


def _odd_arrays() -> Iterator[HostileFrame]:
    def r21(
        name: str, title: str, *arrays: object, value: object = _ARRAY, data: bytes = b""
    ) -> HostileFrame:
        def make(number: int) -> bytes:
            return _answer(number, value, arrays=list(arrays), data=data)

        return HostileFrame(f"r21_{name}", ("R21",), title, make)

    for name, dtype in {"object": "|O", "text": "<U2", "record": "<f8,<f8", "big_endian": ">f8"}.items():
        entry = {"dtype": dtype, "shape": [1]}
        yield r21(f"dtype_{name}", f"an array of dtype {dtype!r}", entry, data=bytes(16))
    for name, size in {"negative": -1, "true": True, "2_62": 2**62}.items():
        sized = {"dtype": "<f8", "shape": [size]}
        yield r21(f"size_{name}", f"an array of the size {size!r}", sized, data=_EIGHT_ZEROS)
    yield r21("shape_is_a_number", "a shape that is no list", {"dtype": "<f8", "shape": 1}, data=_EIGHT_ZEROS)
    yield r21("array_not_sent", "an array that was not sent")
    yield r21("array_twice", "one array in two places", _DESCRIBED, value=[_ARRAY, _ARRAY], data=bytes(16))
    yield r21("array_unnamed", "an array that no value names", _DESCRIBED, value=None, data=bytes(16))
    yield r21("half_a_bool", "a bool that is neither 0 nor 1", {"dtype": "|b1", "shape": [1]}, data=b"\x02")


def _odd_values() -> Iterator[HostileFrame]:
    def r21(name: str, title: str, value: object) -> HostileFrame:
        return HostileFrame(f"r21_{name}", ("R21",), title, lambda number: _answer(number, value))

    yield r21("unknown_tag", "a value of an unknown kind", {"$pickle": "gASV"})
    yield r21("two_tags", "a value of two kinds", {"$tuple": [], "$dict": []})
    yield r21("decimal_float", "a float that is no number", {"$float": "ten"})
    yield r21("float_overflow", "a float beyond every float", {"$float": "0x1p99999"})
    yield r21("dict_twice", "a dict with a key twice", {"$dict": [["a", 1], ["a", 2]]})
    yield r21("nameless_object", "an object without a type", {"$object": 1})
    yield r21("object_number", "an object with a text for a number", {"$object": "1", "type": "Linear"})


def _odd_faults() -> Iterator[HostileFrame]:
    def r21(name: str, title: str, fault: object) -> HostileFrame:
        def make(number: int) -> bytes:
            return _frame({"id": number, "fault": fault, "step": 0, "arrays": []})

        return HostileFrame(f"r21_fault_{name}", ("R21",), title, make)

    yield r21("null", "an exception that is null", None)
    yield r21("passed", "an exception that says passed", "passed")
    yield r21("kind", "an exception of an unknown kind", _FAULT | {"kind": "passed"})
    yield r21("types", "an exception described in lists", {name: [[]] for name in _FAULT})
    yield r21("place", "an exception at no place", _FAULT | {"where": [[None, "1", 2]]})


def _values(number: object) -> Header:
    return {"id": number, "values": [None], "arrays": []}


def _answer(
    number: int, *value: object, values: object = None, arrays: object = (), data: bytes = b""
) -> bytes:
    held = (list(value) or [None]) if values is None else values
    return _frame({"id": number, "values": held, "arrays": arrays}) + data


def _asking(number: int, question: object) -> bytes:
    return _frame({"id": number, "ask": question, "arrays": []})


def _question(probe: int = 0) -> object:
    said = {"probe": probe, "method": "forward", "values": {"$dict": []}, "x": None, "dLdy": None}
    return {"$dict": [[name, value] for name, value in said.items()]}


def _frame(header: Header) -> bytes:
    return _frame_of(json.dumps(header, separators=(",", ":")).encode())


def _frame_of(header: bytes) -> bytes:
    return len(header).to_bytes(protocol.LENGTH_BYTES, "little") + header
