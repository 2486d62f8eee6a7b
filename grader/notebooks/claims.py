"""What a submitted notebook claims, held against what the same notebook does when we run it.

A finding is a flag for a person to look at, and never costs a point. It names the code cell (counted from 1)
and its first line, what is stored there, what the replay gave, and how far seeds and machines could move it.

An honest notebook that ran from top to bottom, on any machine and with any seed, gets none:
- numbers are compared only where words say what they are, with the spread of repeated runs (`quantities`);
- text and pictures are called impossible only where no name in the cell leads to anything that shows some;
- where the replay had other data than the student (`same_data=False`), nothing is compared that data decide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Protocol

from grader.model import Flag
from grader.notebooks.abilities import Abilities
from grader.notebooks.class_reports import ClassReport, contradiction, find_reports, is_row
from grader.notebooks.quantities import (
    OF_ONE_IN_A_SERIES,
    SERIES,
    SPREADS,
    Kind,
    Number,
    PrintedLine,
    read_lines,
    spread_of,
    words_of,
)
from grader.notebooks.reading import UnreadableNotebook
from grader.notebooks.stored import Shown, StoredCell, read_stored, shown_by
from grader.plain_text import one_line

MAX_FLAGS = 12
MAX_LINES = 2_000  # of one cell that are compared
_QUOTED_BYTES = 90

# Most telling first: what cannot be, then what no seed explains, then what is only worth knowing.
KINDS = (
    "impossible_output",
    "impossible_picture",
    "impossible_report",
    "claimed_accuracy",
    "claimed_report",
    "claimed_loss",
    "claimed_number",
    "hard_coded_result",
    "other_source",
    "output_of_failed_cell",
    "missing_output",
    "execution_order",
    "stored_outputs_unreadable",
)
_KIND_OF_NUMBER: Mapping[Kind, str] = {Kind.ACCURACY: "claimed_accuracy", Kind.LOSS: "claimed_loss"}

# Lines that depend on the machine and on what was there already, and not on the source.
_OF_THE_MACHINE = re.compile(
    r"https?:|download|verified|cache|\d%\||it/s|s/it|warning|cuda|gpu|\bcpu\b|\bmps\b|device|\bversion\b|elapsed"
    r"|seconds|\bsec\b|0x[0-9a-f]|/[\w.-]+/|\\[\w.-]+\\|requirement already|collecting|installing",
    re.IGNORECASE,
)
_REPR = re.compile(
    r"<[^<>]{1,300}>|\[?<[^<>]{1,300}>(?:,\s*<[^<>]{1,300}>)*\]?|Text\(.{0,200}\)|\(?array\(.*", re.DOTALL
)
_RESULT_NAMES = r"(?:test_?|final_?|val_?)?(?:acc|accuracy|accuracies)(?:_relu|_tanh)?"
_ASSIGNED_RESULT = re.compile(
    rf"^\s*({_RESULT_NAMES})\s*(?:\[[^\]=]{{1,40}}\])?\s*=\s*(0?\.\d{{2,}}|\d\d\.\d+)\s*(?:#.*)?$"
)
_PRINTED_RESULT = re.compile(
    r"^\s*print\(\s*(?![rb]?f)[\"'][^\"'{}%]{0,60}\baccuracy\b[^\"'{}%\d]{0,20}(0?\.\d{2,}|\d\d(?:\.\d+)?\s?%)",
    re.IGNORECASE,
)
_NO_RESULT = re.compile(
    r"target|expect|goal|baseline|random|chance|should|about|around|least|paper|publish", re.IGNORECASE
)
_STOPS_BY_ITSELF = re.compile(r"\bbreak\b|patience|early", re.IGNORECASE)


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
class _Pair:
    """A stored cell, and what the replay of the same source showed."""

    cell: StoredCell
    outcome: str
    message: str
    replayed: Shown

    @property
    def is_ok(self) -> bool:
        return self.outcome == "ok"


@dataclass(frozen=True, slots=True)
class _Context:
    """What all comparisons of one notebook share."""

    abilities: Abilities
    same_data: bool
    stops_by_itself: bool
    vocabulary: frozenset[str]


def find_claims(submitted: bytes, runs: Sequence[Run], *, same_data: bool = True) -> list[Flag]:
    """Compare the outputs stored in a notebook with its replay; return at most MAX_FLAGS, most telling first.

    `same_data`: whether the replay had the data that the homework names, as in the profile `full`.
    """
    try:
        cells = read_stored(submitted)
    except UnreadableNotebook as error:
        return [
            Flag("stored_outputs_unreadable", f"the stored outputs were not compared: {error}", "notebook")
        ]
    pairs = _paired(cells, runs)
    sources = [cell.source for cell in cells]
    replayed = " ".join(pair.replayed.text for pair in pairs)
    context = _Context(
        abilities=Abilities(sources),
        same_data=same_data,
        stops_by_itself=any(_STOPS_BY_ITSELF.search(source) for source in sources),
        vocabulary=words_of(" ".join(sources)) | words_of(replayed),
    )
    flags = [flag for pair in pairs for finding in _OF_A_CELL for flag in finding(pair, context)]
    flags += [flag for finding in _OF_A_NOTEBOOK for flag in finding(pairs)]
    return _capped(sorted(flags, key=lambda flag: KINDS.index(flag.kind)))


def _paired(cells: Sequence[StoredCell], runs: Sequence[Run]) -> list[_Pair]:
    """Give each stored cell the next run of the same source; both are in the notebook's order."""
    pairs, start = [], 0
    for cell in cells:
        here = next((at for at in range(start, len(runs)) if runs[at].source == cell.source), None)
        if here is not None:
            start = here + 1
            run = runs[here]
            shown = (
                shown_by(list(run.notebook_outputs)) if run.notebook_outputs else Shown(printed=run.printed)
            )
            pictures = max(shown.pictures, len(run.figures))
            shown = Shown(shown.printed, shown.warned, shown.result, pictures, shown.error)
            pairs.append(_Pair(cell, str(run.outcome), run.message, shown))
    return pairs


def _capped(flags: list[Flag]) -> list[Flag]:
    if len(flags) <= MAX_FLAGS:
        return flags
    kept, left = flags[: MAX_FLAGS - 1], flags[MAX_FLAGS - 1 :]
    message = f"{len(left)} more differences between stored outputs and replay are not listed; the first: "
    return [*kept, Flag(left[0].kind, message + left[0].message, left[0].where)]


# ------------------------------------------------------------------------------------------- words


def _flag(kind: str, cell: StoredCell, message: str) -> Flag:
    return Flag(kind, f"{_named(cell)}: {message}", f"notebook, code cell {cell.number}")


def _named(cell: StoredCell) -> str:
    lines = (line.strip() for line in cell.source.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return f"code cell {cell.number} ({_quoted(first)})" if first else f"code cell {cell.number}"


def _quoted(text: str) -> str:
    line = one_line(text[: 4 * _QUOTED_BYTES], max_bytes=4 * _QUOTED_BYTES)
    return f"`{line[:_QUOTED_BYTES]}…`" if len(line) > _QUOTED_BYTES else f"`{line}`"


# ------------------------------------------------------------------------------- what cannot have been shown


def _impossible_outputs(pair: _Pair, context: _Context) -> Iterator[Flag]:
    """Tell of text and pictures that nothing in the cell's source can have made."""
    cell, abilities = pair.cell, context.abilities
    if pair.replayed.text.strip() or pair.replayed.pictures:
        return  # it does show something, whatever the words of its source say
    printed = _worth_reading(cell.shown.printed)
    if printed and not abilities.can_print(cell.source):
        yield _flag(
            "impossible_output",
            cell,
            f"its stored output begins with {_quoted(printed)}, and nothing in this cell prints; "
            "the replay showed nothing here",
        )
    if cell.shown.result.strip() and not abilities.shows_value(cell.source):
        yield _flag(
            "impossible_output",
            cell,
            f"it stores the value {_quoted(cell.shown.result)}, and its last line is no expression; "
            "the replay showed nothing here",
        )
    if cell.shown.pictures and not abilities.can_plot(cell.source):
        yield _flag(
            "impossible_picture",
            cell,
            "a picture is stored below it, and nothing in this cell plots; the replay drew nothing here",
        )


def _worth_reading(text: str) -> str:
    """Return the first line that neither the machine nor an object's default text explains."""
    lines = (line.strip() for line in text.splitlines()[:MAX_LINES])
    return next(
        (line for line in lines if line and not _OF_THE_MACHINE.search(line[:1000]) and not _is_repr(line)),
        "",
    )


def _is_repr(text: str) -> bool:
    return _REPR.fullmatch(text.strip()[:1000]) is not None


# ------------------------------------------------------------------------------------------- numbers


def _numbers(pair: _Pair, context: _Context) -> Iterator[Flag]:
    """Compare the numbers of lines that say the same, in order; each label once, by its worst number."""
    if not pair.is_ok:
        return
    hints = context.abilities.printed_names(pair.cell.source)
    claimed = _by_skeleton(read_lines(pair.cell.shown.text, hints=hints)[:MAX_LINES])
    replayed = _by_skeleton(read_lines(pair.replayed.text, hints=hints)[:MAX_LINES])
    for skeleton, lines in claimed.items():
        others = replayed.get(skeleton, [])
        if others:
            yield from _other_lengths(pair.cell, lines, others, context)
        for series in _series(lines, others):
            worst = _worst(series, same_data=context.same_data)
            if worst is not None:
                yield _claimed_number(pair.cell, *worst, context)


def _by_skeleton(lines: Iterable[PrintedLine]) -> dict[str, list[PrintedLine]]:
    found: dict[str, list[PrintedLine]] = {}
    for line in lines:
        if line.numbers and not _OF_THE_MACHINE.search(line.text) and not is_row(line.text):
            found.setdefault(line.skeleton, []).append(line)
    return found


_Compared = tuple[PrintedLine, Number, Number]


def _series(lines: Sequence[PrintedLine], others: Sequence[PrintedLine]) -> Iterator[list[_Compared]]:
    """Yield, for each label, its numbers with the replayed ones, over all lines that read the same."""
    series: dict[int, list[_Compared]] = {}
    for line, other in zip(lines, others, strict=False):
        for number, seen in zip(line.numbers, other.numbers, strict=False):
            if number.kind is not Kind.OTHER and number.label == seen.label:
                series.setdefault(number.label, []).append((line, number, seen))
    yield from series.values()


def _worst(series: list[_Compared], *, same_data: bool) -> _Compared | None:
    """Return the pair to tell of, where a series is further from its replay than seeds explain."""
    alone = [_ratio(number, seen, same_data=same_data, is_middle=False) for _, number, seen in series]
    middle = [_ratio(number, seen, same_data=same_data, is_middle=True) for _, number, seen in series]
    is_long = len(series) >= SERIES and series[0][1].kind not in {Kind.COUNT, Kind.PARAMETERS}
    at = max(range(len(series)), key=alone.__getitem__)
    if is_long and median(middle) > 1:
        return series[at]
    return series[at] if alone[at] > (OF_ONE_IN_A_SERIES if is_long else 1) else None


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


def _claimed_number(
    cell: StoredCell, line: PrintedLine, number: Number, seen: Number, context: _Context
) -> Flag:
    spread = spread_of(number.kind, number.value, seen.value, same_data=context.same_data)
    reason = SPREADS[number.kind].reason
    is_known = spread is not None and 0 < spread < math.inf
    return _flag(
        _KIND_OF_NUMBER.get(number.kind, "claimed_number"),
        cell,
        f"its stored output says {_quoted(line.text)}; where that has the {number.kind} {number.text}, "
        f"the replay has {seen.text}; {reason}{f' {spread:.2g}' if is_known else ''}",
    )


def _other_lengths(
    cell: StoredCell, lines: Sequence[PrintedLine], others: Sequence[PrintedLine], context: _Context
) -> Iterator[Flag]:
    """Tell of training logs that are longer or shorter than the source makes them."""
    is_log = len(lines) >= SERIES and "epoch" in lines[0].skeleton
    if is_log and len(lines) != len(others) and not context.stops_by_itself:
        yield _flag(
            "other_source",
            cell,
            f"its stored output has {len(lines)} lines like {_quoted(lines[0].text)}, and the replay of its "
            f"present source has {len(others)}; no seed changes how many there are",
        )


# ------------------------------------------------------------------------------------------- class reports


def _reports(pair: _Pair, context: _Context) -> Iterator[Flag]:
    """Tell of class reports that contradict themselves or the replay."""
    claimed, replayed = find_reports(pair.cell.shown.text), find_reports(pair.replayed.text)
    for position, report in enumerate(claimed):
        if found := contradiction(report):
            yield _flag(
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
        yield _flag(
            "claimed_report",
            cell,
            f"its stored class report counts {_quoted(_counts(claimed))}, and the replay "
            f"{_quoted(_counts(seen))}; no seed changes how many images a class has",
        )
        return
    for name, row in report.classes.items():
        other = replayed.classes[name]
        if abs(row.f1 - other.f1) > SPREAD_OF_F1:
            yield _flag(
                "claimed_report",
                cell,
                f"its stored class report has an f1-score of {row.f1:g} for {_quoted(name)}, and the replay "
                f"{other.f1:g}; another seed changes it by less than {SPREAD_OF_F1}",
            )
            return
    if report.accuracy is None or replayed.accuracy is None:
        return
    allowed = SPREADS[Kind.ACCURACY].alone(replayed.accuracy)
    if abs(report.accuracy - replayed.accuracy) > allowed:
        yield _flag(
            "claimed_report",
            cell,
            f"its stored class report has an accuracy of {report.accuracy:g}, and the replay "
            f"{replayed.accuracy:g}; another seed or machine changes it by less than {allowed:.2g}",
        )


SPREAD_OF_F1 = 0.2  # of one class: the smallest have some 240 test images, and trade with one another


def _counts(supports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in supports.items())


# ------------------------------------------------------------------------------- sources and outcomes


def _other_source(pair: _Pair, context: _Context) -> Iterator[Flag]:
    """Tell of a line whose words are neither in the cell nor in what the replay printed there."""
    if not pair.is_ok or not pair.replayed.text.strip():
        return
    own = words_of(pair.replayed.text) | words_of(
        " ".join(context.abilities.sources_behind(pair.cell.source))
    )
    for line in pair.cell.shown.printed.splitlines()[:MAX_LINES]:
        words = words_of(line[:1000])
        is_known = len(words & own) >= len(words) / 2 or words <= context.vocabulary
        if not is_known and not _OF_THE_MACHINE.search(line[:1000]):
            yield _flag(
                "other_source",
                pair.cell,
                f"its stored output has the line {_quoted(line)}, which its present source does not print; "
                f"the replay begins with {_quoted(pair.replayed.text.strip())}",
            )
            return


def _hard_coded(pair: _Pair, _: _Context) -> Iterator[Flag]:
    """Tell of an accuracy that stands in the source as a number."""
    for line in pair.cell.source.splitlines():
        found = _ASSIGNED_RESULT.match(line[:300]) or _PRINTED_RESULT.match(line[:300])
        if found and not _NO_RESULT.search(line[:300]):
            yield _flag(
                "hard_coded_result",
                pair.cell,
                f"an accuracy stands in the source as a number: {_quoted(line.strip())}; "
                "the replay can only repeat it",
            )
            return


def _outputs_of_failures(pairs: Sequence[_Pair]) -> Iterator[Flag]:
    """Tell of the first cell that failed in the replay and stores the output of a success."""
    failed = [
        pair
        for pair in pairs
        if pair.outcome == "raised" and not pair.cell.shown.error and not pair.cell.shown.is_empty
    ]
    if not failed:
        return
    others = f"; so it is with {len(failed) - 1} later cells" if len(failed) > 1 else ""
    stored = failed[0].cell.shown
    what = _quoted(stored.text.strip()) if stored.text.strip() else f"{stored.pictures} pictures"
    yield _flag(
        "output_of_failed_cell",
        failed[0].cell,
        f"it stores {what} and no error, and in the replay it stopped: "
        f"{one_line(failed[0].message)[:300]}{others}",
    )


def _missing_outputs(pairs: Sequence[_Pair]) -> Iterator[Flag]:
    """Tell of cells that show something in the replay and nothing in the notebook."""
    showing = [pair for pair in pairs if pair.is_ok and _shows(pair.replayed)]
    silent = [pair for pair in showing if pair.cell.shown.is_empty]
    if not silent:
        return
    first = silent[0]
    seen = first.replayed
    what = _quoted(_worth_reading(seen.text)) if _worth_reading(seen.text) else f"{seen.pictures} figures"
    if len(silent) == len(showing) > 1:
        yield Flag(
            "missing_output", "the notebook was handed in without outputs; the replay has them", "notebook"
        )
        return
    numbers = ", ".join(str(pair.cell.number) for pair in silent[1:9])
    others = f"; the same holds for code cells {numbers}" if numbers else ""
    yield _flag(
        "missing_output", first.cell, f"no output is stored below it, and the replay shows {what}{others}"
    )


def _shows(shown: Shown) -> bool:
    return bool(shown.pictures or _worth_reading(shown.text))


def _execution_order(pairs: Sequence[_Pair]) -> Iterator[Flag]:
    """Tell of cells that did not run from top to bottom, and of outputs of cells that never ran."""
    counted = [pair.cell for pair in pairs if pair.cell.execution_count is not None]
    for before, after in pairwise(counted):
        if (after.execution_count or 0) <= (before.execution_count or 0):
            yield _flag(
                "execution_order",
                after,
                f"it ran as [{after.execution_count}], and {_named(before)} above it as "
                f"[{before.execution_count}]; one run from top to bottom counts upwards",
            )
            break
    uncounted = [
        pair.cell for pair in pairs if pair.cell.execution_count is None and not pair.cell.shown.is_empty
    ]
    if uncounted:
        more = f" (and {len(uncounted) - 1} more cells)" if len(uncounted) > 1 else ""
        yield _flag(
            "execution_order", uncounted[0], f"it stores an output and no execution count{more}: did it run?"
        )


_OF_A_CELL: Sequence[Callable[[_Pair, _Context], Iterator[Flag]]] = (
    _impossible_outputs,
    _numbers,
    _reports,
    _other_source,
    _hard_coded,
)
_OF_A_NOTEBOOK: Sequence[Callable[[Sequence[_Pair]], Iterator[Flag]]] = (
    _outputs_of_failures,
    _missing_outputs,
    _execution_order,
)
