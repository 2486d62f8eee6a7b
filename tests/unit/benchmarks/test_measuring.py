"""What the benchmarks compute from what they measured."""

from __future__ import annotations

import json

import pytest

from benchmarks.growth import told_of
from benchmarks.measuring import (
    Ran,
    fitted_exponent,
    in_turns,
    last_line,
    machine,
    machine_told,
    ratios,
    rotated,
    summary,
)


def test_each_round_begins_one_further_on_and_runs_everybody_once():
    names = ["a", "b", "c"]
    rounds = [rotated(names, turn) for turn in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_nobody_to_run_is_an_empty_round():
    assert rotated([], 3) == []


def test_contenders_run_in_turns_and_keep_their_own_measurements():
    order = []

    def contender(name, values):
        def measured():
            order.append(name)
            return values.pop(0)

        return measured

    found = in_turns({"a": contender("a", [1.0, 2.0]), "b": contender("b", [3.0, 4.0])}, 2)
    assert order == ["a", "b", "b", "a"]
    assert found == {"a": [1.0, 2.0], "b": [3.0, 4.0]}


def test_a_summary_is_median_least_and_all_of_it():
    assert summary([3.0, 1.0, 8.0, 5.0]) == {"median": 4.0, "least": 1.0, "all": [3.0, 1.0, 8.0, 5.0]}


def test_ratios_are_of_medians():
    assert ratios({"base": [1.0, 2.0, 9.0], "other": [3.0, 1.0, 7.0]}, "base") == {"base": 1.0, "other": 1.5}


def test_without_the_base_there_are_no_ratios():
    assert ratios({"other": [1.0]}, "base") == {}
    assert ratios({"base": [], "other": [1.0]}, "base") == {}


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(exponent):
    sizes = [1, 10, 100, 1000]
    assert fitted_exponent(sizes, [7.0 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_a_start_up_makes_the_exponent_smaller_and_the_end_of_it_shows():
    sizes = [1, 10, 100, 1000]
    runs = [[Ran(1.0 + 0.01 * size, 0, "", 1024, 2048)] for size in sizes]
    told = told_of("things", sizes, runs)
    assert told["seconds"]["exponent"] < told["seconds"]["at_the_end"] < 1.0
    assert told["own_peak_mib"]["exponent"] == pytest.approx(0.0)
    assert told["tree_peak_mib"]["rows"][0]["median"] == 2.0


@pytest.mark.parametrize(("sizes", "values"), [([3], [1.0]), ([3, 3], [1.0, 2.0]), ([1, 2], [1.0])])
def test_one_size_has_no_exponent(sizes, values):
    with pytest.raises(ValueError, match="two sizes"):
        fitted_exponent(sizes, values)


def test_the_machine_is_told_with_its_load_and_fits_in_json():
    before = json.loads(json.dumps(machine()))
    assert f"{before['processors']} cores" in machine_told(before, before)
    assert "load" in machine_told(before, before)


def test_the_last_line_is_the_last_that_says_something():
    assert last_line("first\nERROR: no such package\n\n  \n") == "ERROR: no such package"
    assert last_line("") == "it said nothing"
