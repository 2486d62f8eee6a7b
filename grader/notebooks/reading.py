"""The cells of a notebook that a stranger made: cut down to what is needed, or one sentence why not.

Our own reader, for a notebook may be anything: limits hold on the bytes before a value is made of them, then
Python's own JSON does the rest. Outputs, attachments and pictures are never looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

MEBIBYTE = 1 << 20
MAX_NOTEBOOK_BYTES = 64 * MEBIBYTE  # as large as intake lets a file be: a notebook full of figures
MAX_QUOTES = 1_000_000  # a notebook of 60 MB with tables in HTML has some 200,000
MAX_VALUES = 1_000_000  # each one costs some 80 bytes of memory
MAX_DEPTH = 64  # figures of plotly reach 12
LONG_STRING_BYTES = 64 << 10  # a picture; whoever writes has his text stored line by line
MAX_KEPT_BYTES = 16 * MEBIBYTE  # what is left without long strings
MAX_CELLS = 10_000
MAX_TEXT_CHARACTERS = 1_000_000  # of all text cells together; a hundred pages of a book are 200,000
MAX_TEXT_LINES = 100_000

# Ends where the file ends, and eats a lone backslash: a broken file is read once, and not once a quote.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
_BRACKETS = b"[]{}"
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_EMBEDDED_DATA = re.compile(r"(data:[\w.+/-]{1,80};base64,)[A-Za-z0-9+/=]+")
_INTEGER_DIGITS = 4
TEXT_CELLS = frozenset({"markdown", "raw"})


class UnreadableNotebook(Exception):
    """The file is no notebook that can be read; the text goes on after "the notebook cannot be read: "."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, and which question and part its metadata names (`"question": "q4.2"`)."""

    kind: str
    text: str
    question: str | None = None
    part: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether a person reads it: code is run, not read."""
        return self.kind in TEXT_CELLS


def read_cells(notebook: bytes) -> tuple[Cell, ...]:
    """Return a notebook's cells; raise UnreadableNotebook and nothing else, in bounded time and memory."""
    cells = tuple(map(_cell, raw_cells(notebook)))
    texts = [cell.text for cell in cells if cell.is_text]
    at_most(sum(map(len, texts)), MAX_TEXT_CHARACTERS, "characters of text")
    at_most(sum(len(text.splitlines()) for text in texts), MAX_TEXT_LINES, "lines of text")
    return cells


def raw_cells(notebook: bytes) -> tuple[Mapping[str, Any], ...]:
    """Return the cells as the file holds them, of any shape inside, but for long strings and long numbers.

    Raise UnreadableNotebook and nothing else, in bounded time and memory.
    """
    try:
        return tuple(_found(_content(notebook)))
    except (RecursionError, MemoryError) as error:
        raise UnreadableNotebook("it is built in a way that takes too much memory") from error


def text_of(source: object) -> str:
    """Return a text that is stored as one string or line by line; anything else in it is no text."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))


def _content(notebook: bytes) -> Any:
    try:
        text = _within_limits(notebook).decode("utf-8-sig")
        return json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=lambda _: None,  # Jupyter writes NaN, which is no JSON, and nothing here needs it
            parse_float=lambda _: None,
            parse_int=_short_integer,
        )
    except UnicodeDecodeError as error:
        raise UnreadableNotebook("it is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise UnreadableNotebook(f"it is not JSON ({error.msg}, line {error.lineno})") from error


def _within_limits(notebook: bytes) -> bytes:
    """Return the bytes without their long strings, once it is known that they are harmless to parse."""
    at_most(len(notebook), MAX_NOTEBOOK_BYTES, "bytes")
    at_most(notebook.count(b'"'), MAX_QUOTES, "quotation marks")
    skeleton = _STRING.sub(b"", notebook)
    at_most(sum(map(skeleton.count, (b",", b"[", b"{"))), MAX_VALUES, "values")
    steps = map(_STEP.__getitem__, skeleton.translate(None, _NOT_BRACKETS))
    at_most(max(accumulate(steps), default=0), MAX_DEPTH, "levels")
    kept = _STRING.sub(_shortened, notebook)
    at_most(len(kept), MAX_KEPT_BYTES, "bytes beside its figures")
    return kept


def at_most(count: int, limit: int, what: str) -> None:
    """Raise UnreadableNotebook where there is more of something than is looked at."""
    if count > limit:
        raise UnreadableNotebook(f"it has more than {limit:,} {what}")


def _shortened(string: re.Match[bytes]) -> bytes:
    size = string.end() - string.start()
    if size <= LONG_STRING_BYTES:
        return string[0]
    return f'"[a text of {size:,} bytes is left out here]\\n"'.encode()


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # two programs could read two different texts in it
        raise UnreadableNotebook("the same key stands twice in one of its objects")
    return found


def _short_integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else None


def _found(content: Any) -> Iterator[Mapping[str, Any]]:
    """Find the cells of formats 4 (`cells`) and 2 and 3 (`worksheets`), whatever stands between them."""
    if not isinstance(content, dict):
        raise UnreadableNotebook("it holds no list of cells")
    sheets = content.get("worksheets")
    holders = sheets if isinstance(sheets, list) and "cells" not in content else [content]
    lists = [holder.get("cells") for holder in holders if isinstance(holder, dict)]
    if not any(isinstance(cells, list) for cells in lists):
        raise UnreadableNotebook("it holds no list of cells")
    every = [cell for cells in lists if isinstance(cells, list) for cell in cells]
    at_most(len(every), MAX_CELLS, "cells")
    return (cell for cell in every if isinstance(cell, dict))


def _cell(cell: Mapping[str, Any]) -> Cell:
    metadata = cell.get("metadata")
    named: Callable[[str], Any] = metadata.get if isinstance(metadata, dict) else {}.get
    kind, text = cell.get("cell_type"), text_of(cell.get("source", cell.get("input")))  # of format 3
    if kind == "heading":  # of format 3
        kind, text = "markdown", f"{'#' * _level(cell.get('level'))} {text}"
    return Cell(
        kind=kind if isinstance(kind, str) else "",
        text=_EMBEDDED_DATA.sub(r"\1…", text),
        question=_name(named("question")),
        part=_name(named("part")),
    )


def _level(level: Any) -> int:
    return level if isinstance(level, int) and 1 <= level <= 6 else 1


def _name(value: Any) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None
