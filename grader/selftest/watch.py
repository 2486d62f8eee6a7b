"""What can be seen from outside: files and folders, processes, and how the trusted side itself is doing."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from grader.sandbox.usage import stat_fields

_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
SAMPLE_SECONDS = 0.05
SETTLE_SECONDS = 3.0


# ---------------------------------------------------------------------------------- files and folders


def folder_state(folder: Path) -> dict[str, str]:
    """Return what every entry below a folder is: content, mode, owner, times, links, attributes."""
    return {str(path): _entry_state(path) for path in sorted(folder.rglob("*"))}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Say which entries of two states differ."""
    names = sorted({*before, *after})
    verb = {(False, True): "was made", (True, False): "was removed", (True, True): "was changed"}
    return [
        f"{name} {verb[name in before, name in after]}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def take_away(folders: Iterable[Path], nonce: str) -> list[Path]:
    """Find what bears the nonce in its name directly in these folders, remove it, and return its paths."""
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):
            found += [path for path in folder.iterdir() if nonce in path.name]
    for path in found:
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return found


def _entry_state(path: Path) -> str:
    try:
        status = path.lstat()
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in _attributes(path)}
        if path.is_symlink():
            content = f"-> {path.readlink()}"
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    except FileNotFoundError:
        return "gone"
    # A folder's own time changes with its entries, which are told one by one.
    when = 0 if path.is_dir() else status.st_mtime_ns
    return f"{status.st_mode:o} {status.st_uid} {status.st_nlink} {when} {content} {attributes}"


def _attributes(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []


# ------------------------------------------------------------------------------------------ processes


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process, as the kernel's table shows it."""

    process_id: int
    parent: int
    state: str
    threads: int
    resident_bytes: int


def descendants(ancestor: int) -> dict[int, ProcessState]:
    """Return all processes below one, by id."""
    table = {state.process_id: state for state in _all_processes()}
    found: dict[int, ProcessState] = {}
    level = {ancestor}
    while level := {number for number, state in table.items() if state.parent in level} - found.keys():
        found |= {number: table[number] for number in level}
    return found


def left_over(ancestor: int) -> list[int]:
    """Return what still runs below a process, after a moment for it to end."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while strangers := [state.process_id for state in descendants(ancestor).values() if state.state != "Z"]:
        if time.monotonic() > deadline:
            return strangers
        time.sleep(0.01)
    return []


def _all_processes() -> Iterator[ProcessState]:
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        number = int(folder.name)
        if words := stat_fields(number):
            yield ProcessState(number, int(words[1]), words[0], int(words[17]), int(words[21]) * page)


def standing(process_id: int) -> dict[str, str]:
    """Return what others could have changed about a process, in words; {} where it is gone."""
    folder = Path(f"/proc/{process_id}")
    try:
        return _standing(folder, process_id)
    except (FileNotFoundError, ProcessLookupError):
        return {}


def _standing(folder: Path, process_id: int) -> dict[str, str]:
    if not (words := stat_fields(process_id)):
        return {}
    return {
        "stopped": str(words[0] in "Tt"),
        "nice value": words[16],
        "scheduling policy": words[38],
        "processors": str(sorted(os.sched_getaffinity(process_id))),
        "limits": (folder / "limits").read_text(),
        "score of being killed for memory": (folder / "oom_score_adj").read_text().strip(),
        "disk priority": str(_disk_priority(process_id)),
    }


def _disk_priority(process_id: int) -> int:
    number = _IOPRIO_GET.get(os.uname().machine)
    return -1 if number is None else int(ctypes.CDLL(None).syscall(number, 1, process_id))


class Load:
    """The most memory that all below a process had while this was open, and how long it had many threads."""

    def __init__(self, ancestor: int, *, most_threads: int) -> None:
        self._ancestor = ancestor
        self._most_threads = most_threads
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self.crowded_s = 0.0
        self.resident_bytes = 0

    def __enter__(self) -> Self:
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        last_s = time.monotonic()
        while not self._done.wait(SAMPLE_SECONDS):
            below = descendants(self._ancestor).values()
            now_s = time.monotonic()
            if sum(state.threads for state in below) > self._most_threads:
                self.crowded_s += now_s - last_s
            last_s = now_s
            self.resident_bytes = max(self.resident_bytes, sum(state.resident_bytes for state in below))


def forget_peak(process_id: int) -> None:
    """Start to count the peak of a process's memory anew, where the kernel lets us."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process_id}/clear_refs").write_text("5")


def peak_bytes(process_id: int) -> int:
    """Return the most memory that a process held since then; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
    return 0
