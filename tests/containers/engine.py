"""Run a command in a container by crun or runc, and leave nothing of it behind."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.containers.bundle import Order, Place, write_bundle

GROUPS = Path("/sys/fs/cgroup")
UNIFIED = GROUPS / "unified"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command in a container ended, and the folder with what it left there."""

    returncode: int
    stdout: str
    stderr: str
    output: Path


def run(engine: str, place: Place, order: Order, *, folder: Path, seconds: float) -> Done:
    """Run one command in a new container; `folder` must be new and is where its bundle is made."""
    output = write_bundle(folder, place, order, limited=groups_can_limit())
    name = f"grader-{uuid.uuid4().hex}"
    asked = _command(engine, folder)
    try:
        done = subprocess.run(
            [*asked, "run", "--bundle", str(folder), name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    finally:
        subprocess.run([*asked, "delete", "--force", name], capture_output=True, check=False, timeout=60)
        shutil.rmtree(folder / "rootfs", ignore_errors=True)
    return Done(done.returncode, done.stdout, done.stderr, output)


def groups_can_limit() -> bool:
    """Say whether control groups of this machine can hold memory and processes, in either version."""
    unified = GROUPS / "cgroup.controllers"
    known = unified.read_text().split() if unified.is_file() else [path.name for path in GROUPS.glob("*")]
    return {"memory", "pids"} <= set(known)


def _command(engine: str, folder: Path) -> list[str]:
    without_groups = ["--cgroup-manager=disabled"] if engine == "crun" and not groups_can_limit() else []
    plain = [engine, "--root", str(folder / "state"), *without_groups]
    return ["unshare", "--mount", "--cgroup", "sh", "-ec", f'{_view_of_groups()} exec "$@"', "sh", *plain]


def _view_of_groups() -> str:
    """Return shell commands that show the engine, and nobody else, a simpler tree of control groups.

    crun refuses a machine that mounts both versions, and puts containers of version 1 at the root of each
    hierarchy, which would free them from the limits that this process is under.
    """
    found = re.findall(r"^\d+:([^:]+):(/.+)$", Path("/proc/self/cgroup").read_text(), flags=re.MULTILINE)
    own = [(GROUPS / kind.removeprefix("name="), path) for kind, path in found]
    return "".join(
        [
            f"umount -l {UNIFIED}; " if UNIFIED.is_mount() else "",
            *(f"mount --bind {shlex.quote(f'{root}{path}')} {root}; " for root, path in own),
        ]
    )
