"""Train 784-128-64-10 on MNIST with the reference library, and record what came of it.

    python reference/experiments/train_mnist.py --profile sample --seed 0 --out result.json --plots plots

`train` is what the calibration of question 6.7 calls, once a seed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from grader.datasets import Mnist, load_mnist

# The one place where reference/ goes on the path: `mytorch` below is the reference's, not a submission's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments import command_line
from mytorch.nn import SGD, Linear, ReLU, Sequential, SoftmaxCrossEntropy

EPOCHS, BATCH_SIZE = 3, 64


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One training run: what went in, and what came out."""

    profile: str
    data_sha256: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    losses: tuple[float, ...]  # mean over the epoch's batches, one an epoch
    test_accuracy: float
    wall_time_s: float


def train(
    dataset: Mnist,
    *,
    seed: int,
    epochs: int = EPOCHS,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = 0.1,
    on_batch: Callable[[int, float], None] | None = None,
) -> TrainingRecord:
    """Train from scratch; `on_batch` is told the epoch, from 0, and the loss of every batch.

    Everything random follows from `seed`; NumPy's global generator is seeded, since the layers draw from it.
    """
    started = time.perf_counter()
    np.random.seed(seed)
    order = np.random.default_rng(seed)
    model = build_model()
    loss_fn = SoftmaxCrossEntropy()
    optimiser = SGD(model, lr=learning_rate)

    def step(rows: np.ndarray) -> float:
        logits = model.forward(pixels(dataset.train_images[rows]))
        loss = loss_fn.forward(logits, dataset.train_labels[rows])
        optimiser.zero_grad()
        model.backward(loss_fn.backward())
        optimiser.step()
        return loss

    losses = []
    for epoch in range(epochs):
        batch_losses = []
        for rows in batches(order.permutation(len(dataset.train_labels)), batch_size):
            batch_losses.append(step(rows))
            if on_batch is not None:
                on_batch(epoch, batch_losses[-1])
        losses.append(float(np.mean(batch_losses)))
    return TrainingRecord(
        profile=dataset.profile,
        data_sha256=dataset.sha256,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        losses=tuple(losses),
        test_accuracy=accuracy(model, dataset.test_images, dataset.test_labels),
        wall_time_s=time.perf_counter() - started,
    )


def build_model() -> Sequential:
    """Return the network of question 6.7."""
    return Sequential(Linear(784, 128), ReLU(), Linear(128, 64), ReLU(), Linear(64, 10))


def pixels(images: np.ndarray) -> np.ndarray:
    """Return images (N, 28, 28), 0 to 255, as rows (N, 784), 0 to 1."""
    return images.reshape(len(images), -1) / 255


def batches(rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Cut rows into batches; the last one may be smaller."""
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]


def accuracy(model: Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose largest logit is at their label."""
    predictions = model.forward(pixels(images)).argmax(axis=1)
    return float(np.mean(predictions == labels))


def plots(record: TrainingRecord) -> dict[str, object]:
    """Return the plot of question 6.7 by its name; Matplotlib is needed here only."""
    from experiments import figures  # noqa: PLC0415

    lines = {"training": record.losses}
    return {"q6.7_losses": figures.curves(lines, title="mytorch", x_label="epoch", y_label="cross-entropy")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training from the command line; return the exit code."""
    chosen = command_line.options("Train the reference library on MNIST.", epochs=EPOCHS).parse_args(
        arguments
    )
    return command_line.run(lambda console: _run(chosen, console))


def _run(chosen: argparse.Namespace, console: Console) -> str:
    dataset = load_mnist(chosen.profile, chosen.data_dir)
    total = chosen.epochs * len(batches(dataset.train_labels, BATCH_SIZE))
    with command_line.progress(console, batches=total) as on_batch:
        record = train(
            dataset,
            seed=chosen.seed,
            epochs=chosen.epochs,
            on_batch=lambda epoch, loss: on_batch(f"epoch {epoch + 1}", loss),
        )
    command_line.write_record(record, chosen.out)
    if chosen.plots is not None:
        command_line.write_plots(plots(record), chosen.plots)
    return f"test accuracy {record.test_accuracy:.4f} after {record.wall_time_s:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
