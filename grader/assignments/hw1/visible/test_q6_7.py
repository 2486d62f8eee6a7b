"""Q6.7 MNIST with mytorch: the network starts sensibly, can learn by heart, and learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grader.assignments.hw1.training import (
    epochs_of_batches,
    make_network,
    plausible_initial_losses,
    trained_accuracy,
)
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt
from grader.client import Student
from grader.datasets import Mnist
from grader.errors import CheckFailed
from grader.pytest_plugin import check

FEW = 64
# A network that learns is at 1.00 here after half of these epochs.
FEW_EPOCHS, FEW_BATCH, FEW_ACCURACY = 60, 16, 0.95
# Guessing gives 0.1; right code is far above this on every data profile.
LEARNS_ACCURACY = 0.6
_NETWORK = "Sequential(Linear(784, 128), ReLU(), Linear(128, 64), ReLU(), Linear(64, 10))"


# Over 300 draws of the reference 2.40 ± 0.06, eight deviations from the nearer bound.
@check("q6.7.initial_loss", false_alarm=1e-6)
def test_initial_loss_is_plausible(student: Student, rng: np.random.Generator, dataset: Mnist) -> None:
    """The cross-entropy of the untrained network is about that of guessing, ln 10 = 2.3."""
    chosen = rng.permutation(len(dataset.train_images))[:256]
    images, labels = dataset.train_images[chosen], dataset.train_labels[chosen].astype(np.int64)
    low, high = plausible_initial_losses(images)
    with reproduced_by(f"print(SoftmaxCrossEntropy().forward({_NETWORK}.forward(x), labels))"):
        value = make_network(student, rng).own_loss(images, labels)
        if not low <= value <= high:
            raise CheckFailed(
                f"the loss of the untrained 784-128-64-10 network is {value:.3g} on {len(images)} digits; "
                f"it should be between {low:.2f} and {high:.2f}: how large are the initial weights?",
                expected=f"{low:.2f} to {high:.2f}",
                got=f"{value:.4g}",
            )


# All of 300 trainings of the reference knew all 64 digits.
@check("q6.7.overfits", false_alarm=1e-6)
def test_a_few_digits_are_learned_by_heart(
    student: Student, rng: np.random.Generator, dataset: Mnist
) -> None:
    """The network can learn 64 digits by heart."""
    chosen = rng.permutation(len(dataset.train_images))[:FEW]
    images, labels = dataset.train_images[chosen], dataset.train_labels[chosen]
    with reproduced_by(f"train {_NETWORK} on 64 digits: 60 epochs, batches of 16, SGD(lr=0.1)"):
        network = make_network(student, rng)
        order = epochs_of_batches(rng, FEW, epochs=FEW_EPOCHS, batch_size=FEW_BATCH)
        network.train(rng, images, labels, order)
        accuracy = network.accuracy(images, labels)
        if not accuracy >= FEW_ACCURACY:
            raise CheckFailed(
                f"after {FEW_EPOCHS} epochs on {FEW} digits the network knows {accuracy:.0%} of them; "
                f"it should know at least {FEW_ACCURACY:.0%}",
                expected=f"at least {FEW_ACCURACY:.0%}",
                got=f"{accuracy:.0%}",
            )


# The tail of the calibration's runs, continued to here.
@check("q6.7.learns", false_alarm=1e-6)
def test_the_network_learns_mnist(
    student: Student,
    rng: np.random.Generator,
    dataset: Mnist,
    shared: dict[str, float],
    *,
    note: Callable[[str], None],
    plot: PlotIt,
) -> None:
    """Three epochs of SGD(0.1) in batches of 64 teach the network most test digits."""
    with reproduced_by(f"train {_NETWORK} on MNIST: 3 epochs, batches of 64, SGD(lr=0.1)"):
        accuracy = trained_accuracy(student, rng, dataset, plot)
        note(f"test accuracy {accuracy:.4f} after 3 epochs on {len(dataset.train_images):,} digits")
        if not accuracy >= LEARNS_ACCURACY:
            raise CheckFailed(
                f"after 3 epochs the network is right on {accuracy:.1%} of the test digits; "
                f"at least {LEARNS_ACCURACY:.0%} is expected (guessing gives 10 %)",
                expected=f"at least {LEARNS_ACCURACY:.0%}",
                got=f"{accuracy:.1%}",
            )
        shared["accuracy"] = accuracy  # the hidden bands are about this same training
