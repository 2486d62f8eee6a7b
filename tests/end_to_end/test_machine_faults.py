"""The machine fails under a grader: the outcome is clear, nobody is blamed, no process and no file stays."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import SandboxUnavailable, StudentTimedOut
from grader.sandbox.policy import read_policy
from grader.sandbox.usage import innermost
from grader.scratch import LOCK, PREFIX
from tests.end_to_end.test_determinism import timeless
from tests.end_to_end.traces import (
    RIGHT,
    Place,
    Process,
    adopting_orphans,
    automatic_checks,
    descendants,
    finish,
    nobody_is_blamed,
    strays,
    waited_for,
)
from tests.required import not_here

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what is left is found through /proc"),
    pytest.mark.needs_confinement,
]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root: only root mounts a small disk")

PYTEST, WORKER = "-m grader.suite_process", "grader/worker"
DISK = "No space left on device"
MEBIBYTE = 1 << 20
EXIT_CODES = {"graded": 0, "grader_error": 3, "interrupted": 130}


@pytest.fixture(scope="module", autouse=True)
def orphans_come_to_us() -> Iterator[None]:
    with adopting_orphans():
        yield


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    """Folders of its own for a grader; afterwards no process of it runs, and only its report is there."""
    made = Place.below(tmp_path / "place")
    before = descendants()
    yield made
    assert strays(before) == []
    assert made.left_over() == []


@pytest.fixture
def slow_submission(tmp_path) -> Path:
    """A right submission whose ReLU takes its time, to be struck in the middle of a call."""
    folder = tmp_path / "slow" / "reference"
    shutil.copytree(RIGHT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    activation = folder / "mytorch" / "nn" / "modules" / "activation.py"
    source = activation.read_text(encoding="utf-8")
    called = "    def forward("
    assert source.count(called) >= 3
    late = source.replace(
        called,
        "    def forward(self, A):\n        time.sleep(0.1)\n        return self.now(A)\n\n    def now(",
    )
    activation.write_text(late.replace("import numpy", "import time\n\nimport numpy", 1), encoding="utf-8")
    return folder


def graded(place: Place, *more: str | Path, **options) -> tuple[int, str, str]:
    """Grade, and hold what always holds: no traceback, a report that fits the exit code and blames nobody."""
    return finished(place, place.start_grading(*more, **options))


def finished(place: Place, grader: subprocess.Popen[str]) -> tuple[int, str, str]:
    code, out, err = finish(grader)
    assert "Traceback" not in out + err
    if place.report_file.exists():
        report = place.report()
        nobody_is_blamed(report)
        assert code == EXIT_CODES[report["status"]], (code, report["status"], err)
    else:
        assert code in (2, 3, 130), err
        assert err.count("\n") == 1, err  # one sentence
    return code, out, err


def begin_the_next(place: Place) -> None:
    """Start another grader, which does nothing but what each does at its start."""
    code, _, err = finish(place.start("rubric"))
    assert code == 0, err


def see(grader: subprocess.Popen[str], word: str) -> Process:
    found = waited_for(grader, word)
    assert found is not None, f"the grader ended before {word} was seen"
    return found


def until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.002)


# ------------------------------------------------------------------------------------ it is killed


def scratch_is_there(place: Place, grader: subprocess.Popen[str]) -> None:
    until(lambda: list(place.temporary.glob(f"{PREFIX}*/{LOCK}")))


def pytest_starts(place: Place, grader: subprocess.Popen[str]) -> None:
    see(grader, PYTEST)


def worker_starts(place: Place, grader: subprocess.Popen[str]) -> None:
    see(grader, WORKER)


def worker_serves(place: Place, grader: subprocess.Popen[str]) -> None:
    """Wait until the worker is locked, and a while into the checks."""
    worker = see(grader, WORKER)
    until(lambda: is_locked(worker) or grader.poll() is not None)
    time.sleep(0.2)


def is_locked(worker: Process) -> bool:
    """Whether the worker that this process is, or is wrapped around, has its filter of system calls."""
    inside = {each.number for each in descendants(worker.number)} | {worker.number}
    with contextlib.suppress(OSError):
        return any("Seccomp:\t2" in Path(f"/proc/{number}/status").read_text() for number in inside)
    return False


@pytest.mark.parametrize("moment", [scratch_is_there, pytest_starts, worker_starts, worker_serves])
def test_a_killed_grader_takes_its_processes_along_and_the_next_one_removes_its_files(
    place, moment, slow_submission
):
    before = descendants()
    grader = place.start_grading(submission=slow_submission)
    moment(place, grader)
    grader.kill()
    assert grader.wait() == -signal.SIGKILL
    grader.communicate()
    assert strays(before) == []
    assert not place.report_file.exists()
    assert list(place.temporary.glob(f"{PREFIX}*"))  # or the sweep below would show nothing
    begin_the_next(place)
    assert list(place.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_grader_that_is_told_to_stop_reports_what_it_had_and_leaves_nothing(place, number, slow_submission):
    grader = place.start_grading(submission=slow_submission)
    worker_serves(place, grader)
    grader.send_signal(number)
    code, _, err = finished(place, grader)
    assert (code, place.report()["status"]) == (130, "interrupted")
    assert "interrupted; what was finished is in" in err


def test_a_grader_that_is_told_to_stop_while_it_starts_says_so_and_leaves_nothing(place):
    grader = place.start_grading()
    scratch_is_there(place, grader)
    grader.terminate()
    code, _, err = finish(grader)
    # Python ends itself by SIGINT where the interruption met certain library code: a shell shows 130 as well.
    assert code in (130, -signal.SIGINT)
    assert err.startswith("grader: ")
    assert "interrupted" in err
    assert "Traceback" not in err


def test_a_grader_that_runs_on_without_its_terminal_is_not_stopped_by_its_hanging_up(place):
    grader = place.start_grading(prefix=["nohup"])
    pytest_starts(place, grader)
    grader.send_signal(signal.SIGHUP)
    assert finished(place, grader)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
@pytest.mark.parametrize("moment", [pytest_starts, worker_serves])
def test_when_the_run_of_the_checks_is_killed_nobody_is_blamed(place, number, moment, slow_submission):
    grader = place.start_grading(submission=slow_submission)
    moment(place, grader)
    os.kill(see(grader, PYTEST).number, number)
    code, _, err = finished(place, grader)
    assert code == 3
    assert f"was ended by {number.name}" in err


def kill_worker(grader: subprocess.Popen[str]) -> None:
    os.kill(innermost(see(grader, WORKER).number), signal.SIGKILL)


def test_a_worker_killed_from_outside_costs_nobody_a_point(place, slow_submission):
    grader = place.start_grading(submission=slow_submission)
    worker_serves(place, grader)
    kill_worker(grader)
    code, _, err = finished(place, grader)
    assert code == 3, err
    messages = [check["feedback"]["message"] for check in automatic_checks(place.report())]
    assert any("killed from outside" in message for message in messages)


def test_a_worker_killed_while_it_starts_is_no_missing_isolation(place):
    grader = place.start_grading("--sandbox", "confined")
    worker_starts(place, grader)
    kill_worker(grader)
    out, err = grader.communicate(timeout=60)
    assert grader.returncode in (0, 3), out + err


def test_a_worker_that_is_stopped_runs_into_its_limit_and_the_next_one_serves(place):
    limits = dataclasses.replace(read_policy().limits, call_s=1.0)
    policy = dataclasses.replace(read_policy(), limits=limits)
    try:
        opened = open_student(RIGHT, places=PLACES, min_isolation=2, policy=policy)
    except SandboxUnavailable as error:
        not_here(f"confined: {error}")
    with opened as student:
        student.begin_check("test", seed=1)
        layer = student.new("ReLU")
        os.kill(student.worker_process_id, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(StudentTimedOut, match="did not return within 1 s"):
            layer.forward(np.ones(3))
        assert time.monotonic() - started < 20
        student.begin_check("next", seed=1)
        assert student.new("ReLU").forward(np.ones(3)).tolist() == [1.0, 1.0, 1.0]


# ------------------------------------------------------------------------------------ streams


def test_a_reader_that_goes_away_costs_neither_report_nor_exit_code(place):
    grader = place.start_grading()
    grader.stdout.close()
    code = grader.wait(60)
    assert (code, grader.stderr.read()) == (0, "")
    grader.stderr.close()
    assert place.report()["status"] == "graded"


def test_output_that_finds_no_room_is_said_and_the_report_is_there(place):
    with Path("/dev/full").open("w") as full:
        grader = place.start_grading(stdout=full)
        code = grader.wait(60)
    said = grader.stderr.read()
    grader.stderr.close()
    assert (code, DISK in said, said.count("\n")) == (3, True, 1)
    assert place.report()["status"] == "graded"


@pytest.mark.parametrize("streams", ["0", "1", "2", "0 1 2"])
def test_closed_standard_streams_cost_no_report(place, streams):
    closing = " ".join(f"{number}>&-" for number in streams.split())
    grader = place.start_grading(prefix=["sh", "-c", f'exec "$0" "$@" {closing}'])
    finished(place, grader)
    assert place.report()["status"] == "graded"


# ------------------------------------------------------------------------------------ disk


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a disk of that size."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"mount: {mounted.stderr.strip()}")  # an unprivileged container may not
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no room on a folder's disk."""
    with (folder / "filling").open("wb", buffering=0) as stream, pytest.raises(OSError, match=DISK):
        write_for_ever(stream)


def write_for_ever(stream: IO[bytes]) -> None:
    while True:
        stream.write(bytes(4096))


@needs_root
@pytest.mark.parametrize("pages", [2, 6, 16, 40])
def test_a_full_disk_for_temporary_files_is_the_machines_fault(place, pages):
    with small_disk(place.temporary, pages * 4096):
        code, _, err = graded(place)
        assert (code == 3 and DISK in err) or place.report()["status"] == "graded"
        assert pages > 6 or code == 3, "the smallest of them have no room for a submission"
        assert list(place.temporary.iterdir()) == []


@needs_root
def test_a_disk_that_fills_up_while_checks_run_is_the_machines_fault(place, slow_submission):
    with small_disk(place.temporary, MEBIBYTE):
        grader = place.start_grading(submission=slow_submission)
        worker_serves(place, grader)
        fill(place.temporary)
        code, _, _ = finished(place, grader)
        assert code in (0, 3)
        (place.temporary / "filling").unlink()


@needs_root
def test_a_full_disk_for_reports_is_said_before_anything_is_graded(place):
    with small_disk(place.out, 2 * 4096):
        place.report_file.write_text("an older report", encoding="utf-8")
        fill(place.out)
        code, _, err = finish(place.start_grading())
        assert (code, err) == (2, f"grader: cannot write into {place.out}: {DISK}; choose another --out\n")
        assert place.report_file.read_text(encoding="utf-8") == "an older report"
        (place.out / "filling").unlink()
        assert [path.name for path in place.out.iterdir()] == ["report.json"]


@needs_root
def test_a_disk_that_fills_up_before_the_report_is_written_keeps_the_older_report(place, slow_submission):
    with small_disk(place.out, 2 * MEBIBYTE):
        place.report_file.write_text("an older report", encoding="utf-8")
        grader = place.start_grading(submission=slow_submission)
        worker_serves(place, grader)
        fill(place.out)
        code, _, err = finish(grader)
        assert (code, err.count("\n")) == (3, 1)
        assert err.startswith("grader: reference: the report cannot be written into")
        assert DISK in err
        assert place.report_file.read_text(encoding="utf-8") == "an older report"
        (place.out / "filling").unlink()
        assert [path.name for path in place.out.iterdir()] == ["report.json"]


def limited(**limits: str) -> list[str]:
    """Return the command that starts another one under the given resource limits."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit: not installed")
    return ["prlimit", *(f"--{name}={value}" for name, value in limits.items())]


def test_where_no_file_can_be_written_the_grader_says_what_to_do(place):
    code, _, err = graded(place, prefix=limited(fsize="0:0"))
    assert code == 3
    assert "set TMPDIR to a folder with free space" in err


def test_where_no_report_has_room_the_grader_says_so_before_it_grades(place):
    code, _, err = graded(place, prefix=limited(fsize="65536:65536"))
    assert (code, "choose another --out" in err) == (2, True)


def test_a_run_that_cannot_write_its_results_is_our_fault(place, slow_submission):
    grader = place.start_grading(submission=slow_submission)
    worker_serves(place, grader)
    resource.prlimit(see(grader, PYTEST).number, resource.RLIMIT_FSIZE, (0, 0))
    code, _, err = finished(place, grader)
    assert code == 3
    assert "ended early" in err or "before it could report" in err


# ------------------------------------------------------------------------------------ memory


@pytest.mark.parametrize("mebibytes", [48, 90, 160, 400])
def test_too_little_memory_to_start_is_said(place, mebibytes):
    size = mebibytes * MEBIBYTE
    code, _, err = graded(place, prefix=limited(**{"as": f"{size}:{size}"}))
    assert code == 3
    assert "there is not enough memory" in err


@pytest.mark.parametrize("moment", [pytest_starts, worker_starts, worker_serves])
@pytest.mark.parametrize("mebibytes", [16, 128])
def test_memory_that_runs_out_while_checks_run_costs_nobody_a_point(
    place, moment, mebibytes, slow_submission
):
    grader = place.start_grading(submission=slow_submission)
    moment(place, grader)
    size = mebibytes * MEBIBYTE
    resource.prlimit(see(grader, PYTEST).number, resource.RLIMIT_AS, (size, size))
    code, _, err = finish_whatever(grader)
    assert "Traceback" not in err
    report = place.report()
    assert code in (0, 3, 4), err
    if report["questions"][0]["checks"]:
        nobody_is_blamed(report)
    else:
        assert (report["score"], report["status"]) == (None, "grader_error")


def finish_whatever(grader: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a grader that may find no isolation because it finds no memory."""
    out, err = grader.communicate(timeout=120)
    return grader.returncode, out, err


def test_a_machine_that_gives_a_worker_less_than_its_limit_does_not_blame_the_student(place, tmp_path):
    folder = tmp_path / "big"
    shutil.copytree(RIGHT, folder)
    linear = folder / "mytorch" / "nn" / "modules" / "linear.py"
    source, start = linear.read_text(encoding="utf-8"), "        super().__init__()\n"
    assert start in source
    # Large, and honest: the policy gives a worker six times as much.
    linear.write_text(source.replace(start, f"{start}        self.held = np.ones(700 << 17)\n"))
    size = 620 * MEBIBYTE
    command = [*may_not_raise_limits(), *limited(**{"as": f"{size}:{size}"})]
    grader = place.start("grade", folder, "--questions", "q6.1", "--out", place.out, prefix=command)
    finish_whatever(grader)
    nobody_is_blamed(place.report())


def may_not_raise_limits() -> list[str]:
    """Return the command that starts another one without root's right to go beyond limits."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv: not installed")
    return ["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]


# ------------------------------------------------------------------------------------ surroundings


SURROUNDINGS = {
    "no home": {"HOME": "/nonexistent"},
    "an empty home": {"HOME": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""},
    "no folder for temporary files where it should be": {"TMPDIR": "/nonexistent"},
    "an odd language and terminal": {"LANG": "C", "LC_ALL": "xx_YY.odd", "TERM": "odd", "COLUMNS": "zero"},
    "no programs": {"PATH": ""},
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_odd_surroundings_change_nothing(place, surroundings):
    assert graded(place, environment=SURROUNDINGS[surroundings])[0] == 0


@pytest.mark.parametrize("umask", [0o777, 0o000])
def test_an_odd_umask_changes_nothing(place, umask):
    assert graded(place, umask=umask)[0] == 0


def test_few_open_files_end_in_a_sentence_or_a_grade_and_never_in_blame(place):
    grader = place.start_grading(prefix=limited(nofile="12:12"))
    assert finished(place, grader)[0] == 3
    grader = place.start_grading(prefix=limited(nofile="40:40"))
    assert finished(place, grader)[0] == 0


def test_as_many_open_files_as_the_system_allows_change_nothing(place):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert graded(place, prefix=limited(nofile=f"{hard}:{hard}"))[0] == 0


@needs_root
def test_a_read_only_home_and_working_folder_and_no_shared_memory_change_nothing(place):
    script = (
        'for folder in "$1" "$2"; do mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder"'
        ' || exit 77; done; umount -l /dev/shm; shift 2; cd "$PWD" && exec "$@"'
    )
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh", str(place.home), str(place.here)]
    grader = place.start_grading(prefix=prefix)
    code, _, err = finish(grader)
    if code in (1, 77):
        pytest.skip(f"mount: {err.strip()}")
    assert code == 0, err
    assert place.report()["status"] == "graded"


def test_a_working_folder_that_is_gone_changes_nothing(place):
    gone = place.here / "gone"
    script = f'mkdir "{gone}" && cd "{gone}" && rmdir "{gone}" && exec "$0" "$@"'
    assert graded(place, prefix=["sh", "-c", script])[0] == 0


# ------------------------------------------------------------------------------------ clock


MOVES_THE_CLOCK = "GRADER_TEST_MOVES_THE_CLOCK"


@pytest.mark.skipif(
    MOVES_THE_CLOCK not in os.environ, reason=f"set {MOVES_THE_CLOCK}: moves the machine's clock"
)
def test_a_clock_that_jumps_changes_nothing(place, slow_submission):
    offset_s = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    grader = place.start_grading(submission=slow_submission)
    try:
        worker_serves(place, grader)
        for jump_s in (86_400.0, -86_400.0 * 400):
            now_s = time.clock_gettime(time.CLOCK_MONOTONIC) + offset_s
            time.clock_settime(time.CLOCK_REALTIME, now_s + jump_s)
            time.sleep(0.3)
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_MONOTONIC) + offset_s)
    assert finished(place, grader)[0] == 0
    assert 0 < place.report()["timing"]["wall_time_s"] < 60


# ------------------------------------------------------------------------------------ many at once


@pytest.mark.parametrize("count", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_many_graders_at_once_give_equal_reports_and_share_nothing(count, tmp_path, record_property):
    """They do share the folder for temporary files, as on any machine: there each has one of its own."""
    before = descendants()
    places = [Place.below(tmp_path / f"place{number}") for number in range(count)]
    shared = {"TMPDIR": str(places[0].temporary)}
    dead = subprocess.Popen(
        [sys.executable, "-c", DIES_WITH_A_SCRATCH], env={**places[0].environment}, text=True
    )
    dead.wait()
    assert len(list(places[0].temporary.iterdir())) == 1  # all of them will want to remove it
    started = time.monotonic()
    graders = [each.start_grading(environment=shared) for each in places]
    ends = collected(graders)
    record_property("seconds", round(time.monotonic() - started, 1))
    assert [code for code, _, _ in ends] == [0] * count, ends
    reports = [timeless(json.loads(each.report_file.read_text(encoding="utf-8"))) for each in places]
    assert all(report == reports[0] for report in reports)
    assert reports[0]["score"] == reports[0]["max_score"]
    assert strays(before) == []
    assert [each.left_over() for each in places] == [[]] * count


DIES_WITH_A_SCRATCH = """
import os, signal
from grader.scratch import scratch
with scratch():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def collected(graders: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Wait for all, reading from all."""
    ends: dict[int, tuple[int, str, str]] = {}
    threads = [
        threading.Thread(target=lambda at=at, each=each: ends.update({at: finish(each, seconds=300)}))
        for at, each in enumerate(graders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [ends[at] for at in range(len(graders))]
