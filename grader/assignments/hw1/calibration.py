"""Make the thresholds of Q6.7: train the reference again and again, exactly as the check trains.

    python -m grader.assignments.hw1.calibration --profile sample --runs 400

The file keeps every run it came from. The threshold is a hundredth below the lowest of them: the accuracies
have a long tail downwards, so no normal distribution is assumed. Right code falls below the lowest of n runs
once in n + 1 times, and in all of three attempts once in (n + 1)(n + 2)(n + 3) / 6 times, whatever the
distribution; the hundredth is for right code that draws or rounds otherwise than the reference.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from grader.assignments.hw1.training import (
    ATTEMPTS,
    BATCH_SIZE,
    CLASSES,
    EPOCHS,
    HIDDEN,
    LEARNING_RATE,
    PIXELS,
    calibration_file,
    epochs_of_batches,
    rows,
)
from grader.datasets import Mnist, load_mnist
from grader.settings import resource

SCHEMA = "grader/calibration/v1"
MARGIN = 0.01
# Part of the credit for the accuracy is given down to here below the threshold.
FLOOR_BELOW_THRESHOLD = 0.1


def train_reference(dataset: Mnist, seed: int) -> float:
    """Train the reference as the check of Q6.7 trains a submission; return the test accuracy."""
    nn = _reference_nn()
    np.random.seed(seed)  # noqa: NPY002 -- what the reference draws its weights from
    sizes = (PIXELS, *HIDDEN, CLASSES)
    layers = [
        layer for inputs, outputs in pairwise(sizes) for layer in (nn.Linear(inputs, outputs), nn.ReLU())
    ]
    model, loss = nn.Sequential(*layers[:-1]), nn.SoftmaxCrossEntropy()
    optimiser = nn.SGD(model, lr=LEARNING_RATE)
    x, labels = rows(dataset.train_images), dataset.train_labels.astype(np.int64)
    order = epochs_of_batches(np.random.default_rng(seed), len(x), epochs=EPOCHS, batch_size=BATCH_SIZE)
    for batch in order:
        loss.forward(model.forward(x[batch]), labels[batch])
        model.backward(loss.backward())
        optimiser.step()
    predictions = model.forward(rows(dataset.test_images)).argmax(axis=1)
    return float(np.mean(predictions == dataset.test_labels))


def calibrate(dataset: Mnist, accuracies: Sequence[float]) -> dict[str, Any]:
    """Return the content of a profile's calibration file, for the runs of seeds 0, 1, 2 …."""
    threshold = min(accuracies) - MARGIN
    mean, deviation = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    return {
        "schema": SCHEMA,
        "question": "q6.7",
        "profile": dataset.profile,
        "data_sha256": dataset.sha256,
        "training": {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE},
        "mean": round(mean, 5),
        "standard_deviation": round(deviation, 5),
        "lowest": min(accuracies),
        "threshold": round(threshold, 4),
        "floor": round(threshold - FLOOR_BELOW_THRESHOLD, 4),
        "attempts": ATTEMPTS,
        "false_alarm_rate": false_alarm_rate(len(accuracies), ATTEMPTS),
        "test_accuracy_by_seed": list(accuracies),
    }


def false_alarm_rate(runs: int, attempts: int) -> float:
    """Return the chance that `attempts` runs of right code are all below the lowest of `runs` others."""
    return 1 / math.comb(runs + attempts, attempts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate one profile from the command line."""
    parser = argparse.ArgumentParser(description="Calibrate the thresholds of Q6.7.")
    parser.add_argument("--profile", choices=["sample", "full"], default="sample")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args(arguments)
    dataset = load_mnist(options.profile, options.data_dir)
    with ProcessPoolExecutor() as pool:
        accuracies = list(pool.map(partial(train_reference, dataset), range(options.runs), chunksize=4))
    content = calibrate(dataset, accuracies)
    path = calibration_file(options.profile)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path.name}: {content['mean']} ± {content['standard_deviation']}\n")
    return 0


def _reference_nn() -> Any:
    """Import the reference's own `mytorch.nn`; only this program does, no grading process."""
    folder = str(resource("reference"))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("mytorch.nn")


if __name__ == "__main__":
    sys.exit(main())
