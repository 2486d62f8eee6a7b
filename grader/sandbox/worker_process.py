"""One running worker: frames under deadlines, output drained, use of the machine watched, its end told."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from grader.sandbox import trusted
from grader.sandbox.command import Command
from grader.sandbox.deadline import Deadline
from grader.sandbox.policy import Policy
from grader.sandbox.processes import REAP_SECONDS, Begun
from grader.sandbox.usage import (
    Usage,
    held_up_s,
    holds_more,
    is_running,
    machine_memory_bytes,
    usage_of,
)
from grader.worker import protocol

WATCH_SECONDS = 0.05
SCRATCH_LOOK_SECONDS = 0.25
AHEAD_BYTES = 1 << 16  # that are taken in with what is read; an array that is larger goes to its own place

OnAsk = Callable[[protocol.Json, Sequence[np.ndarray]], list[bytes | memoryview]]


class WorkerGone(Exception):
    """The worker closed its end: it died, or was stopped."""


class WorkerTimeout(Exception):
    """The deadline passed before a whole answer came back."""


class Death(StrEnum):
    """How a worker ended that nobody had asked to end."""

    EXITED = "exited"  # by itself, with a status
    CRASHED = "crashed"  # of a signal that its own doing raised
    MEMORY = "memory"  # killed by the system, for its own use of memory
    CPU = "cpu"  # killed by the system, for its own CPU time
    PRINTED = "printed"  # stopped by us: too much output
    THREADS = "threads"  # stopped by us: too many threads
    DISK = "disk"  # stopped by us: too much in its scratch folder
    KILLED = "killed"  # by somebody else: not its own doing


@dataclass(frozen=True, slots=True)
class Obituary:
    """How a worker ended, its exit status (negative for a signal) and the most it was seen to use."""

    death: Death
    status: int | None
    peak: Usage


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

    _threads = 1  # that it was told to compute with

    def __init__(
        self,
        begun: Begun,
        policy: Policy,
        *,
        scratch: Path | None = None,
        most_resident_bytes: int | None = None,
        threads: int = 1,
    ) -> None:
        ours, self._process = begun
        self._policy = policy
        self._most_resident_bytes = most_resident_bytes
        self._threads = threads
        self._scratch = scratch
        self._next_scratch_look_s = 0.0
        self.was_interrupted = False  # in the last exchange
        self._connection = ours
        self._request_id = 0
        self._responses_bytes = 0
        self._stopped: Death | None = None
        self._is_ending = threading.Event()  # of our own accord: there is nothing left to watch
        self._peak = Usage()
        self._held_up_s = 0.0  # as last seen by the watch
        self.held_up_s = 0.0  # in the last exchange
        self.sent_bytes = self.received_bytes = 0
        self._room = memoryview(bytearray(AHEAD_BYTES))
        self._ahead = self._room[:0]  # what came and has not been read
        self.output = CapturedOutput(policy.keep_first_bytes, policy.keep_last_bytes)
        ours.settimeout(0)
        self._worker_id = self._process.process_id
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def command(self) -> Command:
        """What was started."""
        return self._process.command

    @property
    def process_id(self) -> int:
        """The worker's own process id, inside whatever is wrapped around it."""
        self._worker_id = self._process.worker_id()
        return self._worker_id

    def threads(self) -> int:
        """Return how many threads the worker has; 0 where that cannot be seen."""
        return usage_of(self.process_id).threads

    def exchange(
        self,
        header: dict[str, Any],
        arrays: Sequence[np.ndarray],
        *,
        seconds: float,
        on_ask: OnAsk | None = None,
        interrupt: bool = False,
    ) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Send one request and return the header and arrays of its one answer.

        The worker may ask `on_ask` in between, which returns the frame that tells it. Raise
        WorkerTimeout, WorkerGone, or protocol.FrameError for bytes that are no answer to the request. One
        deadline covers the whole exchange. With `interrupt` what runs too long is first interrupted, as
        Ctrl-C would, and has a moment to answer.
        """
        self.was_interrupted = False
        deadline = self._deadline(seconds, on_expiry=self._interrupt if interrupt else None)
        self._refuse_surplus()
        self._request_id += 1
        frame = protocol.pack(header | {"id": self._request_id}, arrays)
        try:
            while True:
                for buffer in frame:
                    self._send(memoryview(buffer), deadline)
                answer, returned = self._answer(deadline)
                if "ask" not in answer:
                    return answer, returned
                if on_ask is None:
                    raise protocol.FrameError("something was asked where there is nothing to ask")
                frame = on_ask(answer["ask"], returned)
        finally:
            self.held_up_s = deadline.held_up_s

    def kill(self) -> int | None:
        """Stop the worker and whatever it started; return its exit status, negative for a signal."""
        self._is_ending.set()
        self._process.end()
        self._connection.close()
        self._ended(REAP_SECONDS)
        self._process.wait_until_gone(self._worker_id)
        self._watcher.join(REAP_SECONDS)  # it takes in the rest of the output
        trusted.end_orphans()
        return self._process.status

    def obituary(self) -> Obituary:
        """Wait a moment for a worker that closed its socket to end, and say how it ended."""
        status = self._ended(1.0)
        if status is None:
            return Obituary(self._stopped or Death.EXITED, None, self._peak)
        return Obituary(self._stopped or self._death_of(status), status, self._peak)

    # ------------------------------------------------------------------------------ frames

    def _interrupt(self) -> None:
        self.was_interrupted = True
        self._process.interrupt()

    def _deadline(self, seconds: float, *, on_expiry: Callable[[], None] | None) -> Deadline:
        return Deadline(
            seconds,
            held_up_now_s=self._held_up_now_s,
            so_far_s=self._held_up_s,
            factor=self._policy.limits.held_up_factor,
            on_expiry=on_expiry,
        )

    def _held_up_now_s(self) -> float:
        return held_up_s(self._worker_id, threads=self._threads) + held_up_s("self")

    def _answer(self, deadline: Deadline) -> tuple[dict[str, Any], list[np.ndarray]]:
        limits = self._policy.limits
        budget = max(0, min(limits.response_bytes, limits.responses_bytes - self._responses_bytes))
        answer, returned = protocol.read_frame(
            lambda count: self._receive(count, deadline), budget_bytes=budget
        )
        self._responses_bytes += sum(array.nbytes for array in returned)
        if type(answer.get("id")) is not int or answer["id"] != self._request_id:
            raise protocol.FrameError("the answer belongs to another request")
        return answer, returned

    def _refuse_surplus(self) -> None:
        readable, _, _ = select.select([self._connection], [], [], 0)
        if self._ahead or (readable and self._peek()):
            raise protocol.FrameError("bytes came before anything was asked")

    def _peek(self) -> bytes:
        try:
            return self._connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return b""

    def _send(self, buffer: memoryview, deadline: Deadline) -> None:
        while buffer:
            _require_time(deadline)
            try:
                sent = self._connection.send(buffer)
            except (BlockingIOError, InterruptedError):
                self._wait(deadline, writing=True)
                continue
            except OSError as error:
                raise WorkerGone from error
            buffer = buffer[sent:]
            self.sent_bytes += sent

    def _receive(self, count: int, deadline: Deadline) -> bytearray:
        """Return that many bytes. What came with them is kept for the next call: most frames come at once."""
        data = bytearray(count)
        missing = memoryview(data)
        while missing:
            if not self._ahead and len(missing) >= AHEAD_BYTES:
                missing = missing[self._receive_into(missing, deadline) :]
                continue
            if not self._ahead:
                self._ahead = self._room[: self._receive_into(self._room, deadline)]
            taken = min(len(missing), len(self._ahead))
            missing[:taken] = self._ahead[:taken]
            missing, self._ahead = missing[taken:], self._ahead[taken:]
        return data

    def _receive_into(self, room: memoryview, deadline: Deadline) -> int:
        """Wait for bytes and return how many there were."""
        while True:
            self._wait(deadline, writing=False)
            try:
                received = self._connection.recv_into(room)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise WorkerGone from error
            if not received:
                raise WorkerGone
            self.received_bytes += received
            return received

    def _wait(self, deadline: Deadline, *, writing: bool) -> None:
        ours = [self._connection]
        while (remaining_s := deadline.remaining_s()) > 0:
            ready = select.select([] if writing else ours, ours if writing else [], [], remaining_s)
            if ready[0] or ready[1]:
                return
        raise WorkerTimeout

    # ------------------------------------------------------------------------------ watching

    def _watch(self) -> None:
        """Read what the worker prints, so that it never blocks on a full pipe, and look at what it uses."""
        stream = self._process.output
        if stream is None:
            return
        with stream, contextlib.suppress(OSError, ValueError):
            next_look_s = time.monotonic()
            while self._stopped is None and self._take_in(stream.fileno()):
                if time.monotonic() >= next_look_s:
                    self._look()
                    next_look_s = time.monotonic() + WATCH_SECONDS

    def _take_in(self, descriptor: int) -> bool:
        """Wait a moment for output; return whether there is anything left to watch."""
        if not _is_readable(descriptor):
            return True
        data = os.read(descriptor, 1 << 16)
        self.output.add(data)
        if self.output.total > self._policy.limits.output_bytes:
            self._stop(Death.PRINTED)
        if data:
            return True
        if not is_running(self._worker_id):
            return False
        # The end of its output is not the end of a worker, unless we are ending it ourselves.
        return not self._is_ending.wait(WATCH_SECONDS)

    def _look(self) -> None:
        if self._worker_id == self._process.process_id and self.command.tells_status:
            self._worker_id = self._process.worker_id()
        self._peak = self._peak.largest_with(usage_of(self._worker_id))
        self._held_up_s = self._held_up_now_s()
        if self._peak.threads > self._policy.limits.threads:
            self._stop(Death.THREADS)
        most = self._most_resident_bytes
        if most is not None and self._peak.resident_bytes > most:
            self._stop(Death.MEMORY)
        if self._scratch is not None and time.monotonic() >= self._next_scratch_look_s:
            limits = self._policy.limits
            if holds_more(
                self._scratch, most_bytes=limits.scratch_bytes, most_entries=limits.scratch_entries
            ):
                self._stop(Death.DISK)
            self._next_scratch_look_s = time.monotonic() + SCRATCH_LOOK_SECONDS

    def _stop(self, reason: Death) -> None:
        self._stopped = reason
        self._process.end()

    # ------------------------------------------------------------------------------ ending

    def _death_of(self, status: int) -> Death:
        """Say why a worker that we did not stop ended with this status.

        Under confinement a worker cannot send itself SIGKILL: the system or a person did.
        """
        if status >= 0:
            return Death.EXITED
        limits = self._policy.limits
        if -status == getattr(signal, "SIGXCPU", None) or self._peak.cpu_s >= limits.cpu_s:
            return Death.CPU
        if -status != getattr(signal, "SIGKILL", None):
            return Death.CRASHED
        enough = min(limits.memory_bytes, machine_memory_bytes()) / 2
        return Death.MEMORY if self._peak.resident_bytes >= enough else Death.KILLED

    def _ended(self, seconds: float) -> int | None:
        """Return the exit status, negative for a signal; None where the process does not end meanwhile."""
        give_up = time.monotonic() + seconds
        while not self._process.collect() and time.monotonic() < give_up:
            time.sleep(0.001)
        self._peak = self._peak.largest_with(Usage(resident_bytes=self._process.peak_bytes))
        return self._process.status


def _require_time(deadline: Deadline) -> None:
    """Raise WorkerTimeout when it has passed: a worker may always have more to say, so that nobody waits."""
    if deadline.remaining_s() <= 0:
        raise WorkerTimeout


def _is_readable(descriptor: int) -> bool:
    if sys.platform == "win32":  # select knows sockets only there; the read may block
        return True
    return bool(select.select([descriptor], [], [], WATCH_SECONDS)[0])
