"""Of modules that suites share, a kit gets what something visible leads to, and nothing else."""

from __future__ import annotations

from grader.bundles.visible_part import visible_modules

PACKAGE = "grader.assignments.tiny"
SHARED = '''"""Shared."""

from __future__ import annotations

import numpy as np

from grader.assignments.tiny.deep import DEPTH, SECRET
from grader.checks.closeness import is_close

KNOWN = 3
TIGHT = 1e-9


# What the hidden check of the edge asks.
@np.vectorize
def edge(x: float) -> bool:
    """Tell the hidden answer."""
    return is_close(x, SECRET, TIGHT)


def visible(x: float) -> float:
    """Use a private one."""
    return _private(x) * DEPTH


def _private(x: float) -> float:
    return x + KNOWN
'''
DEEP = "DEPTH = 2\nSECRET = 41\nif DEPTH:\n    from math import pi\n"
ALONE = "ONLY_HIDDEN = 1\n"


def modules_for(*importers: str) -> dict[str, str]:
    return visible_modules({"shared": SHARED, "deep": DEEP, "alone": ALONE}, PACKAGE, importers)


def test_only_what_is_imported_and_what_that_uses_stays():
    kept = modules_for(f"from {PACKAGE}.shared import visible\n")
    assert sorted(kept) == ["deep", "shared"]
    assert "def visible" in kept["shared"]
    assert "def _private" in kept["shared"]
    assert "KNOWN = 3" in kept["shared"]
    assert f"from {PACKAGE}.deep import DEPTH\n" in kept["shared"]
    for gone in ("edge", "hidden", "vectorize", "TIGHT", "SECRET"):
        assert gone not in kept["shared"], gone
    assert "SECRET" not in kept["deep"]


def test_what_remains_runs():
    kept = modules_for(f"from {PACKAGE}.shared import visible\n")
    names: dict[str, object] = {}
    exec(kept["deep"], names)
    exec(kept["shared"].replace(f"from {PACKAGE}.deep import DEPTH", ""), names)
    assert names["visible"](1) == 8


def test_an_import_inside_of_a_function_counts():
    kept = modules_for(f"def later():\n    from {PACKAGE}.alone import ONLY_HIDDEN\n")
    assert kept == {"alone": ALONE}


def test_nothing_stays_of_what_nobody_imports():
    assert modules_for("import numpy\n") == {}
