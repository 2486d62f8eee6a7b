"""Problem 4: train 2352-256-128-8 on BloodMNIST, evaluate it, and look at its confidence.

    python reference/experiments/blood_cells.py --profile full --seed 0 --out result.json --plots plots

The plots of the full profile show pixels of BloodMNIST.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import nn

from grader.datasets import BLOOD_CLASSES, BloodMnist, load_bloodmnist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from experiments import command_line, devices, figures
from experiments.evaluation import Evaluation, Example, Mistake, Quadrants, evaluate_answers, quadrants
from experiments.training import (
    Split,
    batches_in,
    epochs_of,
    evaluate,
    predict,
    seeded,
    to_split,
    train_epoch,
)

EPOCHS, BATCH_SIZE, LEARNING_RATE = 30, 64, 0.001
CLASS_NAMES = tuple(name.partition("(")[0] for name in BLOOD_CLASSES)  # one of them explains itself at length


class BloodMLP(nn.Module):
    """Images (N, 3, 28, 28) to logits (N, 8)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(2352, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 8)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits; their softmax is the loss's business."""
        return self.layers(x)


@dataclass(frozen=True, slots=True)
class Curves:
    """One number an epoch: means over the split; of the training split, while the network learned."""

    train_losses: tuple[float, ...]
    val_losses: tuple[float, ...]
    train_accs: tuple[float, ...]
    val_accs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BloodRecord:
    """One run of Problem 4: what went in, and what came out."""

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
    split_sizes: dict[str, int]
    class_counts: dict[str, int]  # of the training images
    curves: Curves
    evaluation: Evaluation
    confidence: Quadrants
    wall_time_s: float


def run(
    dataset: BloodMnist,
    *,
    seed: int,
    device: torch.device,
    epochs: int = EPOCHS,
    on_batch: command_line.OnBatch = lambda *_: None,
) -> tuple[BloodRecord, BloodMLP]:
    """Train, evaluate on the test split, and return the record with the network.

    Everything random follows from `seed`; torch's global generator is seeded, since layers draw from it.
    """
    started = time.perf_counter()
    order = seeded(seed)
    network = BloodMLP().to(device)  # drawn on the CPU: the same weights whatever the device
    train, val, test = splits(dataset, device)
    curves = learn(network, train, val, epochs=epochs, order=order, on_batch=on_batch)
    probabilities = predict(network.eval(), test).softmax(dim=1).cpu().numpy()
    record = BloodRecord(
        experiment="blood_cells",
        profile=dataset.profile,
        source=dataset.source,
        data_sha256=dataset.sha256,
        seed=seed,
        device=devices.name_of(device),
        torch_version=str(torch.__version__),
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        split_sizes={"train": len(train), "val": len(val), "test": len(test)},
        class_counts=class_counts(dataset),
        curves=curves,
        evaluation=evaluate_answers(probabilities.argmax(axis=1), dataset.test_labels, CLASS_NAMES),
        confidence=quadrants(probabilities, dataset.test_labels),
        wall_time_s=time.perf_counter() - started,
    )
    return record, network


def splits(dataset: BloodMnist, device: torch.device) -> tuple[Split, Split, Split]:
    """Put the training, validation and test images on the device, scaled to -1..1."""
    return (
        to_split(dataset.train_images, dataset.train_labels, device, centred=True),
        to_split(dataset.val_images, dataset.val_labels, device, centred=True),
        to_split(dataset.test_images, dataset.test_labels, device, centred=True),
    )


def learn(
    network: nn.Module,
    train: Split,
    val: Split,
    *,
    epochs: int,
    order: torch.Generator,
    on_batch: command_line.OnBatch = lambda *_: None,
) -> Curves:
    """Train with Adam and cross-entropy, and look at the validation split after every epoch."""
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    rows = []
    for name in epochs_of(epochs, ""):
        trained = train_epoch(
            network.train(),
            train,
            optimiser,
            batch_size=BATCH_SIZE,
            order=order,
            on_batch=lambda loss, name=name: on_batch(name, loss),
        )
        validated = evaluate(network.eval(), val)
        rows.append((trained.loss, validated.loss, trained.accuracy, validated.accuracy))
    return Curves(*zip(*rows, strict=True))


def class_counts(dataset: BloodMnist) -> dict[str, int]:
    """Return how many training images each class has."""
    counts = np.bincount(dataset.train_labels, minlength=len(CLASS_NAMES))
    return dict(zip(CLASS_NAMES, counts.tolist(), strict=True))


def plots(dataset: BloodMnist, record: BloodRecord) -> Mapping[str, figures.Figure]:
    """Return every plot of Problem 4 by its name."""
    curves, evaluation = record.curves, record.evaluation
    return {
        "q4.1_examples": figures.pictures(_two_of_each_class(dataset), columns=4),
        "q4.1_class_counts": figures.bars(record.class_counts, title="Training images of each class"),
        "q4.2_losses": figures.curves(
            {"training": curves.train_losses, "validation": curves.val_losses},
            title="BloodMLP", x_label="epoch", y_label="cross-entropy",
        ),
        "q4.2_accuracies": figures.curves(
            {"training": curves.train_accs, "validation": curves.val_accs},
            title="BloodMLP", x_label="epoch", y_label="accuracy",
        ),
        "q4.3_confusion_matrix": figures.confusion_matrix(evaluation.confusion, CLASS_NAMES),
        "q4.3_misclassified": figures.pictures(
            [(_answered(wrong), dataset.test_images[wrong.index]) for wrong in evaluation.misclassified],
            columns=5,
        ),
        "q4.4_confidence": figures.pictures(_confidence_pictures(dataset, record.confidence), columns=2),
    }  # fmt: skip


def _two_of_each_class(dataset: BloodMnist) -> list[figures.Picture]:
    return [
        (name, dataset.train_images[index])
        for label, name in enumerate(CLASS_NAMES)
        for index in np.flatnonzero(dataset.train_labels == label)[:2]
    ]


def _confidence_pictures(dataset: BloodMnist, found: Quadrants) -> list[figures.Picture]:
    kinds = {
        "confident, right": found.confident_correct,
        "confident, wrong": found.confident_incorrect,
        "uncertain, right": found.uncertain_correct,
        "uncertain, wrong": found.uncertain_incorrect,
    }
    return [
        (f"{kind}, {example.confidence:.2f}\n{_answered(example)}", dataset.test_images[example.index])
        for kind, quadrant in kinds.items()
        for example in quadrant.examples
    ]


def _answered(image: Example | Mistake) -> str:
    true, predicted = CLASS_NAMES[image.label], CLASS_NAMES[image.prediction]
    return true if image.label == image.prediction else f"{true}\ntaken for {predicted}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Problem 4 from the command line; return the exit code."""
    parser = command_line.options("Train and evaluate the BloodMNIST network.", epochs=EPOCHS)
    parser.add_argument("--device", choices=devices.NAMES, default="auto", help="auto is CUDA if present")
    chosen = parser.parse_args(arguments)
    return command_line.run(lambda console: _run(chosen, console))


def _run(chosen: argparse.Namespace, console: Console) -> str:
    device = devices.pick_device(chosen.device)
    dataset = load_bloodmnist(chosen.profile, chosen.data_dir)
    batches = chosen.epochs * batches_in(len(dataset.train_labels), BATCH_SIZE)
    with command_line.progress(console, batches=batches) as on_batch:
        record, _ = run(dataset, seed=chosen.seed, device=device, epochs=chosen.epochs, on_batch=on_batch)
    command_line.write_record(record, chosen.out)
    if chosen.plots is not None:
        command_line.write_plots(plots(dataset, record), chosen.plots)
    return (
        f"test accuracy {record.evaluation.accuracy:.4f}, macro F1 {record.evaluation.macro_f1:.4f} "
        f"after {record.wall_time_s:.1f} s on {record.device}"
    )


if __name__ == "__main__":
    sys.exit(main())
