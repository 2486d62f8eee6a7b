"""Problem 5: four initialisations of 784-256-256-256-256-256-10 on MNIST, with Tanh and with ReLU.

python reference/experiments/initialisation.py --profile full --seed 0 --out result.json --plots plots
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from grader.datasets import Mnist, load_mnist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments import command_line, devices, figures
from experiments.training import Split, batches_in, epochs_of, evaluate, seeded, to_split, train_epoch

EPOCHS, BATCH_SIZE, LEARNING_RATE = 10, 256, 0.1
SIZES = (784, 256, 256, 256, 256, 256, 10)
METHODS = ("zero", "small_random", "xavier", "he")
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu}


def initialize_weights(shape: tuple[int, int], method: str) -> torch.Tensor:
    """Return a tensor of the given shape, (fan_in, fan_out), drawn as the method says."""
    fan_in, fan_out = shape
    variances = {
        "zero": 0.0,
        "small_random": 0.01**2,
        "xavier": 2 / (fan_in + fan_out),
        "he": 2 / fan_in,
    }
    if method not in variances:
        raise ValueError(f"there is no initialisation {method!r}; known: {', '.join(METHODS)}")
    return torch.randn(shape) * variances[method] ** 0.5


class InitMLP(nn.Module):
    """784-256-256-256-256-256-10; images (N, 1, 28, 28) to the five hidden activations, each (N, 256)."""

    def __init__(self, init_method: str, activation: str = "tanh"):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"there is no activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
        self.activation = ACTIVATIONS[activation]
        self.layers = nn.ModuleList(nn.Linear(*fans) for fans in pairwise(SIZES))
        for layer, fans in zip(self.layers, pairwise(SIZES), strict=True):
            nn.init.zeros_(layer.bias)
            layer.weight.data = initialize_weights(fans, init_method).T.contiguous()  # (fan_out, fan_in)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the hidden activations, the first layer's first."""
        hidden = [x.flatten(start_dim=1)]
        for layer in self.layers[:-1]:
            hidden.append(self.activation(layer(hidden[-1])))
        return hidden[1:]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits, (N, 10)."""
        return self.layers[-1](self(x)[-1])


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each hidden activation over one batch, before training."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one activation came to, by method."""

    statistics: dict[str, Statistics]
    training_losses: dict[str, tuple[float, ...]]  # mean over the images, one an epoch
    final_accuracies: dict[str, float]  # on the test images


@dataclass(frozen=True, slots=True)
class InitialisationRecord:
    """One run of Problem 5: what went in, and what came out."""

    experiment: str
    profile: str
    source: str
    data_sha256: str
    seed: int
    device: str
    torch_version: str
    epochs: int
    batch_size: int
    learning_rate: float
    outcomes: dict[str, Outcome]  # by activation
    wall_time_s: float


def run(
    dataset: Mnist,
    *,
    seed: int,
    device: torch.device,
    epochs: int = EPOCHS,
    activations: Sequence[str] = tuple(ACTIVATIONS),
    on_batch: command_line.OnBatch = lambda *_: None,
) -> InitialisationRecord:
    """Take the statistics of untrained networks, and train one for each activation and method.

    Every network is seeded by itself: what it comes to doesn't depend on which others were trained.
    """
    started = time.perf_counter()
    train = to_split(dataset.train_images, dataset.train_labels, device)
    test = to_split(dataset.test_images, dataset.test_labels, device)
    outcomes = {}
    for activation in activations:
        statistics, losses, accuracies = {}, {}, {}
        for method in METHODS:
            order = seeded(seed)
            network = InitMLP(method, activation).to(device)
            statistics[method] = activation_statistics(network, train.images[:BATCH_SIZE])
            what = f"{activation} {method}"
            losses[method] = learn(network, train, epochs=epochs, order=order, what=what, on_batch=on_batch)
            accuracies[method] = evaluate(network.logits, test).accuracy
        outcomes[activation] = Outcome(statistics, losses, accuracies)
    return InitialisationRecord(
        experiment="initialisation",
        profile=dataset.profile,
        source=dataset.source,
        data_sha256=dataset.sha256,
        seed=seed,
        device=devices.name_of(device),
        torch_version=str(torch.__version__),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        outcomes=outcomes,
        wall_time_s=time.perf_counter() - started,
    )


@torch.no_grad()
def activation_statistics(network: InitMLP, images: torch.Tensor) -> Statistics:
    """Return mean and standard deviation of each hidden activation."""
    hidden = network(images)
    return Statistics(
        means=tuple(activation.mean().item() for activation in hidden),
        stds=tuple(activation.std().item() for activation in hidden),
    )


def learn(
    network: InitMLP,
    train: Split,
    *,
    epochs: int,
    order: torch.Generator,
    what: str = "",
    on_batch: command_line.OnBatch = lambda *_: None,
) -> tuple[float, ...]:
    """Train with SGD and cross-entropy; return the mean loss of each epoch."""
    optimiser = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    return tuple(
        train_epoch(
            network.logits,
            train,
            optimiser,
            batch_size=BATCH_SIZE,
            order=order,
            on_batch=lambda loss, name=name: on_batch(name, loss),
        ).loss
        for name in epochs_of(epochs, what)
    )


def plots(record: InitialisationRecord) -> Mapping[str, figures.Figure]:
    """Return every plot of Problem 5 by its name."""
    found = {}
    for activation, outcome in record.outcomes.items():
        for key, label in (("means", "mean"), ("stds", "standard deviation")):
            found[f"{activation}_{key}"] = figures.curves(
                {method: getattr(outcome.statistics[method], key) for method in METHODS},
                title=f"Untrained network, {activation}",
                x_label="hidden layer",
                y_label=f"{label} of activations",
            )
        found[f"{activation}_losses"] = figures.curves(
            outcome.training_losses, title=f"Training, {activation}", x_label="epoch", y_label="cross-entropy"
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Problem 5 from the command line; return the exit code."""
    parser = command_line.options("Compare four initialisations of a deep network.", epochs=EPOCHS)
    parser.add_argument("--device", choices=devices.NAMES, default="auto", help="auto is CUDA if present")
    parser.add_argument("--activation", choices=[*ACTIVATIONS, "both"], default="both")
    chosen = parser.parse_args(arguments)
    return command_line.run(lambda console: _run(chosen, console))


def _run(chosen: argparse.Namespace, console: Console) -> str:
    device = devices.pick_device(chosen.device)
    dataset = load_mnist(chosen.profile, chosen.data_dir)
    activations = tuple(ACTIVATIONS) if chosen.activation == "both" else (chosen.activation,)
    networks = len(activations) * len(METHODS)
    batches = networks * chosen.epochs * batches_in(len(dataset.train_labels), BATCH_SIZE)
    with command_line.progress(console, batches=batches) as on_batch:
        record = run(
            dataset,
            seed=chosen.seed,
            device=device,
            epochs=chosen.epochs,
            activations=activations,
            on_batch=on_batch,
        )
    command_line.write_record(record, chosen.out)
    if chosen.plots is not None:
        command_line.write_plots(plots(record), chosen.plots)
    return _last_word(record)


def _last_word(record: InitialisationRecord) -> str:
    rows = [
        f"{activation}: "
        + ", ".join(f"{method} {share:.4f}" for method, share in outcome.final_accuracies.items())
        for activation, outcome in record.outcomes.items()
    ]
    return "\n".join(["test accuracies", *rows, f"after {record.wall_time_s:.1f} s on {record.device}"])


if __name__ == "__main__":
    sys.exit(main())
