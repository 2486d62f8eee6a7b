"""How time and memory grow: with checks, perturbations, submissions, and workers at once.

python -m benchmarks.growth [--only GROWTH ...] [--repeat 3] [--json FILE] [--out DIR]

Every size is measured in a process of its own, sizes in turns. The exponent is that of the power law that
fits best: 1 is linear, below it a start-up shows that all sizes pay once; the exponent between the two
largest sizes shows where it goes. Memory is the most that the process had resident, and that it had with all
below it. With --out both are plotted, growth.svg and growth.png.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    REPOSITORY,
    Command,
    Failed,
    Numbers,
    Ran,
    end_cleanly_when_told_to,
    fitted_exponent,
    in_turns,
    last_line,
    machine,
    machine_told,
    run,
    summary,
)
from benchmarks.peers.contenders import GRADER, write_submissions

Make = Callable[[int, Path], Command]
# What grows, and by which name it is told.
QUANTITIES = {
    "seconds": "time, s",
    "own_peak_mib": "memory of the grader's own process, MiB",
    "tree_peak_mib": "memory with all processes below it, MiB",
}
_CLASS = 8  # submissions that are graded by so many workers
_TASK_S = 0.005
_LIMIT_S = 120.0
_SECRET = {"GRADER_COURSE_SECRET": "of the course that is measured here"}


@dataclass(frozen=True, slots=True)
class Growth:
    """Sizes of something, and what is run for each of them in an empty folder."""

    what: str
    sizes: Sequence[int]
    make: Callable[[Path], Make]
    says: str = ""  # part of what a run prints that did all of its work


def main() -> None:
    """Print every growth, and write plot and JSON where that was asked for."""
    end_cleanly_when_told_to()
    options = arguments()
    report: Numbers = {"machine": machine(), "growth": {}}
    with tempfile.TemporaryDirectory(prefix="grader-growth-") as folder:
        root = Path(folder)
        root.chmod(0o711)  # a worker may be another user
        for name in options.only:
            try:
                report["growth"][name] = _measured(GROWTHS[name], root / name, options.repeat)
            except Failed as error:
                print(f"{GROWTHS[name].what}: {error}")
    report["machine_after"] = machine()
    print(machine_told(report["machine"], report["machine_after"]))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.out:
        _plot(report["growth"], options.out)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(GROWTHS), default=list(GROWTHS))
    parser.add_argument("--repeat", type=int, default=3, help="rounds; each runs every size once")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    parser.add_argument("--out", type=Path, help="write growth.svg and growth.png here")
    return parser.parse_args(given)


# ------------------------------------------------------------------------------- one growth


def _measured(growth: Growth, folder: Path, rounds: int) -> Numbers:
    folder.mkdir()
    folder.chmod(0o711)
    make, numbers = growth.make(folder), count()

    def at(size: int) -> Ran:
        place = folder / f"run-{next(numbers)}"
        place.mkdir(mode=0o711)
        ran = run(make(size, place), with_memory=True)
        if ran.exit_code:
            raise Failed(f"at {size}: {last_line(ran.output)}")
        if growth.says not in ran.output:
            raise Failed(f"at {size}: it did not say {growth.says!r}")
        return ran

    found = in_turns({str(size): lambda size=size: at(size) for size in growth.sizes}, rounds)
    told = told_of(growth.what, growth.sizes, [found[str(size)] for size in growth.sizes])
    _print(told)
    return told


def told_of(what: str, sizes: Sequence[int], runs: Sequence[Sequence[Ran]]) -> Numbers:
    """Return what was measured at each size, and the exponents of its medians."""
    told: Numbers = {"what": what, "sizes": list(sizes)}
    for name in QUANTITIES:
        rows = [summary([_quantity(ran, name) for ran in at_size]) for at_size in runs]
        medians = [row["median"] for row in rows]
        told[name] = {
            "rows": rows,
            "exponent": fitted_exponent(sizes, medians),
            "at_the_end": fitted_exponent(sizes[-2:], medians[-2:]),
        }
    return told


def _quantity(ran: Ran, name: str) -> float:
    kib = {"own_peak_mib": ran.own_peak_kib, "tree_peak_mib": ran.tree_peak_kib}
    return kib[name] / 1024 if name in kib else ran.seconds


def _print(told: Numbers) -> None:
    print(f"{told['what']}, median (least)")
    for name, title in QUANTITIES.items():
        rows = zip(told["sizes"], told[name]["rows"], strict=True)
        cells = "  ".join(f"{size}: {row['median']:.2f} ({row['least']:.2f})" for size, row in rows)
        exponents = f"{told[name]['exponent']:.2f}, {told[name]['at_the_end']:.2f} at the end"
        print(f"  {title:42} exponent {exponents}\n    {cells}")


# ------------------------------------------------------------------------------- what grows


def _synthetic(kind: str) -> Callable[[Path], Make]:
    def make(size: int, place: Path) -> Command:
        return _python("-m", "benchmarks.synthetic_homework", kind, size, place)

    return lambda _: make


def _submissions(folder: Path) -> Make:
    if find_spec("benchmarks.simulated_class") is None:
        raise Failed("benchmarks/simulated_class.py is not here")
    from benchmarks import simulated_class  # noqa: PLC0415 -- for this one growth only

    recording = simulated_class.recorded(folder, "q6.2", _TASK_S)

    def make(size: int, place: Path) -> Command:
        simulated_class.hand_in(place / "in", size)
        arguments = (place / "in", place / "out", recording.path, "q6.2", recording.seconds)
        return _python("-m", "benchmarks.simulated_class", *arguments)

    return make


def _workers(folder: Path) -> Make:
    right, _ = write_submissions(folder)

    def make(size: int, place: Path) -> Command:
        for number in range(_CLASS):
            copy = place / "in" / f"student-{number}"
            shutil.copytree(right, copy)
            (copy / "mytorch" / "own.py").write_text(f"# {number}\n", encoding="utf-8")
        options = ["--questions", "q6.2", "--jobs", size, "--out", place / "out"]
        return _python(*GRADER[1:], "batch", place / "in", *options)

    return make


def _python(*arguments: Any) -> Command:
    return Command(
        arguments=[sys.executable, *map(str, arguments)],
        folder=REPOSITORY,
        environment=_SECRET,
        seconds=_LIMIT_S,
    )


GROWTHS = {
    "checks": Growth("checks of one homework", (4, 16, 64, 256), _synthetic("checks")),
    "perturbations": Growth("perturbations in one check", (64, 256, 1024, 4096), _synthetic("perturbations")),
    "submissions": Growth("submissions of a simulated class", (1, 10, 100, 1000), _submissions),
    "workers": Growth(f"workers at once, {_CLASS} submissions", (1, 2, 4), _workers, f"{_CLASS} graded"),
}


# ------------------------------------------------------------------------------- plot


def _plot(growths: Numbers, folder: Path) -> None:
    """Draw every growth: time above, memory below, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415 -- only with --out

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    if not growths:
        return
    figure, axes = plt.subplots(2, len(growths), figsize=(4 * len(growths), 7), squeeze=False)
    for column, told in enumerate(growths.values()):
        for row, names in enumerate((["seconds"], ["own_peak_mib", "tree_peak_mib"])):
            for name in names:
                medians = [each["median"] for each in told[name]["rows"]]
                label = f"{QUANTITIES[name]}: exponent {told[name]['exponent']:.2f}"
                axes[row][column].loglog(told["sizes"], medians, marker="o", label=label)
            axes[row][column].set_xlabel(told["what"])
            axes[row][column].legend(fontsize=7)
            axes[row][column].grid(visible=True, which="major", alpha=0.3)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    for ending in ("svg", "png"):
        figure.savefig(folder / f"growth.{ending}")


if __name__ == "__main__":
    main()
