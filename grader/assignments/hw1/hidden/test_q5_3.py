"""Q5.3 Training with Tanh: bands calibrated on the reference, and a training of our own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.assignments.hw1.initialisation_training import (
    TANH,
    require_in_bands,
    require_reproduced,
)
from grader.assignments.hw1.notebook_bands import read_bands
from grader.datasets import Mnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q5.3.accuracy_bands", needs=("q5.3.accuracies",), false_alarm=1e-6)
def test_accuracy_bands(notebook: Replay, dataset: Mnist, note: Callable[[str], None]) -> None:
    """Xavier and he end at the accuracies of right code."""
    bands = read_bands("q5.3", dataset.profile, data_sha256=dataset.sha256)
    note(require_in_bands(notebook, TANH, bands))


@check("q5.3.reproduced", needs=("q5.3.accuracies",), false_alarm=1e-6)
def test_reproduced(
    notebook: Replay, dataset: Mnist, rng: np.random.Generator, note: Callable[[str], None]
) -> None:
    """A network from your own initialize_weights learns where final_accuracies says so."""
    found = require_reproduced(notebook, TANH, dataset, rng)
    note(", ".join(f"{method} {accuracy:.3f}" for method, accuracy in found.items()))
