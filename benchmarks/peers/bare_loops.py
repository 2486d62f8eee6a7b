"""What the homework's numbers cost without any grader: its training loops, in this process, data in memory.

python -m benchmarks.peers.bare_loops training|notebook [--profile sample] [--data-dir DIR]

`training` is Q6.7: the loop that the worker runs, with the reference's `mytorch`, and the test accuracy.
`notebook` is Problems 4 and 5 by the reference experiments: the same networks, epochs and batches, with every
image a scaled tensor before the clock starts. Left out: starting Python and importing PyTorch, reading,
decoding and scaling images, data loaders, a kernel, plots, the tables of Q4.3 and Q4.4, and all grading.
Prints one line of JSON: seconds by part.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from grader.datasets import load_bloodmnist, load_mnist

SEED = 0
_REFERENCE = Path(__file__).resolve().parents[2] / "reference"


def training(profile: str, data_dir: Path | None) -> dict[str, float]:
    """Train 784-128-64-10 on batches in the order that a grading draws, and take its accuracy."""
    from experiments import train_mnist  # noqa: PLC0415
    from mytorch.nn import SGD, SoftmaxCrossEntropy  # noqa: PLC0415

    from grader.assignments.hw1.training import (  # noqa: PLC0415
        BATCH_SIZE,
        EPOCHS,
        LEARNING_RATE,
        SCALE,
        epochs_of_batches,
    )
    from grader.worker.training import train  # noqa: PLC0415

    dataset = load_mnist(profile, data_dir)
    np.random.seed(SEED)  # noqa: NPY002 -- what the homework's layers draw from
    model = train_mnist.build_model()
    optimiser = SGD(model, lr=LEARNING_RATE)
    order = epochs_of_batches(
        np.random.default_rng(SEED), len(dataset.train_images), epochs=EPOCHS, batch_size=BATCH_SIZE
    )
    began = time.perf_counter()
    train(
        model=model,
        loss=SoftmaxCrossEntropy(),
        optimiser=optimiser,
        inputs=dataset.train_images,
        targets=dataset.train_labels,
        batches=order,
        scale=SCALE,
    )
    trained = time.perf_counter()
    accuracy = train_mnist.accuracy(model, dataset.test_images, dataset.test_labels)
    assert accuracy > 0.5, "the loop did not learn"
    return {"training": trained - began, "accuracy": time.perf_counter() - trained}


def notebook(profile: str, data_dir: Path | None) -> dict[str, float]:
    """Train the networks of Problems 4 and 5, evaluate them, and nothing else."""
    return {"Q4": _seconds(_blood(profile, data_dir)), "Q5": _seconds(_initialisations(profile, data_dir))}


def _seconds(loop: Callable[[], None]) -> float:
    began = time.perf_counter()
    loop()
    return time.perf_counter() - began


def _blood(profile: str, data_dir: Path | None) -> Callable[[], None]:
    import torch  # noqa: PLC0415
    from experiments import blood_cells  # noqa: PLC0415
    from experiments.training import predict, seeded  # noqa: PLC0415

    order = seeded(SEED)
    network = blood_cells.BloodMLP()
    train, val, test = blood_cells.splits(load_bloodmnist(profile, data_dir), torch.device("cpu"))

    def loop() -> None:
        blood_cells.learn(network, train, val, epochs=blood_cells.EPOCHS, order=order)
        predict(network.eval(), test).softmax(dim=1)

    return loop


def _initialisations(profile: str, data_dir: Path | None) -> Callable[[], None]:
    import torch  # noqa: PLC0415
    from experiments import initialisation as of  # noqa: PLC0415
    from experiments.training import evaluate, seeded, to_split  # noqa: PLC0415

    dataset, device = load_mnist(profile, data_dir), torch.device("cpu")
    train = to_split(dataset.train_images, dataset.train_labels, device)
    test = to_split(dataset.test_images, dataset.test_labels, device)

    def loop() -> None:
        for activation in of.ACTIVATIONS:
            for method in of.METHODS:
                order = seeded(SEED)
                network = of.InitMLP(method, activation)
                of.activation_statistics(network, train.images[: of.BATCH_SIZE])
                of.learn(network, train, epochs=of.EPOCHS, order=order)
                evaluate(network.logits, test)

    return loop


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("loops", choices=("training", "notebook"))
    parser.add_argument("--profile", choices=("sample", "full"), default="sample")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args(given)


def main() -> None:
    """Run one kind of loop, and print what each part took."""
    options = arguments()
    sys.path.insert(0, str(_REFERENCE))  # where `mytorch` and `experiments` are
    loops = {"training": training, "notebook": notebook}[options.loops]
    print(json.dumps(loops(options.profile, options.data_dir)))


if __name__ == "__main__":
    main()
