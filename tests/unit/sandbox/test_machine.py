"""What is found of a GPU on a machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from grader.sandbox import machine
from grader.sandbox.command import Notebook, Worker
from grader.sandbox.policy import read_policy
from grader.sandbox.views import read_view


def test_a_driver_in_a_folder_of_its_own_is_found_where_the_loader_looks(tmp_path, monkeypatch):
    without, holds = tmp_path / "without", tmp_path / "holds"
    for folder in (without, holds):
        folder.mkdir()
    (holds / machine.DRIVER_LIBRARY).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{without}:{holds}:relative:")
    found = machine.device_files()
    assert str(holds) in found
    assert str(without) not in found
    assert all(path.startswith("/") for path in found)


def test_only_a_worker_with_a_gpu_is_told_of_that_folder(tmp_path):
    (tmp_path / machine.DRIVER_LIBRARY).touch()

    def environment(*devices):
        return Worker(
            interpreter=tmp_path,
            arguments=(),
            root=tmp_path,
            folder=tmp_path,
            policy=read_policy(),
            view=read_view("numpy"),
            notebook=Notebook(devices=devices),
        ).environment

    assert environment("/dev/null", str(tmp_path))["LD_LIBRARY_PATH"] == str(tmp_path)
    assert "LD_LIBRARY_PATH" not in environment()


@pytest.mark.parametrize(("gradings", "threads"), [(1, 4), (2, 3), (3, 2), (6, 1), (20, 1)])
def test_a_grading_gets_the_processors_that_others_leave(monkeypatch, gradings, threads):
    monkeypatch.setattr(machine, "processors", lambda: 6)
    assert machine.processors_each(gradings) == threads


HOLDER = """
import sys, time
from pathlib import Path
from grader.sandbox.machine import gpu_turn
with gpu_turn(print, lock=Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(60)
"""


def test_one_grader_at_a_time_has_the_gpu_and_a_killed_one_keeps_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "GPU_LOOK_SECONDS", 0.01)
    lock = tmp_path / "device"
    lock.touch()
    waits, has_turn = threading.Event(), threading.Event()

    def take_a_turn():
        with machine.gpu_turn(lambda _: waits.set(), lock=lock):
            has_turn.set()

    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "mine\n"
        other = threading.Thread(target=take_a_turn)
        other.start()
        assert waits.wait(30)
        assert not has_turn.is_set()
        holder.send_signal(signal.SIGKILL)
        assert has_turn.wait(30)
        other.join()
