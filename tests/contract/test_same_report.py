"""Whatever holds the student's code, grading twice gives the same report, durations aside."""

from __future__ import annotations

import shutil

from grader import pipeline
from tests.end_to_end.test_determinism import SUBMISSIONS, timeless


def test_grading_twice_gives_the_same_report_in_every_sandbox(provider, folder):
    submission = shutil.copytree(SUBMISSIONS / "right_mean_in_loss", folder / "submission")
    options = pipeline.GradeOptions(questions=("q6.5",), sandbox=provider, min_isolation=1)
    first, second = (
        timeless(pipeline.grade(submission, options).report.model_dump(mode="json")) for _ in range(2)
    )
    assert first["score"] == 2
    assert first == second
