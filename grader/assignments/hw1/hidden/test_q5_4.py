"""Q5.4 The same with ReLU: statistics worked out again, bands, and a training of our own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.assignments.hw1.initialisation_networks import require_statistics, stored_statistics
from grader.assignments.hw1.initialisation_training import (
    RELU,
    require_in_bands,
    require_reproduced,
)
from grader.assignments.hw1.notebook_bands import read_bands
from grader.datasets import Mnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q5.4.stats_values", needs=("q5.4.stats",), false_alarm=1e-6)
def test_stats_values(notebook: Replay, dataset: Mnist, rng: np.random.Generator) -> None:
    """The means and standard deviations are those of new networks of your own InitMLP with ReLU."""
    digits = dataset.train_images[rng.permutation(len(dataset.train_images))[:256]]
    stored = stored_statistics(notebook.after("q5.4"), "stats_relu")
    require_statistics(notebook, stored, "stats_relu", activation="relu", digits=digits)


@check("q5.4.accuracy_bands", needs=("q5.4.accuracies",), false_alarm=1e-6)
def test_accuracy_bands(notebook: Replay, dataset: Mnist, note: Callable[[str], None]) -> None:
    """With ReLU xavier and he end at the accuracies of right code."""
    bands = read_bands("q5.4", dataset.profile, data_sha256=dataset.sha256)
    note(require_in_bands(notebook, RELU, bands))


@check("q5.4.reproduced", needs=("q5.4.accuracies",), false_alarm=1e-6)
def test_reproduced(
    notebook: Replay, dataset: Mnist, rng: np.random.Generator, note: Callable[[str], None]
) -> None:
    """A ReLU network from your own initialize_weights learns where final_accuracies_relu says so."""
    found = require_reproduced(notebook, RELU, dataset, rng)
    note(", ".join(f"{method} {accuracy:.3f}" for method, accuracy in found.items()))
