"""Q4.2 Build and train BloodMLP: the accuracy on unseen images, in bands, and whose curves these are."""

from __future__ import annotations

from collections.abc import Callable, Collection

from grader.assignments.hw1.blood_model import Asked, asked, curves, own_accuracy, require_own_accuracies
from grader.assignments.hw1.blood_pixels import Unseen
from grader.assignments.hw1.notebook_bands import read_bands
from grader.checks.exactness import FlagIt
from grader.datasets import BloodMnist
from grader.errors import CheckFailed
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check

MANY = 2000
# Right code knows its test images no better than others: over the calibration's runs the difference spreads
# by 0.013 in the sample, and was 0.03 at most in full.
_KNOWN_BY_HEART = 0.08


# The band ends five spreads below the lowest way of right code (MARGIN_BELOW), which normal draws are less
# than once in a million times; the floor lies still lower.
@check("q4.2.accuracy_floor", needs=("q4.2.learns",), false_alarm=1e-6)
def test_accuracy_floor(
    notebook: Replay, blood: BloodMnist, unseen: Unseen, note: Callable[[str], None], passed: Collection[str]
) -> None:
    """Model comes near the accuracy of right code on images that it has never seen."""
    bands = read_bands("q4.2", blood.profile, data_sha256=blood.sha256)
    _require(asked(notebook, blood), unseen, bands.floor["unseen"], note, passed)


@check("q4.2.accuracy", needs=("q4.2.accuracy_floor",), false_alarm=1e-6)
def test_accuracy(  # noqa: PLR0917 -- pytest gives fixtures by name
    notebook: Replay,
    blood: BloodMnist,
    unseen: Unseen,
    note: Callable[[str], None],
    flag: FlagIt,
    passed: Collection[str],
) -> None:
    """Model has the accuracy of right code on images that it has never seen."""
    bands = read_bands("q4.2", blood.profile, data_sha256=blood.sha256)
    accuracy = _require(asked(notebook, blood), unseen, bands.accuracies["unseen"][0], note, passed)
    known = asked(notebook, blood).accuracy(blood.test_images, blood.test_labels)
    if known > accuracy + _KNOWN_BY_HEART:
        flag(
            "knows_test_images",
            f"model is right on {known:.4f} of the test images and on {accuracy:.4f} of others that are "
            "like them: was it trained on the test set?",
        )


@check("q4.2.own_accuracies", needs=("q4.2.curves",))
def test_own_accuracies(notebook: Replay, blood: BloodMnist, passed: Collection[str]) -> None:
    """val_accs holds the accuracy that model has on the validation images."""
    found = curves(notebook.after("q4.2"))
    require_own_accuracies(asked(notebook, blood), blood, found, passed=passed)


def _require(
    model: Asked, unseen: Unseen, wanted: float, note: Callable[[str], None], passed: Collection[str]
) -> float:
    images, labels = unseen(MANY)
    accuracy = own_accuracy(model, images, labels, passed=passed)
    note(f"accuracy {accuracy:.4f} on {MANY:,} images that it never saw; at least {wanted:.4f} was expected")
    if not accuracy >= wanted:
        raise CheckFailed(
            f"model is right on {accuracy:.4f} of {MANY:,} images that it never saw; at least "
            f"{wanted:.4f} is expected",
            expected=f"at least {wanted:.4f}",
            got=f"{accuracy:.4f}",
        )
    return accuracy
