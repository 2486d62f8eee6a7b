"""One attack of each family, in place of all: what `grader selftest --attacks` takes seconds for."""

from __future__ import annotations

import pytest

from grader.selftest import forging, run
from grader.selftest.archives import hostile_archives
from grader.selftest.frames import hostile_frames


def try_one_of_each_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the self-test of attacks the first program, frame, archive and forgery."""
    monkeypatch.setattr(run, "PROGRAMS", run.PROGRAMS[:1])
    monkeypatch.setattr(run, "hostile_frames", lambda: hostile_frames()[:1])
    monkeypatch.setattr(run, "hostile_archives", lambda: hostile_archives()[:1])
    forgeries = forging.find_forgeries(run.attacks_folder() / "forgeries")[:1]
    monkeypatch.setattr(forging, "find_forgeries", lambda _: forgeries)
    monkeypatch.setattr(run, "find_forgeries", lambda _: forgeries)
