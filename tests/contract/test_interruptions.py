"""An interruption ends a command, and is told once, wherever in a library it arrives."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROCESS = """
import os, signal, time
from grader.endings import exit_code_of, go_on_ending, run_as_process

def interrupt():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

class InACallback:
    def __del__(self):
        interrupt()

def met_a_callback():
    InACallback()  # Python tells of what is raised there, and goes on
    time.sleep(60)

def was_swallowed():
    try:
        interrupt()
    except BaseException:
        return 0

def became_an_error():
    try:
        interrupt()
    except BaseException:
        raise ValueError("a schema is wrong") from None

def became_an_error_of_one_of_several():
    try:
        became_an_error()
    except Exception:
        go_on_ending()

run_as_process(lambda: exit_code_of({name}, show_details=False))
"""


@pytest.mark.parametrize(
    "name", ["met_a_callback", "was_swallowed", "became_an_error", "became_an_error_of_one_of_several"]
)
def test_an_interruption_ends_the_command_and_is_told_once(name, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS.replace("{name}", name)],
        capture_output=True,
        text=True,
        timeout=50,  # before it would have gone on by itself
        env={"TMPDIR": str(tmp_path)},
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("", "grader: interrupted\n")
    assert ended.returncode == 130
    assert list(tmp_path.iterdir()) == []  # no fault of ours was kept
