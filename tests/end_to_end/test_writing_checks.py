"""The page on writing checks: its files make a homework, and grading by it prints what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.required import not_here

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "writing-checks.md").read_text(encoding="utf-8")
FILE = re.compile(r"<!-- file: (?P<name>\S+) -->\n```\w+\n(?P<text>.*?)```\n", re.DOTALL)
PRINTED = re.compile(r"prints\n\n```\n(?P<text>.*?)```\n", re.DOTALL)
SOLUTIONS = {"right": "np.sqrt((X**2).sum(axis=1))", "wrong": "np.sqrt((X**2).sum(axis=0))"}


@pytest.fixture
def folder(tmp_path) -> Path:
    for found in FILE.finditer(PAGE):
        is_program = found["name"] == "try_it.py"
        path = tmp_path / found["name"] if is_program else tmp_path / "norms" / found["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found["text"], encoding="utf-8")
    for name, value in SOLUTIONS.items():
        (tmp_path / name).mkdir()
        source = f"import numpy as np\n\ndef row_norms(X):\n    return {value}\n"
        (tmp_path / name / "theory.py").write_text(source, encoding="utf-8")
    return tmp_path


def test_the_page_shows_a_whole_homework():
    assert [found["name"] for found in FILE.finditer(PAGE)] == [
        "rubric.toml",
        "visible/test_q1_1.py",
        "hidden/test_q1_1.py",
        "try_it.py",
    ]


def test_grading_by_it_prints_what_the_page_says(folder, available):
    if not any(finding.available for finding in available.values() if finding.level >= 2):
        not_here(f"confined: {available['confined'].reason}")
    done = subprocess.run(
        [sys.executable, "try_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = PRINTED.search(PAGE)
    assert expected is not None
    assert done.stdout == expected["text"]
