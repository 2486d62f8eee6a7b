"""Train 784-128-64-10 on MNIST with the reference library, and record what came of it.

    python reference/experiments/train_mnist.py --profile sample --seed 0 --out result.json

`train` is what the calibration of question 6.7 calls, once a seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from grader.datasets import Mnist, load_mnist
from grader.errors import GraderError, UsageError

# The one place where reference/ goes on the path: `mytorch` below is the reference's, not a submission's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mytorch.nn import SGD, Linear, ReLU, Sequential, SoftmaxCrossEntropy

BATCH_SIZE = 64


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
    epochs: int = 3,
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training from the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        record = _train_with_progress(load_mnist(options.profile, options.data_dir), options, console)
        _write(record, options.out)
    except GraderError as error:
        console.print(str(error), style="red", markup=False)
        return error.exit_code
    console.print(f"test accuracy {record.test_accuracy:.4f} after {record.wall_time_s:.1f} s")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the reference library on MNIST.")
    parser.add_argument("--profile", choices=["sample", "full"], default="sample", help="which MNIST")
    parser.add_argument("--data-dir", type=Path, help="where the full data set is, if not at its usual place")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the batches")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="where the JSON goes (standard output if left out)")
    return parser


def _train_with_progress(dataset: Mnist, options: argparse.Namespace, console: Console) -> TrainingRecord:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        total = options.epochs * len(batches(dataset.train_labels, BATCH_SIZE))
        task = progress.add_task("starting", total=total)

        def on_batch(epoch: int, loss: float) -> None:
            progress.update(task, advance=1, description=f"epoch {epoch + 1}, loss {loss:.3f}")

        return train(dataset, seed=options.seed, epochs=options.epochs, on_batch=on_batch)


def _write(record: TrainingRecord, out: Path | None) -> None:
    text = json.dumps(asdict(record), indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the result cannot be written to {out}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
