"""Make and read the bands of Problems 4 and 5: repeated runs of right code in each profile of the data.

    python -m grader.assignments.hw1.notebook_calibration --question q4.2 --profile sample --runs 10

Each run has a seed and one of the ways in which right code differs (how pixels are scaled, the size of a
batch), and is kept with its results. The bands end a margin beyond the lowest and the highest of them: no
distribution is assumed, and right code that draws or rounds otherwise has the margin.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grader.datasets import load_bloodmnist, load_mnist, unseen_cells
from grader.errors import GraderFault
from grader.settings import resource

SCHEMA = "grader/notebook-calibration/v1"
ACTIVATIONS = {"q5.3": "tanh", "q5.4": "relu"}
METHODS = ("zero", "small_random", "xavier", "he")
# Some of the usual ways to scale pixels: x -> (x - mean) / deviation, for x between 0 and 1.
SCALINGS = {"unit": (0.0, 1.0), "half": (0.5, 0.5), "standard": (0.1307, 0.3081)}
WAYS = {
    "q4.2": (("half", 64), ("unit", 64), ("half", 128), ("unit", 32)),
    "q5.3": (("unit", 256), ("standard", 64), ("half", 256), ("unit", 64), ("unit", 512)),
    "q5.4": (("unit", 256), ("standard", 64), ("half", 256), ("unit", 64), ("unit", 512)),
}
# Runs of the sample that differ in their seed alone spread by 0.011 on unseen cells (q4.2): more than five
# times that. In Problem 5 a last step may throw an accuracy back much further, and then the last loss
# decides.
MARGIN_BELOW = {"q4.2": 0.06, "q5.3": 0.1, "q5.4": 0.1}
MARGIN_ABOVE = 0.03
FLOOR_BELOW = 0.1
_UNSEEN = 2000

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
    """Return the bands that a calibration file's runs give."""
    seen: dict[str, list[float]] = {}
    for run in content["runs"]:
        for name, accuracy in run["accuracies"].items():
            seen.setdefault(name, []).append(float(accuracy))
    low = {name: min(values) - MARGIN_BELOW[content["question"]] for name, values in seen.items()}
    return Bands(
        profile=str(content["profile"]),
        accuracies={name: (low[name], min(1.0, max(values) + MARGIN_ABOVE)) for name, values in seen.items()},
        floor={name: value - FLOOR_BELOW for name, value in low.items()},
    )


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


# ----------------------------------------------------------------------------- runs of the reference


def blood_runs(profile: str, data_dir: Path | None, plan: Iterable[tuple[int, str, int]]) -> Iterator[Run]:
    """Train the reference of Problem 4 once for each seed, scaling and size of a batch."""
    blood, training = _experiments("blood_cells"), _experiments("training")
    cells = load_bloodmnist(profile, data_dir)
    for seed, scaling, batch_size in plan:
        order, network = training.seeded(seed), blood.BloodMLP()
        train, test = (
            _split(training, images, labels, scaling)
            for images, labels in (
                (cells.train_images, cells.train_labels),
                (cells.test_images, cells.test_labels),
            )
        )
        optimiser = importlib.import_module("torch").optim.Adam(network.parameters(), lr=blood.LEARNING_RATE)
        passes = [
            training.train_epoch(network.train(), train, optimiser, batch_size=batch_size, order=order)
            for _ in range(blood.EPOCHS)
        ]
        images, labels = unseen_cells(cells, np.random.default_rng(seed), _UNSEEN)
        unseen = _split(training, images, labels, scaling)
        yield {
            "seed": seed,
            "scaling": scaling,
            "batch_size": batch_size,
            "losses": [round(each.loss, 4) for each in (passes[0], passes[-1])],
            "accuracies": {
                name: round(training.evaluate(network.eval(), split).accuracy, 4)
                for name, split in (("test", test), ("unseen", unseen))
            },
        }


def digit_runs(
    activation: str, profile: str, data_dir: Path | None, plan: Iterable[tuple[int, str, int]]
) -> Iterator[Run]:
    """Train the reference's four networks of Problem 5 for each seed, scaling and size of a batch."""
    study, training = _experiments("initialisation"), _experiments("training")
    digits = load_mnist(profile, data_dir)
    for seed, scaling, batch_size in plan:
        order = training.seeded(seed)
        train = _split(training, digits.train_images, digits.train_labels, scaling)
        test = _split(training, digits.test_images, digits.test_labels, scaling)
        accuracies, losses = {}, {}
        for method in METHODS:
            network = study.InitMLP(method, activation)
            optimiser = importlib.import_module("torch").optim.SGD(
                network.parameters(), lr=study.LEARNING_RATE
            )
            passes = [
                training.train_epoch(network.logits, train, optimiser, batch_size=batch_size, order=order)
                for _ in range(study.EPOCHS)
            ]
            accuracies[method] = round(training.evaluate(network.logits, test).accuracy, 4)
            losses[method] = [round(each.loss, 4) for each in (passes[0], passes[-1])]
        yield {
            "seed": seed,
            "scaling": scaling,
            "batch_size": batch_size,
            "losses": losses,
            "accuracies": accuracies,
        }


def plan_of(question: str, runs: int) -> list[tuple[int, str, int]]:
    """Return seed, scaling and size of a batch of each run: all ways in turn, each run with its own seed."""
    ways = itertools.cycle(WAYS[question])
    return [(seed, *next(ways)) for seed in range(runs)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate one question in one profile from the command line."""
    parser = argparse.ArgumentParser(description="Calibrate the bands of Problems 4 and 5.")
    parser.add_argument("--question", choices=sorted(WAYS), required=True)
    parser.add_argument("--profile", choices=["sample", "full"], default="sample")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args(arguments)
    plan = plan_of(options.question, options.runs)
    if options.question == "q4.2":
        sha256 = load_bloodmnist(options.profile, options.data_dir).sha256
        trained = blood_runs(options.profile, options.data_dir, plan)
    else:
        sha256 = load_mnist(options.profile, options.data_dir).sha256
        trained = digit_runs(ACTIVATIONS[options.question], options.profile, options.data_dir, plan)
    runs = []
    for run in trained:
        runs.append(run)
        sys.stdout.write(f"run {len(runs)} of {len(plan)}: {json.dumps(run)}\n")
        sys.stdout.flush()
    content = content_of(
        options.question,
        options.profile,
        runs,
        data_sha256=sha256,
        note="runs of reference/experiments, by this module",
    )
    path = calibration_path(options.question, options.profile)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for name, (low, high) in bands_of(content).accuracies.items():
        sys.stdout.write(f"{path.name}: {name} {low:.4f} to {high:.4f}\n")
    return 0


def _split(training: Any, images: Any, labels: Any, scaling: str) -> Any:
    mean, deviation = SCALINGS[scaling]
    plain = training.to_split(images, labels, "cpu")
    return training.Split((plain.images - mean) / deviation, plain.labels)


def _experiments(name: str) -> Any:
    """Import a module of the reference's experiments; only this program does, no grading process."""
    folder = str(resource("reference"))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"experiments.{name}")


if __name__ == "__main__":
    sys.exit(main())
