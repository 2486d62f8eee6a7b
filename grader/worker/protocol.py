"""Frames on the wire between the trusted side and the worker, and the values they carry.

A frame is `u32 header length | header (JSON, UTF-8) | raw array buffers`, little-endian. The header holds
"id", one of the keys of its kind, and "arrays": the dtype and shape of each buffer in order. Both ends use
this module; everything here treats the other end as hostile: sizes, types and depths are checked before
anything is allocated, and whatever is wrong is a FrameError and nothing else. Never pickle.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np

LENGTH_BYTES = 4
MAX_HEADER_BYTES = 1 << 20
SMALL_BYTES = 1 << 16  # of all arrays of a frame: less is copied rather than sent or read one by one
MAX_DEPTH = 32
MAX_NODES = 200_000
MAX_ARRAYS = 50_000
MAX_DIMENSIONS = 8  # the homework needs two; what is shown of an array grows with every axis
INTEGERS = range(-(2**63), 2**63)
MAX_INTEGER_DIGITS = 19  # looked at before a text becomes a number
MAX_TEXT = 64 << 10

# Plain numbers only: no object, string, void or datetime dtype ever crosses.
DTYPES = frozenset(
    ["|b1", "|i1", "|u1"]
    + [f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)]
    + ["<f2", "<f4", "<f8", "<c8", "<c16"]
)

Reader = Callable[[int], bytearray]
Json = Any
Layout = tuple[np.dtype[Any], tuple[int, ...], int]  # dtype, shape, bytes


class FrameError(Exception):
    """The bytes are not one well-formed frame, or a value in it is not one this protocol knows."""


class Unencodable(Exception):
    """A value that cannot cross; its text describes the value ("an object array")."""


class Handles(Protocol):
    """How one end writes and reads the objects that stay in the worker."""

    def to_node(self, value: object) -> Json:
        """Return the JSON node for an object that is no plain value, or raise Unencodable."""

    def from_node(self, node: dict[str, Json]) -> object:
        """Return the object that a node `{"$object": …}` stands for, or raise FrameError."""


@dataclass(frozen=True)
class Unsupported:
    """A value of the student's that cannot cross the boundary, described in words."""

    description: str


@dataclass(frozen=True)
class Numbers:
    """A long list of ints, floats or bools, which crosses as one array and arrives as a list."""

    array: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """A dict whose keys are plain values, not only texts, and which arrives as a dict."""

    items: Sequence[tuple[object, object]]


# ---------------------------------------------------------------------------------------- frames


def pack(header: dict[str, Json], arrays: Sequence[np.ndarray]) -> list[bytes | memoryview]:
    """Lay out one frame as buffers to be written in order; the arrays must be C-contiguous."""
    described = [{"dtype": wire_dtype(array), "shape": list(array.shape)} for array in arrays]
    body = _ENCODER.encode(header | {"arrays": described})
    data = body.encode("utf-8", "replace")  # half a surrogate pair becomes a question mark
    if len(data) > MAX_HEADER_BYTES:
        raise FrameError(f"the header has {len(data)} bytes; at most {MAX_HEADER_BYTES} are allowed")
    buffers: list[bytes | memoryview] = [len(data).to_bytes(LENGTH_BYTES, "little") + data]
    buffers.extend(array.reshape(-1).view(np.uint8).data for array in arrays if array.size)
    # Each buffer that is sent wakes whoever waits at the other end.
    return [b"".join(buffers)] if sum(array.nbytes for array in arrays) <= SMALL_BYTES else buffers


def wire_dtype(array: np.ndarray) -> str:
    """Return the dtype's name on the wire; raise Unencodable where it has none."""
    name = array.dtype.newbyteorder("<").str
    if name not in DTYPES:
        raise Unencodable(f"an array of dtype {array.dtype}"[:200])
    return name


def read_frame(read: Reader, *, budget_bytes: int) -> tuple[dict[str, Json], list[np.ndarray]]:
    """Read one frame through `read(count)`; its arrays together may hold at most `budget_bytes`."""
    length = int.from_bytes(read(LENGTH_BYTES), "little")
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise FrameError(f"a header of {length} bytes was announced; 2 to {MAX_HEADER_BYTES} are allowed")
    header, named = _parsed(bytes(read(length)))
    layouts = list(array_layouts(header.pop("arrays", []), budget_bytes=budget_bytes))
    # Naming one array many times would multiply its size for whoever copies the values.
    if sorted(named) != list(range(len(layouts))):
        raise FrameError("an array is not named exactly once")
    total = sum(count for *_, count in layouts)
    if total <= SMALL_BYTES:  # all of them came at once
        read = _in_parts(read(total) if total else bytearray())
    return header, [_array(read, layout) for layout in layouts]


def _in_parts(data: bytearray) -> Reader:
    """Return what reads on in bytes that are there, by copies: each array has memory of its own."""
    parts = io.BytesIO(data)
    return lambda count: bytearray(parts.read(count))


def _array(read: Reader, layout: Layout) -> np.ndarray:
    dtype, shape, count = layout
    data = np.frombuffer(read(count) if count else bytearray(), dtype=np.uint8)
    if dtype.kind == "b" and data.size and data.max() > 1:
        raise FrameError("a bool is neither 0 nor 1")
    return data.view(dtype).reshape(shape)


def parse_header(data: bytes) -> dict[str, Json]:
    """Parse a header strictly: no duplicate keys, NaN or Infinity; bounded depth, size and integers."""
    header, _ = _parsed(data)
    return header


def _parsed(data: bytes) -> tuple[dict[str, Json], list[int]]:
    """Return a header, and the numbers of the arrays that it names."""
    try:
        header = _DECODER.decode(data.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FrameError(f"the header is not JSON: {type(error).__name__}") from error
    if not isinstance(header, dict):
        raise FrameError("the header is not a JSON object")
    nodes = _nodes(header)
    # Bytes that are UTF-8 spell half a pair by an escape only.
    if b"\\u" in data and not all(map(_is_whole_text, nodes)):
        raise FrameError("a text holds half a surrogate pair")
    return header, [_array_number(node) for node in nodes if isinstance(node, dict) and "$array" in node]


def _is_whole_text(node: Json) -> bool:
    """Say whether a text can be written as UTF-8; whatever is no text can."""
    if not isinstance(node, str) or node.isascii():
        return True
    try:
        node.encode()
    except UnicodeEncodeError:
        return False
    return True


def _array_number(node: dict[str, Json]) -> int:
    number = node["$array"]
    if type(number) is not int:
        raise FrameError("an array is not named by its number")
    return number


def array_layouts(entries: Json, *, budget_bytes: int) -> Iterator[Layout]:
    """Yield dtype, shape and byte count of each announced array, before anything is allocated."""
    if not isinstance(entries, list) or len(entries) > MAX_ARRAYS:
        raise FrameError("the list of arrays is not a list, or too long")
    remaining = budget_bytes
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape"}:
            raise FrameError("an array is described by exactly its dtype and shape")
        dtype, shape = _checked_dtype(entry["dtype"]), _checked_shape(entry["shape"])
        # Zero-sized dimensions count as one, so that (2**32, 2**32, 0) is not small.
        if math.prod(max(size, 1) for size in shape) * dtype.itemsize > remaining:
            raise FrameError(f"more than {budget_bytes} bytes of arrays in one message")
        count = math.prod(shape) * dtype.itemsize
        remaining -= count
        yield dtype, shape, count


def _checked_dtype(name: Json) -> np.dtype[Any]:
    if not isinstance(name, str) or name not in DTYPES:
        raise FrameError("an array has a dtype that does not cross")
    return np.dtype(name)


def _checked_shape(shape: Json) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise FrameError("a shape is not a list, or has too many dimensions")
    if not all(type(size) is int and 0 <= size < 2**40 for size in shape):
        raise FrameError("a shape holds something that is no size")
    return tuple(shape)


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FrameError("a key stands twice in one JSON object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise FrameError(f"{name} is not a number that crosses")


def _refuse_float(text: str) -> NoReturn:
    raise FrameError(f"a bare float crosses as {{'$float': hex}}, not as {text[:20]}")


def _bounded_int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise FrameError("an integer has too many digits")
    if (number := int(text)) not in INTEGERS:
        raise FrameError("an integer does not fit in 64 bits")
    return number


# Made once: every frame needs both.
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    parse_constant=_refuse_constant,
    parse_float=_refuse_float,
    parse_int=_bounded_int,
)


def _nodes(root: Json) -> list[Json]:
    """Return every key and value of a tree; refuse one that is too deep or too large.

    Iterative, so depth cannot hurt us.
    """
    found: list[Json] = []
    level: list[Json] = [root]
    for _ in range(MAX_DEPTH):
        found += level
        if len(found) > MAX_NODES:
            raise FrameError("the header holds too many values")
        level = [child for node in level for child in _children(node)]
        if not level:
            return found
    raise FrameError("the header is nested too deep")


def _children(node: Json) -> Sequence[Json]:
    if isinstance(node, dict):
        return [*node, *node.values()]
    return node if isinstance(node, list) else ()


# ---------------------------------------------------------------------------------------- values


def encode(value: object, arrays: list[np.ndarray], handles: Handles, *, depth: int = 0) -> Json:
    """Turn a value into a JSON node; its arrays are appended to `arrays`.

    Whatever is no plain value goes through `handles`. Raise Unencodable for what cannot cross.
    """
    if depth > MAX_DEPTH // 4:
        raise Unencodable("a container nested too deep")
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        return _encode_text(value)
    if isinstance(value, (np.ndarray, np.generic, int, float, complex)):
        return _encode_number(value, arrays)
    if isinstance(value, (list, tuple, dict)):
        return _encode_container(value, arrays, handles, depth=depth)
    if isinstance(value, (Numbers, Pairs)):
        return _encode_compact(value, arrays, handles, depth=depth)
    return handles.to_node(value)


def _encode_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise Unencodable(f"a text of {len(text)} characters")
    return text.encode("utf-8", "replace").decode("utf-8")


def _encode_number(value: np.ndarray | np.generic | complex, arrays: list[np.ndarray]) -> Json:
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, float):  # np.float64 too: it is a float
        return {"$float": float.hex(float(value))}
    if isinstance(value, (int, np.integer)):
        number = int(value)
        if number not in INTEGERS:
            raise Unencodable(f"an integer of {number.bit_length()} bits")
        return number
    if isinstance(value, complex) and not isinstance(value, np.generic):
        value = np.complex128(value)
    # One conversion, to a plain array: subclasses and odd strides end here.
    array = np.array(value, copy=True, subok=False, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    wire_dtype(array)
    if array.ndim > MAX_DIMENSIONS:
        raise Unencodable(f"an array of {array.ndim} dimensions")
    arrays.append(array)
    return {"$array": len(arrays) - 1}


def _encode_compact(
    value: Numbers | Pairs, arrays: list[np.ndarray], handles: Handles, *, depth: int
) -> Json:
    if isinstance(value, Numbers):
        return {"$numbers": _encode_number(value.array, arrays)}
    return {
        "$pairs": [[encode(part, arrays, handles, depth=depth + 1) for part in pair] for pair in value.items]
    }


def _encode_container(
    value: list[object] | tuple[object, ...] | dict[object, object],
    arrays: list[np.ndarray],
    handles: Handles,
    *,
    depth: int,
) -> Json:
    def inner(item: object) -> Json:
        return encode(item, arrays, handles, depth=depth + 1)

    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise Unencodable("a dict whose keys are not all strings")
        return {"$dict": [[_encode_text(str(key)), inner(item)] for key, item in value.items()]}
    if len(value) > MAX_NODES // 2:
        raise Unencodable(f"a {type(value).__name__} of {len(value)} elements")
    items = [inner(item) for item in value]
    return {"$tuple": items} if isinstance(value, tuple) else items


def decode(node: Json, arrays: Sequence[np.ndarray], handles: Handles) -> object:
    """Turn a JSON node of a parsed header back into a value; raise FrameError on anything else."""
    if node is None or isinstance(node, (bool, int)):
        return node
    if isinstance(node, str):
        return _decode_text(node)
    if isinstance(node, list):
        return [decode(item, arrays, handles) for item in node]
    if not isinstance(node, dict) or not node:
        raise FrameError("a value is of no known kind")
    tag = next(iter(node))
    if tag == "$object":
        return handles.from_node(node)
    if len(node) != 1 or tag not in _DECODERS:
        raise FrameError("a value is of no known kind")
    return _DECODERS[tag](node[tag], arrays, handles)


def _decode_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise FrameError(f"a text of {len(text)} characters; at most {MAX_TEXT} cross")
    return text


def _decode_float(payload: Json, _arrays: Sequence[np.ndarray], _handles: Handles) -> float:
    if not isinstance(payload, str) or len(payload) > 40:
        raise FrameError("a float is not written in hexadecimal")
    try:
        return float.fromhex(payload)
    except (ValueError, OverflowError) as error:
        raise FrameError("a float is not written in hexadecimal") from error


def _decode_array(payload: Json, arrays: Sequence[np.ndarray], _handles: Handles) -> np.ndarray:
    if type(payload) is not int or not 0 <= payload < len(arrays):
        raise FrameError("an array is named that was not sent")
    return arrays[payload]


def _decode_tuple(payload: Json, arrays: Sequence[np.ndarray], handles: Handles) -> tuple[object, ...]:
    if not isinstance(payload, list):
        raise FrameError("a tuple is not a list of values")
    return tuple(decode(item, arrays, handles) for item in payload)


def _decode_dict(payload: Json, arrays: Sequence[np.ndarray], handles: Handles) -> dict[str, object]:
    if not isinstance(payload, list):
        raise FrameError("a dict is not a list of pairs")
    result: dict[str, object] = {}
    for pair in payload:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)) or pair[0] in result:
            raise FrameError("a dict is not a list of pairs with different keys")
        result[_decode_text(pair[0])] = decode(pair[1], arrays, handles)
    return result


def _decode_numbers(payload: Json, arrays: Sequence[np.ndarray], handles: Handles) -> list[object]:
    array = decode(payload, arrays, handles)
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.size > MAX_NODES:
        raise FrameError("a list of numbers is not one array")
    return list(array.tolist())


def _decode_pairs(payload: Json, arrays: Sequence[np.ndarray], handles: Handles) -> dict[object, object]:
    result: dict[object, object] = {}
    for pair in payload if isinstance(payload, list) else (None,):
        if not isinstance(pair, list) or len(pair) != 2:
            raise FrameError("a dict is not a list of pairs")
        key = decode(pair[0], arrays, handles)
        if not _is_key(key) or key in result:
            raise FrameError("a dict is not a list of pairs with different plain keys")
        result[key] = decode(pair[1], arrays, handles)
    return result


def _is_key(key: object) -> bool:
    if type(key) is tuple:
        return all(map(_is_key, key))
    return key is None or type(key) in (bool, int, float, str)


def _decode_unsupported(payload: Json, _arrays: Sequence[np.ndarray], _handles: Handles) -> Unsupported:
    if not isinstance(payload, str):
        raise FrameError("a description is not a text")
    return Unsupported(payload[:200])


_DECODERS: dict[str, Callable[[Json, Sequence[np.ndarray], Handles], object]] = {
    "$float": _decode_float,
    "$array": _decode_array,
    "$tuple": _decode_tuple,
    "$dict": _decode_dict,
    "$unsupported": _decode_unsupported,
    "$numbers": _decode_numbers,
    "$pairs": _decode_pairs,
}
