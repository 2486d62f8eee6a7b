"""Where the submissions of a batch are graded: processes of this machine, through `concurrent.futures`.

An executor of the standard library ends all that it runs when one of its processes dies. Here a process that
dies is replaced, and only what it was at is done again.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from grader.cohort.grading.tasks import let_go
from grader.errors import MachineFault

MOST_TRIES = 2  # of a task whose process dies
_END_S = 10.0
_Result = TypeVar("_Result")


class Place(Protocol):
    """Where tasks run; `slots` is how many at once, which may change meanwhile."""

    @property
    def executor(self) -> Executor:
        """What takes the tasks."""

    def slots(self) -> int:
        """Return how many tasks it runs at once."""

    def close(self, *, at_once: bool) -> None:
        """End it; with `at_once` what runs is stopped."""


class LaneDied(MachineFault):
    """The process that ran a task died, however often it was tried."""


class LocalProcesses(Executor):
    """Runs each task in one of `count` processes that are kept; one that dies is replaced.

    A task is a function of a module and values that can be pickled, since both go to a process of ours.
    """

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="lane")
        self._lanes: queue.SimpleQueue[_Lane | None] = queue.SimpleQueue()
        self._all: list[_Lane] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        for _ in range(count):
            self._lanes.put(None)  # started when it is needed

    def submit(self, function: Callable[..., _Result], /, *arguments: Any, **named: Any) -> Future[_Result]:
        """Schedule a call; its future raises LaneDied where the process died each time."""
        return self._threads.submit(self._run, function, arguments, named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 -- Executor's
        """End the processes when they are done; see Executor."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for lane in self._all:
            lane.close()

    def stop(self) -> None:
        """End the processes at once; what they were at is left undone."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for lane in self._all:
            lane.end()
        for lane in self._all:
            lane.wait()

    def _run(self, function: Callable[..., _Result], arguments: Any, named: Any) -> _Result:
        lane = self._lanes.get()
        try:
            for tries_left in reversed(range(MOST_TRIES)):
                if lane is None or not lane.is_alive():
                    lane = self._new()
                try:
                    result: _Result = lane.run(function, arguments, named)
                except LaneDied:
                    if not tries_left or self._closing.is_set():
                        raise
                else:
                    return result
            raise AssertionError  # the loop returns or raises
        finally:
            self._lanes.put(lane)

    def _new(self) -> _Lane:
        if self._closing.is_set():
            raise LaneDied("the batch is ending")
        lane = _Lane()
        with self._lock:
            self._all = [*(each for each in self._all if each.is_alive()), lane]
        return lane


class ThisMachine:
    """So many processes of this machine."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self.executor = LocalProcesses(jobs)

    def slots(self) -> int:
        """Return how many tasks it runs at once."""
        return self._jobs

    def close(self, *, at_once: bool) -> None:
        """End its processes."""
        if at_once:
            self.executor.stop()
        else:
            self.executor.shutdown()


class _Lane:
    """A process that runs one call after the other, and ends with the one that started it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="grader-lane")
        try:
            self._process.start()
        except OSError as error:
            raise MachineFault(
                f"no process could be started to grade in: {error.strerror or error}"
            ) from error
        finally:
            theirs.close()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def run(self, function: Callable[..., _Result], arguments: Any, named: Any) -> _Result:
        try:
            self._pipe.send((function, arguments, named))
            succeeded, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_END_S)
            raise LaneDied(f"the process that graded it {_how(self._process.exitcode)}") from error
        if not succeeded:
            raise value
        result: _Result = value
        return result

    def close(self) -> None:
        """Let it end by itself."""
        with suppress(OSError):
            self._pipe.close()
        self.wait()

    def end(self) -> None:
        """Tell it to end now."""
        with suppress(OSError, ValueError):
            self._process.terminate()

    def wait(self) -> None:
        """Wait until it is gone; kill it where that takes too long."""
        with suppress(ValueError):
            self._process.join(_END_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()


def _how(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"ended with status {exit_code}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        return f"was killed with {name}: by a person, or by a system short of memory"
    return f"was killed with signal {-exit_code}"


def _serve(pipe: Connection) -> None:
    """Run calls until the pipe closes or SIGTERM comes; what grading holds is let go of in both cases."""
    ending = _Ending()
    # Ctrl-C reaches the whole group; who started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, ending)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            while not ending.came:
                function, arguments, named = pipe.recv()
                pipe.send(_called(function, arguments, named))
        finally:
            ending.came = True  # nothing interrupts the clearing up
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        let_go()


def _called(function: Callable[..., Any], arguments: Any, named: Any) -> tuple[bool, Any]:
    try:
        return True, function(*arguments, **named)
    except Exception as error:  # noqa: BLE001  # it is raised again where it was called
        return False, error


class _Ending:
    """Interrupts what runs, and remembers that: a grading makes an interruption a result."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, _number: int, _frame: object) -> None:
        """Receive the signal; the first one counts."""
        if not self.came:
            self.came = True
            raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Interrupt this process when its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
