"""Reports on disk: whole or not at all, also where the disk is full or the grader is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from grader import reports
from grader.errors import MachineFault, UsageError
from grader.reports import ensure_writable, may_hold_marks, write_report
from tests.unit.test_report_schema import full_report


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_report_that_finds_no_room_is_the_machines_fault_and_the_older_one_stays(tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text("older")
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(MachineFault, match=r"the report cannot be written into .*: No space left"):
        write_report(full_report(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "older"


def test_a_place_without_room_for_a_report_is_told_before_grading(tmp_path, monkeypatch):
    monkeypatch.setattr(reports.tempfile, "TemporaryFile", no_room)
    with pytest.raises(UsageError, match="No space left on device; choose another --out"):
        ensure_writable(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
from grader import reports
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
reports.write_atomically(Path(sys.argv[1]), "half")
"""


@pytest.mark.skipif(os.name != "posix", reason="a dead writer's file is told by its POSIX lock")
def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    report = tmp_path / "report.json"
    report.write_text("older")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(report)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert report.read_text() == "older"
    assert len(list(tmp_path.iterdir())) == 2
    living, descriptor = reports.new_locked_file(lambda: tmp_path / ".report.json.1.tmp", mode=0o600)
    ensure_writable(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([living, report])
    os.close(descriptor)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_report_has_the_rights_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_report(full_report(), tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("text", "may"),
    [
        (None, False),
        ('{"marks": []}', False),
        ('{"marks": [{"id": "q1.1.words"}]}', True),
        ("{}", True),
        ("[]", True),
        ('{"marks": [', True),
        ("[" * 100_000, True),
    ],
)
def test_only_a_report_that_surely_holds_no_marks_is_taken_for_one(tmp_path, text, may):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert may_hold_marks(tmp_path / "report.json") is may


def test_a_report_of_ours_without_marks_surely_holds_none(tmp_path):
    path = write_report(full_report().model_copy(update={"marks": ()}), tmp_path)
    assert not may_hold_marks(path)
