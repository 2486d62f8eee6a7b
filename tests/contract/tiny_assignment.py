"""An assignment of a few checks in a temporary folder, run through the real pytest process.

Its `conftest.py` replaces the sandboxed student by one that does as it is told: no worker is started.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from grader.model import Limits
from grader.pipeline import Assignment, GradeOptions

LIMITS = Limits(
    memory_bytes=2**31,
    call_s=1.0,
    import_s=1.0,
    check_s=1.0,
    submission_s=60.0,
    training_s=1.0,
    cpu_s=10,
    file_bytes=2**20,
    open_files=64,
    threads=64,
    threads_kept=40,
    stack_bytes=2**23,
    output_bytes=2**20,
    response_bytes=2**20,
    responses_bytes=2**26,
    held_up_factor=30,
    cell_s=1.0,
    notebook_s=10.0,
    notebook_call_s=1.0,
    notebook_check_s=5.0,
    scratch_bytes=2**20,
    scratch_entries=100,
)

FAKE_STUDENT = """
    import os
    from pathlib import Path

    import pytest

    from grader.errors import SandboxUnavailable
    from grader.model import Isolation
    from grader.spending import Spending

    class FakeStudent:
        isolation = Isolation(2, "confined", "fake", covers=("nothing",), does_not_cover=("all",), probes={})
        versions = {"python": "3.99", "numpy": "9.9"}

        def __init__(self):
            self.begun = []
            self.spending = Spending()

        spent_s = 0.0

        def begin_check(self, check_id, *, seed, seconds=None):
            self.begun.append((check_id, seed))

        def scan(self):
            return []

        def close(self):
            pass

    def pytest_grader_open_student(grading_request):
        return FakeStudent()
"""

HEADER = """
import math
import os
import signal
import time
from pathlib import Path

import numpy as np

from grader.errors import *
from grader.model import ArrayExcerpt, Visibility
from grader.pytest_plugin import check
"""


def write_assignment(
    folder: Path, visible: str, *, hidden: str = "", rubric: str, student: str = FAKE_STUDENT
) -> Assignment:
    """Write suites for q6.1 and a rubric around the given lines."""
    suites = {"visible": visible, "hidden": hidden}
    for name, source in suites.items():
        (folder / name).mkdir(parents=True)
        if source:
            text = HEADER + textwrap.dedent(source)
            (folder / name / "test_q6_1.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text(textwrap.dedent(student), encoding="utf-8")
    head = 'schema = "grader/rubric/v1"\nassignment = "tiny"\nversion = "1"\n'
    (folder / "rubric.toml").write_text(head + textwrap.dedent(rubric), encoding="utf-8")
    return Assignment(folder, places={})


def rubric_of(points: Mapping[str, object], *, question: str = "q6.1") -> str:
    """Return the rubric of one question with the given checks."""
    total = sum(float(str(value)) for value in points.values())
    lines = [f"{name} = {value}" for name, value in points.items()]
    return "\n".join(
        [
            "[[question]]",
            f'id = "{question}"',
            'title = "Linear"',
            f"points = {total:g}",
            'requires = ["mytorch"]',
            "[question.checks]",
            *lines,
            "",
        ]
    )


def options_for(assignment: Assignment, **changes: object) -> GradeOptions:
    """Return options that grade by the tiny assignment."""
    return replace(GradeOptions(assignment=assignment, limits=LIMITS), **changes)


def write_submission(folder: Path) -> Path:
    """Write a submission that intake accepts; no check here looks into it."""
    package = folder / "mytorch"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    return folder
