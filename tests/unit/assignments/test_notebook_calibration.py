"""The bands of Problems 4 and 5: kept with their runs, and read for the data they were made with only."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from grader.assignments.hw1 import notebook_bands as bands_module
from grader.assignments.hw1 import notebook_calibration as calibration
from grader.assignments.hw1.initialisation_training import CHANCE_ACCURACY, CHANCE_LOSS, has_learned
from grader.datasets import load_mnist
from grader.errors import GraderFault

PROFILES = ("sample", "full")


def kept(question: str, profile: str) -> dict:
    return json.loads(bands_module.calibration_path(question, profile).read_text(encoding="utf-8"))


RUNS = [
    (question, profile, run)
    for question in ("q5.3", "q5.4")
    for profile in PROFILES
    for run in kept(question, profile)["runs"]
]


@pytest.mark.parametrize(("question", "profile", "run"), RUNS)
def test_the_bounds_that_are_not_calibrated_find_every_run_right(question, profile, run) -> None:
    for method, accuracy in run["accuracies"].items():
        losses = _losses_of(run, method)
        if method in {"xavier", "he"}:
            assert has_learned(accuracy, losses)
        elif (question, profile, method) != ("q5.3", "full", "small_random"):
            assert accuracy < CHANCE_ACCURACY
        elif losses is not None:  # it may leave chance, but late
            assert abs(losses[0] - math.log(10)) < CHANCE_LOSS


def _losses_of(run, method):
    """Return the first and the last loss, where they were kept; what is None there is no number."""
    found = run.get("losses")
    return np.array(found[method], dtype=float) if found else None


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("question", ["q4.2", "q5.3", "q5.4"])
def test_every_band_rests_on_twenty_runs_and_more(question, profile) -> None:
    assert len(kept(question, profile)["runs"]) >= 20


def test_a_run_that_diverged_sets_no_band() -> None:
    runs = [
        {"losses": {"he": [0.9, end]}, "accuracies": {"he": accuracy}}
        for end, accuracy in ((0.1, 0.95), (None, 0.098))
    ]
    content = bands_module.content_of("q5.4", "full", runs, data_sha256=None, note="")
    assert bands_module.bands_of(content).accuracies["he"][0] == pytest.approx(0.85)


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
