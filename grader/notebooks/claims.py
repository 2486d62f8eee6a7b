"""What a submitted notebook claims, held against what the same notebook does when we run it.

A finding is a flag for a person to look at, and never costs a point. It names the cell (counted from 1)
and its first line, what is stored there, what the replay gave, and how far seeds and machines could move it.

An honest notebook that ran from top to bottom, on any machine and with any seed, gets none:
- numbers are compared only where words say what they are, with the spread of repeated runs (`quantities`);
- text and pictures are called impossible only where no name in the cell leads to anything that shows some;
- where the replay had other data than the student (`same_data=False`), nothing is compared that data decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from grader.model import Flag
from grader.notebooks.abilities import Abilities
from grader.notebooks.claimed_numbers import other_numbers, other_reports
from grader.notebooks.claimed_outputs import (
    execution_order,
    hard_coded,
    impossible_outputs,
    missing_outputs,
    other_source,
    outputs_of_failures,
)
from grader.notebooks.findings import Context, Pair, Run
from grader.notebooks.quantities import words_of
from grader.notebooks.reading import UnreadableNotebook
from grader.notebooks.stored import Shown, StoredCell, read_stored, shown_by

MAX_FLAGS = 12
MAX_COMPARED_CHARACTERS = 3_000_000  # of stored text; an honest notebook has some 20,000

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
_STOPS_BY_ITSELF = re.compile(r"\bbreak\b|patience|early", re.IGNORECASE)

_OF_A_CELL: Sequence[Callable[[Pair, Context], Iterator[Flag]]] = (
    impossible_outputs,
    other_numbers,
    other_reports,
    other_source,
    hard_coded,
)
_OF_A_NOTEBOOK: Sequence[Callable[[Sequence[Pair]], Iterator[Flag]]] = (
    outputs_of_failures,
    missing_outputs,
    execution_order,
)


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
    context = Context(
        abilities=Abilities(sources),
        same_data=same_data,
        stops_by_itself=any(_STOPS_BY_ITSELF.search(source) for source in sources),
        vocabulary=words_of(" ".join(sources)) | words_of(replayed),
    )
    flags = [flag for pair in pairs for finding in _OF_A_CELL for flag in finding(pair, context)]
    flags += [flag for finding in _OF_A_NOTEBOOK for flag in finding(pairs)]
    return _capped(sorted(flags, key=lambda flag: KINDS.index(flag.kind)))


def _paired(cells: Sequence[StoredCell], runs: Sequence[Run]) -> list[Pair]:
    """Give each stored cell the next run of the same source; both are in the notebook's order."""
    pairs, start, left = [], 0, MAX_COMPARED_CHARACTERS
    for cell in cells:
        left -= len(cell.shown.text)
        if left < 0:
            break
        here = next((at for at in range(start, len(runs)) if runs[at].source == cell.source), None)
        if here is not None:
            start = here + 1
            run = runs[here]
            shown = (
                shown_by(list(run.notebook_outputs)) if run.notebook_outputs else Shown(printed=run.printed)
            )
            pictures = max(shown.pictures, len(run.figures))
            shown = Shown(shown.printed, shown.warned, shown.result, pictures, shown.error)
            pairs.append(Pair(cell, str(run.outcome), run.message, shown))
    return pairs


def _capped(flags: list[Flag]) -> list[Flag]:
    if len(flags) <= MAX_FLAGS:
        return flags
    kept, left = flags[: MAX_FLAGS - 1], flags[MAX_FLAGS - 1 :]
    message = f"{len(left)} more differences between stored outputs and replay are not listed; the first: "
    return [*kept, Flag(left[0].kind, message + left[0].message, left[0].where)]
