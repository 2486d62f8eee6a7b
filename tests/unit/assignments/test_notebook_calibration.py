"""The bands of Problems 4 and 5: kept with their runs, and read for the data they were made with only."""

from __future__ import annotations

import json

import pytest

from grader.assignments.hw1 import notebook_bands as bands_module
from grader.assignments.hw1 import notebook_calibration as calibration
from grader.assignments.hw1.initialisation_training import CHANCE_ACCURACY, LEARNS_ACCURACY
from grader.datasets import load_mnist
from grader.errors import GraderFault

PROFILES = ("sample", "full")


def kept(question: str, profile: str) -> dict:
    return json.loads(bands_module.calibration_path(question, profile).read_text(encoding="utf-8"))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("question", ["q5.3", "q5.4"])
def test_right_networks_end_on_their_side_of_the_uncalibrated_bounds(question: str, profile: str) -> None:
    bands = bands_module.bands_of(kept(question, profile))
    for method, (low, high) in bands.accuracies.items():
        assert high < CHANCE_ACCURACY if method in {"zero", "small_random"} else low > LEARNS_ACCURACY


def test_the_bands_of_the_sample_are_those_of_the_sample() -> None:
    digits = load_mnist("sample", None)
    assert bands_module.read_bands("q5.3", "sample", data_sha256=digits.sha256).profile == "sample"


def test_bands_end_a_margin_beyond_the_lowest_and_the_highest_run() -> None:
    runs = [{"accuracies": {"unseen": value}} for value in (0.85, 0.88, 0.86)]
    content = bands_module.content_of("q4.2", "sample", runs, data_sha256="abc", note="")
    bands = bands_module.bands_of(content)
    assert bands.accuracies["unseen"] == pytest.approx((0.79, 0.91))
    assert bands.floor["unseen"] == pytest.approx(0.69)


def test_bands_of_other_data_are_our_fault() -> None:
    with pytest.raises(GraderFault, match="other data"):
        bands_module.read_bands("q5.3", "sample", data_sha256="other")


def test_the_bands_of_full_data_serve_for_either_version_of_them() -> None:
    published, rebuilt = (
        bands_module.read_bands("q4.2", "full", data_sha256=sha256) for sha256 in ("one", "other")
    )
    assert published == rebuilt


def test_a_profile_without_bands_is_our_fault() -> None:
    with pytest.raises(GraderFault, match="cannot be read"):
        bands_module.read_bands("q5.3", "unheard_of", data_sha256="")


def test_each_run_has_its_own_seed_and_all_ways_have_their_turn() -> None:
    plan = calibration.plan_of("q4.2", 5)
    assert [seed for seed, *_ in plan] == [0, 1, 2, 3, 4]
    assert {tuple(way) for _, *way in plan} == set(calibration.WAYS["q4.2"])
