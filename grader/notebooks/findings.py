"""What all findings about stored outputs share: a cell and its replay, words for it, what to overlook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from grader.model import Flag
from grader.notebooks.abilities import Abilities
from grader.notebooks.stored import Shown, StoredCell
from grader.plain_text import one_line

MAX_LINES = 1_000  # of one cell that are compared
_QUOTED_BYTES = 90

# Lines that depend on the machine and on what was there already, and not on the source.
OF_THE_MACHINE = re.compile(
    r"https?:|download|verified|cache|\d%\||it/s|s/it|warning|cuda|gpu|\bcpu\b|\bmps\b|device|\bversion\b|elapsed"
    r"|seconds|\bsec\b|0x[0-9a-f]|/[\w.-]+/|\\[\w.-]+\\|requirement already|collecting|installing",
    re.IGNORECASE,
)
_REPR = re.compile(
    r"<[^<>]{1,300}>|\[?<[^<>]{1,300}>(?:,\s*<[^<>]{1,300}>)*\]?|Text\(.{0,200}\)|\(?array\(.*", re.DOTALL
)


class Run(Protocol):
    """What is needed of a replayed cell (`replay.CellRun` has it)."""

    @property
    def source(self) -> str:
        """What the cell holds."""

    @property
    def outcome(self) -> str:
        """`ok`, `raised`, `timeout` and so on."""

    @property
    def message(self) -> str:
        """One sentence on how it failed; empty where it did not."""

    @property
    def printed(self) -> str:
        """All text that it showed."""

    @property
    def figures(self) -> Sequence[object]:
        """What it drew."""

    @property
    def notebook_outputs(self) -> Sequence[Mapping[str, object]]:
        """What a notebook would store below it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A stored cell, and what the replay of the same source showed."""

    cell: StoredCell
    outcome: str
    message: str
    replayed: Shown

    @property
    def is_ok(self) -> bool:
        """Whether the replayed cell ran to its end."""
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Context:
    """What all comparisons of one notebook share."""

    abilities: Abilities
    same_data: bool
    stops_by_itself: bool
    vocabulary: frozenset[str]


def flagged(kind: str, cell: StoredCell, message: str) -> Flag:
    """Return a flag about a cell, which its message names."""
    return Flag(kind, f"{named(cell)}: {message}", f"notebook, cell {cell.number}")


def named(cell: StoredCell) -> str:
    """Return a cell's number and its first line that is no comment."""
    lines = (line.strip() for line in cell.source.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return f"cell {cell.number} ({quoted(first)})" if first else f"cell {cell.number}"


def quoted(text: str) -> str:
    """Return the beginning of a stranger's text as one safe line, and mark where it was cut."""
    line = one_line(text[: 4 * _QUOTED_BYTES], max_bytes=4 * _QUOTED_BYTES)
    return f"`{line[:_QUOTED_BYTES]}…`" if len(line) > _QUOTED_BYTES else f"`{line}`"


def worth_reading(text: str) -> str:
    """Return the first line that neither the machine nor an object's default text explains."""
    lines = (line.strip() for line in text.splitlines()[:MAX_LINES])
    return next(
        (line for line in lines if line and not OF_THE_MACHINE.search(line[:1000]) and not _is_repr(line)),
        "",
    )


def _is_repr(text: str) -> bool:
    return _REPR.fullmatch(text.strip()[:1000]) is not None
