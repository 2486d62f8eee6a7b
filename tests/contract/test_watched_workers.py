"""A worker is watched from outside: its threads, its end, and the time that the machine took from it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from grader.assignments.hw1.names import PLACES
from grader.client import Student
from grader.errors import (
    MachineFault,
    ProtocolViolation,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentTimedOut,
)
from grader.sandbox.policy import read_policy
from grader.sandbox.providers import PROVIDERS
from grader.sandbox.usage import is_running
from tests.contract.notebooks import lent_zygote, was_forked
from tests.contract.submissions import write_package
from tests.required import if_here

POLICY = dataclasses.replace(
    read_policy(),
    limits=dataclasses.replace(
        read_policy().limits, call_s=3.0, import_s=3.0, threads=40, threads_kept=15, responses_bytes=3 << 20
    ),
)

NAUGHTY = """
    import os, threading, time
    import numpy as np
    class Tanh:
        def forward(self, what):
            return getattr(Acts, what)()
    class Acts:
        def threads():
            threading.stack_size(32768)
            while True:
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        def quiet_threads():
            os.close(1)
            os.close(2)
            Acts.threads()
        def few_threads():
            pool = [threading.Thread(target=time.sleep, args=(0.2,)) for _ in range(30)]
            for each in pool:
                each.start()
            for each in pool:
                each.join()
            return len(pool)
        def leave_threads(count=10):
            for _ in range(count):
                threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        def sleep():
            time.sleep(1000)
        def work():
            started = time.process_time()
            while time.process_time() - started < 0.6:
                pass
            return 1
        def crowd():
            for _ in range(20):
                threading.Thread(target=Acts.spin, daemon=True).start()
            Acts.spin()
        def spin():
            x = np.ones((400, 400))
            while True:
                x @ x  # without the interpreter's lock: they really push each other aside
        def megabyte():
            return np.zeros(1 << 17)
        def fill():
            held = []
            while True:
                held.append(np.ones(1 << 20))
                time.sleep(0.01)  # behind a wrapper its memory is known from looks only, 50 ms apart
        def exit_137():
            os._exit(137)
        def exit_127():
            os._exit(127)
        def thread_then_return():
            def later():
                time.sleep(0.3)
                os._exit(5)
            threading.Thread(target=later, daemon=True).start()
            return 1
        def daemon():
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.closerange(0, 256)
                    time.sleep(1000)
                os._exit(0)
            return 1
"""


FORKED = ", forked"  # from a zygote under that provider, and not started for itself
CONFINING = [provider.name for provider in PROVIDERS if provider.level >= 2]
FROM_A_ZYGOTE = [f"{provider.name}{FORKED}" for provider in PROVIDERS if provider.can_fork]


def named_if_here(name: str, available) -> str:
    if_here(available[name.removesuffix(FORKED)])
    return name


@pytest.fixture(params=[*(provider.name for provider in PROVIDERS), *FROM_A_ZYGOTE])
def provider(request, available) -> str:
    return named_if_here(request.param, available)


@pytest.fixture(params=[*CONFINING, *FROM_A_ZYGOTE])
def confining_provider(request, available) -> str:
    return named_if_here(request.param, available)


@pytest.fixture
def opened(folder):
    """A function that opens the naughty submission under a provider."""
    with contextlib.ExitStack() as stack:

        def open_(name: str, policy=POLICY):
            provider, zygote, place = name.removesuffix(FORKED), None, folder
            if provider != name:
                zygote = stack.enter_context(lent_zygote(provider, view="numpy"))
                place = zygote.offer.scratch / "submission"
            root = write_package(place, mytorch__nn__modules__activation=NAUGHTY)
            student = stack.enter_context(
                Student(
                    root,
                    provider=provider,
                    min_isolation=1,
                    policy=policy,
                    places=PLACES,
                    view="numpy",
                    zygote=zygote,
                )
            )
            assert was_forked(student) == (zygote is not None)
            student.begin_check("test", seed=1)
            return student

        yield open_


def do(student, what: str):
    return student.new("Tanh").forward(what)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted on Linux only")
@pytest.mark.parametrize("what", ["threads", "quiet_threads"])
def test_a_thread_bomb_is_stopped_and_its_machine_keeps_its_process_numbers(opened, provider, what):
    student = opened(provider)
    with pytest.raises(StudentFault, match="thread"):  # stopped by us, or refused by the system
        do(student, what)
    student.begin_check("next", seed=1)
    assert do(student, "few_threads") == 30


def test_threads_that_a_check_leaves_behind_are_not_the_next_ones(opened, provider):
    student = opened(provider)
    for workers_started in (1, 2):  # 10 threads may stay, 20 may not
        do(student, "leave_threads")
        student.begin_check("next", seed=1)
        assert student.workers_started == workers_started
    assert do(student, "few_threads") == 30


def test_a_worker_that_somebody_else_kills_is_the_machines_fault_and_not_the_students(
    opened, confining_provider
):
    student = opened(confining_provider)
    layer = student.new("Tanh")
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {student.worker_process_id}"])
    with pytest.raises(MachineFault, match="killed from outside"):
        layer.forward("sleep")
    killer.wait()
    student.begin_check("next", seed=1)
    assert do(student, "few_threads") == 30


def test_a_worker_that_dies_between_two_calls_costs_the_next_one(opened, confining_provider):
    student = opened(confining_provider)
    layer = student.new("Tanh")
    assert layer.forward("thread_then_return") == 1
    time.sleep(1.0)
    with pytest.raises(StudentExited, match="exit code 5"):
        layer.forward("work")


def test_a_status_that_could_pass_for_a_signal_is_a_crash(opened, confining_provider):
    # bubblewrap tells of signal 9 by the status 137: nobody may say so himself.
    student = opened(confining_provider)
    with pytest.raises(StudentCrashed, match="SIGSYS"):
        do(student, "exit_137")
    with pytest.raises(StudentExited, match="exit code 127"):
        do(student, "exit_127")


def test_all_answers_of_one_worker_together_have_a_budget(opened, provider):
    student = opened(provider)
    for _ in range(3):
        do(student, "megabyte")
    with pytest.raises(ProtocolViolation):
        do(student, "megabyte")
    do(student, "megabyte")  # a new worker has its own


def test_time_in_which_the_machine_runs_others_is_not_counted(opened, confining_provider):
    policy = dataclasses.replace(POLICY, limits=dataclasses.replace(POLICY.limits, call_s=1.2, check_s=2.0))
    student = opened(confining_provider, policy)
    layer = student.new("Tanh")
    processor = min(os.sched_getaffinity(0))
    os.sched_setaffinity(student.worker_process_id, {processor})
    hog = f"import os\nos.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
    hogs = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(6)]
    try:
        time.sleep(0.5)
        started = time.monotonic()
        for _ in range(2):
            assert layer.forward("work") == 1  # 0.6 s of work beside six others: 4 s
        assert time.monotonic() - started > 2.0
        assert student.spent_s < 2.0
        with pytest.raises(StudentTimedOut):  # sleeping is not waiting for a turn
            layer.forward("sleep")
    finally:
        for each in hogs:
            each.kill()
            each.wait()


class Looks:
    """The most that was seen of a worker: how long its main thread waited, and what its others ran."""

    def __init__(self, process_id: int) -> None:
        self._process_id, self._ended = process_id, threading.Event()
        self.waited_s = self.others_ran_s = 0.0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        main = str(self._process_id)
        while not self._ended.wait(0.02):
            with contextlib.suppress(OSError):
                threads = Path(f"/proc/{main}/task").iterdir()
                times = {each.name: (each / "schedstat").read_text().split() for each in threads}
                ran_s = sum(int(ran) for ran, _, _ in times.values()) / 1e9
                if main in times:  # threads that end one by one take what they ran with them
                    self.waited_s = max(self.waited_s, int(times[main][1]) / 1e9)
                    self.others_ran_s = max(self.others_ran_s, ran_s - int(times[main][0]) / 1e9)


def test_a_worker_that_stands_in_its_own_way_is_not_given_time_for_it(opened, confining_provider):
    policy = dataclasses.replace(POLICY, limits=dataclasses.replace(POLICY.limits, call_s=2.0))
    student = opened(confining_provider, policy)
    do(student, "few_threads")
    before_s, spent_before_s = time.monotonic(), student.spent_s
    with Looks(student.worker_process_id) as looks, pytest.raises(StudentTimedOut):
        do(student, "crowd")
    given_s = time.monotonic() - before_s - (student.spent_s - spent_before_s)
    # However full the machine is of others: what it is given was not taken from it by its own threads.
    assert looks.others_ran_s > 0.5
    assert given_s < max(0.0, looks.waited_s - looks.others_ran_s) + 0.3


FLOODS = """
    import json, sys, threading
    class Tanh:
        def forward(self, probe):
            ask = vars(probe)["_ask"]
            held = dict(zip(ask.__code__.co_freevars, (cell.cell_contents for cell in ask.__closure__)))
            session, number = held["self"], held["number"]
            connection = session._converse.__self__._connection
            values = [["probe", number], ["values", None], ["x", [0] * 12000], ["dLdy", None]]
            asked = {"id": session._request_id, "ask": {"$dict": values}, "arrays": []}
            body = json.dumps(asked, separators=(",", ":")).encode()
            frame = len(body).to_bytes(4, "little") + body
            def drain():
                while connection.recv(1 << 16):
                    pass
            threading.Thread(target=drain, daemon=True).start()
            while True:
                connection.sendall(frame * 4)
"""


@pytest.mark.usefixtures("needs_confinement")
def test_a_worker_that_never_stops_asking_is_stopped_in_time(folder):
    """It always has sent the next question before the last one is answered, so that nobody waits for it."""
    root = write_package(folder, mytorch__nn__modules__activation=FLOODS)
    limits = dataclasses.replace(POLICY.limits, call_s=2.0, held_up_factor=0.0)
    with Student(
        root,
        provider="auto",
        min_isolation=2,
        policy=dataclasses.replace(POLICY, limits=limits),
        places=PLACES,
        view="numpy",
    ) as student:
        student.begin_check("test", seed=1)
        layer, probe = student.new("Tanh"), student.stand_in("cubic")
        by_hand = threading.Timer(20.0, os.kill, (student.worker_process_id, signal.SIGKILL))
        by_hand.start()
        with pytest.raises(StudentTimedOut):
            layer.forward(probe)
        by_hand.cancel()


DAEMON = """
import json
import os
import sys
import time
sys.path[:0] = json.loads(sys.argv[2])
from pathlib import Path
from grader.client import open_student
from grader.sandbox.trusted import adopt_orphans
from grader.sandbox.usage import children_of
from tests.contract.test_watched_workers import PLACES, POLICY, do

assert adopt_orphans()
root = Path(sys.argv[1])
with open_student(root, places=PLACES, provider="separate", min_isolation=1, policy=POLICY) as student:
    student.begin_check("test", seed=1)
    worker = student.worker_process_id
    assert do(student, "daemon") == 1
    give_up = time.monotonic() + 30
    while not (daemons := [child for child in children_of(os.getpid()) if child != worker]):
        assert time.monotonic() < give_up  # it is born while the worker answers
    print(*daemons)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
def test_a_daemon_that_leaves_its_group_is_ended_with_its_worker_where_nothing_forbids_it(folder):
    root = write_package(folder, mytorch__nn__modules__activation=NAUGHTY)
    script = [sys.executable, "-c", DAEMON, str(root), json.dumps(sys.path)]
    done = subprocess.run(script, check=True, timeout=60, stdout=subprocess.PIPE, text=True)
    daemons = [int(number) for number in done.stdout.split()]
    assert daemons
    assert not [number for number in daemons if is_running(number)]


@pytest.fixture
def small_memory_group():
    """A control group (version 1 or 2) of 300 MB, where this user may make one."""
    limits = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max"))
    yield from control_group(limits, str(300 << 20))


def control_group(limits, value):
    for base, limit in limits:
        group = Path(base, f"grader-tests-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(value)
            (group / "cgroup.procs").read_text()  # a plain folder where control groups would be has none
            yield group
        except OSError:
            continue
        finally:
            _remove(group)
        return
    pytest.skip("this user may not make a control group")


def _remove(group: Path) -> None:
    for _ in range(50):
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return


def test_a_worker_that_the_system_ends_for_its_memory_pays_for_it_itself(
    opened, confining_provider, small_memory_group, monkeypatch
):
    student = opened(confining_provider)
    layer = student.new("Tanh")
    (small_memory_group / "cgroup.procs").write_text(str(student.worker_process_id))
    # A grader in such a container sees the group's limit as its own.
    monkeypatch.setattr("grader.sandbox.worker_process.machine_memory_bytes", lambda: 300 << 20)
    with pytest.raises(StudentOutOfMemory, match="killed by the system"):
        layer.forward("fill")


def told_in(group: Path, program: str) -> str:
    into = ["sh", "-c", 'echo $$ > "$0" && exec "$1" -c "$2"', str(group / "cgroup.procs")]
    return subprocess.run([*into, sys.executable, program], capture_output=True, text=True, check=True).stdout


def test_the_memory_there_is_counts_the_control_group_this_process_is_in(small_memory_group):
    program = "from grader.sandbox.usage import machine_memory_bytes as m; print(m())"
    assert int(told_in(small_memory_group, program)) == 300 << 20


@pytest.fixture(params=[("150000", "1.5", "1"), ("30000", "0.3", "1")], ids=["1.5", "0.3"])
def small_time_group(request):
    """A control group that grants the time of so many processors; that, and how many may be used then."""
    quota, granted, used = request.param
    limits = (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"), ("/sys/fs/cgroup", "cpu.max"))
    for group in control_group(limits, quota):
        yield group, float(granted), int(used)


def test_the_processors_there_are_count_the_control_group_this_process_is_in(small_time_group):
    group, granted, used = small_time_group
    program = (
        "from grader.sandbox.usage import granted_processors as g; from grader.sandbox.machine import *;"
        "print(g(), processors(), processors_each(2))"
    )
    assert [float(each) for each in told_in(group, program).split()] == [granted, used, 1]


def test_signals_that_a_worker_ignores_do_not_keep_it_alive(opened, provider):
    student = opened(provider)
    process_id = student.worker_process_id
    with pytest.raises(StudentTimedOut):
        do(student, "sleep")
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, signal.SIGTERM)
