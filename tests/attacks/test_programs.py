"""Hostile programs inside a worker: none reaches its goal where it is confined, and they do elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import StudentTimedOut
from grader.sandbox.worker_process import WorkerProcess
from grader.selftest import trusted_side
from grader.selftest.bench import Bench
from grader.selftest.programs import PROGRAMS, Program, Unconfined
from grader.selftest.run import attacks_folder
from grader.selftest.targets import Targets, planted
from tests.contract.submissions import write_package

FOLDER = attacks_folder() / "programs"
BY_ID = {program.attack.id: program for program in PROGRAMS}
NO_ATTACKS = {"endless", "frame", "nothing", "witness", "__init__"}
# These fail at level 1 as well; what they would do with nobody to guard is tried below, without a worker.
FAIL_ANYWHERE = [program for program in PROGRAMS if program.unconfined is Unconfined.FAILS]
OPEN = [program for program in PROGRAMS if program.unconfined is not Unconfined.FAILS]
# Which sandbox they answer from makes no difference: one is enough each time, and all of them now and then.
ANSWERS_ONLY = [program for program in PROGRAMS if program.meets_the_reader_only]


def name_of(program: Program) -> str:
    return program.attack.id


def slow_if_it_only_answers(program: Program) -> object:
    return pytest.param(program, marks=[pytest.mark.slow] if program.meets_the_reader_only else [])


@pytest.mark.parametrize("program", [slow_if_it_only_answers(program) for program in PROGRAMS], ids=name_of)
def test_no_program_reaches_its_goal_where_it_is_confined(program: Program, bench: Bench) -> None:
    result = bench.run(program)
    assert not result.succeeded, result.evidence


@pytest.mark.parametrize("program", ANSWERS_ONLY, ids=name_of)
def test_no_program_that_only_answers_reaches_its_goal(program: Program, confined_bench: Bench) -> None:
    result = confined_bench.run(program)
    assert not result.succeeded, result.evidence


@pytest.mark.parametrize("program", OPEN, ids=name_of)
def test_a_program_succeeds_without_confinement_or_the_table_says_why_not(
    program: Program, open_bench: Bench
) -> None:
    result = open_bench.run(program)
    if program.unconfined is Unconfined.SUCCEEDS:
        assert result.succeeded, result.evidence
    else:
        assert program.because


@pytest.mark.slow
@pytest.mark.parametrize("program", FAIL_ANYWHERE, ids=name_of)
def test_a_program_fails_without_confinement_too_where_the_table_says_so(
    program: Program, open_bench: Bench
) -> None:
    result = open_bench.run(program)
    assert not result.succeeded, result.evidence
    assert program.because


def test_a_worker_cannot_tell_a_self_check_from_a_grading(bench: Bench) -> None:
    seen = bench.witness(min_isolation=1)
    assert "numpy" in seen
    assert seen == bench.witness(min_isolation=2)


def test_what_is_planted_in_a_worker_is_found_by_the_program_that_searches_it(bench: Bench) -> None:
    token = next(iter(bench.tokens))
    result = bench.run(BY_ID["c09_searches_memory"], decoy=[{"deep": (token, 1)}])
    assert result.succeeded
    assert "came back" in result.evidence


def test_an_answer_that_comes_too_early_would_be_taken_if_nobody_looked_for_it(monkeypatch) -> None:
    program = BY_ID["c16_answers_the_next_one"]
    monkeypatch.setattr(WorkerProcess, "_refuse_surplus", lambda _: None)
    with planted(FOLDER) as targets:
        request = {"program": program.file, "facts": dict(program.options), "call_s": 5.0}
        request |= {"submission": str(targets.submission), "provider": "separate", "min_isolation": 1}
        answer = trusted_side.tried(request)
    assert "achieved: answered before it was asked" in answer["texts"]


SLOW_ONCE = """
    import time
    class Linear:
        calls = 0
        def __init__(self, *shape):
            pass
        def forward(self, x):
            Linear.calls += 1
            time.sleep(1000 if Linear.calls == 1 else 0)
            return x
"""


def test_a_call_that_is_slow_once_is_not_tried_again(tmp_path) -> None:
    root = write_package(tmp_path, linear=SLOW_ONCE)
    policy = trusted_side.bench_policy(0.4)
    with open_student(root, places=PLACES, provider="separate", min_isolation=1, policy=policy) as student:
        layer = student.new("Linear", 1, 1)
        before = student.round_trips
        with pytest.raises(StudentTimedOut):
            layer.forward(1)
        assert student.round_trips - before == 1
        assert student.workers_started == 1


# ------------------------------------------------------------------------------- with nobody to guard

ATTACKED = """
import ctypes, json, os, pickle, sys
sys.path.append(sys.argv[1])
from importlib import import_module
value = import_module("attacks." + sys.argv[2]).attack(json.loads(sys.argv[3]))
"""
UNGUARDED = f"{ATTACKED}print(json.dumps(value), flush=True)"
UNPICKLING = f"{ATTACKED}pickle.loads(value.tobytes())"
ADOPTING = f"""
import ctypes
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
{UNGUARDED}
children = open(f"/proc/self/task/{{os.getpid()}}/children").read().split()
for child in children:
    os.kill(int(child), 9)
print("left behind:", len(children))
"""


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with planted(FOLDER) as targets:
        yield targets


def unguarded(
    targets: Targets, name: str, *, code: str = UNGUARDED, pass_fds: tuple[int, ...] = (), **facts: Any
) -> subprocess.Popen[str]:
    """Start a program in a plain process, without a worker around it."""
    known = targets.facts() | {"parent": os.getpid(), "threads": 50} | facts
    return subprocess.Popen(
        [sys.executable, "-c", code, str(targets.submission), name, json.dumps(known)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=pass_fds,
    )


@pytest.mark.parametrize(
    "name, facts",
    [
        ("b13_environment", {"environment": []}),
        ("r02_threads", {}),
        ("r03_memory", {"memory_bytes": 32 << 20}),
        ("r04_lazy_arrays", {}),
        ("r14_descriptors", {"open_files": 50}),
    ],
)
def test_what_fails_at_every_level_succeeds_with_nobody_to_guard(targets, name, facts) -> None:
    with unguarded(targets, name, **facts) as process:
        assert "achieved:" in process.stdout.read()


@pytest.mark.parametrize(
    "name",
    [
        "b06_import_without_end",
        "r05_spins",
        "r06_deadlocks",
        "r07_ignores_signals",
        "own_slows_its_own_clock",
    ],
)
def test_what_never_returns_does_not_return_by_itself_nor_when_it_is_asked_to(targets, name) -> None:
    process = unguarded(targets, name)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.terminate()
        if name == "r07_ignores_signals":
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
    finally:
        process.kill()
        process.communicate()


def test_the_flood_does_not_end_by_itself(targets) -> None:
    process = unguarded(targets, "r09_floods_output")
    try:
        assert len(process.stdout.read(8 << 20)) == 8 << 20
    finally:
        process.kill()
        process.communicate()


def test_the_recursion_takes_the_interpreter_with_it(targets) -> None:
    process = unguarded(targets, "r18_recursion")
    assert process.wait(60) == -signal.SIGSEGV
    process.communicate()


def test_the_daemon_stays_where_nobody_looks_for_it(targets) -> None:
    process = unguarded(targets, "r08_daemon", code=ADOPTING)
    assert "left behind: 1" in process.communicate(timeout=60)[0]


def test_an_open_descriptor_is_read_where_one_was_left_open(targets) -> None:
    with targets.secret.open() as secret:
        process = unguarded(targets, "c14_inherited_descriptors", pass_fds=(secret.fileno(),))
        assert targets.secret.read_text().strip() in process.communicate(timeout=60)[0]


def test_the_start_up_files_run_where_an_interpreter_looks_for_them(targets) -> None:
    command = [sys.executable, "-c", "import sys; print(sys.grader_attack_started)"]
    environment = {"PYTHONPATH": str(targets.submission)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("sitecustomize", "usercustomize")


def test_what_outlives_its_end_does_so_where_an_end_is_gentle(targets) -> None:
    unguarded(targets, "own_outlives_its_end").communicate(timeout=60)
    left = targets.shared / f"{targets.nonce}-atexit"
    assert left.exists()
    left.unlink()


def test_the_pickle_acts_where_somebody_unpickles_it(targets) -> None:
    unguarded(targets, "x16_pickles", code=UNPICKLING, variant="bytes").communicate(timeout=60)
    left = targets.shared / "unpickled"
    assert left.is_dir()
    left.rmdir()


# --------------------------------------------------------------------------------------- the table


def test_every_program_stands_in_the_table_and_every_entry_has_its_program() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - NO_ATTACKS
    assert files == {program.file for program in PROGRAMS}


def test_every_entry_says_why_it_fails_where_nothing_confines_it() -> None:
    silent = [
        name_of(program)
        for program in PROGRAMS
        if (program.unconfined is Unconfined.SUCCEEDS) == bool(program.because)
    ]
    assert not silent
