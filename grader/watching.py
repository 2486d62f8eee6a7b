"""Check again whenever a student's file changes: `grader check --watch`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from rich.console import Console

from grader.endings import INTERRUPTED, interruption_was_asked_for
from grader.errors import UsageError
from grader.intake.contents import KEPT_SUFFIXES
from grader.intake.names import is_ignored
from grader.plain_text import one_line
from grader.terminal import make_console

POLL_SECONDS = 0.5
# An editor writes a file in several steps: what is to be checked has not changed for one moment.
SETTLING_SECONDS = 0.1
MOST_SETTLING = 50
MOST_FILES = 5_000
MOST_NAMED = 3

Seen = Mapping[str, tuple[int, int, int]]


def watch_folder(path: Path, check_once: Callable[[], int], *, console: Console | None = None) -> int:
    """Check, wait for a change and check again, until Ctrl-C, which is how this ends well: return 0.

    `check_once` prints what it finds, and returns an exit code. Raise UsageError where nothing is there.
    """
    if not path.exists():
        raise UsageError(f"there is no file or folder {one_line(str(path))}; check the path")
    console = console or make_console()
    try:
        seen = settled(path)
        while check_once() != INTERRUPTED:
            console.print(
                f"Watching {one_line(str(path.resolve()))} for changes; Ctrl-C ends.", soft_wrap=True
            )
            before, seen = seen, next_change(path, seen)
            if console.is_terminal:
                console.clear()
            console.print(f"Changed: {named(changes(before, seen))}\n", soft_wrap=True)
    except KeyboardInterrupt:
        pass
    interruption_was_asked_for()
    return 0


def next_change(path: Path, seen: Seen) -> Seen:
    """Wait until something is not as it was seen, and then until it stays as it is; return that."""
    while snapshot(path) == seen:
        time.sleep(POLL_SECONDS)
    now = settled(path)
    # What was written and put back meanwhile is no change.
    return now if now != seen else next_change(path, seen)


def settled(path: Path) -> Seen:
    """Return what is there once it stays the same for a moment; not for ever where it never does."""
    now = snapshot(path)
    for _ in range(MOST_SETTLING):
        time.sleep(SETTLING_SECONDS)
        before, now = now, snapshot(path)
        if before == now:
            break
    return now


def snapshot(path: Path) -> Seen:
    """Return when each file that may be graded was written, and its size; nothing is opened."""
    return dict(_files(path))


def changes(before: Seen, after: Seen) -> list[str]:
    """Return the names of the files that are new, gone or written anew."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def named(names: list[str]) -> str:
    """Name the first few files of several, safe to print."""
    shown = ", ".join(one_line(name) for name in names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else shown


def _files(path: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    if path.is_file():  # a zip
        yield from _entry(path, path.name)
        return
    found = (Path(folder, name) for folder, names in _folders(path) for name in sorted(names))
    kept = (file for file in found if not _is_passed_over(file.name) and file.suffix.lower() in KEPT_SUFFIXES)
    for file in islice(kept, MOST_FILES):
        yield from _entry(file, file.relative_to(path).as_posix())


def _folders(path: Path) -> Iterator[tuple[str, list[str]]]:
    for folder, subfolders, names in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if not _is_passed_over(name))
        yield folder, names


def _entry(path: Path, name: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    try:
        found = path.lstat()
    except OSError:  # it went away meanwhile
        return
    yield name, (found.st_mtime_ns, found.st_size, found.st_ino)


def _is_passed_over(name: str) -> bool:
    """Tell by its name what belongs to an editor or a cache; no part of the homework begins with a dot."""
    return name.startswith((".", "#", "~")) or is_ignored((name,))
