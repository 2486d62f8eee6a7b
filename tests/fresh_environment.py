"""A new virtual environment, as a new machine would have it: pip, and what pip is told to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def new_environment(folder: Path) -> Path:
    """Make a virtual environment with nothing in it; return its `bin`."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    return folder / "bin"


def installed(environment: Path, *wanted: str) -> None:
    """Install with pip, from wherever this machine's pip takes packages."""
    done = subprocess.run(
        [str(environment / "pip"), "install", "--quiet", *wanted], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
