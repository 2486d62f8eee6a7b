"""The table of sandboxes, best first. A provider says what it needs, what it covers and what it does not."""

from __future__ import annotations

import sys
from dataclasses import dataclass

# Probes (see worker/probes.py) that every worker must pass, and those that only confinement makes pass.
HYGIENE_PROBES = frozenset({"descriptors", "environment", "libraries"})
CONFINEMENT_PROBES = HYGIENE_PROBES | {
    "files",
    "parent_memory",
    "parent_environment",
    "write",
    "network",
    "local_sockets",
    "fork",
    "exec",
    "signals",
    "ptrace",
    "namespaces",
    "capabilities",
    "io_uring",
    "memory_limit",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to hold a worker."""

    name: str
    level: int
    confine: bool
    required_probes: frozenset[str]
    covers: tuple[str, ...]
    does_not_cover: tuple[str, ...]
    remedy: str

    def missing(self) -> str | None:
        """Say in words what this system lacks for it, as far as that is known without trying."""
        if self.confine and sys.platform != "linux":
            return f"Landlock and seccomp are Linux's; this is {sys.platform}"
        return None


CONFINED = Provider(
    name="confined",
    level=2,
    confine=True,
    required_probes=CONFINEMENT_PROBES,
    covers=(
        "files: only Python, NumPy and the submission can be read, nothing written (Landlock)",
        "network, new processes, programs, tracing, signals to others (seccomp)",
        "memory, CPU time, file size, open files (resource limits)",
    ),
    does_not_cover=(
        "faults of the kernel itself",
        "that a file exists, and its size (its contents are out of reach)",
        "the load a worker puts on the machine's processors within its time limit",
    ),
    remedy="use Linux 5.13 or newer with Landlock switched on (lsm=landlock,… on the kernel's command line)",
)

SEPARATE = Provider(
    name="separate",
    level=1,
    confine=False,
    required_probes=HYGIENE_PROBES,
    covers=("a process of its own with a clean environment and, where the system has them, resource limits",),
    does_not_cover=("files", "network", "other processes of the same user", "the grader's own memory"),
    remedy="install CPython 3.11 or newer with NumPy",
)

PROVIDERS: tuple[Provider, ...] = (CONFINED, SEPARATE)
