"""What is found of a GPU on a machine."""

from __future__ import annotations

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
