"""What a result depends on beside the submission and the grader's own code."""

from __future__ import annotations

from dataclasses import asdict

from grader.distribution import NAME as INSTALLATION
from grader.pipeline import GradeOptions, device_of, installed_version
from grader.plan import NOTEBOOK_PACKAGES, Plan
from grader.remembered import python_facts
from grader.sandbox import default_limits


def circumstances(options: GradeOptions, plan: Plan) -> dict[str, object]:
    """Return what is the same for all submissions that are graded with these options."""
    packages = (INSTALLATION, "numpy", *(NOTEBOOK_PACKAGES if plan.uses_notebook else ()))
    return {
        **python_facts(),
        "packages": {name: installed_version(name) for name in packages},
        "profile": options.profile,
        "sandbox": options.sandbox,
        "device": device_of(options.device, plan),
        "limits": asdict(options.limits or default_limits()),
    }
