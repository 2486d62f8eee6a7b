"""Q5.4 The same with ReLU: statistics, losses and what became of four networks."""

from __future__ import annotations

from collections.abc import Callable

from grader.assignments.hw1.initialisation_networks import plot_statistics, stored_statistics
from grader.assignments.hw1.initialisation_training import (
    RELU,
    accuracies_of,
    losses_of,
    require_at_chance,
    require_learning,
)
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt, lines
from grader.datasets import Mnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q5.4.stats")
def test_stats(notebook: Replay, plot: PlotIt) -> None:
    """stats_relu holds five means and five standard deviations for each method."""
    with reproduced_by("print(stats_relu)"):
        plot_statistics(plot, stored_statistics(notebook.after("q5.4"), "stats_relu"))


@check("q5.4.losses")
def test_losses(notebook: Replay, plot: PlotIt) -> None:
    """training_losses_relu holds the losses of each of the four methods."""
    with reproduced_by("print(training_losses_relu)"):
        plot(lines, "Training losses", "epoch", losses_of(notebook, RELU))


@check("q5.4.accuracies")
def test_accuracies(notebook: Replay) -> None:
    """final_accuracies_relu holds a number for each of the four methods."""
    with reproduced_by("print(final_accuracies_relu)"):
        accuracies_of(notebook, RELU)


@check("q5.4.at_chance", needs=("q5.4.losses", "q5.4.accuracies"))
def test_at_chance(notebook: Replay, dataset: Mnist, note: Callable[[str], None]) -> None:
    """ReLU networks that start with zero or small_random stay at chance."""
    with reproduced_by("print(training_losses_relu['zero'], final_accuracies_relu['zero'])"):
        note(require_at_chance(notebook, RELU, profile=dataset.profile))


@check("q5.4.learn", needs=("q5.4.losses", "q5.4.accuracies"))
def test_learn(notebook: Replay, note: Callable[[str], None]) -> None:
    """ReLU networks that start with xavier or he learn."""
    with reproduced_by("print(training_losses_relu['he'], final_accuracies_relu['he'])"):
        note(require_learning(notebook, RELU))
