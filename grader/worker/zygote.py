"""Load a view's libraries once, and fork a worker from there whenever one is asked for.

It was started as any worker of the view is, and told by its first frame what it is. It holds no secret and
has seen no submission; it loads libraries under the file rules that its workers will have, and touches no
GPU. It forks only while it has one thread. A forked worker comes back from `attend` with a socket of its own
and goes on as one that was started: told nothing so far, and about to be locked. All that happens here the
trusted side asks for: over the control socket, which brings clients, and over each client's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from . import confinement, libraries, seeding
from .descriptors import open_descriptors

MAX_MESSAGE = 4096
CLONE_VM = 0x00000100
SETTINGS = ("HOME", "MPLCONFIGDIR", "IPYTHONDIR", "TMPDIR")
READY = b"r"
_STANDARD_ERROR = 2


def attend(control: socket.socket, order: Mapping[str, Any]) -> tuple[int, dict[str, str]]:
    """Load what the order names, then fork workers; return in each of them, with its socket's descriptor.

    With it come the environment variables that the libraries set: no probe is to find them in the worker. The
    process ends when the control socket closes, and all its workers with it.
    """
    confinement.die_with_parent()
    threads = _open_list_of_threads()  # while it can be: in bubblewrap there is none
    if order["confine"]:
        files = {name: tuple(paths) for name, paths in order["files"].items()}
        confinement.apply_landlock(confinement.FileRules(**files))
    set_by_libraries = _preload(order["preload"], order["home"])
    if holds_devices():
        raise SystemExit("a library has opened a device, which its forks would share")
    confinement.become_unreadable()
    gc.freeze()  # or the first collection in each worker would copy all of it
    control.send(READY)
    return _Zygote(control, threads).serve(), set_by_libraries


def _preload(names: Sequence[str], home: str) -> dict[str, str]:
    """Import libraries as a notebook's kernel does, with a folder for settings; return what they set."""
    around, temporary = dict(os.environ), tempfile.tempdir
    given = dict.fromkeys(SETTINGS, home) | {"MPLBACKEND": "module://_grader_worker.figures"}
    os.environ |= given
    tempfile.tempdir = home
    libraries.load(names)
    tempfile.tempdir = temporary
    added = {name: value for name, value in os.environ.items() if name not in around}
    for name in added:
        del os.environ[name]
    os.environ |= around
    return {name: value for name, value in added.items() if name not in given}


class _Zygote:
    """Forks for clients: each may have several workers, which end with it."""

    def __init__(self, control: socket.socket, threads: int | None) -> None:
        self._control = control
        self._threads = threads
        self._clients: dict[int, socket.socket] = {}  # by descriptor
        self._leaving: dict[int, socket.socket] = {}  # those that closed, until their workers are gone
        self._workers: dict[int, tuple[int, int]] = {}  # client and its own number of each, by process id
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.settimeout(0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)

    def serve(self) -> int:
        """Do what is asked; return only in a forked worker, with the descriptor of its socket."""
        while True:
            waiting = [self._control, self._wake, *self._clients.values()]
            ready, _, _ = select.select(waiting, [], [])
            if self._wake in ready:
                self._collect()
            if self._control in ready:
                self._take_client()
            for client in [each for each in ready if each in self._clients.values()]:
                descriptor = self._attend_to(client)
                if descriptor is not None:
                    return descriptor

    def _take_client(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if not data:  # the owner is gone; the system ends our workers with us
            os._exit(0)
        for descriptor in descriptors:
            self._clients[descriptor] = socket.socket(fileno=descriptor)

    def _attend_to(self, client: socket.socket) -> int | None:
        try:
            data, descriptors, _, _ = socket.recv_fds(client, MAX_MESSAGE, 2)
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._let_go(client)
            return None
        wanted = json.loads(data)
        if wanted["do"] == "signal":
            self._signal(client, wanted["number"], wanted["signal"])
            return None
        return self._fork(client, wanted["number"], descriptors)

    # ------------------------------------------------------------------------------- forking

    def _fork(self, client: socket.socket, number: int, descriptors: Sequence[int]) -> int | None:
        """Fork a worker with a socket and a pipe to print to; return in it with the socket's descriptor."""
        zygote, refused = os.getpid(), ""
        try:
            connection, output = descriptors
            process_id = os.fork() if is_single_threaded(self._threads) else None
        except (OSError, ValueError) as error:  # no more processes, or no more descriptors
            process_id, refused = None, str(error)
        if process_id == 0:
            return self._become_worker(client, number, connection, output, zygote)
        if process_id is None:
            self._tell(client, {"number": number, "refused": refused or "there is more than one thread"})
        else:
            self._workers[process_id] = client.fileno(), number
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _become_worker(
        self, client: socket.socket, number: int, connection: int, output: int, zygote: int
    ) -> int:
        """Make of this fork what a started process is: its own socket and output, nothing of its parent's."""
        try:
            confinement.die_with_parent()
            if os.getppid() != zygote:
                os._exit(0)
            # The kernel adds our process id, as it is numbered on the other side.
            client.send(json.dumps({"number": number, "born": True}).encode())
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            self._forget()
            for standard in (1, 2):
                os.dup2(output, standard)
            os.closerange(3, connection)
            os.closerange(connection + 1, os.sysconf("SC_OPEN_MAX"))
            seeding.seed_afresh()
        except BaseException:  # noqa: BLE001 -- whatever it is, there must not be a second zygote
            os._exit(1)
        return connection

    def _forget(self) -> None:
        """Let go of the parent's sockets without closing them: their numbers are about to be others'."""
        sockets = (self._control, self._wake, self._woken, *self._clients.values(), *self._leaving.values())
        for each in sockets:
            each.detach()
        self._clients.clear()
        self._leaving.clear()
        self._workers.clear()

    # -------------------------------------------------------------------------------- ending

    def _signal(self, client: socket.socket, number: int, signal_: int) -> None:
        """Signal a client's worker; one that has ended keeps its process id until we have collected it."""
        for process_id, worker in self._workers.items():
            if worker == (client.fileno(), number):
                os.kill(process_id, signal_)

    def _let_go(self, client: socket.socket) -> None:
        """End the workers of a client that has closed its end; ours stays open until they are gone."""
        descriptor = client.fileno()
        self._leaving[descriptor] = self._clients.pop(descriptor)
        for process_id, (owner, _) in self._workers.items():
            if owner == descriptor:
                os.kill(process_id, signal.SIGKILL)
        self._see_off(descriptor)

    def _see_off(self, descriptor: int) -> None:
        if descriptor in self._leaving and all(owner != descriptor for owner, _ in self._workers.values()):
            self._leaving.pop(descriptor).close()

    def _collect(self) -> None:
        """Collect the workers that have ended, and tell their clients how."""
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(MAX_MESSAGE):
                pass
        while True:
            try:
                process_id, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process_id:
                return
            descriptor, number = self._workers.pop(process_id, (-1, 0))
            ended = {"status": os.waitstatus_to_exitcode(status), "peak_bytes": used.ru_maxrss << 10}
            if descriptor in self._clients:
                self._tell(self._clients[descriptor], {"number": number, **ended})
            self._see_off(descriptor)

    def _tell(self, client: socket.socket, message: Mapping[str, Any]) -> None:
        # Whoever does not read, or is gone, is seen to be gone by the next look at his socket.
        with contextlib.suppress(OSError):
            client.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)


# -------------------------------------------------------------------------- fit to be forked


def holds_devices() -> bool:
    """Say whether this process has opened a device, such as a GPU, which none of its forks could use."""
    return any(_is_a_device(number) for number in open_descriptors() if number > _STANDARD_ERROR)


def _is_a_device(descriptor: int) -> bool:
    try:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def _open_list_of_threads() -> int | None:
    try:
        return os.open("/proc/self/task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def is_single_threaded(threads: int | None) -> bool:
    """Say whether this process surely has one thread: of a second one a fork would keep only the locks.

    `threads` is the open folder of its threads. Where that cannot be had the system is asked to no longer
    share memory with any other thread: it does nothing where there is none, and refuses where there is one.
    """
    if threads is not None:
        with contextlib.suppress(OSError):
            return len(os.listdir(threads)) == 1  # noqa: PTH208 -- a descriptor
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None, use_errno=True).unshare(CLONE_VM)) == 0
