"""The ledger of attacks is complete, and what it names is there."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.selftest.run import all_attacks

REPOSITORY = Path(__file__).resolve().parents[2]
LEDGER: dict[str, dict[str, Any]] = tomllib.loads(
    (REPOSITORY / "tests" / "attacks" / "ledger.toml").read_text(encoding="utf-8")
)
# How many rows each part of the catalogue has.
PARTS = {"A": 33, "B": 13, "C": 30, "D": 13, "N": 12, "R": 21, "X": 18}
CATALOGUE = [f"{part}{number:02}" for part, count in PARTS.items() for number in range(1, count + 1)]
OURS = [name for name in LEDGER if name.startswith("O")]
TO_COME = {"notebooks", "report formats", "cohorts"}
KEYS = {"attack", "tests", "selftest", "impossible", "belongs_to", "note"}
LEAST_OF_OUR_OWN = 20
SHORTEST_SENTENCE = 30


@cache
def defined_tests(file: str) -> frozenset[str]:
    """Return the tests that a file defines, with their classes, found without importing it."""
    path = REPOSITORY / file
    return (
        frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body))
        if path.is_file()
        else frozenset()
    )


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from (f"{node.name}::{inner}" for inner in _defined(node.body))


def test_every_row_of_the_catalogue_is_there_once_and_ours_are_numbered_on():
    assert [name for name in LEDGER if name not in OURS] == CATALOGUE
    assert [f"O{number:02}" for number in range(1, len(OURS) + 1)] == OURS
    assert len(CATALOGUE) == 140
    assert len(OURS) >= LEAST_OF_OUR_OWN


@pytest.mark.parametrize("name", LEDGER)
def test_a_row_has_a_test_or_says_why_not(name):
    row = LEDGER[name]
    assert row["attack"]
    assert set(row) <= KEYS
    answers = [key for key in ("tests", "impossible", "belongs_to") if row.get(key)]
    assert len(answers) == 1, answers
    assert "tests" in row or "selftest" not in row
    assert row.get("belongs_to", "notebooks") in TO_COME
    assert len(row.get("impossible", "x" * SHORTEST_SENTENCE)) >= SHORTEST_SENTENCE


@pytest.mark.parametrize("name", [name for name in LEDGER if "tests" in LEDGER[name]])
def test_the_tests_that_a_row_names_exist(name):
    for node_id in LEDGER[name]["tests"]:
        file, _, test = node_id.partition("::")
        assert test in defined_tests(file), node_id


@pytest.mark.parametrize("name", OURS)
def test_a_row_of_our_own_has_a_test_now(name):
    assert LEDGER[name].get("tests")


def test_the_attacks_that_rows_name_are_tried_and_every_attack_belongs_to_a_row():
    attacks = {attack.id: attack for attack in all_attacks()}
    named = {attack for row in LEDGER.values() for attack in row.get("selftest", ())}
    assert named <= set(attacks)
    for attack in attacks.values():
        assert set(attack.rows) <= {*CATALOGUE, "own"}, attack.id
    orphans = [attack.id for attack in attacks.values() if attack.rows == ("own",) and attack.id not in named]
    assert not orphans, "an attack of our own needs a row that names it"
