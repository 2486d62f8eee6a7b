from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from grader.worker.descriptors import MOST_DESCRIPTORS, open_descriptors

LISTED = Path("/proc/self/fd")


@pytest.fixture(params=["by poll", "one by one"])
def way(request, monkeypatch):
    if request.param == "one by one":
        monkeypatch.delattr(select, "poll")


@pytest.mark.usefixtures("way")
def test_open_descriptors_are_found_and_closed_ones_are_not(tmp_path):
    before = open_descriptors()
    with (tmp_path / "file").open("wb") as file:
        reading, writing = os.pipe()
        os.close(writing)  # the other end of a pipe that hangs up is open all the same
        high = os.dup2(file.fileno(), 250)
        assert set(open_descriptors()) == {*before, file.fileno(), reading, high}
        os.close(high)
        os.close(reading)
    assert open_descriptors() == before


@pytest.mark.skipif(not LISTED.is_dir(), reason="needs Linux's list to compare with")
def test_they_are_those_that_the_system_lists():
    listed = {int(path.name) for path in LISTED.iterdir()}
    found = set(open_descriptors())
    # The listing itself had one open, which is closed by now.
    assert found <= listed <= found | {max(listed - found, default=-1)}
    assert max(found) < MOST_DESCRIPTORS
