"""What the worker says went wrong, and how it died, as sentences for the student.

The worker's words are untrusted data: wrong types in them are a protocol violation, and none of them can
turn a fault into anything but a fault.
"""

from __future__ import annotations

import signal
from typing import Any

from grader.errors import (
    ProtocolViolation,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
)
from grader.model import Limits

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


def describe_death(
    status: int | None, *, what: str, elapsed_s: float, flooded: bool, limits: Limits
) -> StudentFault:
    """Turn the exit status of a worker that is gone into the fault it is."""
    after = f"after {elapsed_s:.1f} s"
    if flooded:
        printed = limits.output_bytes // MEBIBYTE
        return StudentFault(f"{what} printed more than {printed} MiB and was stopped {after}; print less")
    if status is None or status >= 0:
        code = "" if status is None else f" with exit code {status}"
        return StudentExited(f"{what} ended the process{code} {after}; return a value instead")
    name = _signal_name(-status)
    if name == "SIGXCPU":
        return StudentTimedOut(f"{what} used more than {limits.cpu_s} s of processor time")
    if name == "SIGKILL":
        return StudentOutOfMemory(f"{what} was killed by the system {after}, most likely for its memory")
    return StudentCrashed(f"{what} crashed with {name} {after}")


def describe_timeout(*, what: str, limit_s: float, elapsed_s: float) -> StudentTimedOut:
    """Say which limit ran out and when."""
    return StudentTimedOut(
        f"{what} did not return within {limit_s:g} s (stopped after {elapsed_s:.1f} s);"
        " look for a loop that never ends"
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


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
