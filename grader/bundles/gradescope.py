"""Gradescope's autograder.zip: `setup.sh`, `run_autograder`, the grader as a wheel.

Source: gradescope-autograders.readthedocs.io. Both scripts lie at the root of the zip, which is unpacked to
/autograder/source; run_autograder is copied to /autograder, and finds the submission in
/autograder/submission.
"""

from __future__ import annotations

from pathlib import Path

from grader.bundles.archive import BundledFile
from grader.bundles.wheel import PACKAGE, full_wheel

_FILES = PACKAGE / "bundles" / "files" / "gradescope"
SCRIPTS = ("setup.sh", "run_autograder")


def gradescope_files(
    *, with_experiments: bool, minutes: int, rubric: Path | None = None
) -> dict[str, BundledFile]:
    """Return the files of the zip by their paths in it."""
    scripts = {name: BundledFile((_FILES / name).read_bytes(), is_executable=True) for name in SCRIPTS}
    chosen = f"WITH_EXPERIMENTS={'yes' if with_experiments else 'no'}\nMINUTES={minutes}\n"
    return {**scripts, **full_wheel(rubric), "settings.sh": BundledFile(chosen.encode())}
