"""A virtual environment for each peer, as its own users have it: pip installs what PyPI has."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.measuring import Command, Failed, last_line, run

# What each environment holds; the submission needs NumPy in all of them.
PACKAGES = {
    "plain": ("pytest", "numpy"),
    "gradescope-utils": ("gradescope-utils", "numpy"),
    "otter-grader": ("otter-grader", "ipykernel", "numpy"),
    "nbgrader": ("nbgrader", "ipykernel", "numpy"),
}
INSTALLING_S = 600.0
_DONE = "installed"


def environment_of(name: str, folder: Path) -> Path:
    """Return the interpreter of a peer's environment, made if it is not there; Failed with pip's last word.

    One that is there whole is used as it is, so that `--work` pays for the installation once.
    """
    place = folder / name
    python = place / "bin" / "python"
    if (place / _DONE).exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    _require([sys.executable, "-m", "venv", place], folder)
    install = ["install", "--quiet", "--disable-pip-version-check", "--no-input"]
    _require([python, "-m", "pip", *install, *PACKAGES[name]], folder)
    (place / _DONE).touch()
    return python


def versions_in(python: Path, name: str) -> str:
    """Return the version of the peer that was installed, with its name."""
    package = PACKAGES[name][0]
    script = f"from importlib.metadata import version; print(version({package!r}))"
    found = run(Command(arguments=[python, "-c", script], folder=python.parent))
    return f"{package} {last_line(found.output)}"


def _require(arguments: list[str | Path], folder: Path) -> None:
    ran = run(Command(arguments=arguments, folder=folder, seconds=INSTALLING_S))
    if ran.exit_code:
        errors = [line for line in ran.output.splitlines() if line.startswith("ERROR")]
        raise Failed(f"could not be installed: {errors[-1] if errors else last_line(ran.output)}")
