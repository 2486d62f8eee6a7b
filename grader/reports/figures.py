"""A figure of a report: a drawing, and the same in words and numbers for whoever cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers under headings; the first cell of a row is its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Drawings that belong together, with a caption and the numbers in them."""

    caption: str
    drawings: Sequence[Markup]
    tables: Sequence[Table] = ()
    note: str = ""
