"""The student's kit, made once for a process of tests, and what of this repository it must not hold."""

from __future__ import annotations

import ast
import io
import json
import zipfile
from functools import cache
from pathlib import Path

from grader.bundles.student import student_files

ROOT = Path(__file__).resolve().parents[3]
ASSIGNMENT = ROOT / "grader" / "assignments" / "hw1"
HIDDEN = tuple(sorted((ASSIGNMENT / "hidden").glob("test_*.py")))
SHORTEST_LINE, SHORTEST_TEXT = 20, 12


@cache
def kit_contents() -> dict[str, bytes]:
    """Return every file of the kit, those inside the wheel too, by path."""
    found = {}
    for path, file in student_files().items():
        if path.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(file.content)) as wheel:
                found |= {f"wheel/{name}": wheel.read(name) for name in wheel.namelist()}
        else:
            found[path] = file.content
    return found


@cache
def kit_text() -> str:
    """Return all sources and texts of the kit as one text, with blanks taken together."""
    return " ".join("\n".join(each.decode("utf-8", "replace") for each in kit_contents().values()).split())


@cache
def elsewhere() -> str:
    """Return the package without its hidden suites, and the template: what stands there tells nothing."""
    files = [*(ROOT / "grader").rglob("*.py"), *(ROOT / "student_template").rglob("*.*")]
    texts = (file.read_text(encoding="utf-8") for file in files if ASSIGNMENT / "hidden" not in file.parents)
    return " ".join("\n".join(texts).split())


def titles_of(file: Path) -> set[str]:
    """Return the docstrings of a suite's functions: of checks, the titles."""
    functions = [
        n for n in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)
    ]
    return {" ".join((ast.get_docstring(each) or "").split()) for each in functions} - {""}


def texts_of(file: Path) -> set[str]:
    """Return what a suite says: every string in it, formatted ones by their pieces, blanks taken together."""
    found = {
        " ".join(node.value.split())
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in found if len(text) >= SHORTEST_TEXT}


def taken_by(file: Path) -> set[tuple[str, str]]:
    """Return what a suite takes out of the assignment's shared modules: module and name."""
    return {
        ((node.module or "").rpartition(".")[2], alias.name)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grader.assignments.hw1.")
        for alias in node.names
    }


def lines_of(texts: list[str]) -> set[str]:
    """Return the lines of code and comment that are long enough to tell where they are from."""
    lines = (line.strip() for text in texts for line in text.splitlines())
    return {" ".join(line.split()) for line in lines if len(line) >= SHORTEST_LINE}


def code_of(notebook: Path) -> str:
    """Return the source of all cells of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells)
