"""A late policy from a TOML file, as an instructor writes it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

from grader.cohort.gradebooks.lateness import Attempts, Base, Policy, Step, require_aware
from grader.errors import UsageError

_KEYS = (
    *("due", "cutoff", "zone", "grace_minutes", "percent_per_day", "points_per_day", "steps"),
    *("percent_of", "at_most", "attempts"),
)
# More than a year late is late enough, and no number makes a time or a product overflow.
_MOST_HOURS = Decimal(24 * 366)
_MOST = Decimal(10**9)


def read_policy(path: Path) -> Policy:
    """Read a policy; raise UsageError with one sentence where the file is none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(f"the policy {path} cannot be read: {reason or error}") from error
    try:
        return policy_of(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def policy_of(content: Mapping[str, Any]) -> Policy:
    """Make a policy of what a file says; raise UsageError where that is no policy."""
    if unknown := sorted(set(content) - set(_KEYS)):
        raise UsageError(f"{unknown[0]!r} is no part of a policy; known: {', '.join(_KEYS)}")
    zone = _zone(content.get("zone"))
    return Policy(
        due=_moment(content, "due", zone),
        grace=timedelta(minutes=float(_number(content, "grace_minutes", most=_MOST_HOURS * 60) or 0)),
        percent_per_day=_number(content, "percent_per_day"),
        points_per_day=_number(content, "points_per_day"),
        steps=_steps(content.get("steps", [])),
        percent_of=cast(Base, _choice(content, "percent_of", get_args(Base), "score")),
        at_most=_number(content, "at_most"),
        cutoff=_moment(content, "cutoff", zone),
        attempts=cast(Attempts, _choice(content, "attempts", get_args(Attempts), "last")),
    )


def _steps(content: object) -> tuple[Step, ...]:
    shape = "steps is a list of { hours = 24, percent = 10 }"
    if not isinstance(content, list):
        raise UsageError(shape)
    steps = []
    for each in content:
        if not isinstance(each, dict) or set(each) != {"hours", "percent"}:
            raise UsageError(shape)
        hours, percent = _number(each, "hours", most=_MOST_HOURS), _number(each, "percent")
        steps.append(Step(timedelta(hours=float(hours or 0)), percent or Decimal(0)))
    return tuple(steps)


def _number(content: Mapping[str, Any], name: str, *, most: Decimal = _MOST) -> Decimal | None:
    value = content.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise UsageError(f"{name} is a number, such as 10")
    number = Decimal(value)
    if not 0 <= number <= most:
        raise UsageError(f"{name} is a number from 0 to {most}")
    return number


def _choice(content: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    value = content.get(name, default)
    if value not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}")
    return str(value)


def _zone(name: object) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError, LookupError) as error:
        raise UsageError(f"zone {name!r} is not known on this machine; write a time with +02:00") from error


def _moment(content: Mapping[str, Any], name: str, zone: ZoneInfo | None) -> datetime | None:
    """Return a time that says its zone: its own, or the policy's, where the clock showed it once."""
    value = content.get(name)
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise UsageError(f"{name} is a date and a time without quotes, such as 2026-10-01T23:59:00+02:00")
    if value.tzinfo is not None or zone is None:
        return require_aware(value, name)
    local = value.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != value:
        raise UsageError(f"{name} {value} was skipped by the clocks of {zone.key}; choose another time")
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise UsageError(f"{name} {value} came twice in {zone.key}; say which with an offset, such as +02:00")
    return local


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:  # pragma: no cover -- TOML's floats are all decimals
        raise ValueError(f"{text} is no number") from error
