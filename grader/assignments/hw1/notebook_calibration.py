"""Make the bands of Problems 4 and 5: repeated runs of right code in each profile of the data.

    python -m grader.assignments.hw1.notebook_calibration --question q4.2 --profile sample --runs 10

Each run has a seed and one of the ways in which right code differs (how pixels are scaled, the size of a
batch), and is kept with its results.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from grader.assignments.hw1.notebook_bands import Run, bands_of, calibration_path, content_of
from grader.datasets import load_bloodmnist, load_mnist, unseen_cells
from grader.reports import write_atomically
from grader.settings import resource

ACTIVATIONS = {"q5.3": "tanh", "q5.4": "relu"}
METHODS = ("zero", "small_random", "xavier", "he")
# Some of the usual ways to scale pixels: x -> (x - mean) / deviation, for x between 0 and 1.
SCALINGS = {"unit": (0.0, 1.0), "half": (0.5, 0.5), "standard": (0.1307, 0.3081)}
# The handout asks for batches of 256; who takes others is judged by the same bands.
_DIGIT_WAYS = (("unit", 256), ("standard", 256), ("half", 256), ("unit", 64), ("unit", 512))
WAYS = {
    "q4.2": (("half", 64), ("unit", 64), ("half", 128), ("unit", 32)),
    "q5.3": _DIGIT_WAYS,
    "q5.4": _DIGIT_WAYS,
}
_UNSEEN = 2000

Way = tuple[int, str, int]  # seed, scaling, size of a batch


# ----------------------------------------------------------------------------- runs of the reference


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is trained repeatedly: the reference's networks of one question, on one profile of the data."""

    question: str
    profile: str
    data_dir: Path | None
    device: str = "cpu"

    def run(self, way: Way) -> Run:
        """Train once, in one of the ways; the same seed gives the same run on the same machine."""
        return self._blood(*way) if self.question == "q4.2" else self._digits(*way)

    def data(self) -> Any:
        """Return the data that this question is trained on."""
        return _data("bloodmnist" if self.question == "q4.2" else "mnist", self.profile, self.data_dir)

    def _blood(self, seed: int, scaling: str, batch_size: int) -> Run:
        blood, training, torch = _experiments("blood_cells"), _experiments("training"), _torch()
        cells = self.data()
        order, network = training.seeded(seed), blood.BloodMLP().to(self.device)
        train, test = self._split(cells, "train", scaling), self._split(cells, "test", scaling)
        optimiser = torch.optim.Adam(network.parameters(), lr=blood.LEARNING_RATE)
        passes = [
            training.train_epoch(network.train(), train, optimiser, batch_size=batch_size, order=order)
            for _ in range(blood.EPOCHS)
        ]
        images, labels = unseen_cells(cells, np.random.default_rng(seed), _UNSEEN)
        splits = {"test": test, "unseen": _scaled(training.to_split(images, labels, self.device), scaling)}
        accuracies = {
            name: training.evaluate(network.eval(), split).accuracy for name, split in splits.items()
        }
        return _record(seed, scaling, batch_size, _ends(passes), accuracies)

    def _digits(self, seed: int, scaling: str, batch_size: int) -> Run:
        study, training, torch = _experiments("initialisation"), _experiments("training"), _torch()
        digits, order = self.data(), training.seeded(seed)
        train, test = self._split(digits, "train", scaling), self._split(digits, "test", scaling)
        accuracies, losses = {}, {}
        for method in METHODS:
            network = study.InitMLP(method, ACTIVATIONS[self.question]).to(self.device)
            optimiser = torch.optim.SGD(network.parameters(), lr=study.LEARNING_RATE)
            passes = [
                training.train_epoch(network.logits, train, optimiser, batch_size=batch_size, order=order)
                for _ in range(study.EPOCHS)
            ]
            accuracies[method] = training.evaluate(network.logits, test).accuracy
            losses[method] = _ends(passes)
        return _record(seed, scaling, batch_size, losses, accuracies)

    def _split(self, data: Any, name: str, scaling: str) -> Any:
        images, labels = getattr(data, f"{name}_images"), getattr(data, f"{name}_labels")
        return _scaled(_experiments("training").to_split(images, labels, self.device), scaling)


def runs_of(calibration: Calibration, plan: Sequence[Way], *, jobs: int) -> Iterator[Run]:
    """Yield the runs of a plan in its order; several processes have one thread each."""
    if jobs == 1:
        yield from map(calibration.run, plan)
        return
    # Forked children would share what torch's threads hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(calibration.run, plan)


def _one_thread() -> None:
    _torch().set_num_threads(1)


@cache
def _data(name: str, profile: str, data_dir: Path | None) -> Any:
    return load_mnist(profile, data_dir) if name == "mnist" else load_bloodmnist(profile, data_dir)


def _ends(passes: Sequence[Any]) -> list[float | None]:
    """Return the mean loss of the first and of the last pass over the data; None is no number."""
    return [round(each.loss, 4) if math.isfinite(each.loss) else None for each in (passes[0], passes[-1])]


def _record(seed: int, scaling: str, batch_size: int, losses: Any, accuracies: Mapping[str, float]) -> Run:
    return {
        "seed": seed,
        "scaling": scaling,
        "batch_size": batch_size,
        "losses": losses,
        "accuracies": {name: round(accuracy, 4) for name, accuracy in accuracies.items()},
    }


def plan_of(question: str, runs: int) -> list[Way]:
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
    parser.add_argument("--jobs", type=int, default=1, help="processes at once, with one thread each")
    parser.add_argument("--device", default="cpu", help="what torch calls it: cpu, cuda")
    options = parser.parse_args(arguments)
    calibration = Calibration(options.question, options.profile, options.data_dir, options.device)
    plan = plan_of(options.question, options.runs)
    path = calibration_path(options.question, options.profile)
    runs: list[Run] = []
    for run in runs_of(calibration, plan, jobs=options.jobs):
        runs.append(run)
        sys.stdout.write(f"run {len(runs)} of {len(plan)}: {json.dumps(run)}\n")
        sys.stdout.flush()
        content = content_of(
            options.question,
            options.profile,
            runs,
            data_sha256=calibration.data().sha256,
            note=f"runs of reference/experiments on {options.device}, torch {_torch().__version__}",
        )
        text = json.dumps(content, indent=2, allow_nan=False)
        write_atomically(path, f"{text}\n")  # after each: what an interrupted calibration has done is kept
    for name, (low, high) in bands_of(content).accuracies.items():
        sys.stdout.write(f"{path.name}: {name} {low:.4f} to {high:.4f}\n")
    return 0


def _scaled(split: Any, scaling: str) -> Any:
    mean, deviation = SCALINGS[scaling]
    return type(split)((split.images - mean) / deviation, split.labels)


def _experiments(name: str) -> Any:
    """Import a module of the reference's experiments; only this program does, no grading process."""
    folder = str(resource("reference"))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"experiments.{name}")


def _torch() -> Any:
    return importlib.import_module("torch")


if __name__ == "__main__":
    sys.exit(main())
