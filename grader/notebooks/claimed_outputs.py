"""Outputs that are stored where none can be, none where some should be, and the order in which cells ran."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from grader.model import Flag
from grader.notebooks.findings import (
    MAX_LINES,
    OF_THE_MACHINE,
    Context,
    Pair,
    flagged,
    named,
    quoted,
    worth_reading,
)
from grader.notebooks.quantities import words_of
from grader.notebooks.stored import Shown
from grader.plain_text import one_line

_RESULT_NAMES = r"(?:test_?|final_?|val_?)?(?:acc|accuracy|accuracies)(?:_relu|_tanh)?"
_ASSIGNED_RESULT = re.compile(
    rf"^[ \t]*({_RESULT_NAMES})\s*(?:\[[^\]=]{{1,40}}\])?\s*=\s*(0?\.\d{{2,}}|\d\d\.\d+)\s*(?:#.*)?$"
)
_PRINTED_RESULT = re.compile(
    r"^[ \t]*print\(\s*(?![rb]?f)[\"'][^\"'{}%]{0,60}\baccuracy\b[^\"'{}%\d]{0,20}"
    r"(0?\.\d{2,}|\d\d(?:\.\d+)?\s?%)",
    re.IGNORECASE,
)
_NO_RESULT = re.compile(
    r"target|expect|goal|baseline|random|chance|should|about|around|least|paper|publish", re.IGNORECASE
)


def impossible_outputs(pair: Pair, context: Context) -> Iterator[Flag]:
    """Tell of text and pictures that nothing in the cell's source can have made."""
    cell, abilities = pair.cell, context.abilities
    if pair.replayed.text.strip() or pair.replayed.pictures:
        return  # it does show something, whatever the words of its source say
    printed = worth_reading(cell.shown.printed)
    if printed and not abilities.can_print(cell.source):
        yield flagged(
            "impossible_output",
            cell,
            f"its stored output begins with {quoted(printed)}, and nothing in this cell prints; "
            "the replay showed nothing here",
        )
    if cell.shown.result.strip() and not abilities.shows_value(cell.source):
        yield flagged(
            "impossible_output",
            cell,
            f"it stores the value {quoted(cell.shown.result)}, and its last line is no expression; "
            "the replay showed nothing here",
        )
    if cell.shown.pictures and not abilities.can_plot(cell.source):
        yield flagged(
            "impossible_picture",
            cell,
            "a picture is stored below it, and nothing in this cell plots; the replay drew nothing here",
        )


def other_source(pair: Pair, context: Context) -> Iterator[Flag]:
    """Tell of a line whose words are neither in the cell nor in what the replay printed there."""
    if not pair.is_ok or not pair.replayed.text.strip():
        return
    own = words_of(pair.replayed.text) | context.abilities.words_behind(pair.cell.source)
    for line in pair.cell.shown.printed.splitlines()[:MAX_LINES]:
        words = words_of(line[:1000])
        is_known = len(words & own) >= len(words) / 2 or words <= context.vocabulary
        if not is_known and not OF_THE_MACHINE.search(line[:1000]):
            yield flagged(
                "other_source",
                pair.cell,
                f"its stored output has the line {quoted(line)}, which its present source does not print; "
                f"the replay begins with {quoted(pair.replayed.text.strip())}",
            )
            return


def hard_coded(pair: Pair, _: Context) -> Iterator[Flag]:
    """Tell of an accuracy that stands in the source as a number."""
    for line in pair.cell.source.splitlines():
        found = _ASSIGNED_RESULT.match(line[:300]) or _PRINTED_RESULT.match(line[:300])
        if found and not _NO_RESULT.search(line[:300]):
            yield flagged(
                "hard_coded_result",
                pair.cell,
                f"an accuracy stands in the source as a number: {quoted(line.strip())}; "
                "the replay can only repeat it",
            )
            return


def outputs_of_failures(pairs: Sequence[Pair]) -> Iterator[Flag]:
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
    what = quoted(stored.text.strip()) if stored.text.strip() else f"{stored.pictures} pictures"
    yield flagged(
        "output_of_failed_cell",
        failed[0].cell,
        f"it stores {what} and no error, and in the replay it stopped: "
        f"{one_line(failed[0].message)[:300]}{others}",
    )


def missing_outputs(pairs: Sequence[Pair]) -> Iterator[Flag]:
    """Tell of cells that show something in the replay and nothing in the notebook."""
    showing = [pair for pair in pairs if pair.is_ok and _shows(pair.replayed)]
    silent = [pair for pair in showing if pair.cell.shown.is_empty]
    if not silent:
        return
    first = silent[0]
    seen = first.replayed
    what = quoted(worth_reading(seen.text)) if worth_reading(seen.text) else f"{seen.pictures} figures"
    if len(silent) == len(showing) > 1:
        yield Flag(
            "missing_output", "the notebook was handed in without outputs; the replay has them", "notebook"
        )
        return
    numbers = ", ".join(str(pair.cell.number) for pair in silent[1:9])
    others = f"; the same holds for cells {numbers}" if numbers else ""
    yield flagged(
        "missing_output", first.cell, f"no output is stored below it, and the replay shows {what}{others}"
    )


def _shows(shown: Shown) -> bool:
    return bool(shown.pictures or worth_reading(shown.text))


def execution_order(pairs: Sequence[Pair]) -> Iterator[Flag]:
    """Tell of cells that did not run from top to bottom, and of outputs of cells that never ran."""
    counted = [pair.cell for pair in pairs if pair.cell.execution_count is not None]
    for before, after in pairwise(counted):
        if (after.execution_count or 0) <= (before.execution_count or 0):
            yield flagged(
                "execution_order",
                after,
                f"it ran as [{after.execution_count}], and {named(before)} above it as "
                f"[{before.execution_count}]; one run from top to bottom counts upwards",
            )
            break
    uncounted = [
        pair.cell for pair in pairs if pair.cell.execution_count is None and not pair.cell.shown.is_empty
    ]
    if uncounted:
        more = f" (and {len(uncounted) - 1} more cells)" if len(uncounted) > 1 else ""
        yield flagged(
            "execution_order", uncounted[0], f"it stores an output and no execution count{more}: did it run?"
        )
