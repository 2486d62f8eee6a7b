"""How a worker's process is started, waited for and ended: one seam, and the process that we start here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import IO, Any, NamedTuple, Protocol

from grader.sandbox.command import Command
from grader.sandbox.usage import innermost, is_running

REAP_SECONDS = 5.0
WRAPPED_SIGNAL = 128  # a wrapper's exit status for a command that died of signal n is 128 + n


class Process(Protocol):
    """A worker's process, with whatever is wrapped around it. Nothing here raises for one that is gone."""

    @property
    def command(self) -> Command:
        """What runs, and as whom."""

    @property
    def process_id(self) -> int:
        """The process id of the worker, or of what is wrapped around it, as it is numbered here."""

    @property
    def output(self) -> IO[bytes] | None:
        """What it prints, to be read all the time, and closed by whoever reads."""

    @property
    def status(self) -> int | None:
        """The worker's exit status, negative for a signal; None until `collect` has seen its end."""

    @property
    def peak_bytes(self) -> int:
        """The most memory it held, as the system counts; 0 while that is not known, or not its own."""

    def worker_id(self) -> int:
        """Return the process id of the worker itself, as it is numbered here."""

    def collect(self) -> bool:
        """Look whether it has ended, without waiting."""

    def interrupt(self) -> None:
        """Send the worker SIGINT, as Ctrl-C would."""

    def end(self) -> None:
        """Have it killed, with all that is wrapped around it; do not wait."""

    def wait_until_gone(self, worker_id: int) -> None:
        """Wait for the worker itself to be gone where only what was around it was seen to end."""


class Begun(NamedTuple):
    """A worker's process, and our end of the socket to it."""

    connection: socket.socket
    process: Process


def begin(start: Callable[[socket.socket], Process]) -> Begun:
    """Start a process that gets the other end of a new socket."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            return Begun(ours, start(theirs))
    except BaseException:
        ours.close()
        raise


class SpawnedProcess:
    """A process that was started for this worker, and is our child."""

    def __init__(self, command: Command, connection: socket.socket, *, output: int = subprocess.PIPE) -> None:
        self._command = command
        self._peak_bytes = 0
        self._process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=command.environment,
            start_new_session=True,
            **_handed_over(connection),
            **_as_account(command.account),
        )

    @property
    def command(self) -> Command:
        """What was started."""
        return self._command

    @property
    def process_id(self) -> int:
        """The process id of our child."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes] | None:
        """What it prints."""
        return self._process.stdout

    @property
    def status(self) -> int | None:
        """The worker's exit status, as a wrapper tells it where there is one."""
        status = self._process.returncode
        if status is not None and self._command.tells_status and status > WRAPPED_SIGNAL:
            return WRAPPED_SIGNAL - status
        return status

    @property
    def peak_bytes(self) -> int:
        """The most memory it held; that of a wrapper says nothing about its worker."""
        return self._peak_bytes

    def worker_id(self) -> int:
        """Follow the wrapper, if there is one, down to the worker."""
        return innermost(self._process.pid)

    def collect(self) -> bool:
        """Look whether it has ended.

        The system's own account of its memory comes with the status: what grew between two looks is in it.
        """
        if self._process.returncode is not None:
            return True
        if sys.platform != "linux":
            return self._process.poll() is not None
        try:
            process_id, status, used = os.wait4(self._process.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has collected it
            return self._process.poll() is not None
        if process_id:
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._peak_bytes = _own_peak_bytes(used.ru_maxrss << 10)
        return bool(process_id)

    def interrupt(self) -> None:
        """Send the worker SIGINT."""
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.worker_id(), signal.SIGINT)

    def end(self) -> None:
        """Kill its whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait_until_gone(self, worker_id: int) -> None:
        """Wait for a worker whose wrapper has ended: the system ends it, a moment later.

        Who collects it then may take long, or never do it, as the first process of a container.
        """
        give_up = time.monotonic() + REAP_SECONDS
        while self._command.tells_status and is_running(worker_id) and time.monotonic() < give_up:
            time.sleep(0.001)


def end_whole(process: Process) -> None:
    """Kill a process that waits for work, and see it and the worker in it gone."""
    worker_id = process.worker_id()
    process.end()
    give_up = time.monotonic() + REAP_SECONDS
    while not process.collect() and time.monotonic() < give_up:
        time.sleep(0.001)
    process.wait_until_gone(worker_id)


def _own_peak_bytes(peak_bytes: int) -> int:
    """Return the most memory that a process held; 0 where that may be what it was started with.

    Until it runs its own program a process counts the memory of the one that started it.
    """
    import resource  # noqa: PLC0415 -- not on Windows

    started_with = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    return peak_bytes if peak_bytes > started_with else 0


def _handed_over(connection: socket.socket) -> dict[str, Any]:
    """Return the arguments of Popen that let a worker inherit this one socket."""
    connection.set_inheritable(True)
    if sys.platform == "win32":
        listed = {"handle_list": [connection.fileno()]}
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList=listed)}
    return {"pass_fds": [connection.fileno()]}


def _as_account(account: int | None) -> dict[str, Any]:
    return {} if account is None else {"user": account, "group": account, "extra_groups": []}
