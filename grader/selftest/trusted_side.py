"""Runs as a process of its own: the trusted side of an attack, guarded as that of a grading is.

It has no children but workers. Each line on standard input names what is to be tried, as JSON; each line on
standard output says what came back. What that means is judged elsewhere.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from grader.assignments.hw1.names import PLACES
from grader.client import RemoteObject, Student, Unsupported, open_student
from grader.errors import SandboxUnavailable, StudentFault
from grader.sandbox.policy import Policy, read_policy
from grader.sandbox.trusted import adopt_orphans, die_with_parent, make_undumpable
from grader.selftest.frames import hostile_frames
from grader.selftest.records import SUCCESS

CHECK_SECONDS = 600.0
SETTLE_SECONDS = 5.0
FRAME_PROGRAM = "frame"
# 1 MiB: more than the pipe holds while nobody reads.
_SECOND_CALL = np.arange(1 << 17, dtype=np.float64)
_Act = Callable[[Student], list[object]]


def bench_policy(call_s: float) -> Policy:
    """Return the policy with limits that are reached soon; what a worker may reach stays the same."""
    policy = read_policy()
    limits = dataclasses.replace(
        policy.limits,
        call_s=call_s,
        import_s=10.0,
        memory_bytes=512 << 20,
        output_bytes=4 << 20,
        response_bytes=8 << 20,
    )
    return dataclasses.replace(policy, limits=limits)


def serve() -> None:
    """Try what is asked until the other end closes."""
    make_undumpable()
    die_with_parent()
    adopt_orphans()
    token = sys.stdin.readline()  # held for as long as this runs, as expected values are
    for line in sys.stdin:
        answer = tried(json.loads(line))
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    del token


def tried(request: dict[str, Any]) -> dict[str, Any]:
    """Open a worker, try one thing in it, and say what came back."""
    policy = bench_policy(request["call_s"])
    try:
        student = open_student(
            Path(request["submission"]),
            places=PLACES,
            provider=request["provider"],
            min_isolation=request["min_isolation"],
            policy=policy,
        )
    except SandboxUnavailable as error:
        return {"unavailable": str(error)}
    with student:
        answer = _answered(student, _act_of(request))
    return answer | {"descriptors": _open_descriptors(), "foreign": _foreign_modules(request["submission"])}


def _act_of(request: dict[str, Any]) -> _Act:
    if "frame" in request:
        return lambda student: _sent_frame(student, request["frame"])
    return lambda student: _ran_program(student, request["program"], request["facts"])


def _ran_program(student: Student, program: str, facts: dict[str, Any]) -> list[object]:
    layer = student.new("Linear", 1, 1)
    first = layer.forward(program, facts)
    time.sleep(float(facts.get("pause_s", 0)))  # for what a thread of the worker does meanwhile
    return [first, layer.backward(_SECOND_CALL)]


def _sent_frame(student: Student, name: str) -> list[object]:
    frame = next(frame for frame in hostile_frames() if frame.id == name)
    layer = student.new("Linear", 1, 1)
    request_id = student.round_trips + 2  # the start of the worker was a request too
    data = np.frombuffer(frame.make(request_id), dtype=np.uint8)
    return [f"{SUCCESS} a value came of it: {layer.forward(FRAME_PROGRAM, {'frame': data})!r}"]


def _answered(student: Student, act: _Act) -> dict[str, Any]:
    values: list[object] = []
    fault = broke = None
    started = time.monotonic()
    try:
        student.begin_check("attack", seed=1, seconds=CHECK_SECONDS)
        values = act(student)
    except StudentFault as error:
        fault = f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 -- whatever else comes out is what an attack wanted
        broke = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - started
    shown = repr(values[0])[:2000] if values else ""
    return {"texts": list(_texts(values)), "shown": shown, "fault": fault, "broke": broke, "seconds": seconds}


def _texts(value: object) -> Iterator[str]:
    """Yield every text in what came back; bytes are read as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Unsupported):
        yield value.description
    elif isinstance(value, RemoteObject):
        yield value.type_name
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, np.ndarray) and value.dtype == np.uint8:
        yield value.tobytes().decode("latin-1")


def _open_descriptors() -> int:
    """Count what is open once the threads that watched the worker have ended, or should have."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.002)
    return len(list(Path("/proc/self/fd").iterdir()))


def _foreign_modules(submission: str) -> list[str]:
    """Return the modules that this side got from the hostile submission."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return [name for name, file in files.items() if isinstance(file, str) and file.startswith(submission)]


if __name__ == "__main__":
    serve()
