"""Q5.3 Training with Tanh: four networks, their losses and what became of them."""

from __future__ import annotations

from collections.abc import Callable

from grader.assignments.hw1.initialisation_training import (
    TANH,
    accuracies_of,
    as_shares,
    excuse,
    losses_of,
    require_at_chance,
    require_learning,
    require_losses_drawn,
    require_one_an_epoch,
    require_shares,
)
from grader.assignments.hw1.notebook_interface import Replay
from grader.checks.closeness import reproduced_by
from grader.pytest_plugin import check


@check("q5.3.losses")
def test_losses(notebook: Replay) -> None:
    """training_losses holds the losses of each of the four methods."""
    with reproduced_by("print(training_losses)"):
        losses_of(notebook.after("q5.3"), TANH)


@check("q5.3.one_loss_an_epoch", needs=("q5.3.losses",))
def test_one_loss_an_epoch(notebook: Replay) -> None:
    """training_losses has one number for each of 10 epochs."""
    with reproduced_by("print(len(training_losses['xavier']))"):
        require_one_an_epoch(losses_of(notebook.after("q5.3"), TANH), TANH)


@check("q5.3.accuracies")
def test_accuracies(notebook: Replay) -> None:
    """final_accuracies holds a number for each of the four methods."""
    with reproduced_by("print(final_accuracies)"):
        accuracies_of(notebook.after("q5.3"), TANH)


@check("q5.3.between_0_and_1", needs=("q5.3.accuracies",))
def test_between_0_and_1(notebook: Replay) -> None:
    """The accuracies in final_accuracies lie between 0 and 1."""
    with reproduced_by("print(final_accuracies)"):
        require_shares(accuracies_of(notebook.after("q5.3"), TANH), TANH)


@check("q5.3.at_chance", needs=("q5.3.losses", "q5.3.accuracies"))
def test_at_chance(notebook: Replay, note: Callable[[str], None]) -> None:
    """Networks that start with zero or small_random stay at chance."""
    with reproduced_by("print(training_losses['zero'], final_accuracies['zero'])"):
        harvest = notebook.after("q5.3")
        accuracies = as_shares(accuracies_of(harvest, TANH))
        note(excuse(require_at_chance(notebook, losses_of(harvest, TANH), accuracies, TANH)))


@check("q5.3.learn", needs=("q5.3.losses", "q5.3.accuracies"))
def test_learn(notebook: Replay, note: Callable[[str], None]) -> None:
    """Networks that start with xavier or he learn."""
    with reproduced_by("print(training_losses['he'], final_accuracies['he'])"):
        harvest = notebook.after("q5.3")
        accuracies = as_shares(accuracies_of(harvest, TANH))
        note(excuse(require_learning(notebook, losses_of(harvest, TANH), accuracies, TANH)))


@check("q5.3.plot", needs=("q5.3.losses",))
def test_plot(notebook: Replay) -> None:
    """The four curves of the training losses are plotted."""
    with reproduced_by("plt.plot(training_losses['xavier'])"):
        harvest = notebook.after("q5.3")
        require_losses_drawn(harvest, losses_of(harvest, TANH))
