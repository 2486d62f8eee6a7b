"""A GitHub workflow and a composite action, with the grader as a wheel beside it.

Source: docs.github.com, "Workflow syntax" and "Metadata syntax". They are for a repository that students
cannot read, since the wheel holds hidden checks and the reference.
"""

from __future__ import annotations

from pathlib import Path

from grader.bundles.archive import BundledFile
from grader.bundles.wheel import PACKAGE, full_wheel

ACTION_FOLDER = ".github/actions/grade"
WORKFLOW = ".github/workflows/grade.yml"
_FILES = PACKAGE / "bundles" / "files" / "actions"
# What checkout, installation and upload may take beside grading; PyTorch alone is gigabytes.
_MINUTES_BESIDE = 10


def actions_files(
    *, with_experiments: bool, minutes: int, rubric: Path | None = None
) -> dict[str, BundledFile]:
    """Return the files by their paths in the course's repository."""
    workflow = _template("grade.yml").replace("MINUTES", str(minutes + _MINUTES_BESIDE))
    action = _template("action.yml").replace("SECONDS", str(minutes * 60))
    action = action.replace("EXTRAS", "[experiments]" if with_experiments else "")
    wheel = {f"{ACTION_FOLDER}/{name}": file for name, file in full_wheel(rubric).items()}
    return {
        WORKFLOW: BundledFile(workflow.encode()),
        f"{ACTION_FOLDER}/action.yml": BundledFile(action.encode()),
        **wheel,
    }


def _template(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")
