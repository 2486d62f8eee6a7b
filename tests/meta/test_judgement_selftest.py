"""What the self-test of the judgement rests on: reviewed rows that still fit, and a probe of its own."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from grader.selftest.contract_rows import read_rows, stale_changes
from grader.selftest.mutants import mutants_of
from grader.selftest.right_variants import right_variants
from grader.settings import resource

SELFTEST = Path(__file__).resolve().parents[2] / "grader" / "selftest"
FREE = {"numpy"} | set(sys.stdlib_module_names)


def test_no_reviewed_row_is_out_of_date():
    assert not stale_changes(read_rows(), mutants_of(resource("reference")))


def test_every_reviewed_row_gives_a_reason():
    assert all(len(row.reason.split()) > 4 for row in read_rows())


@pytest.mark.parametrize("name", ["behaviour.py", "peers.py"])
def test_the_probe_shares_no_code_with_the_checks_nor_with_anything_of_ours(name):
    tree = ast.parse((SELFTEST / name).read_text(encoding="utf-8"))
    imported = {
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert {module.partition(".")[0] for module in imported} <= FREE


def test_every_right_fixture_is_a_variant():
    folders = [resource("fixtures/submissions"), resource("fixtures/theory")]
    shipped = {path.name for folder in folders for path in folder.glob("right_*")}
    assert {variant.name for variant in right_variants()} == shipped
