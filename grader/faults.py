"""What the worker says went wrong, and how it died, as sentences for the student.

The worker's words are untrusted data: wrong types in them are a protocol violation, and none of them can
turn a fault into anything but a fault.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeGuard

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
KINDS = frozenset({"raised", "exited", "memory"})


def describe_raise(fault: object, *, what: str, limits: Limits) -> StudentFault:
    """Turn a worker's description of an exception in `what` into the fault it is."""
    if not _is_description(fault):
        return ProtocolViolation(f"{what}: what came back describes no exception")
    kind, name, message = fault["kind"], fault["type"][:MAX_TEXT], fault["message"][:MAX_TEXT]
    place = _place(fault["where"])
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
    faults: Mapping[Death, GraderError] = {
        Death.PRINTED: StudentFault(
            f"{what} printed more than {limits.output_bytes // MEBIBYTE} MiB and was stopped {after};"
            " print less"
        ),
        Death.THREADS: StudentFault(
            f"{what} started more than {limits.threads} threads and was stopped {after}; start fewer"
        ),
        Death.DISK: StudentFault(
            f"{what} wrote more than {limits.scratch_bytes // MEBIBYTE} MiB"
            f" or {limits.scratch_entries} files and was stopped {after}; write less"
        ),
        Death.CPU: StudentTimedOut(f"{what} used more than {limits.cpu_s} s of processor time"),
        Death.MEMORY: StudentOutOfMemory(
            f"{what} was killed by the system {after} for its memory"
            f" ({end.peak.resident_bytes // MEBIBYTE} MiB were seen)"
        ),
        Death.KILLED: MachineFault(
            f"the process that ran {what} was killed from outside {after}: by a person, or by a system"
            f" short of memory (its own was {end.peak.resident_bytes // MEBIBYTE} MiB)"
        ),
        Death.CRASHED: StudentCrashed(f"{what} crashed with {_signal_name(-status)} {after}"),
        Death.EXITED: StudentExited(
            f"{what} ended the process{_with_code(end.status)} {after}; return a value instead"
        ),
    }
    return faults[end.death]


def _with_code(status: int | None) -> str:
    return "" if status is None else f" with exit code {status}"


def describe_timeout(*, what: str, limit_s: float, elapsed_s: float) -> StudentTimedOut:
    """Say which limit ran out and when."""
    return StudentTimedOut(
        f"{what} did not return within {max(0.1, round(limit_s, 1)):g} s (stopped after {elapsed_s:.1f} s);"
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


def _is_description(fault: object) -> TypeGuard[dict[str, Any]]:
    """Say whether every part of an exception's description has the type that it must have."""
    if not isinstance(fault, dict) or set(fault) != {"kind", "type", "message", "where"}:
        return False
    texts = (fault["kind"], fault["type"], fault["message"])
    if not all(isinstance(text, str) for text in texts) or fault["kind"] not in KINDS:
        return False
    return isinstance(fault["where"], list) and all(map(_is_place, fault["where"]))


def _is_place(frame: object) -> bool:
    if not isinstance(frame, list) or len(frame) != 3:
        return False
    file, line, source = frame
    return isinstance(file, str) and type(line) in (int, NoneType) and isinstance(source, str)


def _place(frames: list[list[Any]]) -> str:
    """Return " (file, line n: source)" of the innermost frame in the submission, or nothing."""
    if not frames:
        return ""
    file, line, source = frames[-1]
    told = f": {source[:MAX_TEXT]}" if source else ""
    return f" ({file[:MAX_TEXT]}, line {line}{told})"
