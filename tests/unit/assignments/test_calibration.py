from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1 import calibration
from grader.assignments.hw1.training import (
    ATTEMPTS,
    BATCH_SIZE,
    EPOCHS,
    LEARNING_RATE,
    calibration_file,
    epochs_of_batches,
    plausible_initial_losses,
    read_thresholds,
)
from grader.assignments.hw1.visible.test_q6_7 import LEARNS_ACCURACY
from grader.datasets import Mnist, load_mnist
from grader.errors import GraderFault

PROFILES = ["sample", "full"]
# Test accuracies on all of MNIST that were published for this homework, or seen when replaying it.
PUBLISHED = (0.9542, 0.9641)


def content_of(profile: str) -> dict:
    return json.loads(calibration_file(profile).read_text(encoding="utf-8"))


def tiny(*, profile: str, sha256: str) -> Mnist:
    images, labels = np.zeros((4, 28, 28), dtype=np.uint8), np.zeros(4, dtype=np.uint8)
    return Mnist(images, labels, images, labels, profile=profile, source="", sha256=sha256)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_threshold_is_a_hundredth_below_the_lowest_of_the_runs_it_is_kept_with(profile: str) -> None:
    content = content_of(profile)
    accuracies = content["test_accuracy_by_seed"]
    assert len(accuracies) >= 100
    assert content["threshold"] == pytest.approx(min(accuracies) - 0.01)
    assert content["threshold"] > content["floor"] > LEARNS_ACCURACY
    assert content["attempts"] == ATTEMPTS
    assert content["false_alarm_rate"] < 1e-5


def test_the_false_alarm_rate_is_that_of_ranks() -> None:
    """Of four exchangeable runs, three are all below the fourth in one order of four."""
    assert calibration.false_alarm_rate(1, 3) == pytest.approx(1 / 4)
    rng = np.random.default_rng(0)
    draws = rng.random((200_000, 5 + 2))
    seen = np.mean(draws[:, 5:].max(axis=1) < draws[:, :5].min(axis=1))
    assert seen == pytest.approx(calibration.false_alarm_rate(5, 2), rel=0.05)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_calibration_trained_as_the_check_trains(profile: str) -> None:
    expected = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE}
    assert content_of(profile)["training"] == expected


def test_the_sample_is_the_one_that_was_calibrated() -> None:
    assert read_thresholds(load_mnist("sample", None)).threshold > 0.75


def test_published_runs_of_the_homework_are_above_the_full_threshold() -> None:
    assert min(PUBLISHED) > content_of("full")["threshold"]


def test_other_data_than_the_calibrated_is_our_fault_and_not_the_students() -> None:
    with pytest.raises(GraderFault, match="other data"):
        read_thresholds(tiny(profile="sample", sha256="0"))


def test_a_profile_without_calibration_is_our_fault() -> None:
    with pytest.raises(GraderFault, match="cannot be read"):
        read_thresholds(tiny(profile="unheard of", sha256="0"))


def test_calibrating_again_gives_the_same_accuracy_for_the_same_seed() -> None:
    first = content_of("sample")["test_accuracy_by_seed"][0]
    again = calibration.train_reference(load_mnist("sample", None), 0)
    # Another BLAS may round differently, and a training amplifies it.
    assert again == pytest.approx(first, abs=0.03)


def test_batches_are_full_and_use_no_row_twice_an_epoch() -> None:
    batches = epochs_of_batches(np.random.default_rng(0), 150, epochs=3, batch_size=64)
    assert [len(batch) for batch in batches] == [64] * 6
    assert len(np.unique(np.concatenate(batches[:2]))) == 128


def test_the_initial_loss_of_the_reference_is_in_the_middle_of_its_bounds() -> None:
    low, high = plausible_initial_losses(load_mnist("sample", None).train_images[:256])
    assert low < 2.25
    assert 3.0 < high < 5.0


def test_calibrate_writes_every_run() -> None:
    content = calibration.calibrate(tiny(profile="sample", sha256="abc"), [0.90, 0.92, 0.91])
    assert content["mean"] == 0.91
    assert (content["threshold"], content["floor"]) == (0.89, 0.79)
    assert content["data_sha256"] == "abc"
    assert content["test_accuracy_by_seed"] == [0.90, 0.92, 0.91]


def test_the_package_ships_its_calibrations_beside_the_rubric() -> None:
    assert calibration_file("sample").parent == Path(calibration.__file__).parent / "calibration"
