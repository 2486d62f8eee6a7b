"""Environment variables that our own processes and workers get: by name, and never all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
_THREAD_COUNTS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def environment_values(names: Sequence[str]) -> dict[str, str]:
    """Return those of the named environment variables that are set."""
    return {name: os.environ[name] for name in names if name in os.environ}


def own_process_environment() -> dict[str, str]:
    """Return all that a process of ours inherits: where programs are, and what Windows and BLAS need.

    Our products are small: more threads only wait for each other, and for those of other gradings.
    """
    return environment_values(_INHERITED) | dict.fromkeys(_THREAD_COUNTS, "1")
