"""Small classes on disk, whose names and code may be anything."""

from __future__ import annotations

import json
from pathlib import Path

from grader.cohort.model import Entry, Student
from grader.cohort.similarity.comparing import Options, Similarity, compare

OPTIONS = Options(min_tokens=15, top=50)
SHARED = """
def forward(self, x):
    shifted = x - x.max(axis=1, keepdims=True)
    self.probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return -np.log(self.probs[np.arange(len(x)), labels]).mean()
"""
OTHERS = (
    "while a < b:\n    b -= [c for c in d if c and not e][0]\n    print(b, a, {f: g})\n",
    "def h(i):\n    try:\n        return i ** 2 or None\n    finally:\n        del j[1:2], k\n",
)


def write_student(folder: Path, source: str, *, cells: tuple[str, ...] = ()) -> Path:
    """Write a submission of one module, and a notebook where there are cells."""
    (folder / "mytorch" / "nn").mkdir(parents=True)
    (folder / "mytorch" / "nn" / "loss.py").write_text(source, encoding="utf-8", errors="surrogatepass")
    if cells:
        listed = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
        notebook = {"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "work.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder


def entries(base: Path, names: list[str], sources: list[str]) -> list[Entry]:
    """Write submissions whose labels and students are called by the names."""
    return [
        Entry(label=name, path=write_student(base / f"s{at}", source), students=(Student(key=name),))
        for at, (name, source) in enumerate(zip(names, sources, strict=True))
    ]


def class_of_text(base: Path, text: str) -> Similarity:
    """Compare a class in which names, code, and reasons are made of a text."""
    quoted = "".join(f"# {line}\n" for line in text.encode("utf-8", "replace").decode().splitlines())
    names = [f"{text} one", f"{text} two", f"{text} three"]
    made = entries(
        base, names, [f"{SHARED}{quoted}{OTHERS[0]}", f"{quoted}{SHARED}{quoted}{OTHERS[0]}", OTHERS[1]]
    )
    broken = Entry(label=f"{text} broken", path=base / "none", problem=f"nothing in it: {text}")
    return compare([*made, broken], OPTIONS)
