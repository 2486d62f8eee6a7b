"""What a self-check costs, counted in what does not wobble; the bounds stand in cost_bounds.toml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import watched_run

HERE = Path(__file__)
REFERENCE = HERE.parents[2] / "reference"
BOUNDS = tomllib.loads(HERE.with_name("cost_bounds.toml").read_text(encoding="utf-8"))
LOADED = {name: BOUNDS["forbidden"]["both"] + BOUNDS["forbidden"][name] for name in ("command", "suites")}
RUNS = (
    "one_question",
    "problem_6",
    pytest.param("problem_6_forked", marks=pytest.mark.needs_confinement),
)
COSTS = [name for name in BOUNDS["one_question"] if name not in ("questions", "sandbox")]
CHECKED_S = 300


@pytest.fixture(scope="module")
def costs(tmp_path_factory) -> Mapping[str, dict[str, Any]]:
    """Check the reference for real when asked, and return what each run cost: see tests/watched_run.py."""
    return Watched(tmp_path_factory)


class Watched(dict[str, dict[str, Any]]):
    """What each run cost, found out once."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        super().__init__()
        self._folders = folders

    def __missing__(self, run: str) -> dict[str, Any]:
        self[run] = watched(BOUNDS[run], self._folders.mktemp(run))
        return self[run]


def watched(bounds: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    out = folder / "spent.json"
    questions = bounds["questions"]
    # A machine where the best sandbox fails tries the next one, and starts more programs: so it is named.
    options = ("--fresh", "--sandbox", bounds["sandbox"])
    script = str(Path(watched_run.__file__))
    done = subprocess.run(
        [sys.executable, script, str(out), "check", str(REFERENCE), *questions, *options],
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=CHECKED_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    command, suites = (json.loads(out.with_suffix(f".{name}").read_text()) for name in LOADED)
    return {
        **json.loads(out.read_text(encoding="utf-8")),
        "modules": {"command": command["modules"], "suites": suites["modules"]},
        "command_modules": len(command["modules"]),
        "suites_modules": len(suites["modules"]),
        "command_programs": len(command["started"]),
        "suites_programs": len(suites["started"]),
    }


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("process", LOADED)
def test_neither_process_of_a_self_check_loads_what_it_does_not_need(process, run, costs):
    loaded = costs[run]["modules"][process]
    known = [name for name in LOADED[process] if any(is_of(module, name) for module in loaded)]
    assert not known, f"`grader check` waits for {known[0]}, which its {process} process loads for nothing"


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("process", LOADED)
def test_the_watch_sees_the_modules_that_each_process_surely_loads(process, run, costs):
    surely = {"command": {"grader.pipeline", "pydantic"}, "suites": {"numpy", "grader.client", "pytest"}}
    assert surely[process] <= set(costs[run]["modules"][process])


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("cost", COSTS)
def test_no_cost_of_a_self_check_grows_beyond_its_bound(cost, run, costs):
    counted, bound = costs[run][cost], BOUNDS[run][cost]
    assert counted <= bound, (
        f"{cost} of a self-check of {', '.join(BOUNDS[run]['questions'])} grew to {counted}, above {bound}:"
        f" make it smaller, or say why in tests/meta/cost_bounds.toml"
    )


def is_of(module: str, name: str) -> bool:
    """Whether a module is the named one, in it, or (a name that ends with an underscore) begins so."""
    return module == name or module.startswith(name if name.endswith("_") else f"{name}.")
