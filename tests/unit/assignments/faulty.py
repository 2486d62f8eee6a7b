"""Faults for the reference: code that is appended to a copy of one of its files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "faults"

LINEAR = "mytorch/nn/modules/linear.py"
ACTIVATION = "mytorch/nn/modules/activation.py"
LOSS = "mytorch/nn/modules/loss.py"
SEQUENTIAL = "mytorch/nn/sequential.py"
MODULE = "mytorch/nn/module.py"
OPTIM = "mytorch/nn/optim.py"
CHECK = "mytorch/utils.py"


@dataclass(frozen=True)
class Fault:
    """One fault: the check that must fail, and words that its message must hold."""

    name: str
    file: str
    code: str
    check: str
    words: str = ""

    @property
    def question(self) -> str:
        """The only question that may lose points."""
        return self.check.rpartition(".")[0]

    @property
    def patches(self) -> dict[str, str]:
        """The code by the file that it is appended to."""
        return {self.file: self.code}


def read_faults() -> list[Fault]:
    """Return the faults of all questions."""
    return [
        Fault(**row)
        for file in sorted(FOLDER.glob("*.toml"))
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["fault"]
    ]
