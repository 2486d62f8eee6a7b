"""The process of the checks may be started before anybody knows what it will run: it is the same run then."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader import pipeline, suite_start
from grader.sandbox.usage import is_running
from grader.start import runs_checks
from tests.contract.test_pytest_plugin import REPOSITORY, write_checks
from tests.contract.tiny_assignment import options_for, rubric_of, write_assignment, write_submission
from tests.end_to_end.test_determinism import SUBMISSIONS, timeless
from tests.end_to_end.traces import adopting_orphans, descendants

START = (sys.executable, "-m", "grader.start")
GENEROUS_S = 30.0


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    suite_start.end_early()


@pytest.fixture
def graded_by(tmp_path):
    """Grade by one check that writes down its process id; return that."""
    marker = tmp_path / "marker"
    body = f"open({str(marker)!r}, 'w').write(f'{{os.getpid()}} {{os.getcwd()}} {{os.environ[\"TMPDIR\"]}}')"
    assignment = write_assignment(
        tmp_path / "assignment", write_checks(tells=body), rubric=rubric_of({"tells": 1})
    )
    alice = write_submission(tmp_path / "alice")

    def grade() -> list[str]:
        graded = pipeline.grade(alice, options_for(assignment))
        assert graded.report.score == 1
        return marker.read_text(encoding="utf-8").split()

    return grade


def early_process() -> subprocess.Popen[bytes]:
    suite_start.start_early()
    return suite_start._early[0].process


def test_the_first_run_takes_the_early_process_and_the_next_one_starts_its_own(graded_by):
    process = early_process()
    first, cwd, temporary = graded_by()
    assert int(first) == process.pid
    assert (Path(cwd).name, Path(temporary).name) == ("empty", "temporary")
    assert int(graded_by()[0]) != process.pid


def test_an_early_process_that_died_is_not_missed(graded_by):
    process = early_process()
    process.kill()
    process.wait()
    assert int(graded_by()[0]) != process.pid


def test_one_that_must_inherit_something_is_started_for_itself():
    process = early_process()
    reading, writing = os.pipe()
    start = suite_start.started((reading,))
    assert start.process.pid != process.pid
    assert not is_running(process.pid)
    start.end()
    os.close(reading)
    os.close(writing)


def test_it_is_told_nothing_in_its_arguments_and_ends_silently_when_nobody_comes():
    process = early_process()
    assert process.args[-2:] == ["-m", "grader.suite_process"]
    out, _ = process.communicate(timeout=GENEROUS_S)  # which closes its input
    assert (process.returncode, out) == (0, b"")
    suite_start._early[0].log.seek(0)
    assert suite_start._early[0].log.read() == b""


@pytest.mark.parametrize(
    ("line", "is_sure"),
    [
        ("grade alice.zip", True),
        ("check", True),
        ("check . q6.2", True),
        ("", False),
        ("--version", False),
        ("grade --help", False),
        ("check -h", False),
        ("batch class", False),
        ("--debug grade alice.zip", False),
        ("report grade", False),
    ],
)
def test_it_is_started_only_where_checks_are_surely_run(line, is_sure):
    assert runs_checks(line.split()) == is_sure


def test_what_starts_it_loads_nothing_that_takes_long():
    program = "import sys, grader.start; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"typer", "click", "rich", "pydantic", "numpy", "pytest", "tomllib"})


def test_the_report_is_that_of_the_plain_command(tmp_path):
    found = []
    for module in ("grader.start", "grader.cli"):
        out = tmp_path / module
        command = [sys.executable, "-m", module, "grade", str(SUBMISSIONS / "right_mean_in_loss")]
        subprocess.run(
            [*command, "--questions", "q6.5", "--out", str(out)], check=True, stdout=subprocess.DEVNULL
        )
        found.append(timeless(json.loads((out / "report.json").read_text(encoding="utf-8"))))
    assert found[0] == found[1]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("grade", "nosuch"), 2), (("grade", "--no-such-option"), 2), (("check", "nosuch", "q6.2"), 2)],
    ids=["no submission", "no such option", "no folder"],
)
def test_a_command_that_runs_nothing_says_so_and_leaves_no_process(tmp_path, arguments, code):
    with adopting_orphans():
        before = descendants()
        done = subprocess.run(
            [*START, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
        )
        assert done.returncode == code
        assert done.stderr.startswith("grader: ")
        assert "Traceback" not in done.stderr
        assert descendants() == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2])
def test_a_command_that_is_ended_at_its_start_takes_it_along(tmp_path, number, after_s):
    with adopting_orphans():
        before = descendants()
        grading = subprocess.Popen(
            [*START, "grade", "nosuch"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + GENEROUS_S
        while len(descendants() - before) < 2 and grading.poll() is None and time.monotonic() < give_up:
            time.sleep(0.002)
        time.sleep(after_s)
        grading.send_signal(number)
        grading.wait(timeout=GENEROUS_S)
        while descendants() - before and time.monotonic() < give_up:
            time.sleep(0.01)
        assert descendants() == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals itself")
@pytest.mark.parametrize("module", ["grader.suite_start", "typer", "grader.cli", "grader.pipeline"])
def test_ctrl_c_while_a_command_loads_is_told_in_one_line(tmp_path, module):
    """Whatever is being loaded just then."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(REPOSITORY)!r})

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.argv[1:] = ["grade", "nosuch", "--questions", "q6.2", "--out", {str(tmp_path / "out")!r}]
from grader.start import main
main()
"""
    with adopting_orphans():
        before = descendants()
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr, done.stdout) == (130, "grader: interrupted\n", "")
        assert descendants() == before


@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a shell does")
def test_a_parent_that_closed_the_standard_streams_costs_nothing(tmp_path):
    command = " ".join([*START, "check", str(SUBMISSIONS / "right_mean_in_loss"), "q6.2", "--fresh"])
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", f"exec {command} <&- >&- 2>&-"], env=environment, timeout=120, check=False
    )
    assert done.returncode == 0
