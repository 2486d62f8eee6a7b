"""When a submission needs no student code to run again: all that its findings depend on, as one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from grader.circumstances import circumstances
from grader.pipeline import GradeOptions
from grader.plan import Plan
from grader.records import finite
from grader.remembered import own_digest, tree_digest


def code_digest(options: GradeOptions) -> str:
    """Return a digest of the grader's code and suites. The rubric is not in it: points are added up later."""
    folder = options.assignment.folder
    but = frozenset({folder / "rubric.toml"})
    return hashlib.sha256(f"{own_digest(but=but)} {tree_digest(folder, but=but)}".encode()).hexdigest()


def fingerprint_with(options: GradeOptions, plan: Plan) -> Callable[[str], str]:
    """Return the function from a submission's content to the fingerprint of what is found in it.

    The points of a rubric are not part of it, the checks that are run are; of the course's secret only a
    digest ever gets near it.
    """
    about = {
        **circumstances(options, plan),
        "grader": code_digest(options),
        "checks": [planned.check.id for planned in plan.checks],
        "parts": sorted(plan.required_parts),
        "not run": {each.question.id: each.not_run_reason for each in plan.questions if each.not_run_reason},
        "secret": hashlib.sha256(options.course_secret.encode()).hexdigest(),
        "seed": options.seed,
        "min_isolation": options.min_isolation,
        "fast_data": options.fast_data,
    }
    text = json.dumps(finite(about), sort_keys=True)
    return lambda content: hashlib.sha256(f"{text}\n{content}".encode()).hexdigest()
