"""The nouns of an attack run: what was tried, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SUCCESS = "achieved:"  # what a program says of itself where nothing can be seen from outside


class Kind(StrEnum):
    """What an attack is made of, and so how it is tried."""

    PROGRAM = "program"
    FORGERY = "forgery"
    ARCHIVE = "archive"
    FRAME = "frame"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack; `rows` are the rows of the catalogue (tests/attacks/ledger.toml) that it stands for."""

    id: str
    rows: tuple[str, ...]
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What became of one attack; `evidence` says what was seen where it succeeded, else how it ended."""

    attack: Attack
    succeeded: bool
    evidence: str
    seconds: float


@dataclass(frozen=True, slots=True)
class HostileArchive:
    """An archive that intake must refuse.

    With `never_there`, it may be accepted as long as none of these paths is in the copy that is graded.
    """

    id: str
    rows: tuple[str, ...]
    title: str
    data: bytes
    never_there: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostileFrame:
    """Bytes that student code writes into the pipe in place of an answer.

    `make(request_id)` returns them; `request_id` is that of the request that waits for its answer. Nothing
    but a fault of the student's may come of them.
    """

    id: str
    rows: tuple[str, ...]
    title: str
    make: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class AttackRun:
    """What became of every attack, under which sandbox."""

    provider: str
    level: int
    results: tuple[AttackResult, ...]

    @property
    def succeeded(self) -> tuple[AttackResult, ...]:
        """The attacks that reached their goal."""
        return tuple(result for result in self.results if result.succeeded)
