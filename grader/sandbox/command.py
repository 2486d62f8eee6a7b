"""How one worker is started: what every provider starts from, and may wrap."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grader.worker
from grader.sandbox.machine import holds_driver
from grader.sandbox.policy import Policy
from grader.sandbox.views import View

WORKER_FOLDER = Path(grader.worker.__file__).resolve().parent
# No user or system start-up files (-s -S), no script folder on the path (-P), nothing written beside sources.
# -I is not used since it would also ignore PYTHONHASHSEED; the environment is ours to the last key anyway.
INTERPRETER_FLAGS = ("-s", "-S", "-P", "-B", "-X", "utf8")


@dataclass(frozen=True, slots=True)
class Notebook:
    """What a worker is given to run a notebook: its root is a scratch copy of the submission, to write in.

    `data` is the folder of served data sets, if there are any; `fast_data` whether they come decoded;
    `devices` are the device files of a GPU. `seed` is that of torch when the notebook starts, `threads` how
    many it computes with.
    """

    data: Path | None = None
    fast_data: bool = True
    devices: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker to be started: the interpreter and its arguments, and all that it needs to read."""

    interpreter: Path
    arguments: tuple[str, ...]
    root: Path  # of the submission, or of a scratch copy of it
    folder: Path  # of the worker's own modules
    policy: Policy
    view: View
    notebook: Notebook | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Return all environment variables it gets."""
        return {**self.policy.environment, **self.view.environment, **self._for_devices()}

    def _for_devices(self) -> dict[str, str]:
        """Return where the loader finds a GPU's driver, if that is in a folder of its own."""
        folders = [path for path in (self.notebook.devices if self.notebook else ()) if holds_driver(path)]
        return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}


@dataclass(frozen=True, slots=True)
class Command:
    """What is started for a worker. `account` is the user and group it runs as.

    Where it `tells_status`, the exit status is a wrapper's word for the worker's: 128 + n for signal n.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    account: int | None = None
    tells_status: bool = False
    limits: Mapping[str, int] = field(default_factory=dict)


def plain(worker: Worker) -> Command:
    """Start the interpreter itself."""
    return Command((str(worker.interpreter), *worker.arguments), worker.environment)


def worker_of(
    policy: Policy, root: Path, view: View, notebook: Notebook | None, connection: socket.socket
) -> Worker:
    """Return what is started for a worker that talks over this socket."""
    libraries = json.dumps({"entries": view.importable(), "temporary_folder": view.temporary_folder})
    return Worker(
        # Without the virtual environment around it: the worker's libraries come from its view.
        interpreter=Path(sys.executable).resolve(),
        arguments=(*INTERPRETER_FLAGS, str(WORKER_FOLDER), str(connection.fileno()), libraries),
        root=root,
        folder=WORKER_FOLDER,
        policy=policy,
        view=view,
        notebook=notebook,
    )
