"""Questions of one run, several at a time: the process of the checks forks, once everything is loaded.

Each lane takes the next question that nobody has taken, and runs its checks. The lane that was there first
writes the report, with what the others found. Which lane runs a question changes no verdict: every question
has a worker and seeds of its own, and what a check may know of other questions is which checks of those
before its own have passed: it waits for them, whichever lane they are in.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NoReturn

from grader.model import Check
from grader.sandbox import trusted

MOST_LANES = 8
LOOK_SECONDS = 0.002  # between two looks at what other lanes have finished
BROKEN = 70  # the exit status where a lane ended without a word
_SIZE_OF_DOUBLE = 8


class LaneBroke(Exception):
    """Another lane met a fault of ours: here is its traceback."""


class Lanes:
    """What the lanes of one run know of each other, in shared memory; there is one, until it forks."""

    def __init__(self, checks: Sequence[Check]) -> None:
        names = dict.fromkeys(check.question for check in checks)
        self._questions = {name: place for place, name in enumerate(names)}
        self._checks = {check.id: (place, check.question) for place, check in enumerate(checks)}
        self._passed = mmap.mmap(-1, max(1, len(checks)))
        self._is_finished = mmap.mmap(-1, max(1, len(names)))
        self._has_broken = mmap.mmap(-1, 1)
        self._spent_s = memoryview(mmap.mmap(-1, MOST_LANES * _SIZE_OF_DOUBLE)).cast("d")
        self._number = 0
        self._others: list[_Lane] = []  # of the first lane
        self._turn: int | None = None  # a file whose lock says whose turn it is to write
        self._to_run: Sequence[str] = ()
        self._left = self._offered = -1  # a pipe of places in those

    def prepare(self, questions: Sequence[str]) -> None:
        """Get ready to fork, for questions with checks to run; raise OSError where the system has no room."""
        with tempfile.TemporaryFile() as file:
            turn = os.dup(file.fileno())
        self._left, self._offered = os.pipe()
        self._to_run, self._turn = questions, turn

    def offer(self) -> str:
        """Put the questions where all lanes that there are take theirs; return this lane's first one."""
        first, *others = in_order(self._to_run, len(self._others) + 1)
        os.write(self._offered, bytes(map(self._to_run.index, others)))
        os.close(self._offered)
        return first

    def take(self) -> str | None:
        """Take the next question, which is then nobody else's; None where nothing is left."""
        place = os.read(self._left, 1)
        return self._to_run[place[0]] if place else None

    def fork(self, work: Callable[[], Mapping[str, Any]]) -> None:
        """Have `work` done in a fork of this process; what it returns, JSON values, comes out of `join`.

        Raise OSError where there can be no other process.
        """
        for stream in (sys.stdout, sys.stderr):  # or what waits there would be written by both
            stream.flush()
        reading, writing = os.pipe()
        parent, number = os.getpid(), len(self._others) + 1
        try:
            process_id = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if process_id == 0:
            self._number, self._others = number, []
            os.close(self._offered)
            _be_lane(parent, writing, work, self._has_broken)
        os.close(writing)
        trusted.keep(process_id)
        self._others.append(_Lane(process_id, reading))

    def interrupt(self) -> None:
        """Have the other lanes end early, and tell what they have found so far."""
        for lane in self._others:
            lane.interrupt()

    def join(self) -> list[Mapping[str, Any]]:
        """Wait for the other lanes and return what they found.

        Where one was ended by force this process ends likewise: a run that lost a part of it has no report.
        Raise LaneBroke where one met a fault of ours.
        """
        while not all(lane.has_ended for lane in self._others):
            self._listen()
        return [lane.found() for lane in self._others]

    def _listen(self, seconds: float | None = None) -> None:
        """Take in what other lanes tell, and how they ended; wait for that, at most so long."""
        telling = {lane.reading: lane for lane in self._others if not lane.has_ended}
        for reading in select.select(list(telling), [], [], seconds)[0]:
            telling[reading].take_in()

    # ---------------------------------------------------------------- what one lane tells others

    @property
    def is_first(self) -> bool:
        """Whether this process is the lane that was there before it forked."""
        return self._number == 0

    @property
    def spent_s(self) -> float:
        """What calls have spent so far, in all lanes."""
        return sum(self._spent_s)

    def add_spent(self, seconds: float) -> None:
        """Count what calls of a check have spent."""
        self._spent_s[self._number] += seconds

    def note_outcome(self, check_id: str, *, has_passed: bool) -> None:
        """Note what became of a check."""
        place, _ = self._checks[check_id]
        self._passed[place] = has_passed

    def finish(self, question: str) -> None:
        """Note that all checks of a question have run."""
        self._is_finished[self._questions[question]] = True

    def passed(self, question: str) -> Passed:
        """Return the checks that have passed: of this question so far, and of all before it."""
        own_place = self._questions[question]
        visible = {
            name: its_question
            for name, (_, its_question) in self._checks.items()
            if self._questions[its_question] <= own_place
        }
        return Passed(self, question, visible)

    def has_passed(self, check_id: str, *, once_finished: bool) -> bool:
        """Say whether a check has passed so far, or once all of its question have run."""
        place, question = self._checks[check_id]
        if once_finished and question in self._to_run:
            self._wait_for(question)
        return bool(self._passed[place])

    def _wait_for(self, question: str) -> None:
        place = self._questions[question]
        while not self._is_finished[place]:
            if self._has_broken[0]:  # perhaps the one that had this question
                raise LaneBroke(f"nobody may be left who finishes {question}")
            self._listen(LOOK_SECONDS)

    def write(self, descriptor: int, line: bytes) -> None:
        """Write a whole line to where all lanes write, one after the other."""
        with self._own_turn():
            while line:
                line = line[os.write(descriptor, line) :]

    @contextlib.contextmanager
    def _own_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        os.lockf(self._turn, os.F_LOCK, 0)  # the system lets go of it when a lane is killed
        try:
            yield
        finally:
            os.lockf(self._turn, os.F_ULOCK, 0)


class Passed(AbstractSet[str]):
    """The checks that have passed, as one question may know them; others' are waited for when looked up."""

    def __init__(self, lanes: Lanes, question: str, visible: Mapping[str, str]) -> None:
        self._lanes = lanes
        self._question = question
        self._visible = visible  # the question of each check of this question and of those before it

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str) or name not in self._visible:
            return False
        return self._lanes.has_passed(name, once_finished=self._visible[name] != self._question)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._visible if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Lane:
    """Another lane, as the first one sees it: it tells all it has to tell, and then ends."""

    def __init__(self, process_id: int, reading: int) -> None:
        self.reading = reading
        self.has_ended = False
        self._process_id = process_id
        self._told = bytearray()

    def interrupt(self) -> None:
        if not self.has_ended:
            os.kill(self._process_id, signal.SIGINT)  # nobody has collected it: the number is its own

    def take_in(self) -> None:
        """Take in a part of what it tells, or its end."""
        data = os.read(self.reading, 1 << 16)
        self._told += data
        if not data:
            self._collect()

    def _collect(self) -> None:
        _, status = os.waitpid(self._process_id, 0)
        self.has_ended = True
        trusted.no_longer_keep(self._process_id)
        os.close(self.reading)
        if status or not self._told:
            _end_likewise(os.waitstatus_to_exitcode(status) or BROKEN)

    def found(self) -> Mapping[str, Any]:
        told = json.loads(self._told)
        if "broken" in told:
            raise LaneBroke(f"another lane broke:\n{told['broken']}")
        found: Mapping[str, Any] = told["found"]
        return found


def _be_lane(
    parent: int, writing: int, work: Callable[[], Mapping[str, Any]], has_broken: mmap.mmap
) -> NoReturn:
    status = BROKEN
    try:
        trusted.begin_as_fork()
        if os.getppid() == parent:
            try:
                told: dict[str, Any] = {"found": work()}
            except BaseException:  # noqa: BLE001 -- whatever it is, the first lane tells it
                told = {"broken": traceback.format_exc()}
                has_broken[0] = True
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be ended early
            with open(writing, "wb") as pipe:
                pipe.write(json.dumps(told, allow_nan=False).encode())
            status = 0
    finally:  # there must not be a second one that writes the report
        os._exit(status)


def _end_likewise(exit_code: int) -> NoReturn:
    if exit_code < 0:
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler to replace
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def in_order(questions: Sequence[str], lanes: int) -> list[str]:
    """Return in which order so many lanes take questions.

    The last ones, which build on others and take longest, are begun first, in all lanes but one. The rest
    follows in the homework's order, so that nobody waits for ever: a question may wait for those before it,
    and the first that is not finished has been taken or is about to be.
    """
    early = questions[len(questions) - lanes + 1 :]
    return [*reversed(early), *questions[: len(questions) - len(early)]]


def grouped(items: Collection[Any], question_of: Callable[[Any], str]) -> dict[str, list[Any]]:
    """Return the items of each question, in order."""
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(question_of(item), []).append(item)
    return groups
