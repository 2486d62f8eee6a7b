"""What a process uses is read from outside, and a process that is gone uses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grader.sandbox import usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
NOBODY = 2**22 + 1  # above the largest process number there can be


def test_threads_memory_and_time_of_a_process_are_seen():
    stop = threading.Event()
    extra = [threading.Thread(target=stop.wait) for _ in range(5)]
    for thread in extra:
        thread.start()
    seen = usage.usage_of(os.getpid())
    stop.set()
    for thread in extra:
        thread.join()
    assert seen.threads >= 6
    assert seen.resident_bytes > 10 << 20
    assert seen.cpu_s > 0


def test_a_process_with_a_strange_name_is_read_all_the_same():
    script = "import ctypes; ctypes.CDLL(None).prctl(15, b'a) R 1 (b', 0, 0, 0); print(); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1)
    process.stdout.readline()
    assert usage.usage_of(process.pid).threads == 1
    process.communicate(b"\n")
    process.stdout.close()


def test_a_process_that_is_gone_uses_nothing_and_does_not_run():
    assert usage.usage_of(NOBODY) == usage.Usage()
    assert usage.held_up_s(NOBODY) == 0.0
    assert usage.innermost(NOBODY) == NOBODY
    assert usage.namespace_depth(NOBODY) == 0
    assert not usage.is_running(NOBODY)


@pytest.mark.parametrize(
    ("threads", "others_s", "held_up_s"),
    [
        pytest.param(1, 0.0, 6.0, id="alone"),
        pytest.param(1, 4.0, 2.0, id="a thread that nobody told it to have"),
        pytest.param(2, 4.0, 6.0, id="two that compute together"),
        pytest.param(2, 9.0, 1.0, id="two, and some more"),
    ],
)
def test_who_stands_in_his_own_way_is_not_held_up(monkeypatch, threads, others_s, held_up_s):
    own_s, waited_s = 4.0, 6.0
    ticks = f"{(own_s + others_s) * os.sysconf('SC_CLK_TCK'):.0f}"
    monkeypatch.setattr(usage.Path, "read_text", lambda *_, **__: f"{own_s * 1e9:.0f} {waited_s * 1e9:.0f} 1")
    monkeypatch.setattr(usage, "stat_fields", lambda _: ["0"] * 11 + [ticks, "0"] + ["0"] * 10)
    assert usage.held_up_s(NOBODY, threads=threads) == held_up_s


def test_the_innermost_of_wrapped_processes_is_found():
    # The shell waits for the last one, for it has something to do afterwards.
    process = subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true'; true"], start_new_session=True)
    try:
        for _ in range(1000):
            found = usage.innermost(process.pid)
            if b"sleep" in Path(f"/proc/{found}/cmdline").read_bytes():
                break
        else:
            pytest.fail("the innermost process was not found")
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def test_the_most_of_several_looks_is_kept():
    a, b = usage.Usage(3, 100, 1.0), usage.Usage(2, 200, 1.5)
    assert a.largest_with(b) == usage.Usage(3, 200, 1.5)


def test_the_machines_memory_is_a_sensible_number():
    assert (
        (64 << 20) < usage.machine_memory_bytes() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    )
