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
FORBIDDEN_LIBRARIES = ("torch", "tensorflow", "jax", "autograd", "sklearn", "scipy", "cupy", "numba")


def run_probes(request: Mapping[str, Any]) -> dict[str, str]:
    """Run every probe; `request` names the canary files, folders and the descriptor that may be open."""
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
        "descriptors": lambda: _descriptors(request["descriptor"]),
        "environment": lambda: _environment(request["environment"]),
        "libraries": _libraries,
        "memory_limit": lambda: _memory_limit(request["memory_bytes"]),
    }
    return {name: _answer(probe) for name, probe in probes.items()}


def _answer(probe: Callable[[], str]) -> str:
    try:
        return probe()
    except (PermissionError, BlockingIOError):
        return BLOCKED
    except (OSError, AttributeError, ImportError) as error:
        # Not refused, only not possible in this form: never counted as blocked.
        return f"not refused ({type(error).__name__}: {error})"[:200]


def _first_readable(paths: Iterable[str]) -> str:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except PermissionError:
            continue
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
            continue
        os.close(descriptor)
        return f"could open {path}"
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
        return f"could write in {folder}"
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
    return _libc_call("unshare", 0x10000000)


def _capabilities() -> str:
    low, high = confinement.capabilities()
    kept = low & ~confinement.DAC_READ_SEARCH | high << 32
    return f"has capabilities {kept:#x}" if kept else BLOCKED


def _io_uring() -> str:
    return _libc_call("syscall", 425, 0, 0)


def _descriptors(own: int) -> str:
    try:
        highest = min(os.sysconf("SC_OPEN_MAX"), 4096)
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        highest = 256
    open_ones = [number for number in range(highest) if _is_open(number)]
    surplus = sorted(set(open_ones) - {0, 1, 2, own})
    return f"descriptors {surplus} are open" if surplus else BLOCKED


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _environment(allowed: Iterable[str]) -> str:
    # The interpreter itself adds LC_CTYPE when it coerces the C locale; macOS adds the encoding.
    surplus = sorted(set(os.environ) - {*allowed, "LC_CTYPE", "__CF_USER_TEXT_ENCODING"})
    return f"environment has {surplus}"[:200] if surplus else BLOCKED


def _libraries() -> str:
    names = (*FORBIDDEN_LIBRARIES, "grader", "pytest")
    found = [name for name in names if importlib.util.find_spec(name) is not None]
    return f"could import {', '.join(found)}" if found else BLOCKED


def _memory_limit(asked: int) -> str:
    import resource  # noqa: PLC0415 -- not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return BLOCKED if 0 < soft <= asked else "memory is not limited"


def versions() -> dict[str, str]:
    """Return the versions that the report names."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": str(sys.modules["numpy"].__version__),
    }
