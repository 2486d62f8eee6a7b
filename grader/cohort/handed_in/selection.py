"""Which of a class's submissions are graded this time: pure functions over entries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from grader.cohort.model import Entry
from grader.errors import UsageError
from grader.plain_text import one_line

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`-th of `count` parts of a class, counted from 1."""

    number: int
    count: int


def shard_of(text: str) -> Shard:
    """Read I/N; raise UsageError where it is none."""
    found = _SHARD.fullmatch(text.strip())
    shard = Shard(*map(int, found.groups())) if found else Shard(0, 0)
    if not 1 <= shard.number <= shard.count:
        raise UsageError(f"--shard takes I/N with I from 1 to N, such as 2/8, not {one_line(text)!r}")
    return shard


def moment_of(text: str) -> datetime:
    """Read a date, or a date and a time, of this machine's own zone where none is said."""
    try:
        # A moment of the year 1 or 9999 may be none in UTC.
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"--since takes a date such as 2026-11-23 or 2026-11-23T18:00+01:00, not {one_line(text)!r}"
        ) from error


def chosen(
    entries: Sequence[Entry],
    *,
    only: Sequence[str] = (),
    since: datetime | None = None,
    shard: Shard | None = None,
) -> tuple[Entry, ...]:
    """Return the entries to grade; raise UsageError where a name in `only` is nobody's.

    A shard is taken of the whole class, whatever else is asked for, so that a submission is always in the
    same one.
    """
    kept = tuple(entries) if shard is None else tuple(entries[shard.number - 1 :: shard.count])
    if only:
        _require_known(only, entries)
        wanted = {name.casefold() for name in only}
        kept = tuple(entry for entry in kept if wanted & _names(entry))
    if since is not None:
        kept = tuple(entry for entry in kept if _handed_in(entry) >= since)
    return kept


def _require_known(only: Sequence[str], entries: Sequence[Entry]) -> None:
    known = {name for entry in entries for name in _names(entry)}
    for name in only:
        if name.casefold() not in known:
            raise UsageError(f"--only {one_line(name)!r} is no submission or student in this folder")


def _names(entry: Entry) -> set[str]:
    students = (name for each in entry.students for name in (each.key, each.login, each.email, each.sid))
    return {name.casefold() for name in (entry.label, *students) if name is not None}


def _handed_in(entry: Entry) -> datetime:
    """Return when it was handed in; where the place did not say, when its file was last changed."""
    if entry.submitted_at is not None:
        return entry.submitted_at
    try:
        return datetime.fromtimestamp(entry.path.lstat().st_mtime, UTC)
    except OSError:  # whoever grades it will say what is wrong
        return datetime.max.replace(tzinfo=UTC)
