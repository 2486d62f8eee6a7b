"""The table of sandboxes, best first. A provider says what it needs, what it covers and what it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from grader.errors import SandboxUnavailable, UsageError
from grader.sandbox import account, bubblewrap
from grader.sandbox.command import Command, Worker, plain
from grader.sandbox.machine import security_modules
from grader.worker.confinement import landlock_abi

# Probes (see worker/probes.py) that every worker must pass, those that only confinement makes pass, and those
# that show what a provider of level 3 adds.
HYGIENE_PROBES = frozenset({"descriptors", "environment", "libraries", "submission"})
CONFINEMENT_PROBES = HYGIENE_PROBES | {
    "files",
    "parent_memory",
    "parent_environment",
    "write",
    "truncate",
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
NAMESPACE_PROBES = CONFINEMENT_PROBES | {"names", "interfaces", "process_namespace"}
ACCOUNT_PROBES = CONFINEMENT_PROBES | {"account", "thread_limit"}


LEVEL_NAMES = {1: "separate", 2: "confined", 3: "hardened"}


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to hold a worker.

    `missing` says in words what this system lacks for it, as far as that is known without trying; `remedy` is
    the one thing that would help here; `wrap` makes the command that starts a worker.
    """

    name: str
    level: int
    confine: bool
    required_probes: frozenset[str]
    covers: tuple[str, ...]
    does_not_cover: tuple[str, ...]
    missing: Callable[[], str | None]
    remedy: Callable[[], str]
    wrap: Callable[[Worker], Command]
    can_fork: bool = False  # from a zygote that is wrapped once: what it adds holds for each fork as well


def _no_confinement() -> str | None:
    if sys.platform != "linux":
        return f"Landlock and seccomp are Linux's; this is {sys.platform}"
    return None


def _confinement_remedy() -> str:
    if sys.platform != "linux":
        return "grade on Linux, or in a Linux container"
    if landlock_abi():
        return "Landlock is there, so the reason may pass: try `grader doctor` again"
    if (modules := security_modules()) and "landlock" not in modules:
        return f"add lsm=landlock,{modules} to the kernel's command line and restart"
    return "use Linux 5.13 or newer with Landlock switched on (lsm=landlock,… on the kernel's command line)"


CONFINED_COVERS = (
    "files: only Python, its libraries and the submission can be read, nothing written (Landlock)",
    "network, new processes, programs, tracing, signals to others (seccomp)",
    "memory, CPU time, file size, open files, threads (resource limits, and a watch from outside)",
)
ALWAYS_OPEN = (
    "faults of the kernel itself",
    "the load a worker puts on the machine's processors within its time limit",
    "the inputs of a check, which the student's code must see to answer; nothing of a hidden one goes back",
)
NAMES_OPEN = "that a file exists, its size and its owner (its contents are out of reach)"

BUBBLEWRAP = Provider(
    name="bubblewrap",
    level=3,
    confine=True,
    required_probes=NAMESPACE_PROBES,
    covers=(
        *CONFINED_COVERS,
        "once more by namespaces: a file system that holds nothing else, no network, no other processes",
    ),
    does_not_cover=ALWAYS_OPEN,
    missing=bubblewrap.missing,
    remedy=bubblewrap.remedy,
    wrap=bubblewrap.wrap,
    can_fork=True,
)

ACCOUNT = Provider(
    name="account",
    level=3,
    confine=True,
    required_probes=ACCOUNT_PROBES,
    covers=(
        *CONFINED_COVERS,
        "once more by a user of its own, who owns nothing and is nobody else's",
    ),
    does_not_cover=(*ALWAYS_OPEN, NAMES_OPEN),
    missing=account.missing,
    remedy=account.remedy,
    wrap=account.wrap,
)

CONFINED = Provider(
    name="confined",
    level=2,
    confine=True,
    required_probes=CONFINEMENT_PROBES,
    covers=CONFINED_COVERS,
    does_not_cover=(*ALWAYS_OPEN, NAMES_OPEN),
    missing=_no_confinement,
    remedy=_confinement_remedy,
    wrap=plain,
    can_fork=True,
)

SEPARATE = Provider(
    name="separate",
    level=1,
    confine=False,
    required_probes=HYGIENE_PROBES,
    covers=("a process of its own with a clean environment and, where the system has them, resource limits",),
    does_not_cover=("files", "network", "other processes of the same user", "the grader's own memory"),
    missing=lambda: None,
    remedy=lambda: "install CPython 3.11 or newer with NumPy",
    wrap=plain,
)

PROVIDERS: tuple[Provider, ...] = (BUBBLEWRAP, ACCOUNT, CONFINED, SEPARATE)


def candidates(name: str, min_isolation: int) -> list[Provider]:
    """Return the providers of at least that level, or the named one, best first.

    Raise UsageError for a name that is none, SandboxUnavailable where no level is enough.
    """
    known = [entry.name for entry in PROVIDERS]
    if name != "auto" and name not in known:
        raise UsageError(f"no sandbox is called {name!r}; known: auto, {', '.join(known)}")
    named = [entry for entry in PROVIDERS if name in ("auto", entry.name)]
    enough = [entry for entry in named if entry.level >= min_isolation]
    if not enough:
        best = max(named, key=lambda entry: entry.level)
        raise SandboxUnavailable(
            f"isolation level {min_isolation} was asked for; {best.name} gives level {best.level}"
        )
    return enough
