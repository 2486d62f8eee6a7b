"""Q5.3 Training with Tanh: four networks, their losses and what became of them."""

from __future__ import annotations

from collections.abc import Callable

from grader.assignments.hw1.initialisation_training import (
    TANH,
    accuracies_of,
    losses_of,
    require_at_chance,
    require_learning,
    require_losses_drawn,
    require_one_an_epoch,
    require_shares,
)
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt, lines
from grader.datasets import Mnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q5.3.losses")
def test_losses(notebook: Replay, plot: PlotIt) -> None:
    """training_losses holds the losses of each of the four methods."""
    with reproduced_by("print(training_losses)"):
        plot(lines, "Training losses", "epoch", losses_of(notebook, TANH))


@check("q5.3.one_loss_an_epoch", needs=("q5.3.losses",))
def test_one_loss_an_epoch(notebook: Replay) -> None:
    """training_losses has one number for each of 10 epochs."""
    with reproduced_by("print(len(training_losses['xavier']))"):
        require_one_an_epoch(notebook, TANH)


@check("q5.3.accuracies")
def test_accuracies(notebook: Replay) -> None:
    """final_accuracies holds a number for each of the four methods."""
    with reproduced_by("print(final_accuracies)"):
        accuracies_of(notebook, TANH)


@check("q5.3.between_0_and_1", needs=("q5.3.accuracies",))
def test_between_0_and_1(notebook: Replay) -> None:
    """The accuracies in final_accuracies lie between 0 and 1."""
    with reproduced_by("print(final_accuracies)"):
        require_shares(notebook, TANH)


@check("q5.3.at_chance", needs=("q5.3.losses", "q5.3.accuracies"))
def test_at_chance(notebook: Replay, dataset: Mnist, note: Callable[[str], None]) -> None:
    """Networks that start with zero or small_random stay at chance."""
    with reproduced_by("print(training_losses['zero'], final_accuracies['zero'])"):
        note(require_at_chance(notebook, TANH, profile=dataset.profile))


@check("q5.3.learn", needs=("q5.3.losses", "q5.3.accuracies"))
def test_learn(notebook: Replay, note: Callable[[str], None]) -> None:
    """Networks that start with xavier or he learn."""
    with reproduced_by("print(training_losses['he'], final_accuracies['he'])"):
        note(require_learning(notebook, TANH))


@check("q5.3.plot", needs=("q5.3.losses",))
def test_plot(notebook: Replay) -> None:
    """The four curves of the training losses are plotted."""
    with reproduced_by("plt.plot(training_losses['xavier'])"):
        require_losses_drawn(notebook, TANH)
