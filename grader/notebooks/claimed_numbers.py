"""Numbers and class reports that are stored, held against those that the replay printed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from grader.model import Flag
from grader.notebooks.class_reports import ClassReport, contradiction, find_reports, is_row
from grader.notebooks.findings import MAX_LINES, OF_THE_MACHINE, Context, Pair, flagged, quoted
from grader.notebooks.quantities import (
    OF_ONE_IN_A_SERIES,
    SERIES,
    SPREADS,
    Kind,
    Number,
    PrintedLine,
    read_lines,
    spread_of,
)
from grader.notebooks.stored import StoredCell
from grader.plain_text import one_line

SPREAD_OF_F1 = 0.2  # of one class: the smallest have some 240 test images, and trade with one another
_EXACT = frozenset({Kind.COUNT, Kind.PARAMETERS})
_KIND_OF_NUMBER: Mapping[Kind, str] = {Kind.ACCURACY: "claimed_accuracy", Kind.LOSS: "claimed_loss"}


def other_numbers(pair: Pair, context: Context) -> Iterator[Flag]:
    """Compare the numbers of lines that say the same, in order; tell of the first of each kind."""
    if not pair.is_ok:
        return
    hints = context.abilities.printed_names(pair.cell.source)
    claimed = _by_skeleton(read_lines(pair.cell.shown.text, hints=hints)[:MAX_LINES])
    replayed = _by_skeleton(read_lines(pair.replayed.text, hints=hints)[:MAX_LINES])
    told: set[Kind] = set()
    for skeleton, lines in claimed.items():
        others = replayed.get(skeleton, [])
        if others:
            yield from _other_lengths(pair.cell, lines, others, context)
        for series in _series(lines, others):
            found = _beyond_spread(series, same_data=context.same_data)
            if found is not None and found.number.kind not in told:
                told.add(found.number.kind)
                yield _claimed_number(pair.cell, found, context)


def _by_skeleton(lines: Iterable[PrintedLine]) -> dict[str, list[PrintedLine]]:
    found: dict[str, list[PrintedLine]] = {}
    for line in lines:
        if line.numbers and not OF_THE_MACHINE.search(line.text) and not is_row(line.text):
            found.setdefault(line.skeleton, []).append(line)
    return found


@dataclass(frozen=True, slots=True)
class _Compared:
    """A stored number, its line, and the replayed number in its place; `middle_of` so many, or alone."""

    line: PrintedLine
    number: Number
    seen: Number
    middle_of: int = 0


def _series(lines: Sequence[PrintedLine], others: Sequence[PrintedLine]) -> Iterator[list[_Compared]]:
    """Yield, for each label, its numbers with the replayed ones, over all lines that read the same."""
    series: dict[int, list[_Compared]] = {}
    for line, other in zip(lines, others, strict=False):
        for number, seen in zip(line.numbers, other.numbers, strict=False):
            if number.kind is not Kind.OTHER and number.label == seen.label:
                series.setdefault(number.label, []).append(_Compared(line, number, seen))
    yield from series.values()


def _beyond_spread(series: list[_Compared], *, same_data: bool) -> _Compared | None:
    """Return what to tell of, where a series is further from its replay than seeds explain."""
    alone = [_ratio(each.number, each.seen, same_data=same_data, is_middle=False) for each in series]
    if len(series) < SERIES or series[0].number.kind in _EXACT:
        at = max(range(len(series)), key=alone.__getitem__)
        return series[at] if alone[at] > 1 else None
    middle = [_ratio(each.number, each.seen, same_data=same_data, is_middle=True) for each in series]
    if median_low(middle) > 1:
        return replace(series[middle.index(median_low(middle))], middle_of=len(series))
    at = max(range(len(series)), key=alone.__getitem__)
    return series[at] if alone[at] > OF_ONE_IN_A_SERIES else None


def _ratio(number: Number, seen: Number, *, same_data: bool, is_middle: bool) -> float:
    """Return a number's distance from the replayed one, in spreads."""
    values = (number.value, seen.value)
    spread = spread_of(number.kind, *values, same_data=same_data, is_middle=is_middle)
    if spread is None or number.text == seen.text or number.value == seen.value:
        return 0.0
    if not all(map(math.isfinite, values)):
        # One of them is no number at all: on the same data no seed does that.
        return math.inf if same_data and number.text.casefold() != seen.text.casefold() else 0.0
    return abs(number.value - seen.value) / spread if spread else math.inf


def _claimed_number(cell: StoredCell, found: _Compared, context: Context) -> Flag:
    kind, number, seen = found.number.kind, found.number, found.seen
    spread = spread_of(
        kind, number.value, seen.value, same_data=context.same_data, is_middle=bool(found.middle_of)
    )
    reason = SPREADS[kind].reason
    if found.middle_of:
        reason = reason.replace("it by", f"the middle one of these {found.middle_of} by")
    if not context.same_data:
        reason = reason.replace("another seed or machine changes", "other images, seeds and machines change")
    is_known = spread is not None and 0 < spread < math.inf
    return flagged(
        _KIND_OF_NUMBER.get(kind, "claimed_number"),
        cell,
        f"its stored output says {quoted(found.line.text)}; where that has the {kind} {number.text}, "
        f"the replay has {seen.text}; {reason}{f' {spread:.2g}' if is_known else ''}",
    )


def _other_lengths(
    cell: StoredCell, lines: Sequence[PrintedLine], others: Sequence[PrintedLine], context: Context
) -> Iterator[Flag]:
    """Tell of training logs that are longer or shorter than the source makes them."""
    is_log = len(lines) >= SERIES and "epoch" in lines[0].skeleton
    if is_log and len(lines) != len(others) and not context.stops_by_itself:
        yield flagged(
            "other_source",
            cell,
            f"its stored output has {len(lines)} lines like {quoted(lines[0].text)}, and the replay of its "
            f"present source has {len(others)}; no seed changes how many there are",
        )


def other_reports(pair: Pair, context: Context) -> Iterator[Flag]:
    """Tell of class reports that contradict themselves or the replay."""
    claimed, replayed = find_reports(pair.cell.shown.text), find_reports(pair.replayed.text)
    for position, report in enumerate(claimed):
        if found := contradiction(report):
            yield flagged(
                "impossible_report",
                pair.cell,
                f"its stored class report cannot be one: {one_line(found)}; seeds change no arithmetic",
            )
        elif pair.is_ok and context.same_data and position < len(replayed):
            yield from _other_report(pair.cell, report, replayed[position])


def _other_report(cell: StoredCell, report: ClassReport, replayed: ClassReport) -> Iterator[Flag]:
    claimed = {name: row.support for name, row in report.classes.items()}
    seen = {name: row.support for name, row in replayed.classes.items()}
    if claimed != seen:
        yield flagged(
            "claimed_report",
            cell,
            f"its stored class report counts {quoted(_counts(claimed))}, and the replay "
            f"{quoted(_counts(seen))}; no seed changes how many images a class has",
        )
        return
    for name, row in report.classes.items():
        other = replayed.classes[name]
        if abs(row.f1 - other.f1) > SPREAD_OF_F1:
            yield flagged(
                "claimed_report",
                cell,
                f"its stored class report has an f1-score of {row.f1:g} for {quoted(name)}, and the replay "
                f"{other.f1:g}; another seed changes it by less than {SPREAD_OF_F1}",
            )
            return
    if report.accuracy is None or replayed.accuracy is None:
        return
    allowed = SPREADS[Kind.ACCURACY].alone(replayed.accuracy)
    if abs(report.accuracy - replayed.accuracy) > allowed:
        yield flagged(
            "claimed_report",
            cell,
            f"its stored class report has an accuracy of {report.accuracy:g}, and the replay "
            f"{replayed.accuracy:g}; another seed or machine changes it by less than {allowed:.2g}",
        )


def _counts(supports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in supports.items())
