"""A class of all kinds has as many rows as submissions, whatever is in them, through the command itself."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from benchmarks.mixed_class import CRASHES, KINDS, doing, handed_in, right_files, write_class, zipped
from fixtures import build
from grader import cli
from grader.class_cli import commands
from grader.cohort.rows import read_rows
from grader.sandbox import default_limits
from grader.selftest.archives import hostile_archives
from tests.end_to_end.traces import adopting_orphans, descendants, strays

pytestmark = pytest.mark.needs_confinement
BOMB = next(each.data for each in hostile_archives() if each.id == "a10_flat_bomb")
WRONG = {str(path): content for path, content in build.compose("sgd_climbs").items()}
SUBMISSIONS = {
    "right.zip": zipped(right_files()),
    "twin of right.zip": zipped(right_files()),
    "wrong.zip": zipped(WRONG),
    "hangs.zip": zipped(doing("while True: pass", method="step")),
    "aborts.zip": zipped(doing("import os; os.abort()", method="step")),
    "exits.zip": zipped(doing("import sys; sys.exit(0)", method="step")),
    "empty.zip": zipped({}),
    "cut off.zip": zipped(right_files())[:1000],
    "bomb.zip": BOMB,
    "two\nlines \u202e.zip": b"no zip",
    "work.rar": b"Rar!",
}
STATUSES = {"right": "graded", "cut": "rejected", "bomb": "rejected", "work": "odd", "hangs": "graded"}


@pytest.fixture(autouse=True)
def a_course(monkeypatch, tmp_path) -> None:
    """Let the command grade with limits of a second, and leave no process behind."""
    monkeypatch.setenv("GRADER_SETTINGS", str(tmp_path / "none.toml"))
    monkeypatch.setenv("GRADER_COURSE_SECRET", "of the course that grades here")
    limits = replace(default_limits(), call_s=1.0, check_s=2.0)
    options = commands.grade_options
    monkeypatch.setattr(commands, "grade_options", lambda **named: replace(options(**named), limits=limits))


@pytest.fixture
def handed(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in SUBMISSIONS.items():
        (folder / name).write_bytes(content)
    (folder / "an empty folder").mkdir()
    return folder


def test_every_submission_of_a_mixed_class_has_a_row_with_its_reason(handed, tmp_path, capsys):
    out = tmp_path / "out"
    resource_tracker.ensure_running()  # a process of Python's own, which lasts as long as this one
    with adopting_orphans():
        before = descendants()
        code = cli.run(["batch", str(handed), "--out", str(out), "--questions", "q6.5", "--jobs", "2"])
        left = strays(before)
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "Traceback" not in told.out + told.err
    assert left == []
    rows = {row.entry.path.name: row for row in read_rows(out)}
    assert set(rows) == {path.name for path in handed.iterdir()}
    for word, status in STATUSES.items():
        found = [row for name, row in rows.items() if name.startswith(word)]
        assert [row.status for row in found] == [status], (word, found)
    for row in rows.values():
        assert (row.score is None) == (row.status in ("rejected", "odd"))
        assert row.score is not None or row.reason
    assert rows["right.zip"].score == rows["right.zip"].max_score == rows["twin of right.zip"].score
    for name in ("wrong.zip", "hangs.zip", "aborts.zip", "exits.zip"):
        assert rows[name].score < rows["right.zip"].score, name
    lines = list(csv.DictReader(io.StringIO((out / "class.csv").read_text(encoding="utf-8-sig"))))
    assert len(lines) == len(SUBMISSIONS) + 1
    assert f"{len(lines)} submissions: " in told.out


def test_the_same_seed_gives_the_same_class_with_every_kind_in_it(tmp_path):
    first, second = (list(handed_in(20, seed=3)) for _ in range(2))
    assert first == second
    assert {each.kind for each in first} == set(KINDS)
    kinds = write_class(tmp_path / "in", 20, seed=3)
    assert len(kinds) == 20
    assert {path.name for path in (tmp_path / "in").iterdir()} == set(kinds)


def test_code_that_crashes_is_code_that_can_be_read():
    for statement in CRASHES:
        for source in doing(statement).values():
            compile(source, "mytorch", "exec")
