"""What a grading costs beside other graders: the same submission, the same checks, in turns, in one run.

python -m benchmarks.against_peers [--repeat 5] [--json FILE] [--work DIR] [--notebook] [--training]

Peers are installed from PyPI, each into a virtual environment of its own; with `--work` they stay there for
the next time. Who cannot be installed, or does not tell right from wrong, has a row that says so and no
number. `--training` and `--notebook` measure what this grader adds to minutes of arithmetic instead; see
docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import (
    Failed,
    Numbers,
    end_cleanly_when_told_to,
    in_turns,
    last_line,
    machine,
    machine_told,
    ratios,
    run,
    summary,
)
from benchmarks.peers.contenders import (
    BASE,
    ENTRANTS,
    Contender,
    Entrant,
    Place,
    write_checks,
    write_submissions,
)
from benchmarks.peers.environments import environment_of, versions_in
from benchmarks.peers.long_runs import MEASUREMENTS


def main() -> None:
    """Print the tables, and write them as JSON where that was asked for."""
    end_cleanly_when_told_to()
    options = arguments()
    with ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-peers-")))
        work = work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        work.chmod(0o711)  # a worker may be another user
        report: Numbers = {"machine": machine()}
        for name, measure in _measurements(options).items():
            report[name] = measure(work, options)
    report["machine_after"] = machine()
    print(machine_told(report["machine"], report["machine_after"]))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, help="rounds: 5, 3 with --training, 1 with --notebook")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    parser.add_argument("--work", type=Path, help="keep environments and files here")
    parser.add_argument("--only", nargs="+", choices=list(ENTRANTS), default=list(ENTRANTS), metavar="ROW")
    parser.add_argument("--training", action="store_true", help="Q6.7 against its bare loop, instead")
    parser.add_argument("--notebook", action="store_true", help="the notebook against nbclient, instead")
    parser.add_argument("--all-threads", action="store_true", help="with those: bare loops on all cores, too")
    parser.add_argument("--profile", choices=("sample", "full"), default="sample", help="data of these two")
    parser.add_argument("--data-dir", type=Path, help="where the full data are")
    return parser.parse_args(given)


def _measurements(options: argparse.Namespace) -> dict[str, Callable[[Path, argparse.Namespace], Numbers]]:
    chosen = {name: measure for name, measure in MEASUREMENTS.items() if getattr(options, name)}
    return chosen or {"checks": checks}


# ------------------------------------------------------------------------------- six checks


@dataclass(frozen=True, slots=True)
class Ready:
    """A contender that is installed and tells right from wrong, and the checks that the right one passes."""

    contender: Contender
    passed: int
    version: str


def checks(work: Path, options: argparse.Namespace) -> Numbers:
    """Grade the same submission by everybody, in turns."""
    rounds = options.repeat or 5
    ready: dict[str, Ready] = {}
    missing: dict[str, str] = {}
    for name in options.only:
        try:
            ready[name] = _made_ready(ENTRANTS[name], work, name)
        except Failed as error:
            missing[name] = str(error)
        print(f"ready: {name}" if name in ready else f"missing: {name}", file=sys.stderr)
    times = in_turns({name: lambda each=each: _timed(each) for name, each in ready.items()}, rounds)
    over_base = ratios(times, BASE)
    rows = {
        name: {
            **summary(times[name]),
            "ratio": over_base.get(name),
            "checks": each.passed,
            "version": each.version,
        }
        for name, each in ready.items()
    }
    _print_rows(rows, missing, rounds)
    return {"seconds": rows, "missing": missing}


def _made_ready(entrant: Entrant, work: Path, name: str) -> Ready:
    """Install and write what is needed; then the right submission must pass whole, and the wrong one not."""
    python, version = Path(sys.executable), "this one"
    if entrant.environment is not None:
        python = environment_of(entrant.environment, work / "environments")
        version = versions_in(python, entrant.environment)
    write_checks(work)
    right, wrong = write_submissions(work)
    slug = "".join(each if each.isalnum() else "-" for each in name)
    found = []
    for submission in (wrong, right):
        folder = work / f"{slug}-{submission.name}"
        folder.mkdir(exist_ok=True)
        contender = entrant.build(Place(folder, submission, python))
        contender.ready()
        ran = run(contender.command)
        try:
            found.append(contender.passed(ran))
        except (OSError, ValueError, KeyError) as error:
            raise Failed(f"wrote no result: {last_line(ran.output)}") from error
    of_wrong, of_right = found
    if entrant.checks is not None and of_right != entrant.checks:
        raise Failed(f"passes {of_right} of {entrant.checks} checks of the right submission")
    if of_right and of_wrong >= of_right:
        raise Failed("does not see the fault of the wrong submission")
    return Ready(contender, of_right, version)


def _timed(ready: Ready) -> float:
    ready.contender.ready()
    ran = run(ready.contender.command)
    if ready.contender.passed(ran) != ready.passed:
        raise Failed(f"the right submission passed once and then did not: {last_line(ran.output)}")
    return ran.seconds


def _print_rows(rows: Numbers, missing: dict[str, str], rounds: int) -> None:
    print(f"seconds, median of {rounds} (least), and over {BASE!r}")
    for name, row in rows.items():
        ratio = "" if row["ratio"] is None else f"{row['ratio']:6.2f} x"
        passed = f"{row['checks']:3} checks" if row["checks"] else ""
        print(
            f"  {name:32} {row['median']:7.3f}  ({row['least']:.3f}) {ratio:9} {passed:10} {row['version']}"
        )
    for name, reason in missing.items():
        print(f"  {name:32} {reason}")


if __name__ == "__main__":
    main()
