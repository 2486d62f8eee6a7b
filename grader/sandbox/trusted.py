"""Protect the trusted process, and see that nothing it started outlives it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

from grader.sandbox.usage import children_of

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
# A process that goes on making processes loses against this many rounds, or nothing here helps.
_ROUNDS = 1000
_KEPT: set[int] = set()  # children of this process that are not a worker's


def make_undumpable() -> bool:
    """Forbid other processes of the same user to read this one's memory; return whether that is in force.

    On Linux this also makes `/proc/<pid>/` root's, so that mem, environ and fd cannot be opened.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> bool:
    """Have this process killed when its parent ends; return whether that is in force (Linux only)."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if sys.platform == "linux" else 0)


def adopt_orphans() -> bool:
    """Become the parent of whatever workers leave behind; return whether that is in force (Linux only).

    For a process that has no other children than workers: `end_orphans` ends all that it does not `keep`.
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def begin_as_fork() -> None:
    """Do again in a fork what a trusted process did at its start; that it is unreadable is inherited."""
    die_with_parent()
    adopt_orphans()
    _KEPT.clear()


def keep(process_id: int) -> None:
    """Have `end_orphans` leave this child to whoever started it, until it is no longer kept."""
    _KEPT.add(process_id)


def no_longer_keep(process_id: int) -> None:
    """Take back what `keep` said."""
    _KEPT.discard(process_id)


def end_orphans() -> None:
    """End the children of this process, if it adopts orphans: a daemon that left its worker's group, too."""
    if not _adopts_orphans():
        return
    for _ in range(_ROUNDS):
        left = [child for child in children_of(os.getpid()) if child not in _KEPT]
        if not left:
            return
        for process_id in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process_id, signal.SIGKILL)
        for process_id in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process_id, 0)


def _adopts_orphans() -> bool:
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)) == 0
