"""The part of Gradescope's metadata that names people, out of YAML that Ruby wrote.

The file is read event by event. No object is made of a tag, no alias is expanded and nothing that is not
asked for is kept, so what a stranger put into it costs neither memory nor a call. PyYAML's own loaders
would: they build all of it, results and earlier attempts included, and descend as deep as it is nested.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from grader.errors import UsageError
from grader.intake.names import quoted

# A class of 300 with ten attempts each and the output of every test is about 30 MB.
MOST_BYTES = 64 << 20
MOST_EVENTS = 10_000_000
MOST_KEPT = 1_000_000
DEEPEST = 64
_TOO_DEEP = "is nested too deep"

Value = str | None | list["Value"] | dict[str, "Value"]
_NOTHING = frozenset(("", "~", "null", "Null", "NULL"))


def read_records(path: Path, wanted: Collection[str]) -> Mapping[str, Mapping[str, Value]]:
    """Return the wanted fields of each record by the record's name; symbols have lost their colon.

    Every scalar is text as it was written, None where there is none: a number keeps its zeros. Raise
    UsageError where the file is no mapping of records, or is not to be read.
    """
    import yaml  # noqa: PLC0415 -- only this layout needs it, and the student's kit does not have it

    try:
        with path.open("rb") as stream:
            _require_small(stream, path)
            events = yaml.parse(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            found = _Builder(frozenset(wanted)).built(events)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _unreadable(path, _fault_of(error)) from error
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror or 'error'}") from error
    except _RefusedError as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(found, dict):
        raise _unreadable(path, "does not list submissions by name")
    return {name: record for name, record in found.items() if isinstance(record, dict)}


class _RefusedError(Exception):
    """The file is larger or deeper than any that a place writes."""


def _require_small(stream: BinaryIO, path: Path) -> None:
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "is not a file")
    if status.st_size > MOST_BYTES:
        raise _unreadable(path, f"is larger than {MOST_BYTES >> 20} MB")


def _fault_of(error: Exception) -> str:
    # The library (PyYAML from 6.0.4 on) looks ahead, and may reach a limit of its own before our first event.
    if "nesting" in (getattr(error, "problem", None) or ""):
        return _TOO_DEEP
    return f"is not YAML{_line_of(error)}"


def _line_of(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f" (line {mark.line + 1})"


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{quoted(path.name)} {why}; download the export again, or read the folder with --layout plain"
    )


@dataclass(slots=True)
class _Open:
    """A collection that has begun and not ended."""

    value: list[Value] | dict[str, Value] | None  # None: it is not kept
    key: str | None = None  # of the mapping's entry that comes now
    awaits_key: bool = True
    is_mapping: bool = False
    anchor: str | None = None


@dataclass(slots=True)
class _Builder:
    wanted: frozenset[str]
    anchored: dict[str, Value] = field(default_factory=dict)
    opened: list[_Open] = field(default_factory=list)
    result: Value = None
    kept: int = 0

    def built(self, events: Iterator[Any]) -> Value:
        for number, event in enumerate(events):
            if number > MOST_EVENTS:
                raise _RefusedError("holds too much")
            self._take(type(event).__name__, event)
        return self.result

    def _take(self, kind: str, event: Any) -> None:
        if kind == "ScalarEvent":
            value = _scalar(event)
            self._place(value, event.anchor)
        elif kind == "AliasEvent":
            # Shared, never copied: what a name stands for is as large as it is written, once.
            self._place(self.anchored.get(event.anchor), None)
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            self._open(event, is_mapping=kind == "MappingStartEvent")
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self.opened.pop()

    def _open(self, event: Any, *, is_mapping: bool) -> None:
        if len(self.opened) >= DEEPEST:
            raise _RefusedError(_TOO_DEEP)
        value: list[Value] | dict[str, Value] | None = None
        if self._keeps():
            value = {} if is_mapping else []
        self._place(value, event.anchor)
        self.opened.append(_Open(value, is_mapping=is_mapping))

    def _keeps(self) -> bool:
        """Tell whether the value that comes now is kept: of a record, only its wanted fields are."""
        if not self.opened:
            return True
        above = self.opened[-1]
        if above.value is None or (above.is_mapping and above.awaits_key):
            return False
        return len(self.opened) != 2 or above.key in self.wanted

    def _place(self, value: Value, anchor: str | None) -> None:
        keeps = self._keeps()
        if not self.opened:
            self.result = value
            return
        above = self.opened[-1]
        if above.is_mapping and above.awaits_key:
            above.key, above.awaits_key = _key(value), False
            return
        if keeps:
            self._keep(above, value, anchor)
        above.awaits_key = True

    def _keep(self, above: _Open, value: Value, anchor: str | None) -> None:
        self.kept += 1
        if self.kept > MOST_KEPT:
            raise _RefusedError("names too much")
        if anchor is not None:
            self.anchored[anchor] = value
        if isinstance(above.value, list):
            above.value.append(value)
        elif isinstance(above.value, dict) and above.key is not None:
            above.value[above.key] = value


def _key(value: Value) -> str | None:
    return value.removeprefix(":") if isinstance(value, str) else None


def _scalar(event: Any) -> str | None:
    written: str = event.value
    if event.tag is not None and event.tag.endswith(("!binary", ":binary")):
        return _decoded(written)  # Ruby writes text so where its encoding was not told
    return None if event.style is None and written in _NOTHING else written


def _decoded(written: str) -> str | None:
    try:
        return base64.b64decode(written, validate=False).decode(errors="replace")
    except (binascii.Error, ValueError):
        return None
