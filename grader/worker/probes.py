"""What this process can still do: tried from inside, before any student code, and reported in words.

A probe returns "blocked" or what it could do. A wrapper's exit code proves nothing; an attempt does. The
trusted side compares the answers with what the level asks for and fails closed.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import confinement

BLOCKED = "blocked"
# Libraries that would do a homework, and our own side of the wall.
FOREIGN_LIBRARIES = (
    *("torch", "tensorflow", "jax", "autograd", "sklearn", "scipy", "cupy", "numba"),
    *("grader", "pytest"),
)


def look_around() -> dict[str, Any]:
    """Note what can be seen only before the locks are set, for the probes to answer with."""
    try:
        interfaces = [name for _, name in socket.if_nameindex()]
    except (AttributeError, OSError) as error:  # not everywhere, and a filter around us may refuse it
        interfaces = [f"unknown ({type(error).__name__})"]
    return {"interfaces": interfaces}


def run_probes(request: Mapping[str, Any]) -> dict[str, str]:
    """Run every probe; `request` names the canary files, folders and the descriptor that may be open.

    No answer names a path or a process: those differ each time, and equal gradings have equal reports.
    """
    probes: dict[str, Callable[[], str]] = {
        "files": lambda: _first_readable(request["canaries"]),
        "parent_memory": lambda: _first_readable([f"/proc/{os.getppid()}/mem"]),
        "parent_environment": lambda: _first_readable([f"/proc/{os.getppid()}/environ"]),
        "write": lambda: _first_writable(request["folders"]),
        "network": _network,
        "local_sockets": _local_sockets,
        "fork": _fork,
        "exec": _exec,
        "signals": _signals,
        "ptrace": _ptrace,
        "namespaces": _namespaces,
        "capabilities": _capabilities,
        "io_uring": _io_uring,
        "descriptors": lambda: _descriptors(request["early"]["descriptors"], request["descriptor"]),
        "environment": lambda: _environment(request["environment"]),
        "libraries": lambda: _libraries(request["libraries"]),
        "memory_limit": lambda: _limits(request["memory"]),
        "truncate": _truncate,
        "submission": lambda: _submission(request["root"]),
        "names": lambda: _names(request["canaries"]),
        "interfaces": lambda: _interfaces(request["early"]["interfaces"]),
        "account": lambda: _account(request["account"]),
        "thread_limit": lambda: _limits({"NPROC": request["threads"]}),
    }
    return {name: _answer(probe) for name, probe in probes.items()}


def _answer(probe: Callable[[], str]) -> str:
    try:
        return probe()
    except (PermissionError, BlockingIOError):
        return BLOCKED
    except (OSError, AttributeError, ImportError) as error:
        # Not refused, only not possible in this form: never counted as blocked.
        return f"not refused ({type(error).__name__}: {getattr(error, 'strerror', None) or error})"[:200]


def _first_readable(paths: Iterable[str]) -> str:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except PermissionError:
            continue
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            continue
        os.close(descriptor)
        return "could open a file"
    return BLOCKED


def _first_writable(folders: Iterable[str]) -> str:
    for folder in folders:
        path = f"{folder}/write-probe-{os.getpid()}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        os.close(descriptor)
        os.unlink(path)  # noqa: PTH108
        return "could write in a folder"
    return BLOCKED


def _network() -> str:
    for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)):
        try:
            socket.socket(family, kind).close()
        except PermissionError:
            continue
        return "could make an internet socket"
    return BLOCKED


def _local_sockets() -> str:
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
    return "could make a local socket"


def _fork() -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "could fork"


def _exec() -> str:
    try:
        os.execve("/nonexistent-program", ["/nonexistent-program"], {})  # noqa: S606
    except FileNotFoundError:
        return "could start programs"


def _signals() -> str:
    os.kill(os.getppid(), 0)
    return "could signal the process that started it"


def _libc_call(name: str, *arguments: int) -> str:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*(ctypes.c_long(argument) for argument in arguments)) >= 0:
        return f"could call {name}"
    number = ctypes.get_errno()
    return BLOCKED if number == errno.EPERM else f"{name} was not refused ({errno.errorcode.get(number)})"


def _ptrace() -> str:
    # A request that does not exist: harmless where ptrace is allowed (EIO or ESRCH), EPERM where it is not.
    return _libc_call("ptrace", 0x7FFF, 0, 0, 0)


def _namespaces() -> str:
    # Nothing is unshared: where it is allowed that does nothing, and the worker stays as it is.
    return _libc_call("unshare", 0)


def _capabilities() -> str:
    low, high = confinement.capabilities()
    kept = low & ~confinement.DAC_READ_SEARCH | high << 32
    return f"has capabilities {kept:#x}" if kept else BLOCKED


def _io_uring() -> str:
    return _libc_call("syscall", 425, 0, 0)


def _descriptors(open_ones: Iterable[int], own: int) -> str:
    surplus = sorted(set(open_ones) - {0, 1, 2, own})
    return f"descriptors {surplus} are open" if surplus else BLOCKED


def _environment(allowed: Iterable[str]) -> str:
    # The interpreter itself adds LC_CTYPE when it coerces the C locale; macOS adds the encoding.
    surplus = sorted(set(os.environ) - {*allowed, "LC_CTYPE", "__CF_USER_TEXT_ENCODING"})
    return f"environment has {surplus}"[:200] if surplus else BLOCKED


def _libraries(foreign: Iterable[str]) -> str:
    found = [name for name in foreign if importlib.util.find_spec(name) is not None]
    return f"could import {', '.join(found)}" if found else BLOCKED


def _limits(asked: Mapping[str, int]) -> str:
    import resource  # noqa: PLC0415 -- not on Windows

    for name, value in asked.items():
        soft, hard = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        if not (0 < soft <= value and 0 < hard <= value):
            return f"RLIMIT_{name} is {soft}"
    return BLOCKED


def _truncate() -> str:
    # Opening for reading alone can empty a file that one may write to: older Landlocks do not look at that.
    os.close(os.open("/dev/null", os.O_RDONLY | os.O_TRUNC))
    return "could truncate what it can read"


def _submission(root: str) -> str:
    try:
        os.listdir(root)  # noqa: PTH208
    except OSError as error:
        return f"the submission cannot be read ({type(error).__name__})"
    return BLOCKED


def _names(paths: Iterable[str]) -> str:
    return "could see that a file exists" if any(map(os.path.lexists, paths)) else BLOCKED


def _interfaces(names: Iterable[str]) -> str:
    others = [name for name in names if name != "lo"]
    return f"could see the network's {', '.join(others)}" if others else BLOCKED


def _account(number: int | None) -> str:
    if number is None:
        return "it has no user of its own"
    groups = {*os.getresgid(), *os.getgroups()}
    own = {*os.getresuid(), *groups} == {number}
    return BLOCKED if own else f"runs as user {os.getuid()}, groups {sorted(groups)}"


def versions() -> dict[str, str]:
    """Return the versions that the report names."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": str(sys.modules["numpy"].__version__),
    }
