"""A batch is killed, interrupted, out of disk: what was recorded stays, and the next start goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_machine_faults import fill, needs_root, small_disk, until
from tests.end_to_end.traces import RIGHT, Place, adopting_orphans, descendants, finish, strays

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what is left is found through /proc"),
    pytest.mark.needs_confinement,
]
QUESTION = "q6.5"
STUDENTS = 6


@pytest.fixture(scope="module", autouse=True)
def orphans_come_to_us() -> Iterator[None]:
    with adopting_orphans():
        yield


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    made = Place.below(tmp_path / "place")
    before = descendants()
    yield made
    assert strays(before) == []
    left = [path for path in made.temporary.rglob("*") if path.is_file() and not is_pythons_own(path)]
    assert left == []


def is_pythons_own(path: Path) -> bool:
    """Whether it is the file with which `tempfile` finds out whether a folder can be used."""
    return len(path.name) == 8 and path.read_bytes() in (b"", b"blat")


@pytest.fixture
def handed_in(tmp_path) -> Path:
    """Right submissions of a class, each with other bytes."""
    folder = tmp_path / "handed_in"
    for number in range(STUDENTS):
        copy = folder / f"student-{number}" / "mytorch"
        shutil.copytree(RIGHT / "mytorch", copy, ignore=shutil.ignore_patterns("__pycache__"))
        module = copy / "__init__.py"
        module.write_text(f"{module.read_text()}# of student {number}\n")
    return folder


def start(place: Place, folder: Path, *more: str, **options) -> subprocess.Popen[str]:
    return place.start(
        "batch", folder, "--out", place.out, "--questions", QUESTION, "--jobs", "2", *more, **options
    )


def recorded(out: Path) -> dict[str, tuple[str, str]]:
    """Return what the journal holds: status and time of grading, by label."""
    if not (out / "journal.sqlite").exists():
        return {}
    database = sqlite3.connect(out / "journal.sqlite")
    try:
        found = database.execute("SELECT label, status, graded_at FROM entries").fetchall()
    except sqlite3.OperationalError:  # killed before there was a table
        return {}
    finally:
        database.close()
    return {label: (status, graded_at) for label, status, graded_at in found}


def require_whole_reports(out: Path) -> None:
    for path in out.glob("*/report.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["status"] == "graded"


def killed_until_done(place: Place, folder: Path, kills: int, seed: int) -> list[int]:
    """Kill a batch again and again; return how many were recorded after each time."""
    random_numbers, history, before = random.Random(seed), [], {}
    for _ in range(kills):
        running = descendants()
        batch = start(place, folder, start_new_session=True)
        # At a random moment of its start, or after a random number of results.
        target = len(before) + random_numbers.choice([0, 0, 1, 2])
        until(lambda: batch.poll() is not None or len(recorded(place.out)) >= target)  # noqa: B023
        time.sleep(random_numbers.uniform(0.0, 0.8 if target > len(before) else 2.0))
        batch.kill()
        batch.communicate()
        assert strays(running) == []
        now = recorded(place.out)
        assert before.items() <= now.items(), "what is recorded stays, and is not done again"
        require_whole_reports(place.out)
        before = now
        history.append(len(now))
        if len(now) == STUDENTS:
            shutil.rmtree(place.out)
            before = {}
    return history


@pytest.mark.parametrize(
    ("kills", "seed"), [(3, 1), pytest.param(50, 2, marks=pytest.mark.slow)], ids=["3 times", "50 times"]
)
def test_a_batch_that_is_killed_at_any_moment_loses_nothing_and_does_nothing_twice(
    place, handed_in, kills, seed
):
    history = killed_until_done(place, handed_in, kills, seed)
    before = recorded(place.out)
    code, out, err = finish(start(place, handed_in))
    assert code == 0, err
    after = recorded(place.out)
    assert before.items() <= after.items()
    assert {status for status, _ in after.values()} == {"graded"}
    assert len(after) == STUDENTS == len(list(place.out.glob("*/report.json")))
    assert any(history), f"some were recorded before a kill: {history}"
    assert list(place.out.rglob("*.tmp")) == []
    assert f"{STUDENTS} submissions: {STUDENTS} graded" in out


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=["SIGINT", "SIGTERM"]
)
def test_a_batch_that_is_told_to_stop_says_how_far_it_came_and_leaves_no_process(place, handed_in, number):
    batch = start(place, handed_in, start_new_session=True)
    until(lambda: recorded(place.out))
    os.killpg(batch.pid, number)
    code, _, err = finish(batch)
    assert code == 130
    assert f"of {STUDENTS} submissions are recorded in {place.out}" in err
    assert "Traceback" not in err
    before = recorded(place.out)
    code, _, _ = finish(start(place, handed_in))
    assert code == 0
    assert before.items() <= recorded(place.out).items()


@needs_root
def test_a_disk_that_fills_up_is_said_with_what_was_saved_and_the_next_start_goes_on(place, handed_in):
    with small_disk(place.out, 3 << 20):
        batch = start(place, handed_in)
        until(lambda: recorded(place.out))
        fill(place.out)
        code, _, err = finish(batch)
        assert code == 3, err
        assert f"of {STUDENTS} submissions are recorded in {place.out}" in err
        assert err.count("\n") == 1
        require_whole_reports(place.out)
        (place.out / "filling").unlink()
        before = recorded(place.out)
        code, _, err = finish(start(place, handed_in))
        assert code == 0, err
        assert before.items() <= recorded(place.out).items()
        assert len(recorded(place.out)) == STUDENTS
