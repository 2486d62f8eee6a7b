"""A judge that shares nothing with the grader says the same of the fixtures: right ones are right, wrong ones
wrong in the question that they name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import build

REPOSITORY = Path(__file__).resolve().parents[2]
# It imports fixtures into its own process, so it is spared what exits, hangs or eats the machine.
UNSAFE = frozenset({"exited", "timeout", "memory", "crashed"})
NOT_FOR_THIS_PROCESS = frozenset({"right_unusual", "relu_floods_the_output"})
NOT_JUDGED = frozenset({"q6.7"})


def is_judged(name: str) -> bool:
    """Whether a fixture is whole and harmless."""
    outcomes = {row.outcome for row in build.expectation(name).outcomes}
    return not (name.startswith(("half_", "template")) or name in NOT_FOR_THIS_PROCESS or outcomes & UNSAFE)


JUDGED = [name for name in build.names() if is_judged(name)]


@pytest.fixture(scope="module")
def opinions(tmp_path_factory) -> dict[str, dict[str, str]]:
    """What is wrong with each fixture, by question."""
    folder = tmp_path_factory.mktemp("fixtures")
    for name in JUDGED:
        build.write_folder(name, folder / name)
    command = [sys.executable, str(REPOSITORY / "tests" / "second_opinion.py")]
    done = subprocess.run(
        [*command, *(str(folder / name) for name in JUDGED)], capture_output=True, check=True, timeout=300
    )
    return {Path(path).name: wrong for path, wrong in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", JUDGED)
def test_the_second_opinion_finds_the_same_questions_wrong(name, opinions):
    assert opinions[name].keys() == build.expectation(name).loses - NOT_JUDGED, opinions[name]
