"""What the worker says went wrong, and how it died, as sentences for the student.

The worker's words are untrusted data: wrong types in them are a protocol violation, and none of them can
turn a fault into anything but a fault.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from grader.errors import (
    GraderError,
    MachineFault,
    ProtocolViolation,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
)
from grader.model import Limits
from grader.sandbox.worker_process import Death, Obituary

MAX_TEXT = 2000
MEBIBYTE = 1 << 20


def describe_raise(fault: object, *, what: str, limits: Limits) -> StudentFault:
    """Turn a worker's description of an exception in `what` into the fault it is."""
    if not isinstance(fault, dict):
        return ProtocolViolation(f"{what}: the worker's answer was no answer")
    kind, name, message = (_text(fault.get(key)) for key in ("kind", "type", "message"))
    place = _place(fault.get("where"))
    if kind == "exited":
        return StudentExited(f"{what} called exit(){place}; return a value instead")
    if kind == "memory":
        gibibytes = limits.memory_bytes / (1 << 30)
        return StudentOutOfMemory(f"{what} ran out of memory: the limit is {gibibytes:.0f} GiB{place}")
    if name == "NotImplementedError":
        return StudentRaised(f"{what} is not implemented yet{place}", exception_type=name)
    if not name:  # the name could not be found at all
        return StudentRaised(message, exception_type="UnresolvedName")
    separator = ": " if message else ""
    return StudentRaised(f"{what} raised {name}{separator}{message}{place}", exception_type=name)


def describe_death(end: Obituary, *, what: str, elapsed_s: float, limits: Limits) -> GraderError:
    """Turn the end of a worker into the fault it is: the student's, or the machine's."""
    after = f"after {elapsed_s:.1f} s"
    status = end.status or 0
    sentences: dict[Death, Callable[[], GraderError]] = {
        Death.PRINTED: lambda: StudentFault(
            f"{what} printed more than {limits.output_bytes // MEBIBYTE} MiB and was stopped {after};"
            " print less"
        ),
        Death.THREADS: lambda: StudentFault(
            f"{what} started more than {limits.threads} threads and was stopped {after}; start fewer"
        ),
        Death.CPU: lambda: StudentTimedOut(f"{what} used more than {limits.cpu_s} s of processor time"),
        Death.MEMORY: lambda: StudentOutOfMemory(
            f"{what} was killed by the system {after} for its memory"
            f" ({end.peak.resident_bytes // MEBIBYTE} MiB were seen)"
        ),
        Death.KILLED: lambda: MachineFault(
            f"the process that ran {what} was killed from outside {after}: by a person, or by a system"
            f" short of memory (its own was {end.peak.resident_bytes // MEBIBYTE} MiB)"
        ),
        Death.CRASHED: lambda: StudentCrashed(f"{what} crashed with {_signal_name(-status)} {after}"),
        Death.EXITED: lambda: StudentExited(
            f"{what} ended the process{_with_code(end.status)} {after}; return a value instead"
        ),
    }
    return sentences[end.death]()


def _with_code(status: int | None) -> str:
    return "" if status is None else f" with exit code {status}"


def describe_timeout(*, what: str, limit_s: float, elapsed_s: float) -> StudentTimedOut:
    """Say which limit ran out and when."""
    return StudentTimedOut(
        f"{what} did not return within {limit_s:g} s (stopped after {elapsed_s:.1f} s);"
        " look for a loop that never ends"
    )


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    # What the filter of system calls ends a process for, rather than refusing the call.
    return (
        f"{name} (a system call that is never allowed, or an exit status above 127)"
        if name == "SIGSYS"
        else name
    )


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _place(frames: Any) -> str:
    """Return " (file, line n: source)" of the innermost frame in the submission, or nothing."""
    if not isinstance(frames, list) or not frames:
        return ""
    last = frames[-1]
    if not (isinstance(last, list) and len(last) == 3 and type(last[1]) is int):
        return ""
    source = f": {_text(last[2])}" if last[2] else ""
    return f" ({_text(last[0])}, line {last[1]}{source})"
