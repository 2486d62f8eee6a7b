"""Protect the trusted process: what holds expected values must not be readable from a worker."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def make_undumpable() -> bool:
    """Forbid other processes of the same user to read this one's memory; return whether that is in force.

    On Linux this also makes `/proc/<pid>/` root's, so that mem, environ and fd cannot be opened.
    """
    return _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent() -> bool:
    """Have this process killed when its parent ends; return whether that is in force (Linux only)."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if sys.platform == "linux" else 0)


def _prctl(option: int, value: int) -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)) == 0
