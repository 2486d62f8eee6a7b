"""See that there is memory to start with, while there is still enough of it to say so."""

from __future__ import annotations

import mmap

from grader.errors import MachineFault

# What Python, NumPy and pytest map, and room for the arithmetic on this side.
START_BYTES = 512 << 20


def require_start_memory() -> None:
    """Raise MachineFault where this process cannot have the memory that it takes to start.

    NumPy's BLAS does not raise then: it ends the process, with an exit code that means something else.
    """
    try:
        mmap.mmap(-1, START_BYTES, **_private()).close()
    except (OSError, MemoryError) as error:
        raise MachineFault(
            f"there is not enough memory: the grader needs {START_BYTES >> 20} MiB to start"
            " (`ulimit -v` shows what a process may have)"
        ) from error


def _private() -> dict[str, int]:
    flags = [getattr(mmap, name, None) for name in ("MAP_PRIVATE", "MAP_ANONYMOUS")]
    return {"flags": sum(flag for flag in flags if flag is not None)} if None not in flags else {}
