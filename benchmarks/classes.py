"""What a class costs: that nobody is lost, submissions a second, memory, and where a large one saturates.

python -m benchmarks.classes [--json FILE] mixed|throughput|memory|unchanged|simulation [options]

`mixed` grades a class of right, wrong, hanging, crashing, hostile and broken submissions and counts its
rows. `throughput` compares a batch with as many independent loops of `grader grade`, and with itself on a
single processor. `memory` is the most that the parent of a batch held; `unchanged` what a second run costs.
`simulation` puts thousands of short tasks through a batch and through each of its parts. What is compared is
measured in turns; medians.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from benchmarks import simulated_class
from benchmarks.mixed_class import write_class
from grader.cohort.grading.executors import ThisMachine
from grader.cohort.rows import read_rows
from grader.sandbox.machine import processors
from tests.end_to_end.traces import adopting_orphans, descendants, strays

Numbers = dict[str, Any]
GRADER = (sys.executable, "-m", "grader.cli")
REPOSITORY = Path(__file__).resolve().parents[1]
_ALONE = "batch, one processor"
PASSING = ": handed out and collected"
_LIMIT_S = 3600.0
_ON_ONE_PROCESSOR = (
    sys.executable,
    "-c",
    (
        "import os, sys; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    ),
    *GRADER[1:],
)


def main() -> None:
    """Run one measurement, print its table, and write it as JSON where that was asked for."""
    options = _arguments()
    # A course grades with its own secret; without one, each run would first make one for this installation.
    os.environ.setdefault("GRADER_COURSE_SECRET", "of the course that is measured here")
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="grader-classes-") as folder:
        report = MEASUREMENTS[options.measure](options, Path(folder))
    report["machine"] = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": processors(),
        "load_before": load_before,
        "load_after": os.getloadavg(),
    }
    print(f"load: {load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after, {processors()} processors")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    commands = parser.add_subparsers(dest="measure", required=True)
    for name, count in {"mixed": 200, "throughput": 24, "unchanged": 200, "simulation": 10_000}.items():
        command = commands.add_parser(name)
        command.add_argument("--count", type=int, default=count, help="submissions")
        command.add_argument("--questions", default="q6" if name == "simulation" else "q6.2,q6.5")
        command.add_argument("--jobs", type=int, default=processors())
        command.add_argument("--repeat", type=int, default=3)
        command.add_argument("--seed", type=int, default=7)
        if name == "simulation":
            command.add_argument("--workers", type=int, nargs="+", default=[2, 4])
            command.add_argument("--task-ms", type=float, default=5.0)
            command.add_argument("--parts", type=int, default=500, help="submissions for each part by itself")
    memory = commands.add_parser("memory")
    memory.add_argument("--counts", type=int, nargs="+", default=[200, 1000, 2000])
    memory.add_argument("--questions", default="q6")
    memory.add_argument("--repeat", type=int, default=1)
    return parser.parse_args()


# ------------------------------------------------------------------------------- a mixed class


def mixed(options: argparse.Namespace, root: Path) -> Numbers:
    """Grade a class of all kinds; every one of them must have a row with a status."""
    kinds = write_class(root / "in", options.count, options.seed)
    with adopting_orphans():
        before = descendants()
        began = time.perf_counter()
        ended = _batch(root / "in", root / "out", options.questions, options.jobs)
        seconds = time.perf_counter() - began
        assert not (left := strays(before)), f"processes are left: {left}"
    assert ended.returncode in (0, 2, 3), ended.stderr
    assert "Traceback" not in ended.stderr, ended.stderr
    rows = list(read_rows(root / "out"))
    kind_of = {row.entry.label: kinds.get(row.entry.path.name) for row in rows}
    lost = {*kinds} - {row.entry.path.name for row in rows}
    assert not lost, f"without a row: {sorted(lost)}"
    assert len(rows) == options.count, f"{len(rows)} rows of {options.count}"
    assert all(row.status and (row.score is not None or row.reason) for row in rows)
    by_kind = Counter(f"{kind_of[row.entry.label]}: {row.status}" for row in rows)
    statuses = Counter(row.status for row in rows)
    faults = {row.entry.path.name: row.reason for row in rows if row.status == "grader_error"}
    print(f"{len(rows)} rows of {options.count} submissions in {seconds:.1f} s, {options.jobs} at once,")
    print(f"exit code {ended.returncode}: " + ", ".join(f"{n} {name}" for name, n in statuses.most_common()))
    for name, count in sorted(by_kind.items()):
        print(f"  {name:40} {count:5}")
    for name, reason in faults.items():
        print(f"  fault: {name!r}: {reason}")
    return {
        "submissions": options.count,
        "rows": len(rows),
        "seconds": seconds,
        "exit_code": ended.returncode,
        "statuses": statuses,
        "kinds": by_kind,
        "faults": faults,
    }


# ------------------------------------------------------------------------------- throughput


def throughput(options: argparse.Namespace, root: Path) -> Numbers:
    """Compare batches with independent loops of single runs, in turns."""
    simulated_class.hand_in(root / "in", options.count)
    ways: dict[str, Callable[[Path], None]] = {
        _ALONE: lambda out: _whole(
            _batch(root / "in", out, options.questions, 1, grader=_ON_ONE_PROCESSOR), root / "in", out
        )
    }
    for jobs in sorted({1, options.jobs}):
        ways[f"batch --jobs {jobs}"] = lambda out, jobs=jobs: _whole(
            _batch(root / "in", out, options.questions, jobs), root / "in", out
        )
        ways[f"{jobs} loops of grade"] = lambda out, jobs=jobs: _loops(
            root / "in", out, options.questions, jobs
        )
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.repeat):
        for place, (name, run) in enumerate(ways.items()):
            began = time.perf_counter()
            run(root / f"out-{turn}-{place}")
            rates[name].append(options.count / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ratio = medians[f"batch --jobs {options.jobs}"] / medians[f"{options.jobs} loops of grade"]
    print(f"submissions a second, {options.questions}, {options.count} right ones, median (least)")
    for name, values in rates.items():
        print(f"  {name:24} {medians[name]:7.2f}  ({min(values):.2f})")
    print(f"batch / independent loops, {options.jobs} at once: {ratio:.2f} (wanted: at least 0.9)")
    gain = medians[f"batch --jobs {options.jobs}"] / medians[_ALONE]
    print(f"{options.jobs} processors / one processor: {gain:.2f} (wanted: at least 1.8 on two)")
    return {"per_second": rates, "ratio": ratio, "gain": gain, "submissions": options.count}


def _loops(folder: Path, out: Path, questions: str, jobs: int) -> None:
    """Grade each submission by a command of its own; a loop that is done takes from what is left."""

    def one(path: Path) -> int:
        command = [*GRADER, "grade", path, "--questions", questions, "--out", out / path.stem]
        return subprocess.run(command, check=True, capture_output=True, timeout=_LIMIT_S).returncode

    with ThreadPoolExecutor(jobs) as loops:
        assert not any(loops.map(one, sorted(folder.iterdir())))


def _whole(ended: subprocess.CompletedProcess[str], folder: Path, out: Path) -> None:
    assert ended.returncode == 0, ended.stderr
    assert len(list(out.glob("*/report.json"))) == len(list(folder.iterdir()))


# ------------------------------------------------------------------------------- memory


def memory(options: argparse.Namespace, root: Path) -> Numbers:
    """Take the peak of a batch's parent for classes of several sizes: graded, and looked at again."""
    recording = simulated_class.recorded(root, options.questions, 0.005)
    peaks: dict[str, dict[int, list[int]]] = {"graded": {}, "unchanged": {}}
    for turn in range(options.repeat):
        for count in options.counts:
            folder, out = root / f"in-{turn}-{count}", root / f"out-{turn}-{count}"
            simulated_class.hand_in(folder, count)
            for found in peaks.values():
                found.setdefault(count, []).append(_peak(folder, out, recording))
    print("peak resident memory of the parent, MiB, median")
    medians = {how: {n: statistics.median(kib) for n, kib in found.items()} for how, found in peaks.items()}
    for how, found in medians.items():
        told = "  ".join(f"{count}: {kib / 1024:.1f}" for count, kib in found.items())
        least, most = min(found), max(found)
        growth = (found[most] - found[least]) / max(1, most - least)
        print(f"  {how:10} {told}  growth: {growth:.2f} KiB a submission")
    return {"peak_kib": peaks}


def _peak(folder: Path, out: Path, recording: simulated_class.Recording) -> int:
    arguments = [folder, out, recording.path, ",".join(recording.options.questions), str(recording.seconds)]
    command = [sys.executable, "-m", "benchmarks.simulated_class", *arguments]
    ended = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_LIMIT_S, cwd=REPOSITORY
    )
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["exit_code"] == 0, ended.stdout
    return int(told["peak_kib"])


# ------------------------------------------------------------------------------- unchanged


def unchanged(options: argparse.Namespace, root: Path) -> Numbers:
    """Take the time of a second run over zips and folders that did not change; and of a class of one."""
    recording = simulated_class.recorded(root, options.questions, 0.0)
    for name, count in {"class": options.count, "one": 1}.items():
        simulated_class.hand_in(root / name, count, as_folders=True)
        with redirect_stdout(io.StringIO()):
            assert not simulated_class.grade_by_command(root / name, root / f"{name}-out", recording, jobs=2)
    times: dict[str, list[float]] = {"class": [], "one": []}
    for _ in range(options.repeat):
        for name, found in times.items():
            began = time.perf_counter()
            ended = _batch(root / name, root / f"{name}-out", options.questions, options.jobs)
            found.append(1000 * (time.perf_counter() - began))
            wanted = f"this time: {options.count if name == 'class' else 1} unchanged"
            assert wanted in ended.stdout, ended.stdout + ended.stderr
    medians = {name: statistics.median(values) for name, values in times.items()}
    with_start = medians["class"] / options.count
    without = (medians["class"] - medians["one"]) / max(1, options.count - 1)
    print(f"a second run over {options.count} unchanged zips and folders, median of {options.repeat}")
    print(f"  {medians['class']:.0f} ms: {with_start:.2f} ms a submission (wanted: at most 20)")
    print(f"  without start-up, which is {medians['one']:.0f} ms: {without:.2f} ms a submission")
    return {"ms": times, "ms_each": with_start, "ms_each_without_start": without}


# ------------------------------------------------------------------------------- simulation


def simulation(options: argparse.Namespace, root: Path) -> Numbers:
    """Put short tasks through whole batches, on processes and on Dask, and through each part by itself."""
    recording = simulated_class.recorded(root, options.questions, options.task_ms / 1000)
    entries = simulated_class.hand_in(root / "in", options.count)
    report: Numbers = {"submissions": options.count, "task_ms": options.task_ms, "per_second": {}}
    some = entries[: options.parts]
    report["parts_ms"] = simulated_class.parts(some, root / "parts", recording)
    print(f"what the parent does for one submission, by itself, ms (mean of {len(some)}): wall, processor")
    total = {name: sum(cost[name] for cost in report["parts_ms"].values()) for name in ("wall_ms", "cpu_ms")}
    for name, cost in {**report["parts_ms"], "all of it": total}.items():
        print(f"  {name:36} {cost['wall_ms']:7.2f} {cost['cpu_ms']:7.2f}")
    print(f"so at most {1000 / total['wall_ms']:.0f} submissions a second")
    rates = report["per_second"]
    for workers in options.workers:
        rates |= _on_processes(entries, some, root / f"processes-{workers}", recording, workers)
        rates |= _on_dask(entries, some, root / f"dask-{workers}", recording, workers)
    print(f"submissions a second, tasks of {options.task_ms:g} ms")
    for name, rate in rates.items():
        print(f"  {name:44} {rate:7.0f}")
    own = 1000 / total["wall_ms"]
    for name in [name for name in rates if name.endswith(PASSING)]:
        slower = "handing out and collecting" if rates[name] < own else "the parent's own work"
        print(f"  what a batch waits for with {name.partition(':')[0]}: {slower}")
    return report


def _on_processes(
    entries: list[Any], some: list[Any], out: Path, recording: simulated_class.Recording, workers: int
) -> dict[str, float]:
    place = ThisMachine(workers)
    alone = simulated_class.passed_through(some, place, recording, sends_content=False)
    place.close(at_once=False)
    whole = simulated_class.grade(entries, out, recording, lambda _: ThisMachine(workers))
    _require_all(out, len(entries))
    return {f"{workers} processes{PASSING}": alone, f"{workers} processes: the batch": whole}


def _on_dask(
    entries: list[Any], some: list[Any], out: Path, recording: simulated_class.Recording, workers: int
) -> dict[str, float]:
    from distributed import LocalCluster  # noqa: PLC0415 -- for this one measurement only

    from grader.cohort.grading.cluster import DaskCluster  # noqa: PLC0415
    from grader.cohort.grading.tasks import order_for  # noqa: PLC0415

    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        order = order_for(recording.options, "measured")
        place = DaskCluster(cluster.scheduler_address, order)
        began = time.perf_counter()
        for _ in range(200):
            place.slots()
        asking = 200 / (time.perf_counter() - began)
        alone = simulated_class.passed_through(some, place, recording, sends_content=True)
        place.close(at_once=False)
        whole = simulated_class.grade(
            entries,
            out,
            recording,
            lambda batch: DaskCluster(cluster.scheduler_address, batch.order),
            sends_content=True,
        )
    _require_all(out, len(entries))
    return {
        f"{workers} Dask workers: asked for their number": asking,
        f"{workers} Dask workers{PASSING}": alone,
        f"{workers} Dask workers: the batch": whole,
    }


def _require_all(out: Path, count: int) -> None:
    statuses = Counter(row.status for row in read_rows(out))
    assert statuses == {"graded": count}, statuses


def _batch(
    folder: Path, out: Path, questions: str, jobs: int, *, grader: Sequence[str] = GRADER
) -> subprocess.CompletedProcess[str]:
    command = [*grader, "batch", folder, "--out", out, "--questions", questions, "--jobs", str(jobs)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LIMIT_S)


MEASUREMENTS: dict[str, Callable[[argparse.Namespace, Path], Numbers]] = {
    "mixed": mixed,
    "throughput": throughput,
    "memory": memory,
    "unchanged": unchanged,
    "simulation": simulation,
}

if __name__ == "__main__":
    main()
