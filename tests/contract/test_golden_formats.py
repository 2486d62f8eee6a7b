"""What each format makes of a real report, word for word; a change to it has to be meant."""

from __future__ import annotations

import pytest

from grader.reports.to_json import read_report
from tests.contract.golden_report import FIXTURE, FOLDER, REPORT, gist, grade, settled, shown
from tests.required import not_here

NOT_ENOUGH_ISOLATION = 4
GOLDEN = read_report((FOLDER / REPORT).read_text(encoding="utf-8"))


def test_there_is_a_golden_file_of_every_format_and_no_other():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted([*shown(GOLDEN), REPORT])


@pytest.mark.parametrize("name", shown(GOLDEN))
def test_a_format_makes_the_same_of_the_same_report(name):
    assert shown(GOLDEN)[name].encode() == (FOLDER / name).read_bytes()


def test_grading_the_fixture_gives_the_golden_report(tmp_path):
    done = grade(tmp_path)
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    found = settled((tmp_path / REPORT).read_text(encoding="utf-8"))
    assert found.submission.name == FIXTURE
    assert gist(found) == gist(GOLDEN)
