"""What a container is made of, as Docker would configure one that was asked for nothing special.

A bundle of the OCI runtime specification is a folder with a `config.json` and a root file system. Here the
latter is this machine's own programs and Python, read-only, around a copy of the checkout: no image, no
registry. What this cannot show: AppArmor or SELinux profiles, another distribution's libraries, other
kernels, and what a particular service adds or takes away.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.containers.seccomp_profile import profile

DEFAULT_CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)
MEMORY_BYTES = 4 << 30
PROCESSES = 512
SYSTEM_FOLDERS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
# What programs look up in /etc; everything else there stays the machine's own.
COPIED_FROM_ETC = ("ld.so.cache", "localtime")
OUTPUT = "/output"  # the one folder that comes back


@dataclass(frozen=True, slots=True)
class Person:
    """Who the command runs as."""

    name: str
    uid: int
    capabilities: tuple[str, ...]
    lacks: tuple[str, ...]  # sandboxes that cannot work there, by the nature of the place
    first_host_uid: int = 0  # above 0: in a user namespace, where uid 0 is this one outside


ROOT = Person("root", 0, DEFAULT_CAPABILITIES, lacks=("bubblewrap",))
USER = Person("user", 1000, (), lacks=("bubblewrap", "account"))
MAPPED_ROOT = Person("mapped_root", 0, DEFAULT_CAPABILITIES, lacks=("bubblewrap",), first_host_uid=100_000)


@dataclass(frozen=True, slots=True)
class Place:
    """What every container of a test run shares: a copy of the checkout, shown where the checkout is."""

    checkout: Path
    copy: Path


def copy_checkout(checkout: Path, folder: Path) -> Place:
    """Copy the checkout as an image would hold it: readable by everybody, without history and caches."""
    left_out = shutil.ignore_patterns(".git", ".venv*", "venv", ".*_cache", ".hypothesis", "*.pyc.*")
    shutil.copytree(checkout, folder, ignore=left_out)
    for python in python_folders():
        if python.is_relative_to(checkout):
            (folder / python.relative_to(checkout)).mkdir(parents=True, exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return Place(checkout, folder)


@dataclass(frozen=True, slots=True)
class Order:
    """One command to be run inside, and how."""

    person: Person
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    also_refused: tuple[str, ...] = ()


def write_bundle(folder: Path, place: Place, order: Order, *, limited: bool) -> Path:
    """Make the bundle and the folder whose contents come back; return the latter."""
    _write_root(folder / "rootfs", order.person)
    output = folder / "output"
    output.mkdir()
    _give(output, order.person.first_host_uid + order.person.uid)
    configuration = _configuration(place, order, output, limited=limited)
    (folder / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
    return output


def _write_root(root: Path, person: Person) -> None:
    """Make the part of the root file system that is not mounted: /etc, and the links beside /usr."""
    (root / "etc").mkdir(parents=True)
    for name, text in _accounts(person).items():
        (root / "etc" / name).write_text(text, encoding="utf-8")
    for name in COPIED_FROM_ETC:
        if (source := Path("/etc") / name).exists():
            shutil.copy(source, root / "etc" / name)
    for name in SYSTEM_FOLDERS:
        if (source := Path("/") / name).is_symlink():
            (root / name).symlink_to(source.readlink())
    (root / ".dockerenv").touch()  # by which programs know
    for path in (root, *root.rglob("*")):
        _give(path, person.first_host_uid)


def _give(path: Path, uid: int) -> None:
    os.chown(path, uid, uid, follow_symlinks=False)


def _accounts(person: Person) -> dict[str, str]:
    rows = {"root": 0, person.name: person.uid, "nobody": 65534}
    return {
        "passwd": "".join(f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n" for name, uid in rows.items()),
        "group": "".join(f"{name}:x:{uid}:\n" for name, uid in rows.items()),
        "hosts": "127.0.0.1 localhost\n",
    }


def _configuration(place: Place, order: Order, output: Path, *, limited: bool) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.0",
        "root": {"path": "rootfs", "readonly": False},
        "hostname": "container",
        "process": _process(place, order),
        "mounts": [
            *KERNEL_MOUNTS,
            *(_bind(folder, folder) for folder in _system_folders()),
            _bind(place.copy, place.checkout),
            *(_bind(folder, folder) for folder in python_folders()),
            _bind(output, Path(OUTPUT), access="rw"),
        ],
        "linux": _linux(order, limited=limited),
    }


def _process(place: Place, order: Order) -> dict[str, Any]:
    held = list(order.person.capabilities)
    environment = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}
    return {
        "terminal": False,
        "user": {"uid": order.person.uid, "gid": order.person.uid},
        "args": list(order.command),
        "env": [f"{name}={value}" for name, value in (environment | dict(order.environment)).items()],
        "cwd": str(place.checkout),
        "noNewPrivileges": True,
        "capabilities": {
            "bounding": list(DEFAULT_CAPABILITIES),
            "permitted": held,
            "effective": held,
            "inheritable": [],
            "ambient": [],
        },
    }


def _linux(order: Order, *, limited: bool) -> dict[str, Any]:
    resources = {
        "devices": [{"allow": False, "access": "rwm"}],  # engines add /dev/null and its like
        "memory": {"limit": MEMORY_BYTES},
        "pids": {"limit": PROCESSES},
    }
    mapped = order.person.first_host_uid
    kinds = ("pid", "network", "ipc", "uts", "mount", *(("user",) if mapped else ()))
    mapping = [{"containerID": 0, "hostID": mapped, "size": 1 << 16}] if mapped else []
    return {
        "namespaces": [{"type": kind} for kind in kinds],
        "uidMappings": mapping,
        "gidMappings": mapping,
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
        "seccomp": profile(order.also_refused),
        "resources": resources if limited else {},
    }


def _system_folders() -> list[Path]:
    folders = (Path("/") / name for name in SYSTEM_FOLDERS)
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]


def python_folders() -> list[Path]:
    """Return where the Python that runs the tests lives: its installation and the virtual environment."""
    return list(dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix))))


def _bind(source: Path, destination: Path, *, access: str = "ro") -> dict[str, Any]:
    options = ["rbind", access, "nosuid", "nodev"]
    return {"type": "bind", "source": str(source), "destination": str(destination), "options": options}


def _fresh(kind: str, destination: str, *options: str) -> dict[str, Any]:
    return {"type": kind, "source": kind, "destination": destination, "options": list(options)}


QUIET = ("nosuid", "noexec", "nodev")
TERMINALS = ("newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
KERNEL_MOUNTS = (
    _fresh("proc", "/proc", *QUIET),
    _fresh("tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k"),
    _fresh("devpts", "/dev/pts", "nosuid", "noexec", *TERMINALS),
    _fresh("tmpfs", "/dev/shm", *QUIET, "mode=1777", "size=65536k"),
    _fresh("mqueue", "/dev/mqueue", *QUIET),
    _fresh("sysfs", "/sys", *QUIET, "ro"),
    _fresh("cgroup", "/sys/fs/cgroup", *QUIET, "relatime", "ro"),
    _fresh("tmpfs", "/tmp", "nosuid", "nodev", "mode=1777", "size=1g"),
)
MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"),
    *("/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/devices/virtual/powercap", "/sys/firmware"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
