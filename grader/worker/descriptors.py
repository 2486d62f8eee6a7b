"""Which descriptors this process has open: asked of the system in one call, not of each number."""

from __future__ import annotations

import functools
import os
import select
from typing import Any

MOST_DESCRIPTORS = 4096


def open_descriptors() -> list[int]:
    """Return all numbers below `MOST_DESCRIPTORS` that stand for something open."""
    if not hasattr(select, "poll"):  # Windows
        return [number for number in range(256) if _is_open(number)]
    closed = {number for number, event in _all_of_them().poll(0) if event & select.POLLNVAL}
    return [number for number in range(_count()) if number not in closed]


@functools.cache  # a fork goes on with what its parent has made
def _all_of_them() -> Any:
    asked = select.poll()
    for number in range(_count()):
        asked.register(number, 0)
    return asked


@functools.cache
def _count() -> int:
    return min(os.sysconf("SC_OPEN_MAX"), MOST_DESCRIPTORS)  # poll refuses more than may be open


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
