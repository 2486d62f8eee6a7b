"""What a person sees of a class: progress, and what became of everybody, for 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from grader.cohort.model import How, Row
from grader.plain_text import one_line, quiet
from grader.reports.wording import points
from grader.terminal import print_table

MOST_LISTED = 20
_LABEL_WIDTH = 24  # of the bar's line, which would shrink the bar otherwise
HOW_WORDS: Mapping[How, str] = {
    "graded": "graded now",
    "unchanged": "unchanged",
    "scored_again": "scored again without running",
    "fault": "failed, not a student's fault",
    "fault_kept": "failed earlier (--retry-faults tries again)",
    "odd": "not gradable",
    "merged": "merged",
}
# Statuses in the order in which they are told.
_STATUSES = ("graded", "partial", "rejected", "odd", "interrupted", "grader_error")


@contextmanager
def class_progress(console: Console, *, total: int | None) -> Iterator[Callable[[Row, How], None]]:
    """Show how far a class is and how long it will take, on a terminal only."""
    bar = Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    faults = 0
    with bar:
        task = bar.add_task("starting", total=total)

        def show(row: Row, how: How) -> None:
            nonlocal faults
            faults += how in ("fault", "fault_kept")
            told = f"{faults} faults" if faults else quiet(one_line(row.entry.label))[:_LABEL_WIDTH]
            bar.update(task, advance=1, description=told)

        yield show


def print_class(
    console: Console,
    rows: Iterable[Row],
    counts: Mapping[How, int],
    *,
    pages: Sequence[Path],
) -> None:
    """Print how many there are of each status, the scores, whom to look at, and what was done this time."""
    statuses: Counter[str] = Counter()
    scores: list[float] = []
    pending = flagged = 0
    worth = None
    look_at: list[Row] = []
    for row in rows:
        statuses[row.status] += 1
        pending += row.pending > 0
        flagged += row.flags > 0
        if row.score is not None:
            scores.append(float(row.score))
            worth = row.max_score
        elif len(look_at) < MOST_LISTED:
            look_at.append(row)
    told = ", ".join(f"{statuses[name]} {name.replace('_', ' ')}" for name in _STATUSES if statuses[name])
    console.print(Text(f"{statuses.total()} submissions{': ' if told else ''}{told}", style="bold"))
    if scores and worth is not None:
        console.print(
            f"scores: mean {fmean(scores):.1f}, median {median(scores):.1f},"
            f" from {min(scores):g} to {max(scores):g} of {points(worth)}"
        )
    if look_at:
        cells = [
            (quiet(row.entry.label), row.status.replace("_", " "), quiet(one_line(row.reason or "")))
            for row in look_at
        ]
        print_table(console, ("not scored", "status", "why"), cells)
        if (more := statuses.total() - len(scores) - len(look_at)) > 0:
            console.print(f"and {more} more without a score: they are in {pages[0]}", soft_wrap=True)
    if pending:
        console.print(f"{pending} wait for marks of a person; {flagged} have flags to look at")
    elif flagged:
        console.print(f"{flagged} have flags to look at")
    done = ", ".join(f"{count} {HOW_WORDS[how]}" for how, count in counts.items() if count)
    console.print(f"this time: {done or 'nothing to do'}")
    for page in pages:
        console.print(f"class: {page}", soft_wrap=True)
