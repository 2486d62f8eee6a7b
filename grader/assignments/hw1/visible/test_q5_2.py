"""Q5.2 Activation statistics: the student's own network, and what was kept of it."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.initialisation_networks import (
    hidden_activations,
    network,
    plot_statistics,
    require_architecture,
    require_statistics_drawn,
    scaled,
    stored_statistics,
)
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt
from grader.datasets import Mnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q5.2.architecture")
def test_architecture(notebook: Replay) -> None:
    """InitMLP has the six linear layers of 784-256-256-256-256-256-10."""
    with reproduced_by("for p in InitMLP('xavier', 'tanh').parameters(): print(p.shape)"):
        require_architecture(notebook)


@check("q5.2.list_of_activations")
def test_list_of_activations(notebook: Replay, dataset: Mnist, rng: np.random.Generator) -> None:
    """InitMLP's forward returns the list of its five hidden activations."""
    digits = dataset.train_images[rng.permutation(len(dataset.train_images))[:64]]
    with reproduced_by("for h in InitMLP('xavier', 'tanh')(images): print(h.shape)"):
        made = network(notebook, "xavier", "tanh")
        hidden_activations(notebook, made, scaled(digits, "ToTensor"), "InitMLP('xavier', 'tanh')")


@check("q5.2.stats")
def test_stats(notebook: Replay, plot: PlotIt) -> None:
    """Stats holds five means and five standard deviations for each method."""
    with reproduced_by("print(stats)"):
        plot_statistics(plot, stored_statistics(notebook.after("q5.2"), "stats"))


@check("q5.2.plots", needs=("q5.2.stats",))
def test_plots(notebook: Replay) -> None:
    """The means and the standard deviations of all four methods are plotted against depth."""
    with reproduced_by("plt.plot(stats['xavier']['means'])"):
        harvest = notebook.after("q5.2")
        require_statistics_drawn(harvest, stored_statistics(harvest, "stats"))
