"""Run inside a container: print what it is and what it refuses, as JSON. Needs the standard library only."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
from pathlib import Path

NEW_USER_NAMESPACE, NO_ADDRESS_RANDOMISATION = 0x10000000, 0x0040000
LANDLOCK_CREATE_RULESET, ASK_VERSION = 444, 1
LIMITS = {
    "memory": ("memory/memory.limit_in_bytes", "memory.max"),
    "pids": ("pids/pids.max", "pids.max"),
}


def refusal(name: str, *arguments: object) -> str:
    """Call a function of libc and return the name of its error, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    return errno.errorcode[ctypes.get_errno()] if getattr(libc, name)(*arguments) < 0 else ""


def limit(names: tuple[str, ...]) -> str:
    """Return what the control group says, in whichever version is mounted."""
    files = (Path("/sys/fs/cgroup") / name for name in names)
    return next((file.read_text().strip() for file in files if file.is_file()), "")


def look() -> dict:
    """Return everything at once."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "uid": os.getuid(),
        "status": {name: status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")},
        "refused": {
            "unshare": refusal("unshare", NEW_USER_NAMESPACE),
            "setns": refusal("setns", -1, 0),  # EBADF if it were let through
            "mount": refusal("mount", None, None, None, 0, None),  # EFAULT if it were let through
            "umount2": refusal("umount2", None, 0),
            "personality": refusal("personality", NO_ADDRESS_RANDOMISATION),
        },
        "landlock": ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, ASK_VERSION),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "limits": {name: limit(files) for name, files in LIMITS.items()},
        "processes": [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()],
    }


if __name__ == "__main__":
    print(json.dumps(look()))  # noqa: T201
