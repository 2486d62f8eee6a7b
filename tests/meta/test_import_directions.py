"""Imports point downwards only, and the worker knows nothing of the house around it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "grader"

# Highest first. A module may import from its own row and the rows below it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "start",
            "cli",
            "cli_options",
            "cli_paths",
            "class_cli",
            "terminal",
            "selftest_terminal",
            "doctor",
            "endings",
        }
    )
    | frozenset({"self_check", "watching", "interactive", "notebook_view", "editor_tests"}),
    frozenset({"selftest", "bundles"}),
    frozenset({"cohort"}),
    frozenset({"pipeline", "session", "marks", "remembered", "findings", "circumstances"}),
    frozenset({"suite_process"}),
    frozenset({"pytest_plugin", "assignments"}),
    frozenset({"grading"}),
    frozenset(
        {"intake", "notebooks", "client", "students", "scoring", "reports", "plan", "rubric", "suites"}
    ),
    frozenset({"sandbox", "lanes", "checks", "datasets", "faults", "probe_layers", "remote"}),
    frozenset({"worker"}),
    frozenset({"spending", "model", "settings", "records", "plain_text", "scratch", "memory", "stable_zip"})
    | frozenset({"declaration", "environment", "feedback", "suite_start"}),
    frozenset({"errors", "distribution", "grader"}),
)
WORKER_MAY_IMPORT = frozenset({"numpy"}) | sys.stdlib_module_names


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def part_of(dotted: str) -> str:
    """`grader.checks.closeness` is part of `checks`; `grader` alone is the package itself."""
    names = dotted.split(".")
    return names[1] if len(names) > 1 else "grader"


def imported(path: Path) -> set[str]:
    """Return the dotted names a file imports, relative ones made absolute."""
    here = ("grader", *path.relative_to(PACKAGE).with_suffix("").parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: -node.level]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            # `from grader import settings` names a module, `from grader.x import y` most often an object.
            found |= {f"{stem}.{alias.name}" for alias in node.names} if stem == "grader" else {stem}
    return found


def rank(part: str) -> int:
    for position, layer in enumerate(LAYERS):
        if part in layer:
            return position
    raise AssertionError(f"grader.{part} stands in no layer: give it its place in LAYERS")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards_only(path):
    own = part_of(".".join(("grader", *path.relative_to(PACKAGE).with_suffix("").parts)))
    if own == "__init__":
        own = "grader"
    upwards = [
        name
        for name in imported(path)
        if name.partition(".")[0] == "grader" and rank(part_of(name)) < rank(own)
    ]
    assert not upwards


@pytest.mark.parametrize("path", sorted((PACKAGE / "worker").glob("*.py")), ids=lambda path: path.name)
def test_the_worker_needs_only_the_standard_library_numpy_and_itself(path):
    foreign = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in WORKER_MAY_IMPORT and not name.startswith("grader.worker")
    }
    assert not foreign


def test_reports_do_not_know_each_other():
    formats = sorted((PACKAGE / "reports").glob("to_*.py"))
    assert formats
    for path in formats:
        assert not [name for name in imported(path) if ".to_" in name]


def test_nothing_in_the_package_unpickles():
    banned = {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    for path in modules():
        assert not banned & {name.partition(".")[0] for name in imported(path)}, path
        assert "allow_pickle=True" not in path.read_text(encoding="utf-8"), path


def test_no_module_of_ours_is_named_for_everything_and_nothing():
    names = {path.stem for path in modules()}
    assert not names & {"utils", "helpers", "common", "misc", "tools"}
