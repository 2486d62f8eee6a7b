"""A right Problem 5 for the fake notebook; parts of it are replaced by the faults of the tests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from grader.datasets import load_mnist
from tests.unit.assignments.fake_notebook import Axes, FakeNotebook, Figure, Left

METHODS = ("zero", "small_random", "xavier", "he")
SIZES = (784, 256, 256, 256, 256, 256, 10)
RANDOM = np.random.default_rng(5)


def initialize_weights(shape, method):
    fan_in, fan_out = shape
    variances = {"zero": 0.0, "small_random": 1e-4, "xavier": 2 / (fan_in + fan_out), "he": 2 / fan_in}
    if method not in variances:
        raise ValueError(method)
    return (RANDOM.normal(size=shape) * variances[method] ** 0.5).astype(np.float32)


class InitMLP:
    """NumPy, with the names of PyTorch: weights are (fan_out, fan_in)."""

    draw = staticmethod(initialize_weights)

    def __init__(self, init_method, activation="tanh"):
        self.activation = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[activation]
        self.weights = [self.draw(pair, init_method).T for pair in pairwise(SIZES)]
        self.biases = [np.zeros(size, dtype=np.float32) for size in SIZES[1:]]

    def __call__(self, x):
        x = x.reshape(len(x), -1)
        found = []
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = self.activation(x @ W.T + b)
            found.append(x)
        return found

    def state_dict(self):
        return {
            f"layers.{number}.{kind}": value
            for number, pair in enumerate(zip(self.weights, self.biases, strict=True))
            for kind, value in zip(("weight", "bias"), pair, strict=True)
        }


def statistics(network: Any = InitMLP, activation: str = "tanh", scaling: tuple[float, float] = (0.0, 1.0)):
    mean, deviation = scaling
    x = (load_mnist("sample", None).train_images[:256].reshape(256, -1) / 255.0 - mean) / deviation
    found = {}
    for method in METHODS:
        hidden = network(method, activation)(x.astype(np.float32))
        found[method] = {
            "means": [float(h.mean()) for h in hidden],
            "stds": [float(h.std()) for h in hidden],
        }
    return found


def losses():
    falling = list(np.linspace(1.2, 0.2, 10))
    return {"zero": [2.3024] * 10, "small_random": [2.3023] * 10, "xavier": falling, "he": falling}


def accuracies():
    return {"zero": 0.114, "small_random": 0.114, "xavier": 0.905, "he": 0.919}


def drawn(*curves: Any) -> Figure:
    return Figure((Axes(lines=tuple(np.asarray(curve, dtype=float) for curve in curves)),))


def notebook(changes: dict[str, dict[str, Any]] | None = None, **network: Any) -> FakeNotebook:
    """Return a right Problem 5; `changes` replaces names (or `figures`) of a question."""
    names: dict[str, dict[str, Any]] = {
        "q5.1": {"initialize_weights": initialize_weights},
        "q5.2": {"InitMLP": InitMLP, "stats": statistics()},
        "q5.3": {"training_losses": losses(), "final_accuracies": accuracies()},
        "q5.4": {
            "stats_relu": statistics(activation="relu"),
            "training_losses_relu": losses(),
            "final_accuracies_relu": accuracies(),
        },
    }
    for question, values in (changes or {}).items():
        names[question].update(values)
    left = {}
    for question, values in names.items():
        figures = values.pop("figures", None)
        left[question] = Left(
            question, values, figures if figures is not None else _figures(question, values)
        )
    return FakeNotebook(left)


def _figures(question: str, values: dict[str, Any]) -> tuple[Figure, ...]:
    if question == "q5.2" and isinstance(values["stats"], dict):
        kept = [entry for entry in values["stats"].values() if isinstance(entry, dict)]
        return tuple(drawn(*(entry.get(key, []) for entry in kept)) for key in ("means", "stds"))
    if question == "q5.3" and isinstance(values["training_losses"], dict):
        return (drawn(*values["training_losses"].values()),)
    return ()
