"""A CSV file that can be written back: every cell keeps its own text, and only cells that are set change.

Cells are told apart as Python's `csv` does (RFC 4180 with what real files do beside it): a quote counts where
a cell begins, two of them inside are one, and what follows the closing one belongs to the cell as it stands.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from grader.errors import UsageError

MAX_TABLE_BYTES = 64 << 20
DELIMITERS = (",", ";", "\t")
# Longest first: UTF-32's begins like UTF-16's.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What a spreadsheet on Windows saves where it does not save UTF-8; Latin-1 reads whatever is left.
_OTHER_ENCODINGS = ("utf-8", "cp1252", "latin-1")
_NOT_TEXT = re.compile("[\x00-\x08\x0e-\x1f]")
_INSIDE = '[^"]*(?:""[^"]*)*'


@dataclass(frozen=True, slots=True)
class Line:
    """One record: the text of each cell as it stands in the file, quotes included, and how the line ends."""

    cells: tuple[str, ...]
    end: str

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in the line."""
        return self.cells == ("",)

    def value(self, column: int) -> str:
        """Return what a cell says; of a column that the line does not have, nothing."""
        return value_of(self.cells[column]) if column < len(self.cells) else ""


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file: its bytes are those of `bom`, then of all lines in `encoding`."""

    lines: tuple[Line, ...]
    delimiter: str
    encoding: str = "utf-8"
    bom: bytes = b""

    @property
    def header(self) -> tuple[str, ...]:
        """What the first line's cells say."""
        return tuple(map(value_of, self.lines[0].cells)) if self.lines else ()

    def with_values(self, values: Mapping[tuple[int, int], str]) -> Table:
        """Return the table with other values in some cells, by line and column; all others stay as they are.

        A cell gets quotes where it had them, or where it must have them.
        """
        by_line: dict[int, dict[int, str]] = {}
        for (line, column), value in values.items():
            by_line.setdefault(line, {})[column] = value
        lines = list(self.lines)
        for number, changed in by_line.items():
            cells = list(lines[number].cells)
            for column, value in changed.items():
                cells[column] = raw_of(value, like=cells[column], delimiter=self.delimiter)
            lines[number] = replace(lines[number], cells=tuple(cells))
        return replace(self, lines=tuple(lines))

    def encoded(self) -> bytes:
        """Return the file's bytes; raise UsageError where its encoding lacks a character that was set."""
        text = "".join(self.delimiter.join(line.cells) + line.end for line in self.lines)
        try:
            return self.bom + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise UsageError(
                f"the template's encoding ({self.encoding}) lacks {text[error.start]!r}; save it as UTF-8"
            ) from error


def decoded(data: bytes, name: str) -> tuple[str, str, bytes]:
    """Return a file's text, its encoding and its byte order mark; raise UsageError where it is no text."""
    bom, encodings = next(
        ((mark, (encoding,)) for mark, encoding in _BOMS if data.startswith(mark)), (b"", _OTHER_ENCODINGS)
    )
    for encoding in encodings:
        try:
            text = data[len(bom) :].decode(encoding)
        except UnicodeDecodeError:
            continue
        if _NOT_TEXT.search(text):
            break
        return text, encoding, bom
    hint = "; export it as CSV" if data.startswith(b"PK") else ""
    raise UsageError(f"{name} is not a CSV file: it is not text{hint}")


def read_table(text: str, delimiter: str, *, encoding: str = "utf-8", bom: bytes = b"") -> Table:
    """Split a text into lines and cells, so that joining them gives the same text again, whatever it is."""
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f"{delimiter!r} separates no cells")
    # A quoted part, closed or not, and what follows it; else all up to the next delimiter or line end.
    # Nothing of it can be read in two ways, so that long cells cost no more than their length.
    mark = re.escape(delimiter)
    plain = f"[^{mark}\r\n]*"
    cell = re.compile(f'("{_INSIDE}(?:"{plain})?|{plain})({mark}|\r\n|\r|\n|\\Z)')
    lines: list[Line] = []
    cells: list[str] = []
    position = 0
    while position < len(text) or cells:
        found = cell.match(text, position)
        if found is None:  # pragma: no cover -- the second alternative matches anything
            raise AssertionError(position)
        raw, end = found.groups()
        cells.append(raw)
        position = found.end()
        if end != delimiter:
            lines.append(Line(tuple(cells), end))
            cells = []
    return Table(tuple(lines), delimiter, encoding, bom)


def value_of(raw: str) -> str:
    """Return what a cell's text says."""
    if not raw.startswith('"'):
        return raw
    inside, closing, after = _halves(raw[1:])
    return inside.replace('""', '"') + (after if closing else "")


def is_unclosed(raw: str) -> bool:
    """Whether a quote is opened in a cell that nothing closes: it ends with the file."""
    return raw.startswith('"') and not _halves(raw[1:])[1]


def raw_of(value: str, *, like: str, delimiter: str) -> str:
    """Return a cell's text for a value: quoted where the cell that it replaces was, or where it must be."""
    needs_quotes = any(character in value for character in (delimiter, '"', "\r", "\n"))
    if needs_quotes or like.startswith('"'):
        return '"' + value.replace('"', '""') + '"'
    return value


def _halves(text: str) -> tuple[str, str, str]:
    """Return what is before the quote that closes, that quote, and what is after it."""
    found = re.match(f'({_INSIDE})("?)(.*)', text, re.DOTALL)
    if found is None:  # pragma: no cover -- all parts may be empty
        raise AssertionError(text)
    return found[1], found[2], found[3]
