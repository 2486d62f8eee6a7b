"""Broken frames made of real ones: bytes, JSON text, values, arrays, faults, and the order of frames."""

from __future__ import annotations

import copy
import json
import math
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from grader.worker import protocol
from tests.attacks.conversations import frame_of, header_of, payload_of

Json = Any
Frames = list[bytes]

_ATOMS: tuple[Json, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 255, 2**31, 2**32, 2**53 + 1, 2**63 - 1, -(2**63)),
    *(2**63, -(2**64), 10**18, 10**19, 10**25, 0.5, -0.0, 1e308, math.nan, math.inf, -math.inf),
    *("", "x", "0", "id", "forward", "weight", "raised", "\x00", "😀", "\u202e", "µ" * 300),
    *("\ud800", "\udc00y", "x" * 2500, "x" * (protocol.MAX_TEXT + 1), "<f8", ">f8", "nan", " 0x1p3 "),
    *([], {}, [[]], [{}], {"$": 1}, {"": None}, {"$unknown": 1}, {"$tuple": [], "$dict": []}),
    *({"$array": 0}, {"$array": 1}, {"$array": -1}, {"$array": True}, {"$array": []}, {"$tuple": []}),
    *({"$float": "0x1p-3"}, {"$float": "nan"}, {"$float": "-inf"}, {"$float": "0x1p2000"}, {"$float": 1}),
    *({"$dict": []}, {"$dict": [["a", 1], ["a", 2]]}, {"$dict": [["weight", {"$float": "inf"}]]}),
    *({"$object": 1, "type": "Linear"}, {"$object": 2**62, "type": ""}, {"$object": -1, "type": "\n"}),
    *({"$object": 1}, {"$object": True, "type": "x"}, {"type": "x", "$object": 1}),
    *({"$unsupported": "a thing"}, {"$unsupported": "u" * 3000}, {"$unsupported": None}),
)
_KEYS = (
    *("id", "values", "fault", "step", "ask", "told", "arrays", "kind", "type", "message", "where", ""),
    *("$array", "$float", "$tuple", "$dict", "$object", "$unsupported", "dtype", "shape", "probe"),
)
_TOKENS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "1.5", "-0", "-0.0", "01", "0x1", "9" * 19, "9" * 20),
    *("null", "true", "[]", "{}", '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"', "[", "{", ",", ":"),
    *("[" * 40 + "]" * 40, '{"a":' * 30 + "1" + "}" * 30, "[" * 3000, "9" * 400, "\\", "/**/", "\ufeff"),
)
_NUMBER = re.compile(r"-?\d+")


class Mutator:
    """One seeded source of broken frames; `others` are frames that may be put among those of a scene."""

    def __init__(self, seed: int, others: Sequence[bytes]) -> None:
        self._random = random.Random(seed)
        self._others = others
        self._choose = self._random.choice
        self._kinds: Sequence[Callable[[bytes], bytes]] = (
            *[self._with_values] * 5,
            *[self._with_arrays] * 3,
            *[self._with_payload] * 3,
            *[self._with_text] * 2,
            *[self._with_bytes] * 2,
            *[self._with_length] * 1,
        )

    def mutated(self, frames: Sequence[bytes]) -> tuple[Frames, int]:
        """Return the frames of a scene with one of them broken, and the number of that one."""
        broken = list(frames)
        at = self._random.randrange(len(broken))
        if self._random.random() < 0.05:
            return self._out_of_order(broken, at), at
        for _ in range(self._choose((1, 1, 1, 2, 2, 4))):
            broken[at] = self._choose(self._kinds)(broken[at])
        return broken, at

    # ---------------------------------------------------------------------------------- whole frames

    def _out_of_order(self, frames: Frames, at: int) -> Frames:
        other = self._choose(self._others)
        if self._random.random() < 0.8:
            other = self._with_id(other, _loaded(frames[at]).get("id"))
        kind = self._random.randrange(4)
        if kind == 0:
            return [*frames[:at], other, *frames[at:]]
        if kind == 1:
            return [*frames[:at], other]
        if kind == 2:
            return [*frames[:at], frames[-1], *frames[at:]]
        return [*frames[:at], *([other] * self._random.randrange(2, 6)), *frames[at:]]

    def _with_id(self, frame: bytes, number: Json) -> bytes:
        return _dumped(_loaded(frame) | {"id": number}, payload_of(frame))

    # ----------------------------------------------------------------------------------------- bytes

    def _with_bytes(self, frame: bytes) -> bytes:
        data = bytearray(frame)
        for _ in range(self._choose((1, 1, 2, 8))):
            at = self._random.randrange(len(data) + 1)
            kind = self._random.randrange(6)
            if kind == 0:
                data[at : at + 1] = bytes([self._random.randrange(256)])
            elif kind == 1:
                data[at:at] = self._random.randbytes(self._choose((1, 2, 4, 30)))
            elif kind == 2:
                del data[at : at + self._choose((1, 2, 4, 30))]
            elif kind == 3:
                data[at:at] = data[at : at + self._choose((1, 8, 50))]
            elif kind == 4:
                data[at : at + 1] = bytes(
                    value ^ 1 << self._random.randrange(8) for value in data[at : at + 1]
                )
            else:
                del data[at:]
        return bytes(data)

    def _with_length(self, frame: bytes) -> bytes:
        length = len(frame) - 4
        wrong = (0, 1, 2, length + 1, length - 1, length * 2, 1 << 20, (1 << 20) + 1, 2**31, 2**32 - 1)
        return max(0, self._choose(wrong)).to_bytes(4, "little") + frame[4:]

    def _with_payload(self, frame: bytes) -> bytes:
        """Change what the arrays hold, and now and then how much of it there is."""
        payload = bytearray(payload_of(frame))
        for _ in range(min(len(payload), self._choose((1, 8, 64)))):
            payload[self._random.randrange(len(payload))] = self._choose((0, 1, 2, 127, 128, 240, 248, 255))
        if self._random.random() < 0.1:
            payload = payload[: self._random.randrange(len(payload) + 1)] + b"\x00" * self._choose((0, 1, 9))
        return frame_of(header_of(frame), bytes(payload))

    def _with_text(self, frame: bytes) -> bytes:
        """Put a piece of JSON, or what is none, in the place of a number or anywhere."""
        text = header_of(frame).decode("utf-8", "replace")
        token = self._choose(_TOKENS)
        numbers = [match.span() for match in _NUMBER.finditer(text)]
        if numbers and self._random.random() < 0.7:
            start, end = self._choose(numbers)
        else:
            start = end = self._random.randrange(len(text) + 1)
        return frame_of(
            (text[:start] + token + text[end:]).encode("utf-8", "surrogatepass"), payload_of(frame)
        )

    # ---------------------------------------------------------------------------------------- values

    def _with_values(self, frame: bytes) -> bytes:
        """Change the tree of values; the header stays JSON."""
        header = _loaded(frame)
        places = _places(header)
        if not places:
            return frame
        holder, key = self._choose(places)
        kind = self._random.randrange(9)
        if kind <= 1:
            holder[key] = copy.deepcopy(self._choose(_ATOMS))
        elif kind <= 3:
            self._take_from(holder, key, *self._choose(places))
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            holder[key] = self._wrapped(holder[key])
        elif kind == 6:
            holder[key] = self._nudged(holder[key])
        elif isinstance(holder, dict):
            holder[self._choose(_KEYS)] = holder.pop(key) if kind == 7 else self._choose(_ATOMS)
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
        return _dumped(header, payload_of(frame), ascii_only=self._random.random() < 0.5)

    def _take_from(self, holder: Any, key: Any, other: Any, place: Any) -> None:
        """Copy one part of the tree to another place, or let the two change places."""
        first, second = copy.deepcopy(holder[key]), copy.deepcopy(other[place])
        if self._random.random() < 0.6:
            other[place] = first
        holder[key] = second

    def _wrapped(self, node: Json) -> Json:
        for _ in range(self._choose((1, 1, 2, 20))):
            node = self._choose(
                ([node], {"$tuple": [node]}, {"$dict": [["key", node]]}, {"$dict": [[node, 1]]})
            )
        return node

    def _nudged(self, node: Json) -> Json:
        if type(node) is int:
            return self._choose(
                (node + 1, node - 1, -node, node * 2, node * 1000, node << 32, str(node), bool(node))
            )
        if isinstance(node, str):
            at = self._random.randrange(len(node) + 1)
            return self._choose(
                (node[:at], node[at:], node * 2, node[:at] + "\ud800" + node[at:], node.upper())
            )
        return self._choose(_ATOMS)

    # ---------------------------------------------------------------------------------------- arrays

    def _with_arrays(self, frame: bytes) -> bytes:
        """Change how the arrays are described; most often the buffers fit the description again."""
        header = _loaded(frame)
        entries = header.get("arrays")
        if (
            not isinstance(entries, list)
            or not entries
            or not all(isinstance(entry, dict) for entry in entries)
        ):
            return self._with_values(frame)
        entry = self._choose(entries)
        if self._random.random() < 0.4:
            entry["dtype"] = self._choose((*sorted(protocol.DTYPES), "|O", ">f8", "float64", None))
        else:
            entry["shape"] = self._reshaped(entry.get("shape"))
        payload = payload_of(frame)
        if self._random.random() < 0.85:
            payload = self._fitted(payload, entries)
        return _dumped(header, payload)

    def _reshaped(self, shape: Json) -> Json:
        sizes = (0, 1, 2, 3, 4, 5, 17, 128, -1, True, None, "2", 1.0, 2**20, 2**32, 2**39, 2**40, 2**63)
        shape = shape if isinstance(shape, list) else []
        choices = (
            shape[::-1],
            [*shape, 1],
            shape[1:],
            [math.prod(size for size in shape if type(size) is int)],
            [self._choose(sizes) for _ in range(self._choose((0, 1, 1, 2, 2, 2, 3, 8, 9)))],
            [self._choose(sizes[:6]) for _ in range(self._choose((1, 2, 2, 3)))],
            self._choose((0, "2", {}, None)),
        )
        return self._choose(choices)

    def _fitted(self, payload: bytes, entries: Json) -> bytes:
        try:
            wanted = sum(count for *_, count in protocol.array_layouts(entries, budget_bytes=1 << 16))
        except protocol.FrameError:
            return payload
        return (payload + self._random.randbytes(max(0, wanted - len(payload))))[:wanted]


def _loaded(frame: bytes) -> dict[str, Json]:
    """Return the header of a frame as JSON, or that of an empty answer where it is none."""
    try:
        header = json.loads(header_of(frame))
    except (ValueError, RecursionError):
        return {"id": 1, "values": [], "arrays": []}
    return header if isinstance(header, dict) else {"id": 1, "values": [header], "arrays": []}


def _dumped(header: dict[str, Json], payload: bytes, *, ascii_only: bool = True) -> bytes:
    text = json.dumps(header, ensure_ascii=ascii_only, separators=(",", ":"))
    return frame_of(text.encode("utf-8", "surrogatepass"), payload)


def _places(root: Json) -> list[tuple[Any, Any]]:
    """Return every place in a tree: what holds it, and its key there."""
    found: list[tuple[Any, Any]] = []
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        found += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], (dict, list))]
    return found
