"""Provider `account`: a confined worker as a user of its own, where the grader is root."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from grader.errors import SandboxUnavailable
from grader.sandbox.command import Command, Worker, plain

READ_BY_ALL, ENTERED_BY_ALL = stat.S_IROTH, stat.S_IXOTH


def missing() -> str | None:
    """Say what this system lacks for it, as far as that is known without trying."""
    if sys.platform != "linux":
        return f"accounts are taken on Linux only; this is {sys.platform}"
    if os.geteuid() != 0:
        return "only root can give a worker a user of its own"
    return None


def remedy() -> str:
    """Return what would make it work here."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "run the grader as root in a container of its own"
    return "install Python and the grader where every user can read them, such as /opt or /usr/local"


def wrap(worker: Worker) -> Command:
    """Start the worker as a user that nobody else is, who can read the submission and write nowhere."""
    _be_readable(worker)
    account = _free_account(worker.policy.accounts)
    _lend(worker.root, account)
    if worker.notebook is not None:
        _give(worker.root, account)
    # Only this worker runs as that user, so that the limit counts its threads and no others.
    limits = {"NPROC": worker.policy.limits.threads}
    return dataclasses.replace(plain(worker), account=account, limits=limits)


def _be_readable(worker: Worker) -> None:
    needed = (worker.interpreter, worker.folder, *map(Path, worker.view.entries))
    for path in (*needed, *map(Path, worker.policy.standard_library)):
        if closed := _closed_to_others(path):
            raise SandboxUnavailable(f"other users cannot read {closed}, which the worker needs")
    if closed := _closed_to_others(worker.root.parent):
        raise SandboxUnavailable(f"other users cannot enter {closed}, where the submission lies")


def _closed_to_others(path: Path) -> Path | None:
    """Return what keeps others from reading a path, from the top: a folder to pass, or the path itself."""
    for each in (*reversed(path.parents), path):
        if not each.stat().st_mode & (ENTERED_BY_ALL if each.is_dir() else READ_BY_ALL):
            return each
    return None


def _free_account(numbers: Sequence[int]) -> int:
    """Pick a number that is no user's and runs nothing; at random, for others pick at the same time."""
    import pwd  # noqa: PLC0415 -- not on Windows

    taken = {entry.pw_uid for entry in pwd.getpwall()} | _running_users()
    free = [number for number in numbers if number not in taken]
    if not free:
        raise SandboxUnavailable(f"every user number from {numbers[0]} to {numbers[-1]} is taken")
    return secrets.choice(free)


def _running_users() -> set[int]:
    users = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            users.add(entry.stat().st_uid)
    return users


def _give(root: Path, account: int) -> None:
    """Let the user change a scratch copy and all that is in it."""
    for folder, names, files in os.walk(root):
        for name in ("", *names, *files):
            os.chown(Path(folder, name), account, account, follow_symlinks=False)


def _lend(root: Path, account: int) -> None:
    """Let the user enter the submission's folder, and nobody else: a group of its own, read only."""
    os.chown(root, -1, account)
    root.chmod(stat.S_IMODE(root.stat().st_mode) | stat.S_IRGRP | stat.S_IXGRP)
