"""What a worker says went wrong becomes one sentence; what it says is never trusted to be well-formed."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import (
    MachineFault,
    ProtocolViolation,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
)
from grader.faults import describe_death, describe_raise, describe_timeout
from grader.sandbox import default_limits
from grader.sandbox.usage import Usage
from grader.sandbox.worker_process import Death, Obituary

LIMITS = default_limits()
WHERE = [["mytorch/nn/optim.py", 3, "outer()"], ["mytorch/nn/modules/linear.py", 12, "return x @ w"]]


def raised(**fault):
    return describe_raise(fault, what="Linear.forward", limits=LIMITS)


def test_an_exception_is_named_with_its_text_and_the_innermost_line_of_the_submission():
    fault = raised(kind="raised", type="ValueError", message="bad shape", where=WHERE)
    assert isinstance(fault, StudentRaised)
    assert str(fault) == (
        "Linear.forward raised ValueError: bad shape (mytorch/nn/modules/linear.py, line 12: return x @ w)"
    )


def test_a_stub_is_called_not_implemented_yet():
    fault = raised(kind="raised", type="NotImplementedError", message="TODO", where=[])
    assert str(fault) == "Linear.forward is not implemented yet"


def test_an_exit_says_what_to_do_instead():
    fault = raised(kind="exited", type="SystemExit", message="0", where=[])
    assert isinstance(fault, StudentExited)
    assert "return a value instead" in str(fault)


def test_memory_names_its_limit():
    fault = raised(kind="memory", type="MemoryError", message="", where=[])
    assert isinstance(fault, StudentOutOfMemory)
    assert f"{LIMITS.memory_bytes >> 30} GiB" in str(fault)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
)
def test_any_description_at_all_is_a_fault_of_the_students(description):
    assert isinstance(describe_raise(description, what="x", limits=LIMITS), StudentFault)


def test_what_is_no_description_is_a_protocol_violation():
    assert isinstance(describe_raise("passed", what="x", limits=LIMITS), ProtocolViolation)


@pytest.mark.parametrize(
    ("death", "status", "kind", "said"),
    [
        (Death.EXITED, 0, StudentExited, "exit code 0"),
        (Death.EXITED, 3, StudentExited, "exit code 3"),
        (Death.EXITED, None, StudentExited, "ended the process"),
        (Death.CRASHED, -signal.SIGSEGV, StudentCrashed, "SIGSEGV"),
        (Death.CRASHED, -signal.SIGSYS, StudentCrashed, "never allowed"),
        (Death.CRASHED, -99, StudentCrashed, "signal 99"),
        (Death.MEMORY, -signal.SIGKILL, StudentOutOfMemory, "512 MiB were seen"),
        (Death.CPU, -signal.SIGXCPU, StudentTimedOut, "processor time"),
        (Death.PRINTED, -signal.SIGKILL, StudentFault, f"more than {LIMITS.output_bytes >> 20} MiB"),
        (Death.THREADS, -signal.SIGKILL, StudentFault, f"more than {LIMITS.threads} threads"),
        (Death.KILLED, -signal.SIGKILL, MachineFault, "killed from outside"),
    ],
)
def test_every_way_to_die_is_told_apart_and_says_when(death, status, kind, said):
    end = Obituary(death, status, Usage(resident_bytes=512 << 20))
    fault = describe_death(end, what="SGD.step", elapsed_s=1.25, limits=LIMITS)
    assert isinstance(fault, kind)
    assert said in str(fault)
    assert "SGD.step" in str(fault)
    assert isinstance(fault, StudentFault) != (death is Death.KILLED)


def test_a_timeout_names_its_limit_and_the_elapsed_time():
    fault = describe_timeout(what="Tanh.forward", limit_s=10, elapsed_s=10.02)
    assert "within 10 s (stopped after 10.0 s)" in str(fault)
