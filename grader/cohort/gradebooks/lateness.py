"""What lateness costs, and which attempt counts: pure functions over recorded facts.

A raw score is only read. Points are exact decimals, and time is time that has passed: a day is 24 hours, also
where clocks are put forward or back on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from typing import Literal

from grader.errors import UsageError

Attempts = Literal["last", "best", "first"]
Base = Literal["score", "max"]

DAY = timedelta(days=1)
_HUNDRED = Decimal(100)
# Of products of points, percents and days nothing may be rounded.
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Step:
    """What is taken off from so long after the due date on: `percent` in all, not once more."""

    after: timedelta
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A course's rules; each is checked to be one by which later never scores more.

    `due` is None where each entry's own due date counts. Of `percent_per_day`, `points_per_day` and `steps`
    at most one is given. `at_most` is the most that lateness costs, in percent or in points as the rule is.
    """

    due: datetime | None = None
    grace: timedelta = timedelta(0)
    percent_per_day: Decimal | None = None
    points_per_day: Decimal | None = None
    steps: tuple[Step, ...] = ()
    percent_of: Base = "score"
    at_most: Decimal | None = None
    cutoff: datetime | None = None
    attempts: Attempts = "last"

    def __post_init__(self) -> None:
        for name, moment in (("due", self.due), ("cutoff", self.cutoff)):
            if moment is not None:
                require_aware(moment, f"the policy's {name}")
        _require(self.grace >= timedelta(0), "grace cannot be negative")
        _require(
            sum((self.percent_per_day is not None, self.points_per_day is not None, bool(self.steps))) <= 1,
            "give one of percent_per_day, points_per_day and steps, not several",
        )
        for name in ("percent_per_day", "points_per_day", "at_most"):
            value = getattr(self, name)
            _require(value is None or (value.is_finite() and value >= 0), f"{name} is a number from 0 on")
        _require(
            self.percent_per_day is None or self.percent_per_day <= _HUNDRED, "percent_per_day is at most 100"
        )
        _require_rising(self.steps)
        if self.due is not None and self.cutoff is not None:
            _require(
                _utc(self.cutoff) - _utc(self.due) >= self.grace,
                "cutoff comes before the due date and its grace",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is recorded of an attempt. Times are aware; None is "not told"."""

    raw: Decimal
    max_score: Decimal
    attempt: int = 1
    submitted_at: datetime | None = None
    due_at: datetime | None = None
    is_late: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an attempt is worth: `final` is None where that cannot be told, and `note` says why."""

    raw: Decimal
    final: Decimal | None
    late_by: timedelta = timedelta(0)
    note: str | None = None


def require_aware(moment: datetime, what: str) -> datetime:
    """Return a time; raise UsageError where it does not say which zone it is in."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise UsageError(f"{what} has no time zone: {moment.isoformat()}; add one, such as +02:00")
    return moment


def judge(policy: Policy, facts: Facts) -> Verdict:
    """Return what an attempt is worth by the policy; raise UsageError where a time has no zone."""
    due = policy.due if policy.due is not None else facts.due_at
    submitted = facts.submitted_at
    if due is not None:
        require_aware(due, "a due date")
    if submitted is not None:
        require_aware(submitted, "the time of a submission")
    late_by = _late_by(submitted, due) if submitted and due else timedelta(0)
    if policy.cutoff is not None and submitted is not None and _utc(submitted) > _utc(policy.cutoff):
        note = f"{_span(late_by)} late: after the cut-off" if late_by else "after the cut-off"
        return Verdict(raw=facts.raw, final=Decimal(0), late_by=late_by, note=note)
    if submitted is None and (_costs(policy) or policy.cutoff is not None):
        return _without_times(facts, "it was handed in")
    if due is None and _costs(policy):
        return _without_times(facts, "it was due")
    if late_by <= policy.grace or not _costs(policy):
        return Verdict(raw=facts.raw, final=facts.raw, late_by=late_by)
    cost, told = _cost(policy, facts, late_by)
    final = max(Decimal(0), _EXACT.subtract(facts.raw, cost))
    return Verdict(raw=facts.raw, final=final, late_by=late_by, note=f"{_span(late_by)} late: {told}")


def chosen(policy: Policy, attempts: Iterable[tuple[str, Facts]]) -> str | None:
    """Return the label of the attempt that counts, whatever their order; None where that cannot be told.

    The best is the one that is worth most: of equals that with the higher raw score, then the earlier one.
    """
    known = dict(attempts)
    if not known:
        return None
    if policy.attempts == "best":
        return _best(policy, known)
    places = _places(known)
    end = max(places.values()) if policy.attempts == "last" else min(places.values())
    there = [label for label, place in places.items() if place == end]
    return there[0] if len(there) == 1 else None


def _best(policy: Policy, known: dict[str, Facts]) -> str | None:
    worth = {label: judge(policy, facts) for label, facts in known.items()}
    places = _places(known)
    judged = [
        (-verdict.final, -verdict.raw, places[label], label)
        for label, verdict in worth.items()
        if verdict.final is not None
    ]
    unjudged = [verdict.raw for verdict in worth.values() if verdict.final is None]
    if not judged or any(raw > -min(judged)[0] for raw in unjudged):  # one of those might be worth more
        return None
    return min(judged)[-1]


def _places(known: dict[str, Facts]) -> dict[str, tuple[datetime, int]]:
    """Return where each attempt stands among the others: by time where all have one, else by number."""
    start = datetime.min.replace(tzinfo=UTC)
    has_times = all(facts.submitted_at is not None for facts in known.values())
    return {
        label: (_utc(facts.submitted_at) if has_times and facts.submitted_at else start, facts.attempt)
        for label, facts in known.items()
    }


def _costs(policy: Policy) -> bool:
    return bool(policy.percent_per_day or policy.points_per_day or policy.steps)


def _without_times(facts: Facts, what: str) -> Verdict:
    """Judge by the place's own word: what was in time there is; how late the rest is, nobody knows."""
    if facts.is_late is False:
        return Verdict(raw=facts.raw, final=facts.raw)
    return Verdict(raw=facts.raw, final=None, note=f"it is not recorded when {what}")


def _late_by(submitted: datetime, due: datetime) -> timedelta:
    return max(timedelta(0), _utc(submitted) - _utc(due))


def _utc(moment: datetime) -> datetime:
    """Return a time in UTC: of two times in one zone, Python's difference would be that of the clocks."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"{moment.isoformat()} is outside of any calendar") from error


def _cost(policy: Policy, facts: Facts, late_by: timedelta) -> tuple[Decimal, str]:
    """Return what lateness costs in points, and the sentence for it."""
    days = -(-late_by // DAY)  # each day that has begun
    if policy.points_per_day is not None:
        cost = _capped(_EXACT.multiply(policy.points_per_day, Decimal(days)), policy.at_most)
        return cost, f"minus {cost.normalize():f} points"
    if policy.percent_per_day is not None:
        percent = _EXACT.multiply(policy.percent_per_day, Decimal(days))
    else:
        percent = max((step.percent for step in policy.steps if step.after < late_by), default=Decimal(0))
    percent = min(_HUNDRED, _capped(percent, policy.at_most))
    base = facts.raw if policy.percent_of == "score" else facts.max_score
    whole = "the score" if policy.percent_of == "score" else "the maximum"
    return _EXACT.divide(
        _EXACT.multiply(base, percent), _HUNDRED
    ), f"minus {percent.normalize():f} % of {whole}"


def _capped(value: Decimal, most: Decimal | None) -> Decimal:
    return value if most is None else min(value, most)


def _span(late_by: timedelta) -> str:
    hours, minutes = divmod(-(-late_by // timedelta(minutes=1)), 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"


def _require_rising(steps: tuple[Step, ...]) -> None:
    for step in steps:
        _require(step.after >= timedelta(0), "a step is at some hours after the due date, not before it")
        _require(
            step.percent.is_finite() and 0 <= step.percent <= _HUNDRED, "a step's percent is from 0 to 100"
        )
    for earlier, later in pairwise(steps):
        _require(earlier.after < later.after, "the steps' hours go up from one to the next")
        _require(earlier.percent <= later.percent, "a later step cannot cost less than an earlier one")


def _require(holds: bool, sentence: str) -> None:  # noqa: FBT001
    if not holds:
        raise UsageError(f"the policy cannot be used: {sentence}")
