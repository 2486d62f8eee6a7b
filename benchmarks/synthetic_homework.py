"""A homework of any size, to see growth: so many small checks, or one check of so many perturbations.

python -m benchmarks.synthetic_homework checks|perturbations SIZE FOLDER

Writes a homework and a right submission into an empty folder and grades it; exit code 1 unless all passed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grader.pipeline import Assignment, GradeOptions, grade

_RUBRIC = """schema = "grader/rubric/v1"
assignment = "growth"
version = "1.0"

[[question]]
id = "q1.1"
title = "Squares"
points = {points}
requires = ["theory"]
[question.checks]
"""
_SUBMISSION = (
    "def squares(x):\n    return x * x\n\n\ndef half_square(x):\n    return float((x * x).sum()) / 2\n"
)
_HEAD = """import numpy as np
from grader.checks.closeness import require_close
from grader.checks.gradients import directional_derivatives, random_directions
from grader.errors import CheckFailed
from grader.pytest_plugin import check
"""
_CHECK = '''

@check("q1.1.{name}")
def test_{name}(student, rng):
    """squares(x) squares."""
    x = rng.normal(size=(6, 7))
    require_close(student.resolve("squares").call(None, x), x * x, what="squares(x)")
'''
# The point stays as large as it is: what grows is how often it is moved, twice for each direction and step.
_PERTURBED = '''

@check("q1.1.{name}")
def test_{name}(student, rng):
    """half_square has the slope x."""
    x, directions = rng.normal(size=(8, 8)), random_directions(rng, {directions}, (8, 8))
    function = student.resolve("half_square")
    found = directional_derivatives(
        lambda points: student.run([function.calling(None, point) for point in points]),
        x, directions, steps=(1e-3, 1e-4),
    )
    if not np.abs(found.values - (directions * x).sum(axis=(1, 2))).max() < 1e-6:
        raise CheckFailed("the slopes are wrong")
'''
PERTURBATIONS_EACH = 4  # of one direction: two steps, both signs


def write_homework(folder: Path, *, checks: int = 1, perturbations: int = 0) -> Assignment:
    """Write a homework of one question, and a right submission below `right/`."""
    names = [f"n{number:05}" for number in range(checks)]
    template = _PERTURBED if perturbations else _CHECK
    directions = max(1, perturbations // PERTURBATIONS_EACH)
    body = "".join(template.format(name=name, directions=directions) for name in names)
    files = {
        "homework/rubric.toml": _RUBRIC.format(points=checks) + "".join(f"{name} = 1\n" for name in names),
        "homework/visible/test_q1_1.py": _HEAD + body,
        "right/theory.py": _SUBMISSION,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Assignment(folder / "homework", places={"squares": ("theory",), "half_square": ("theory",)})


def main() -> int:
    """Grade a homework of a size."""
    kind, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    homework = write_homework(folder, **{kind: size})
    report = grade(folder / "right", GradeOptions(assignment=homework)).report
    print(f"{report.score} of {report.max_score}")
    failed = [
        check for question in report.questions for check in question.checks if check.outcome != "passed"
    ]
    for check in failed[:3]:
        print(f"{check.id}: {check.feedback.message}")
    return 0 if report.status == "graded" and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
