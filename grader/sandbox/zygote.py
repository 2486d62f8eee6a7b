"""A process that loads a view's libraries once, and is lent to all runs of the checks of one command.

Loading torch and its neighbours takes seconds, a fork milliseconds. The owner starts the zygote as soon as it
knows that notebooks will be replayed, and lends it to each run of the checks through a socket of its own; the
run asks for workers there (forked.py), and they are locked and probed one by one like all others. Where none
can be had, nobody misses it: workers are then started as ever, under the same provider.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from grader.errors import GraderError
from grader.records import ZygoteOffer
from grader.sandbox.command import Notebook, worker_of
from grader.sandbox.forked import connected, tell_to_wait
from grader.sandbox.launch import file_rules
from grader.sandbox.policy import Policy
from grader.sandbox.processes import SpawnedProcess, end_whole
from grader.sandbox.providers import Provider, candidates
from grader.sandbox.views import View, read_view
from grader.scratch import PASSED_THROUGH, remove_tree

MOST_STARTS = 3  # of one that dies; then every worker is started by itself
END_SECONDS = 5.0
MAX_MESSAGE = 4096
VIEW = "experiments"


class Zygote:
    """Owns the process and the folders that its workers use, until it is closed.

    Enter it in a thread that lives as long: the system ends the process with the thread that started it.
    Never raises for want of a zygote. There is none for a GPU: what its driver needs of /proc is each
    worker's own, and the file rules under which a zygote loads its libraries hold for its forks, too.
    """

    def __init__(
        self,
        *,
        provider: str,
        min_isolation: int,
        policy: Policy,
        view: str = VIEW,
    ) -> None:
        self._wanted = provider, min_isolation
        self._policy = policy
        self._view_name = view
        self._lock = threading.Lock()
        self._candidates: list[Provider] = []
        self._starts_left = MOST_STARTS
        self._folder: Path | None = None
        self._process: SpawnedProcess | None = None
        self._control: socket.socket | None = None
        self._was_ready = False

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError, GraderError):
            self._candidates = _that_fork(candidates(*self._wanted))
            if self._candidates:
                self._folder = _playground()
                self._start(read_view(self._view_name), self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        if self._folder is not None:
            remove_tree(self._folder)

    @property
    def process_id(self) -> int | None:
        """The process id of what was started, a wrapper or the zygote itself."""
        return None if self._process is None else self._process.process_id

    @contextlib.contextmanager
    def lent(self) -> Iterator[ZygoteOffer | None]:
        """Lend it to one run of the checks; at the end whatever was forked for it is gone.

        The descriptor is for the run's process to inherit. None where there is no zygote.
        """
        connection: socket.socket | None = None
        folders: tuple[Path, ...] = ()
        offer: ZygoteOffer | None = None
        with contextlib.suppress(OSError, GraderError), self._lock:
            if self._is_there() and self._control is not None and self._folder is not None:
                folders = _own_folders(self._folder)
                connection = connected(self._control)
                offer = ZygoteOffer(
                    descriptor=connection.fileno(),
                    provider=self._candidates[0].name,
                    view=self._view_name,
                    scratch=folders[0],
                    data=folders[1],
                )
        try:
            yield offer
        finally:
            if connection is not None:
                self._take_back(connection)
            for folder in folders:
                remove_tree(folder)

    # -------------------------------------------------------------------------------- inside

    def _start(self, view: View, folder: Path) -> None:
        """Start the process under the first provider that is left, and tell it what to load."""
        provider = self._candidates[0]
        self._starts_left -= 1
        self._was_ready = False
        scratch, data = folder / "scratch", folder / "data"
        home = scratch / f".home-{secrets.token_hex(8)}"
        home.mkdir(mode=PASSED_THROUGH)
        notebook = Notebook(data=data)
        self._control, theirs = socket.socketpair()
        with theirs:
            command = provider.wrap(worker_of(self._policy, scratch, view, notebook, theirs))
            self._process = SpawnedProcess(command, theirs, output=subprocess.DEVNULL)
        files = file_rules(self._policy, view, scratch, notebook)
        tell_to_wait(self._control, provider, files, view, str(home))

    def _is_there(self) -> bool:
        """Look whether it lives; start it again if it was seen to work, or else under the next provider."""
        while self._process is not None and self._process.collect():
            if not self._has_said_that_it_is_ready():
                self._candidates.pop(0)
            self._end()
            if not self._candidates or self._folder is None or not self._starts_left:
                return False
            self._start(read_view(self._view_name), self._folder)
        return self._process is not None

    def _has_said_that_it_is_ready(self) -> bool:
        if self._control is not None and not self._was_ready:
            with contextlib.suppress(OSError):
                self._was_ready = bool(self._control.recv(1, socket.MSG_DONTWAIT))
        return self._was_ready

    def _take_back(self, connection: socket.socket) -> None:
        """Have all that was forked for this connection ended; the other end closes when that is done."""
        with connection, contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            give_up = time.monotonic() + END_SECONDS
            # One that still loads its libraries has forked nothing.
            while self._has_said_that_it_is_ready() and (left_s := give_up - time.monotonic()) > 0:
                ready, _, _ = select.select([connection], [], [], left_s)
                if not ready or not connection.recv(MAX_MESSAGE):
                    return

    def _end(self) -> None:
        """End the process; the system ends its workers with it."""
        process, control = self._process, self._control
        self._process = self._control = None
        if control is not None:
            control.close()
        if process is not None:
            end_whole(process)


def _that_fork(found: Sequence[Provider]) -> list[Provider]:
    """Return the providers to try: those before the first one that is there and starts each worker itself."""
    there = [provider for provider in found if provider.missing() is None]
    stop = next((index for index, provider in enumerate(there) if not provider.can_fork), len(there))
    return there[:stop]


def _playground() -> Path:
    """Make the folder in which the scratch copies and the data of all runs lie, out of everybody's sight."""
    folder = Path(tempfile.mkdtemp(prefix="grader-playground-")).resolve()
    for each in (folder, folder / "scratch", folder / "data"):
        each.mkdir(exist_ok=True)
        each.chmod(PASSED_THROUGH)
    return folder


def _own_folders(playground: Path) -> tuple[Path, Path]:
    """Make the two folders of one run, under a name that no other run's workers know."""
    name = secrets.token_hex(16)
    scratch, data = (playground / kind / name for kind in ("scratch", "data"))
    for each in (scratch, data):
        each.mkdir()
        each.chmod(PASSED_THROUGH)
    return scratch, data
