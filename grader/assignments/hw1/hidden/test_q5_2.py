"""Q5.2 Activation statistics: the values, worked out again from the student's own networks."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.initialisation_networks import (
    require_activation_values,
    require_initialised,
    require_statistics,
    stored_statistics,
)
from grader.assignments.hw1.notebook_interface import Replay
from grader.checks.statistics import FALSE_ALARM
from grader.datasets import Mnist
from grader.pytest_plugin import check


@check("q5.2.activation_values", needs=("q5.2.list_of_activations", "q5.2.architecture"))
def test_activation_values(notebook: Replay, dataset: Mnist, rng: np.random.Generator) -> None:
    """The hidden activations are what the network's weights give with Tanh, and with ReLU."""
    require_activation_values(notebook, dataset.train_images[rng.permutation(len(dataset.train_images))[:32]])


@check("q5.2.initialised", needs=("q5.2.architecture",), false_alarm=1e-6)
def test_initialised(notebook: Replay) -> None:
    """InitMLP starts with the weights of its method, and with biases of 0."""
    require_initialised(notebook, false_alarm=FALSE_ALARM)


@check("q5.2.stats_values", needs=("q5.2.stats", "q5.2.list_of_activations"), false_alarm=1e-6)
def test_stats_values(notebook: Replay, dataset: Mnist, rng: np.random.Generator) -> None:
    """The means and standard deviations are those of new networks of your own InitMLP with Tanh."""
    digits = dataset.train_images[rng.permutation(len(dataset.train_images))[:256]]
    stored = stored_statistics(notebook.after("q5.2"), "stats")
    require_statistics(notebook, stored, "stats", activation="tanh", digits=digits)
