"""Small submissions for tests that need student code of a certain kind, written where a test asks."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from grader.assignments.hw1.names import PLACES
from grader.client import Student, open_student
from grader.model import Check
from grader.records import GradingRequest
from grader.sandbox import default_limits
from grader.sandbox.early import EarlyWorker, policy_for

REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "mytorch"

LINEAR = """
    import numpy as np

    class Linear:
        def __init__(self, in_features, out_features):
            self.weight = np.random.randn(out_features, in_features)
            self.bias = np.zeros(out_features)
        def forward(self, x):
            self.x = x
            return x @ self.weight.T + self.bias
        def parameters(self):
            return {"weight": self.weight, "bias": self.bias}
"""


def write_package(root: Path, *, linear: str = LINEAR, **files: str) -> Path:
    """Write a `mytorch` whose Linear is the given source; other files by path with __ for /."""
    sources = {
        "mytorch/__init__.py": "",
        "mytorch/nn/__init__.py": "from .modules.linear import Linear\n",
        "mytorch/nn/modules/__init__.py": "",
        "mytorch/nn/modules/linear.py": linear,
    }
    sources |= {name.replace("__", "/") + ".py": text for name, text in files.items()}
    for name, text in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root


def reference_request(folder: Path, *checks: Check) -> GradingRequest:
    """Return what these checks of the reference's `mytorch` are run by, at level 1."""
    root = folder / "submission"
    shutil.copytree(REFERENCE, root / "mytorch")
    return GradingRequest(
        submission_root=root,
        submission_sha256="0" * 64,
        course_secret="",
        checks=checks,
        places=PLACES,
        limits=default_limits(),
        provider="separate",
        min_isolation=1,
    )


def opened(request: GradingRequest, early: EarlyWorker | None = None) -> Student:
    """Start a worker for a request, or take the early one."""
    return open_student(
        request.submission_root,
        places=PLACES,
        provider=request.provider,
        min_isolation=request.min_isolation,
        policy=policy_for(request),
        early=early,
    )
