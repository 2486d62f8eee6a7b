"""The bands of Problems 4 and 5: between which accuracies right code lies, kept with the runs that say so.

They end a margin beyond the lowest and the highest run: no distribution is assumed, and right code that draws
or rounds otherwise has the margin. `notebook_calibration.py` makes the runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.errors import GraderFault

SCHEMA = "grader/notebook-calibration/v1"
# Runs of the sample that differ in their seed alone spread by 0.011 on unseen cells (q4.2): more than five
# times that. In Problem 5 a last step may throw an accuracy back much further, and then the last loss
# decides.
MARGIN_BELOW = {"q4.2": 0.06, "q5.3": 0.1, "q5.4": 0.1}
MARGIN_ABOVE = 0.03
FLOOR_BELOW = 0.1

Run = Mapping[str, Any]  # {"seed": 0, "scaling": "half", "batch_size": 64, "accuracies": {"unseen": 0.86}}


@dataclass(frozen=True, slots=True)
class Bands:
    """Between which accuracies right code lies, by what was asked: a method, or `unseen` images."""

    profile: str
    accuracies: Mapping[str, tuple[float, float]]
    floor: Mapping[str, float]


def calibration_path(question: str, profile: str) -> Path:
    """Return where the bands of a question are kept."""
    name = f"{question.replace('.', '_')}_{profile}.json"
    return Path(__file__).with_name("calibration") / name


def read_bands(question: str, profile: str, *, data_sha256: str) -> Bands:
    """Read the bands of a question; raise GraderFault if they are not there, or of another sample.

    The full data are known by their checksums before anything is graded. Of BloodMNIST there are two versions
    of the same images, in two splits, for which the bands of either serve.
    """
    path = calibration_path(question, profile)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        bands = bands_of(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GraderFault(f"the calibration of {question} for {profile!r} cannot be read: {error}") from error
    if profile == "sample" and content["data_sha256"] != data_sha256:
        raise GraderFault(
            f"the calibration of {question} for {profile!r} was made with other data than these"
        )
    return bands


def bands_of(content: Mapping[str, Any]) -> Bands:
    """Return the bands that a calibration file's runs give; those that diverged are judged otherwise."""
    seen: dict[str, list[float]] = {}
    for run in content["runs"]:
        for name, accuracy in run["accuracies"].items():
            if not _diverged(run, name):
                seen.setdefault(name, []).append(float(accuracy))
    low = {name: min(values) - MARGIN_BELOW[content["question"]] for name, values in seen.items()}
    return Bands(
        profile=str(content["profile"]),
        accuracies={name: (low[name], min(1.0, max(values) + MARGIN_ABOVE)) for name, values in seen.items()},
        floor={name: value - FLOOR_BELOW for name, value in low.items()},
    )


def _diverged(run: Run, name: str) -> bool:
    losses = run.get("losses")
    return isinstance(losses, Mapping) and losses[name][-1] is None


def content_of(
    question: str, profile: str, runs: Sequence[Run], *, data_sha256: str | None, note: str
) -> dict[str, Any]:
    """Return what a calibration file holds."""
    return {
        "schema": SCHEMA,
        "question": question,
        "profile": profile,
        "data_sha256": data_sha256,
        "note": note,
        "runs": list(runs),
    }
