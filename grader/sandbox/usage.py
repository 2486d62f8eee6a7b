"""What a process uses, seen from outside: nothing that a worker says about itself counts.

All of it is read from /proc: elsewhere than on Linux nothing is known, and nothing is assumed.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Where the two versions of control groups keep their limits, below a group's own path.
_CGROUP_QUOTAS = (
    ("/sys/fs/cgroup{group}/cpu.max",),
    ("/sys/fs/cgroup/cpu{group}/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu{group}/cpu.cfs_period_us"),
)
_CGROUP_LIMITS = ("/sys/fs/cgroup{group}/memory.max", "/sys/fs/cgroup/memory{group}/memory.limit_in_bytes")


MAX_DEPTH = 100  # of folders in a scratch folder; where paths end, nobody could count what is below


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a process, or the most of several."""

    threads: int = 0
    resident_bytes: int = 0
    cpu_s: float = 0.0

    def largest_with(self, other: Usage) -> Usage:
        """Return the larger of each number."""
        return Usage(
            max(self.threads, other.threads),
            max(self.resident_bytes, other.resident_bytes),
            max(self.cpu_s, other.cpu_s),
        )


def stat_fields(process_id: int | str) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything; [] of one that is gone."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def usage_of(process_id: int) -> Usage:
    """Look at a process; one that is gone, or cannot be looked at, uses nothing."""
    fields = stat_fields(process_id)
    if len(fields) < 22:
        return Usage()
    # proc(5), counted from the state: utime and stime are 11 and 12, num_threads 17, rss 21.
    return Usage(
        threads=int(fields[17]),
        resident_bytes=int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
        cpu_s=_cpu_s(fields),
    )


def held_up_s(process_id: int | str, *, threads: int = 1) -> float:
    """Return how long a process's main thread was ready to run while the machine ran others, up to now.

    What the process's own other threads ran meanwhile is taken off: who stands in his own way is not held up.
    One that was told to compute with several `threads` may run as many, each as long as the main one: they
    have a processor each.
    """
    try:
        own_ns, waited_ns = map(int, Path(f"/proc/{process_id}/schedstat").read_text().split()[:2])
    except (OSError, ValueError):
        return 0.0
    return waited_ns / 1e9 - max(0.0, _cpu_s(stat_fields(process_id)) - threads * own_ns / 1e9)


def innermost(process_id: int) -> int:
    """Follow only children down from a process: a wrapper's wrapper's worker."""
    while children := list(children_of(process_id)):
        process_id = children[0]
    return process_id


def children_of(process_id: int) -> Iterator[int]:
    """Yield the direct children of a process."""
    try:
        for task in Path(f"/proc/{process_id}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
    except OSError:
        return


def holds_more(folder: Path, *, most_bytes: int, most_entries: int) -> bool:
    """Say whether a folder and all below it hold more bytes or entries; links are not followed.

    So does one with a folder in it that cannot be looked into: too deep for a path, or made without rights.
    """
    waiting, entries, total = [(str(folder), 0)], 0, 0
    while waiting:
        path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return True
        try:
            with os.scandir(path) as found:
                for entry in found:
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    else:
                        total += _size_of(entry)
                    if total > most_bytes or entries > most_entries:
                        return True
        except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
            continue
        except OSError:
            return True
    return False


def _size_of(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def is_running(process_id: int) -> bool:
    """Whether a process is there and is more than an entry that nobody has collected yet."""
    return stat_fields(process_id)[:1] not in ([], ["Z"], ["X"])


def namespace_depth(process_id: int) -> int:
    """Return in how many nested namespaces a process has a number; 0 where that is unknown."""
    try:
        lines = Path(f"/proc/{process_id}/status").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return next((len(line.split()) - 1 for line in lines if line.startswith("NSpid:")), 0)


def machine_memory_bytes() -> int:
    """Return the memory that this process can have at most: the machine's, or its control group's limit."""
    limits = [sys.maxsize]
    with contextlib.suppress(OSError, ValueError):  # not known everywhere
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for group in _control_groups():
        for name in _CGROUP_LIMITS:
            with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
                limits.append(int(Path(name.format(group=group)).read_text()))
    return min(limits)


def granted_processors() -> float:
    """Return how many processors' time this process's control groups grant it; infinite without a limit."""
    granted = [math.inf]
    for group in _control_groups():
        for names in _CGROUP_QUOTAS:
            with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
                text = " ".join(Path(name.format(group=group)).read_text() for name in names)
                quota, period = map(int, text.split())
                if quota > 0 and period > 0:  # version 1 says -1 for no limit
                    granted.append(quota / period)
    return min(granted)


def _control_groups() -> set[str]:
    """Return the paths of this process's control groups and of all that they are in; "" is the top."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return {""}
    paths = [PurePosixPath(line.split(":", 2)[2]) for line in lines if line.count(":") >= 2]
    return {str(group).rstrip("/") for path in paths for group in (path, *path.parents)}


def _cpu_s(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0
