"""Ask observers what a submission does: processes that may be lost to one that never ends."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from grader.environment import own_process_environment
from grader.errors import GraderFault

SECONDS = 20.0
_PROGRAM = "grader.selftest.observer"


@dataclass(frozen=True, slots=True)
class Observed:
    """The first experiment in which a submission differs from the reference, if any.

    `peers` says which criteria of other graders let it pass; `loads`, whether it can be imported; `ended`,
    whether it came to an end.
    """

    difference: str | None = None
    peers: Mapping[str, bool] = field(default_factory=dict)
    loads: bool = True
    ended: bool = True

    @property
    def is_different(self) -> bool:
        """Whether anything was seen to differ."""
        return self.difference is not None or not (self.loads and self.ended)


class Observer:
    """One process, started again whenever it was lost."""

    def __init__(self, reference: Path, *, seconds: float = SECONDS) -> None:
        self._reference = reference
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def look(self, folder: Path, part: str) -> Observed:
        """Observe one part (mytorch, theory) of the submission in a folder; it may hang or die."""
        if self._process is None:
            self._start()
        answer = self._ask(f"{part} {folder}")
        if answer is None:
            self.close()
            return Observed(ended=False)
        return Observed(**answer)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with suppress(OSError):  # a question that it did not read is lost
                _pipe(process.stdin).close()

    def _start(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-E", "-P", "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=own_process_environment(),
            text=True,
            encoding="utf-8",
        )
        self._process, self._lines = process, queue.SimpleQueue()
        threading.Thread(target=_read, args=(process, self._lines), daemon=True).start()
        ready = self._ask(str(self._reference))
        if ready is None or not ready["ready"]:
            self.close()
            raise GraderFault("the reference cannot be observed here")

    def _ask(self, question: str) -> dict[str, Any] | None:
        assert self._process is not None  # noqa: S101 -- to tell mypy
        stdin = _pipe(self._process.stdin)
        try:
            stdin.write(f"{question}\n")
            stdin.flush()
            line = self._lines.get(timeout=self._seconds)
        except (OSError, queue.Empty):
            return None
        answer: dict[str, Any] | None = None if line is None else json.loads(line)
        return answer


class Observers:
    """As many observers as look at once; each is lent to one caller at a time."""

    def __init__(self, reference: Path, *, count: int) -> None:
        self._free: queue.SimpleQueue[Observer] = queue.SimpleQueue()
        self._all = [Observer(reference) for _ in range(count)]
        for observer in self._all:
            self._free.put(observer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for observer in self._all:
            observer.close()

    def look(self, folder: Path, part: str = "mytorch") -> Observed:
        """Observe one part of the submission in a folder, as soon as an observer is free."""
        with self._lent() as observer:
            return observer.look(folder, part)

    @contextmanager
    def _lent(self) -> Iterator[Observer]:
        observer = self._free.get()
        try:
            yield observer
        finally:
            self._free.put(observer)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    with _pipe(process.stdout) as stdout:
        for line in stdout:
            lines.put(line)
    lines.put(None)


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:  # only to tell mypy: both pipes are asked for
        raise AssertionError
    return stream
