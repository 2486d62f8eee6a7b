"""What the benchmarks share: turns, medians, a growth's exponent, the machine, runs that leave nothing.

Contenders are measured in turns: each round runs every one of them once, and each round begins with another
one, so that a busy moment hits all alike and nobody always runs after the same neighbour.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from grader.sandbox.machine import processors
from tests.end_to_end.traces import adopting_orphans, descendants, strays

Numbers = dict[str, Any]
T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[1]
_SAMPLE_S = 0.02
_LOG_CHARACTERS = 2000


class Failed(Exception):
    """A command did not do what it is measured for; the text is one line for a table."""


# ------------------------------------------------------------------------------- numbers


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """Return the names in the order of one round: each round begins one further on."""
    start = turn % len(names) if names else 0
    return [*names[start:], *names[:start]]


def in_turns(contenders: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every contender once a round, in rotated order; return what each one measured."""
    found: dict[str, list[T]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in rotated(list(contenders), turn):
            found[name].append(contenders[name]())
    return found


def summary(values: Sequence[float]) -> Numbers:
    """Return median and least of some measurements, and all of them."""
    return {"median": statistics.median(values), "least": min(values), "all": list(values)}


def ratios(found: Mapping[str, Sequence[float]], base: str) -> dict[str, float]:
    """Return each median over that of one contender; nothing where that one has no measurement."""
    if not found.get(base):
        return {}
    whole = statistics.median(found[base])
    return {name: statistics.median(values) / whole for name, values in found.items() if values}


def fitted_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return k of the power law value = c · size^k that fits best, by least squares of the logarithms."""
    if len(sizes) != len(values) or len(set(sizes)) < 2:
        raise ValueError("an exponent needs values at two sizes or more")
    x, y = [math.log(each) for each in sizes], [math.log(each) for each in values]
    return statistics.linear_regression(x, y).slope


# ------------------------------------------------------------------------------- machine


def machine() -> Numbers:
    """Describe the machine and what it is busy with now."""
    return {
        "system": platform.platform(),
        "processor": _processor_model(),
        "processors": processors(),
        "python": platform.python_version(),
        "load": list(os.getloadavg()),
    }


def _processor_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def machine_told(before: Numbers, after: Numbers) -> str:
    """Return the line below a table: what was measured on, and how busy it was."""
    return (
        f"{before['processor']}, {before['processors']} cores, Python {before['python']}; "
        f"load {before['load'][0]:.1f} before, {after['load'][0]:.1f} after"
    )


# ------------------------------------------------------------------------------- runs


@dataclass(slots=True)
class Ran:
    """A command that has ended, with all that it started."""

    seconds: float
    exit_code: int
    output: str
    own_peak_kib: int = 0
    tree_peak_kib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, where and with which environment it is run, and how long it may take."""

    arguments: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 120.0


def run(command: Command, *, with_memory: bool = False) -> Ran:
    """Run a command to its end; Failed past its limit. What it leaves running is ended, and told as Failed.

    With `with_memory` the process and its descendants are looked at meanwhile, which costs a little time.
    """
    with adopting_orphans(), tempfile.TemporaryFile() as output:
        before = descendants()
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(each) for each in command.arguments],
            cwd=command.folder,
            env={**os.environ, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ran = Ran(0.0, 0, "")
        try:
            with _watched(process.pid, ran) if with_memory else contextlib.nullcontext():
                ran.exit_code = _exit_code(process, command.seconds)
            ran.seconds = time.perf_counter() - began
        except subprocess.TimeoutExpired as error:
            raise Failed(f"not done after {command.seconds:.0f} s") from error
        finally:
            if process.poll() is None:  # then nobody waits for what it started, either
                _end(descendants() - before)
            process.wait()
            left = strays(before)
            _end(descendants() - before)
        output.seek(0)
        ran.output = output.read().decode(errors="replace")
        if left:
            raise Failed(f"left running: {left[0]}")
        return ran


def _exit_code(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for a process: `Popen.wait` with a limit looks every 50 ms, and all would be charged for that."""
    if sys.platform == "linux":
        ended = os.pidfd_open(process.pid)
        try:
            select.select([ended], [], [], seconds)
        finally:
            os.close(ended)
        seconds = 0.1
    return process.wait(seconds)


def end_cleanly_when_told_to() -> None:
    """Let SIGTERM unwind as Ctrl-C does, so that what is running then is ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def last_line(output: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in output[-_LOG_CHARACTERS:].splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _end(processes: set[Any]) -> None:
    for each in processes:
        with contextlib.suppress(OSError):
            os.kill(each.number, signal.SIGKILL)


@contextlib.contextmanager
def _watched(process: int, ran: Ran) -> Iterator[None]:
    """Note the most memory that a process had resident, and that it had with all below it."""
    over = threading.Event()

    def look() -> None:
        while True:
            own, tree = _resident_kib(process)
            ran.own_peak_kib = max(ran.own_peak_kib, own)
            ran.tree_peak_kib = max(ran.tree_peak_kib, tree)
            if over.wait(_SAMPLE_S):
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _resident_kib(root: int) -> tuple[int, int]:
    """Return the peak of one process, and what its whole tree has now (shared pages count in each)."""
    own = _status_kib(root, "VmHWM")
    below, tree = [root], 0
    while below:
        process = below.pop()
        tree += _status_kib(process, "VmRSS")
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                below += map(int, children.read_text(encoding="utf-8").split())
    return own, tree


def _status_kib(process: int, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0
