"""What a benchmark runs: it ends with all that it started, and who cannot grade is not timed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.against_peers import _made_ready
from benchmarks.measuring import Command, Failed, last_line, run
from benchmarks.peers.contenders import NAMES, Contender, Entrant, Place, write_checks, write_submissions


def test_a_run_tells_its_exit_code_its_output_and_its_memory(tmp_path):
    script = "import sys, time; x = b'x' * (60 << 20); time.sleep(0.2); print('done'); sys.exit(3)"
    ran = run(Command(arguments=[sys.executable, "-I", "-c", script], folder=tmp_path), with_memory=True)
    assert (ran.exit_code, last_line(ran.output)) == (3, "done")
    assert ran.seconds > 0.2
    assert ran.tree_peak_kib >= ran.own_peak_kib - 1024 > 50 << 10


def test_a_run_past_its_limit_fails_and_nothing_of_it_stays(tmp_path):
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    command = Command(arguments=[sys.executable, "-I", "-c", script], folder=tmp_path, seconds=0.5)
    with pytest.raises(Failed, match="not done after"):
        run(command)


def failing_checks(submission: Path, checks: Path) -> list[str]:
    """Return which of the six checks fail, each called as it is."""
    lines = (
        "for name in {names}:",
        "    try: getattr(six_checks, name)()",
        "    except AssertionError: print(name)",
    )
    script = "\n".join(["import six_checks", *lines])
    done = subprocess.run(
        [sys.executable, "-c", script.format(names=NAMES)],
        env={"PYTHONPATH": f"{submission}:{checks}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_checks_pass_the_right_submission_and_find_the_one_fault_of_the_wrong_one(tmp_path):
    write_checks(tmp_path)
    right, wrong = write_submissions(tmp_path)
    assert failing_checks(right, tmp_path / "checks") == []
    assert failing_checks(wrong, tmp_path / "checks") == ["tanh_backward"]


def contender_that_passes(*counts: int) -> Entrant:
    """Return a contender that does nothing and tells how many checks the wrong and the right one pass."""
    found = iter(counts)

    def build(place: Place) -> Contender:
        command = place.command(sys.executable, "-I", "-S", "-c", "")
        return Contender(command, lambda: None, lambda _: next(found))

    return Entrant(None, build)


def test_a_contender_that_tells_right_from_wrong_is_timed(tmp_path):
    assert _made_ready(contender_that_passes(5, 6), tmp_path, "one").passed == 6


@pytest.mark.parametrize(
    ("counts", "why"),
    [((5, 4), "passes 4 of 6"), ((6, 6), "does not see the fault"), ((0, 0), "passes 0 of 6")],
)
def test_a_contender_that_does_not_has_no_number(tmp_path, counts, why):
    with pytest.raises(Failed, match=why):
        _made_ready(contender_that_passes(*counts), tmp_path, "one")
