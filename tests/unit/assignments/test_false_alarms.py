"""Right code fails by bad luck less than once in 10,000 gradings, all checks together."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1.checked_models import (
    SMALL,
    Trial,
    draw_net,
    draw_problem,
    error_on_own_net,
    reported_error,
)
from grader.assignments.hw1.training import calibration_file
from grader.assignments.hw1.visible import test_q6_7
from grader.checks.statistics import (
    FALSE_ALARM,
    Sample,
    require_mean_zero,
    require_normal_shape,
    require_variance,
)
from grader.declaration import declared_by
from grader.errors import CheckFailed
from grader.suites import read_suites
from tests.fakes import FakeStudent
from tests.suite_runner import NOTEBOOK, SUITES, function_of

REFERENCE = Path(__file__).parents[3] / "reference"
MOST = 1e-4
DECLARED = read_suites(SUITES)
RATES = {name: declared_by(function_of(declared)).false_alarm for name, declared in DECLARED.items()}


def test_the_rates_of_one_whole_grading_add_up_to_less_than_one_in_10_000() -> None:
    assert 0 < sum(RATES.values()) < MOST


def test_every_check_that_judges_random_things_of_a_submission_states_its_rate() -> None:
    mytorch = {name: declared for name, declared in DECLARED.items() if not name.startswith(NOTEBOOK)}
    trains = {name for name, declared in mytorch.items() if declared.uses_dataset}
    draws = {name for name in mytorch if "statistics" in _globals_used(function_of(DECLARED[name]))}
    assert trains | draws == {name for name in mytorch if RATES[name]}
    assert {"q6.1.he_variance", "q6.1.he_normal", "q6.7.learns", "q6.7.accuracy"} <= trains | draws


def test_every_check_of_the_notebook_that_judges_draws_or_trainings_states_its_rate() -> None:
    notebook = {name for name in DECLARED if name.startswith(NOTEBOOK)}
    stated = {name for name in notebook if RATES[name]}
    draws = {
        name
        for name in notebook
        if {"statistics", "notebook_bands"} & _globals_used(function_of(DECLARED[name]))
    }
    assert draws <= stated
    assert {"q4.2.learns", "q5.1.he", "q5.2.stats_values", "q5.3.reproduced", "q5.4.accuracy_bands"} <= stated


def _globals_used(function: Callable[..., None]) -> set[str]:
    """Return the modules of grader.checks whose functions a check names."""
    found = (function.__globals__.get(name) for name in function.__code__.co_names)
    return {getattr(value, "__module__", "").rpartition(".")[2] for value in found if callable(value)}


def test_the_checks_of_initial_weights_state_the_rate_that_they_use() -> None:
    assert RATES["q6.1.he_variance"] == RATES["q6.1.he_normal"] == FALSE_ALARM


@pytest.mark.parametrize("profile", ["sample", "full"])
def test_the_bands_of_accuracy_state_no_less_than_their_calibration(profile: str) -> None:
    calibration = json.loads(calibration_file(profile).read_text(encoding="utf-8"))
    for name in ("q6.7.accuracy", "q6.7.accuracy_floor"):
        assert RATES[name] >= calibration["false_alarm_rate"]


@pytest.mark.parametrize("profile", ["sample", "full"])
def test_the_tail_of_right_trainings_ends_far_above_what_counts_as_learning(profile: str) -> None:
    """The lowest tenth of the runs, continued as an exponential tail, does not reach down there."""
    runs = np.array(
        json.loads(calibration_file(profile).read_text(encoding="utf-8"))["test_accuracy_by_seed"]
    )
    tenth = float(np.quantile(runs, 0.1))
    length = float((tenth - runs[runs < tenth]).mean())
    chance = 0.1 * math.exp(-(tenth - test_q6_7.LEARNS_ACCURACY) / length)
    assert chance < RATES["q6.7.learns"]


@pytest.mark.parametrize("require", [require_variance, require_mean_zero, require_normal_shape])
def test_right_draws_fail_no_more_often_than_stated(require: Callable[..., None]) -> None:
    rng, rate, tries = np.random.default_rng(4), 0.02, 2000
    alarms = 0
    for _ in range(tries):
        samples = [Sample("a draw", math.sqrt(v) * rng.normal(size=250), v, {}) for v in (0.005, 0.04, 0.7)]
        try:
            require(samples, what="the weight", false_alarm=rate)
        except CheckFailed:
            alarms += 1
    assert alarms <= rate * tries + 5 * math.sqrt(rate * tries)


def test_a_right_gradient_check_has_a_hundred_times_the_room_it_needs() -> None:
    """So what q6.6 draws cannot fail it: the error is bounded by how the models are drawn."""
    student = FakeStudent(REFERENCE)
    kinds = (
        {},
        {"deep": True},
        {"size": 3e-6},
        {"size": 1e3},
        {"zero_columns": 2},
        {"zero_columns": slice(None)},
    )
    errors = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        errors += [reported_error(student, Trial(draw_problem(rng, **kind))) for kind in kinds]
        errors.append(error_on_own_net(student, draw_net(rng), passed=set()))
    assert max(errors) < SMALL / 100
