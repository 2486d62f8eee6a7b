"""Mutants that keep their points and may: a person has read each, and says why it is within the contract."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import GraderFault
from grader.selftest.mutants import Mutant
from grader.settings import resource


@dataclass(frozen=True, slots=True)
class ContractRow:
    """Changes of one line that are allowed, known by what stands there and not by the line's number."""

    file: str
    scope: str
    line: str
    changes: tuple[str, ...]
    reason: str

    def allows(self, mutant: Mutant) -> bool:
        """Say whether this row is about a mutant."""
        place = (mutant.file, mutant.scope, mutant.text)
        return place == (self.file, self.scope, self.line) and mutant.change in self.changes


def read_rows(path: Path | None = None) -> tuple[ContractRow, ...]:
    """Read the reviewed rows; raise GraderFault where one lacks something."""
    path = path or resource("fixtures/mutants") / "within_contract.toml"
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("row", [])
    try:
        return tuple(ContractRow(**{**row, "changes": tuple(row["changes"])}) for row in rows)
    except (KeyError, TypeError) as error:
        raise GraderFault(f"a row of {path.name} is not complete: {error}") from error


def reason_for(mutant: Mutant, rows: Iterable[ContractRow]) -> str:
    """Return why a mutant is within the contract; nothing where no row says so."""
    return next((row.reason for row in rows if row.allows(mutant)), "")


def stale_changes(rows: Iterable[ContractRow], mutants: Sequence[Mutant]) -> list[str]:
    """Return the allowed changes that no mutant makes any more."""
    made = {(mutant.file, mutant.scope, mutant.text, mutant.change) for mutant in mutants}
    return [
        f"{row.file}: {row.scope}: {change}"
        for row in rows
        for change in row.changes
        if (row.file, row.scope, row.line, change) not in made
    ]
