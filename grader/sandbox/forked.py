"""Workers that a zygote forks: how a run of the checks asks for them, and hears of their end."""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import struct
import threading
import time
from pathlib import Path
from typing import IO, Any, Self

from grader.records import ZygoteOffer
from grader.sandbox.command import Command, Notebook
from grader.sandbox.providers import Provider
from grader.sandbox.usage import is_running
from grader.sandbox.views import View
from grader.worker import protocol

# It may still be loading libraries; whoever waits for it would wait as long for his own.
FORK_SECONDS = 60.0
HEARD_SECONDS = 1.0  # within which a zygote that lives does as it is told
TOLD_SECONDS = 10.0  # within which it tells of an end that can be seen from here
MAX_MESSAGE = 4096
_CREDENTIALS = struct.Struct("3i")  # process, user, group


class NoZygote(Exception):
    """No worker can be forked: start one."""


class ZygoteClient:
    """One run's line to a zygote. When it closes, what was forked for it ends."""

    def __init__(self, offer: ZygoteOffer, *, fork_seconds: float = FORK_SECONDS) -> None:
        self.offer = offer
        self._fork_seconds = fork_seconds
        self._socket = socket.socket(fileno=os.dup(offer.descriptor))  # which no worker inherits
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(HEARD_SECONDS)
        self._lock = threading.Lock()
        self._is_lost = False
        self._last_number = 0
        self._born: dict[int, int] = {}  # process ids
        self._ended: dict[int, tuple[int, int]] = {}  # exit status and peak of memory
        self._refused: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def leave_to_fork(self) -> None:
        """Close this process's copy of the line: it is now a fork's alone, and ends with that."""
        self._socket.close()

    @property
    def is_lost(self) -> bool:
        """Whether the zygote is gone, or has not answered when it should have."""
        return self._is_lost

    def can_fork(self, provider: Provider, view: View, root: Path, notebook: Notebook | None) -> bool:
        """Say whether a worker like this can be forked: of the same kind, and with all within its reach."""
        offer = self.offer
        return (
            not self._is_lost
            and (provider.name, view.name) == (offer.provider, offer.view)
            and (root == offer.scratch or offer.scratch in root.parents)
            and (notebook is None or notebook.data is None or offer.data in notebook.data.parents)
            and not (notebook and notebook.devices)
        )

    def fork(self, command: Command, connection: socket.socket) -> ForkedProcess:
        """Have a worker forked that talks over this socket; raise NoZygote where that cannot be had."""
        reading, writing = os.pipe()
        output = open(reading, "rb", buffering=0)  # noqa: PTH123, SIM115 -- a descriptor; the watch closes it
        try:
            with self._lock:
                self._last_number = number = self._last_number + 1
                message = json.dumps({"do": "fork", "number": number}).encode()
                self._send(message, [connection.fileno(), writing])
                process_id = self._wait_for_birth(number)
        except BaseException:
            output.close()
            raise
        finally:
            os.close(writing)
        return ForkedProcess(self, command, number, process_id, output)

    def end_of(self, number: int, *, seconds: float = 0) -> tuple[int, int] | None:
        """Return a worker's exit status and peak of memory in bytes, if that is told meanwhile.

        With `seconds` the worker is known to be gone, and a zygote that does not tell so is lost.
        """
        give_up = time.monotonic() + seconds
        with self._lock:
            self._take_in(seconds=0)
            while number not in self._ended and not self._is_lost and time.monotonic() < give_up:
                self._take_in(seconds=seconds)
            if seconds and number not in self._ended:  # it hangs, and would not fork either
                self._is_lost = True
            return self._ended.get(number)

    def signal(self, number: int, signal_: int) -> None:
        """Have a worker signalled: its parent knows whether its process id is still its own."""
        message = json.dumps({"do": "signal", "number": number, "signal": int(signal_)}).encode()
        with self._lock, contextlib.suppress(NoZygote):
            self._send(message, [])

    # -------------------------------------------------------------------------------- inside

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        if self._is_lost:
            raise NoZygote("it was lost")
        try:
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self._socket.sendmsg([message], passed if descriptors else [])
        except OSError as error:
            self._is_lost = True
            raise NoZygote(error.strerror or str(error)) from error

    def _wait_for_birth(self, number: int) -> int:
        give_up = time.monotonic() + self._fork_seconds
        while number not in self._born:
            if number in self._refused:
                raise NoZygote(self._refused[number])
            if number in self._ended:
                raise NoZygote("the worker ended at once")
            if self._is_lost or (left_s := give_up - time.monotonic()) <= 0:
                self._is_lost = True
                raise NoZygote("it does not answer")
            self._take_in(seconds=left_s)
        return self._born.pop(number)

    def _take_in(self, *, seconds: float) -> None:
        """Note all messages that are there, after waiting that long for the first one."""
        while not self._is_lost and _is_readable(self._socket, seconds):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(
                    MAX_MESSAGE, socket.CMSG_SPACE(_CREDENTIALS.size)
                )
            except OSError:
                data, ancillary = b"", []
            if not data:
                self._is_lost = True
                return
            self._note(json.loads(data), ancillary)
            seconds = 0

    def _note(self, message: dict[str, Any], ancillary: list[tuple[int, int, bytes]]) -> None:
        number = message["number"]
        if "born" in message:
            self._born[number] = next(
                _CREDENTIALS.unpack(content)[0]
                for _, kind, content in ancillary
                if kind == socket.SCM_CREDENTIALS
            )
        elif "refused" in message:
            self._refused[number] = message["refused"]
        else:
            self._ended[number] = message["status"], message["peak_bytes"]


class ForkedProcess:
    """A worker that is a zygote's child: what becomes of it is heard from there."""

    def __init__(
        self, client: ZygoteClient, command: Command, number: int, process_id: int, output: IO[bytes]
    ) -> None:
        self._client = client
        self._command = command
        self._number = number
        self._process_id = process_id
        self._output = output
        self._status: int | None = None
        self._peak_bytes = 0

    @property
    def command(self) -> Command:
        """What it was made of, and where it is told how it is held."""
        return self._command

    @property
    def process_id(self) -> int:
        """The worker's own process id."""
        return self._process_id

    @property
    def output(self) -> IO[bytes] | None:
        """What it prints."""
        return self._output

    @property
    def status(self) -> int | None:
        """Its exit status."""
        return self._status

    @property
    def peak_bytes(self) -> int:
        """The most memory it held, with what the zygote had loaded."""
        return self._peak_bytes

    def worker_id(self) -> int:
        """Return its process id."""
        return self._process_id

    def collect(self) -> bool:
        """Look whether it has ended: told by the zygote, or gone with it."""
        if self._status is not None:
            return True
        end = self._client.end_of(self._number)
        if end is None and not is_running(self._process_id):
            # It went with its parent, or nobody tells: neither is a submission's doing.
            end = self._client.end_of(self._number, seconds=TOLD_SECONDS) or (-signal.SIGKILL, 0)
        if end is not None:
            self._status, self._peak_bytes = end
        return self._status is not None

    def interrupt(self) -> None:
        """Send it SIGINT."""
        self._client.signal(self._number, signal.SIGINT)

    def end(self) -> None:
        """Have it killed.

        Where the zygote does not hear we do it: what nobody has collected keeps its process id.
        """
        if self.collect():
            return
        self._client.signal(self._number, signal.SIGKILL)
        give_up = time.monotonic() + HEARD_SECONDS
        while is_running(self._process_id) and not self._client.is_lost and time.monotonic() < give_up:
            time.sleep(0.001)
        if not self.collect() and is_running(self._process_id):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._process_id, signal.SIGKILL)

    def wait_until_gone(self, worker_id: int) -> None:
        """Return at once: there is nothing around it."""


def tell_to_wait(
    control: socket.socket, provider: Provider, files: dict[str, list[str]], view: View, home: str
) -> None:
    """Tell a process that was started as a worker to load libraries and fork; raise OSError if it is gone.

    `files` is what `launch.file_rules` grants its workers, `home` a folder for the libraries' settings.
    """
    order = {
        "id": 1,
        "preload": list(view.preload),
        "home": home,
        "confine": provider.confine,
        "files": files,
    }
    for buffer in protocol.pack(order, []):
        control.sendall(buffer)


def connected(control: socket.socket) -> socket.socket:
    """Give the zygote at the other end of `control` one end of a new socket, and return the other."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            socket.send_fds(control, [b"c"], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
    return ours


def _is_readable(socket_: socket.socket, seconds: float) -> bool:
    return bool(select.select([socket_], [], [], seconds)[0])
