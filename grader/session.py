"""Run the suites in a fresh pytest process, and read what they found.

The process holds the course's secret and the expected values; it gets both on its standard input,
never in arguments, environment or files, and makes itself unreadable for other processes first.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from grader.errors import MachineFault
from grader.model import CheckResult, Ending, Flag, Isolation, Spent
from grader.records import (
    GradingRequest,
    ZygoteOffer,
    isolation_from_record,
    request_to_record,
    result_from_record,
)
from grader.scratch import PASSED_THROUGH, PRIVATE, remove_tree
from grader.suite_start import started

if TYPE_CHECKING:
    from grader.sandbox.zygote import Zygote

STOP_SECONDS = 5.0
# Beyond a check's own limits: starting workers, loading data and suites, our side of the arithmetic.
SLACK_SECONDS = 120.0
_LOG_BYTES = 4096
_PROBE_BYTES = 1 << 18  # as much as a report may have
_INI = Path(__file__).with_name("suites.ini")
# Parts of pytest that no suite uses; each takes time to load and hooks into every check.
_NOT_USED = (
    *("debugging", "doctest", "faulthandler", "junitxml", "monkeypatch", "pastebin", "recwarn"),
    *("setuponly", "setupplan", "stepwise", "subtests", "unittest"),
)
_PYTEST_TESTS_PASSED_OR_FAILED = (0, 1)


@dataclass(frozen=True, slots=True)
class Event:
    """A check has started, or has finished: then with its result; or it says what it is at, in `note`."""

    check_id: str
    result: CheckResult | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What one pytest process found. `log` is the end of its error output, when it broke."""

    ending: Ending
    reason: str | None = None
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    isolation: Isolation | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[Flag] = ()
    log: str | None = None
    spent: Spent | None = None


def run_suites(
    request: GradingRequest,
    *,
    suites: Path,
    files: Sequence[Path],
    on_event: Callable[[Event], None],
    slack_s: float = SLACK_SECONDS,
    zygote: Zygote | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> SuiteRun:
    """Run the requested checks; never raises for what happens in there, nor for Ctrl-C meanwhile.

    A check that is silent for longer than all its limits and `slack_s` is our hang: the run is stopped. With
    `zygote` the workers of a notebook are forked there. `meanwhile` is done while the process starts.
    """
    lent = nullcontext() if zygote is None or request.notebook is None else zygote.lent()
    # A failing clean-up must not cost a report.
    with lent as offer, tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True) as scratch:
        request = replace(request, zygote=offer)
        process = _Process(Path(scratch), suites=suites, files=files, offer=offer)
        try:
            process.send(request)
            meanwhile()
            ended = process.follow(on_event, _allowances(request, slack_s))
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
            ended = process.stop()
        finally:
            process.kill()
            # What a killed process left of a notebook's files may be deeper than the standard library goes.
            remove_tree(Path(scratch, "temporary"))
        return process.outcome(interrupted=interrupted, ended=ended)


def _allowances(request: GradingRequest, slack_s: float) -> Mapping[str | None, float]:
    """Return the seconds that may pass after each check's start, and (None) at any other time."""
    limits = request.limits
    allowances: dict[str | None, float] = {None: slack_s}
    own_s = limits.check_s + limits.training_s + limits.import_s
    if request.notebook is not None:  # each cell of its replay is an event
        own_s = max(own_s, limits.cell_s, limits.notebook_check_s)
    return allowances | {check.id: own_s + slack_s for check in request.checks}


class Patience:
    """How long the run may still be silent. Several checks may run at a time, each with its own allowance."""

    def __init__(self, allowances: Mapping[str | None, float]) -> None:
        self._allowances = allowances
        self._running: dict[str, float] = {}  # until when each may be silent
        self._between_s = time.monotonic() + allowances[None]

    def hear(self, event: Event) -> None:
        """Take in that a check has started, has finished, or is still at work."""
        now_s = time.monotonic()
        if event.result is None:
            self._running[event.check_id] = now_s + self._allowances[event.check_id]
        else:
            self._running.pop(event.check_id, None)
        self._between_s = now_s + self._allowances[None]

    def left_s(self) -> float:
        """Return how long it may be until something is heard."""
        return max(0.0, min(self._running.values(), default=self._between_s) - time.monotonic())


class _Process:
    """The pytest process, its events and its files."""

    def __init__(
        self, scratch: Path, *, suites: Path, files: Sequence[Path], offer: ZygoteOffer | None
    ) -> None:
        private = scratch / "private"
        private.mkdir(mode=PRIVATE)
        self._report = private / "report.json"
        self._seen: dict[str, CheckResult] = {}
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        empty, temporary = private / "empty", scratch / "temporary"
        empty.mkdir()
        temporary.mkdir()
        # A notebook's copy lies in there, and its worker may be another user.
        for folder in (scratch, temporary):
            folder.chmod(PASSED_THROUGH)
        self._order = {
            "arguments": _arguments(suites, files, self._report),
            "folder": str(empty),
            "temporary": str(temporary),  # its temporary files go away with ours, however it ends
        }
        start = started(() if offer is None else (offer.descriptor,))
        self._process, self._log = start.process, start.log
        self._asked_s = time.monotonic()
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        try:
            self._reader.start()
        except RuntimeError as error:  # so Python says that the system gives no thread
            self.kill()
            self._log.close()
            raise MachineFault(
                f"the system gave no thread to follow the run of the checks ({error})"
            ) from error

    def send(self, request: GradingRequest) -> None:
        """Write the request and close the pipe."""
        order = {**self._order, "request": request_to_record(request), "asked_s": self._asked_s}
        # A process that died at once is told from its exit status and its log.
        with suppress(OSError), _pipe(self._process.stdin) as stdin:
            stdin.write(json.dumps(order, allow_nan=False).encode())

    def follow(self, on_event: Callable[[Event], None], allowances: Mapping[str | None, float]) -> bool:
        """Hand on events until the process ends; return False when it was silent for too long."""
        patience = Patience(allowances)
        while True:
            try:
                line = self._lines.get(timeout=patience.left_s())
            except queue.Empty:
                return False
            if line is None:
                return self._ends_within(allowances[None])
            event = self._note(line)
            patience.hear(event)
            on_event(event)

    def stop(self) -> bool:
        """Ask the process to end, as Ctrl-C would; a second Ctrl-C cuts the wait short."""
        try:
            self._process.send_signal(signal.SIGINT)
            return self._ends_within(STOP_SECONDS)
        except (KeyboardInterrupt, OSError, ValueError):
            return False

    def kill(self) -> None:
        """End the process and its whole group, if it is still there."""
        if self._process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    def outcome(self, *, interrupted: bool, ended: bool) -> SuiteRun:
        """Read the report of pytest-json-report, or make do with the events where there is none."""
        self._reader.join(STOP_SECONDS)
        while not self._lines.empty():
            if line := self._lines.get():
                self._note(line)
        log = self._end_of_log()
        report = self._read_report()
        if report is None:
            ending = Ending.INTERRUPTED if interrupted else Ending.BROKE
            reason = _why(self._process.returncode, ended=ended, interrupted=interrupted)
            if self._process.returncode in _PYTEST_TESTS_PASSED_OR_FAILED and not interrupted:
                reason = f"the results of the checks could not be written{self._what_stops_writing()}"
            return SuiteRun(ending, reason, self._seen, log=log)
        run = _read(report, self._seen, interrupted=interrupted, log=log)
        python_s = report["grader"]["begun_s"] - self._asked_s
        return replace(run, spent=Spent(**report["grader"]["spent"] | {"python_s": python_s}))

    def _note(self, line: bytes) -> Event:
        record = json.loads(line)
        if record["event"] == "started":
            return Event(record["id"])
        if record["event"] == "note":
            return Event(record["id"], note=record["text"])
        result = result_from_record(record["result"])
        self._seen[result.check.id] = result
        return Event(result.check.id, result)

    def _ends_within(self, seconds: float) -> bool:
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read_lines(self) -> None:
        try:
            with _pipe(self._process.stdout) as stdout:
                for line in stdout:
                    if line.endswith(b"\n"):  # or it was killed while it wrote
                        self._lines.put(line)
        finally:
            self._lines.put(None)  # whatever happens here, nobody waits for more

    def _read_report(self) -> dict[str, Any] | None:
        try:
            report: dict[str, Any] = json.loads(self._report.read_bytes())
        except (OSError, ValueError):
            return None
        return report if "grader" in report else None

    def _what_stops_writing(self) -> str:
        """Write where the report should be, and return what the system says against it, if anything."""
        try:
            self._report.write_bytes(bytes(_PROBE_BYTES))
        except OSError as error:
            return f": {error.strerror}"
        return ""

    def _end_of_log(self) -> str | None:
        try:
            with self._log as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_BYTES))
                data = log.read()
        except OSError:
            return None
        return data.decode(errors="replace").strip() or None


def _arguments(suites: Path, files: Sequence[Path], report: Path) -> list[str]:
    """Return what pytest is told."""
    return [
        f"--config-file={_INI}",
        f"--rootdir={suites}",
        f"--confcutdir={suites}",
        "--import-mode=importlib",
        "--assert=plain",
        "--continue-on-collection-errors",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        *(option for name in _NOT_USED for option in ("-p", f"no:{name}")),
        "-p",
        "pytest_jsonreport.plugin",
        "-p",
        "grader.pytest_plugin",
        "--json-report",
        f"--json-report-file={report}",
        "--json-report-omit",
        "collectors",
        "log",
        "traceback",
        "streams",
        "warnings",
        "keywords",
        "--",
        *map(str, files),
    ]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:  # only to tell mypy: both pipes are asked for
        raise AssertionError
    return stream


def _read(
    report: Mapping[str, Any], seen: Mapping[str, CheckResult], *, interrupted: bool, log: str | None
) -> SuiteRun:
    ours = report["grader"]
    ending, reason = Ending.FINISHED, None
    if ours["no_isolation"] is not None:
        ending, reason = Ending.NO_ISOLATION, ours["no_isolation"]
    elif interrupted:
        ending, reason = Ending.INTERRUPTED, "grading was interrupted"
    elif report["exitcode"] not in _PYTEST_TESTS_PASSED_OR_FAILED and not ours["broken"]:
        ending, reason = Ending.BROKE, f"the run of the checks ended early (pytest exit {report['exitcode']})"
    found = [test["metadata"]["grader"] for test in report.get("tests", ()) if "metadata" in test]
    results = [result_from_record(record) for record in found]
    return SuiteRun(
        ending,
        reason,
        # Those of other lanes than the one that wrote the report were told as events alone.
        results={**seen, **{result.check.id: result for result in results}},
        faults=ours["faults"],
        broken=ours["broken"],
        isolation=None if ours["isolation"] is None else isolation_from_record(ours["isolation"]),
        versions=ours["versions"],
        flags=tuple(Flag(**record) for record in ours["flags"]),
        log=log if ending is Ending.BROKE else None,
    )


def _why(exit_status: int, *, ended: bool, interrupted: bool) -> str:
    if interrupted:
        return "grading was interrupted"
    if not ended:
        return "the run of the checks was silent for longer than all limits allow, and was stopped"
    if exit_status < 0:
        return (
            f"the run of the checks was ended by {_signal_name(-exit_status)} before it could report:"
            " by a person, or by a system short of memory"
        )
    return f"the run of the checks died with status {exit_status} before it could report"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
