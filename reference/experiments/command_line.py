"""What the command lines of all experiments share: options, a progress bar, the result, the plots.

Nothing here needs torch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.datasets.mnist import PROFILES
from grader.errors import GraderError, UsageError

OnBatch = Callable[[str, float], None]
"""Is told after every batch what is being trained, and the batch's loss."""


def options(description: str, *, epochs: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every experiment has; `epochs` is the default of its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--profile", choices=PROFILES, default="sample", help="which data")
    parser.add_argument("--data-dir", type=Path, help="where the full data set is, if not at its usual place")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the batches")
    parser.add_argument("--epochs", type=positive, default=epochs, help="passes over the training images")
    parser.add_argument("--out", type=Path, help="where the JSON goes (standard output if left out)")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where the plots go (none if left out)")
    return parser


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def run(work: Callable[[Console], str]) -> int:
    """Do the work, which returns its last word; return the exit code, with one sentence for a failure."""
    console = Console(stderr=True)
    try:
        console.print(work(console), markup=False, highlight=False, soft_wrap=True)
    except GraderError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return error.exit_code
    return 0


@contextmanager
def progress(console: Console, *, batches: int) -> Iterator[OnBatch]:
    """Show a bar of so many batches, while the caller tells of each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=batches)

        def on_batch(what: str, loss: float) -> None:
            bar.update(task, advance=1, description=f"{what}, loss {loss:.3f}")

        yield on_batch


def write_record(record: Any, out: Path | None) -> None:
    """Write a record, a dataclass, as JSON to a file, or to standard output for None."""
    text = json.dumps(asdict(record), indent=2, allow_nan=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    with _writing(f"the result cannot be written to {out}"):
        out.write_text(text, encoding="utf-8")


def write_plots(plots: Mapping[str, Any], folder: Path) -> None:
    """Write each figure of Matplotlib as `<name>.png`, and make the folder where it is missing."""
    with _writing(f"the plots cannot be written to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in plots.items():
            figure.savefig(folder / f"{name}.png")


@contextmanager
def _writing(failure: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{failure}: {error.strerror}") from error
