"""Start a worker under a provider, see from inside that it holds, and exchange frames under deadlines."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import grader
from grader.errors import SandboxUnavailable
from grader.model import Isolation
from grader.sandbox.policy import Policy, numpy_folder
from grader.sandbox.providers import Provider
from grader.worker import probes, protocol

WORKER_FOLDER = Path(protocol.__file__).parent
# No user or system start-up files (-s -S), no script folder on the path (-P), nothing written beside sources.
# -I is not used since it would also ignore PYTHONHASHSEED; the environment is ours to the last key anyway.
INTERPRETER_FLAGS = ("-s", "-S", "-P", "-B", "-X", "utf8")
START_SECONDS = 30.0
REAP_SECONDS = 5.0


OnAsk = Callable[[protocol.Json, Sequence[np.ndarray]], list[bytes | memoryview]]


class WorkerGone(Exception):
    """The worker closed its end: it died, or was stopped."""


class WorkerTimeout(Exception):
    """The deadline passed before a whole answer came back."""


@dataclass
class CapturedOutput:
    """What a worker printed: the first and last part of it, and how much there was."""

    keep_first: int
    keep_last: int
    first: bytearray = field(default_factory=bytearray)
    last: bytearray = field(default_factory=bytearray)
    total: int = 0

    def add(self, data: bytes) -> None:
        """Take in more output, within constant memory."""
        self.total += len(data)
        room = self.keep_first - len(self.first)
        self.first += data[:room]
        self.last += data[room:]
        del self.last[: max(0, len(self.last) - self.keep_last)]


class WorkerProcess:
    """One running worker and the socket to it; everything that comes back is untrusted."""

    def __init__(self, policy: Policy) -> None:
        ours, theirs = socket.socketpair()
        self._policy = policy
        self._connection = ours
        self._request_id = 0
        self.flooded = False
        self.output = CapturedOutput(policy.keep_first_bytes, policy.keep_last_bytes)
        with theirs:
            argv = [sys.executable, *INTERPRETER_FLAGS, str(WORKER_FOLDER)]
            self._process = subprocess.Popen(
                [*argv, str(theirs.fileno()), str(numpy_folder())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=policy.environment,
                start_new_session=True,
                **_handed_over(theirs),
            )
        ours.settimeout(0)
        threading.Thread(target=self._drain, daemon=True).start()

    @property
    def process_id(self) -> int:
        """The worker's process id, for tests and for messages to a person."""
        return self._process.pid

    def exchange(
        self,
        header: dict[str, Any],
        arrays: Sequence[np.ndarray],
        *,
        seconds: float,
        on_ask: OnAsk | None = None,
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Send one request and return the header and arrays of its one answer.

        The worker may ask `on_ask` in between, which returns the frame that tells it. Raise
        WorkerTimeout, WorkerGone, or protocol.FrameError for bytes that are no answer to the request. One
        deadline covers the whole exchange.
        """
        deadline = time.monotonic() + seconds
        self._refuse_surplus()
        self._request_id += 1
        frame = protocol.pack(header | {"id": self._request_id}, arrays)
        while True:
            for buffer in frame:
                self._send(memoryview(buffer), deadline)
            answer, returned = protocol.read_frame(
                lambda count: self._receive(count, deadline), budget_bytes=self._policy.limits.response_bytes
            )
            if type(answer.get("id")) is not int or answer["id"] != self._request_id:
                raise protocol.FrameError("the answer belongs to another request")
            if "ask" not in answer:
                return answer, returned
            if on_ask is None:
                raise protocol.FrameError("something was asked where there is nothing to ask")
            frame = on_ask(answer["ask"], returned)

    def kill(self) -> int | None:
        """Stop the worker and whatever it started; return its exit status, negative for a signal."""
        self._end_group()
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_SECONDS)
        return self._process.returncode

    def exit_status(self) -> int | None:
        """Wait a moment for a worker that closed its socket to end by itself; return its exit status."""
        try:
            return self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return None

    def _refuse_surplus(self) -> None:
        readable, _, _ = select.select([self._connection], [], [], 0)
        if readable and self._peek():
            raise protocol.FrameError("bytes came before anything was asked")

    def _peek(self) -> bytes:
        try:
            return self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def _send(self, buffer: memoryview, deadline: float) -> None:
        while buffer:
            self._wait(deadline, writing=True)
            try:
                sent = self._connection.send(buffer)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise WorkerGone from error
            buffer = buffer[sent:]

    def _receive(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            self._wait(deadline, writing=False)
            try:
                received = self._connection.recv_into(view)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise WorkerGone from error
            if not received:
                raise WorkerGone
            view = view[received:]
        return data

    def _wait(self, deadline: float, *, writing: bool) -> None:
        remaining = deadline - time.monotonic()
        ours = [self._connection]
        ready = remaining > 0 and select.select(
            [] if writing else ours, ours if writing else [], [], remaining
        )
        if not ready or not (ready[0] or ready[1]):
            raise WorkerTimeout

    def _drain(self) -> None:
        """Read what the worker prints for as long as it lives, so that it never blocks on a full pipe."""
        stream = self._process.stdout
        if stream is None:
            return
        with stream, contextlib.suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 1 << 16):
                self.output.add(data)
                if self.output.total > self._policy.limits.output_bytes:
                    self.flooded = True
                    self._end_group()
                    return

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)


def _handed_over(connection: socket.socket) -> dict[str, Any]:
    """Return the arguments of Popen that let a worker inherit this one socket."""
    connection.set_inheritable(True)
    if sys.platform == "win32":
        listed = {"handle_list": [connection.fileno()]}
        return {"startupinfo": subprocess.STARTUPINFO(lpAttributeList=listed)}
    return {"pass_fds": [connection.fileno()]}


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that was seen to hold, and what it said about itself before any student code ran."""

    process: WorkerProcess
    isolation: Isolation
    versions: Mapping[str, str]


def start_worker(
    provider: Provider,
    policy: Policy,
    root: Path,
    *,
    places: Mapping[str, Sequence[str]],
    by_file: bool = False,
) -> StartedWorker:
    """Start a worker for the submission at `root`; raise SandboxUnavailable unless every probe holds."""
    if reason := provider.missing():
        raise SandboxUnavailable(reason)
    process = WorkerProcess(policy)
    try:
        with _canary() as canary:
            request = _start_request(provider, policy, root, canary)
            request |= {"places": {name: list(where) for name, where in places.items()}, "by_file": by_file}
            answer, _ = process.exchange(request, [], seconds=START_SECONDS)
        return _accepted(process, provider, answer.get("started"))
    except (WorkerGone, WorkerTimeout, protocol.FrameError, SandboxUnavailable) as error:
        process.kill()
        if isinstance(error, SandboxUnavailable):
            raise
        printed = bytes(process.output.first[-300:]).decode("utf-8", "replace").strip().splitlines()
        detail = f": {printed[-1]}" if printed else ""
        raise SandboxUnavailable(f"the worker did not start{detail}") from error
    except BaseException:
        process.kill()
        raise


@contextlib.contextmanager
def _canary() -> Iterator[str]:
    """Make a file that this user can read and a confined worker must not."""
    with tempfile.NamedTemporaryFile(prefix="grader-canary-") as file:
        yield file.name


def _start_request(provider: Provider, policy: Policy, root: Path, canary: str) -> dict[str, Any]:
    limits = policy.limits
    package = Path(grader.__file__).parent
    return {
        "root": str(root),
        "confine": provider.confine,
        "limits": {
            "AS": limits.memory_bytes,
            "CPU": limits.cpu_s,
            "FSIZE": limits.file_bytes,
            "NOFILE": limits.open_files,
            "CORE": 0,
        },
        "files": {
            "read": [*policy.read, str(root)],
            "list_only": list(policy.list_only),
            "write": list(policy.write),
        },
        "probes": {
            # The suites and this very module stand for everything that must stay out of sight.
            "canaries": [canary, str(package / "errors.py"), "/etc/passwd", *_forbidden_libraries()],
            "folders": [tempfile.gettempdir(), str(root), str(package), "/dev/shm", "/"],  # noqa: S108
            "environment": sorted(policy.environment),
            "memory_bytes": limits.memory_bytes,
        },
    }


def _forbidden_libraries() -> list[str]:
    """Return where this machine keeps the libraries that would do the homework, if it has them."""
    specs = (importlib.util.find_spec(name) for name in probes.FORBIDDEN_LIBRARIES)
    return [spec.origin for spec in specs if spec is not None and spec.origin is not None]


def _accepted(process: WorkerProcess, provider: Provider, started: object) -> StartedWorker:
    """Hold the worker's answers against what the level requires."""
    if not isinstance(started, dict):
        raise SandboxUnavailable("the worker did not say how it was locked")
    if failure := started.get("failure"):
        raise SandboxUnavailable(str(failure))
    answers = started["probes"]
    failed = [name for name in sorted(provider.required_probes) if answers.get(name) != probes.BLOCKED]
    if failed:
        raise SandboxUnavailable(f"probe {failed[0]!r} from inside: {answers.get(failed[0])}")
    isolation = Isolation(
        level=provider.level,
        name=provider.name,
        provider=provider.name,
        covers=provider.covers,
        does_not_cover=provider.does_not_cover,
        probes=answers,
    )
    versions = {"python": started["python"], "numpy": started["numpy"]}
    return StartedWorker(process=process, isolation=isolation, versions=versions)
