"""What the homework asks of mytorch, as formulas of the forward passes and the usual ways to miss them.

The visible suites judge gradients by differences of these formulas, so no derivative is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grader.checks.diagnosis import Candidates, Explanations, Factor
from grader.checks.tolerance import Array, FloatArray

# A loss may be computed in float32 and returned as a Python float, which does not tell; and a small constant
# inside the logarithm is common and harmless.
LOSS_RTOL = 1e-5
LOSS_GRADIENT_RTOL = 1e-5
# Differences of a formula of ours know a derivative to about 1e-9.
DIFFERENCES_RTOL = 1e-6


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of one layer's call: N rows of D numbers in, M numbers out."""

    N: int
    D: int
    M: int


def affine(x: Array, W: Array, b: Array) -> FloatArray:
    """Return x Wᵀ + b; x (N, D), W (M, D), b (M,), or a stack (P, …) of any of them."""
    y: FloatArray = x @ np.swapaxes(W, -1, -2) + b[..., np.newaxis, :]
    return y


def relu(x: Array) -> FloatArray:
    """Return max(x, 0)."""
    return np.maximum(x, 0.0)


def sigmoid(x: Array) -> FloatArray:
    """Return the logistic function."""
    y: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * x))
    return y


def mean_squared_errors(pred: Array, target: Array) -> FloatArray:
    """Return the mean over every element, of each of a stack of predictions, (P, N, K) -> (P,)."""
    errors: FloatArray = np.square(pred - target).mean(axis=(-2, -1))
    return errors


def cross_entropy(logits: Array, labels: Array) -> float:
    """Return the mean over the batch of -log softmax(logits) at the label; logits (N, K), labels (N,)."""
    return float(cross_entropies(logits, labels))


def cross_entropies(logits: Array, labels: Array) -> FloatArray:
    """Return the cross-entropy of each of a stack of logits, (P, N, K) -> (P,)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    at_label = shifted[..., np.arange(len(labels)), labels]
    losses: FloatArray = (np.log(np.exp(shifted).sum(axis=-1)) - at_label).mean(axis=-1)
    return losses


def one_hot(labels: Array, classes: int) -> FloatArray:
    """Return rows (N, K) with a 1 at the label."""
    return np.asarray(np.eye(classes)[labels], dtype=np.float64)


def seeded(rng: np.random.Generator) -> tuple[int, np.random.Generator]:
    """Return a seed and its generator: a line of code that names the seed draws the same numbers."""
    seed = int(rng.integers(2**32))
    return seed, np.random.default_rng(seed)


def batch_factor(N: int) -> Factor:
    """Return the factor N with what usually causes it."""
    return Factor(
        "N, the batch size",
        N,
        if_too_large="is the mean over the batch missing?",
        if_too_small="is the mean over the batch taken twice?",
    )


def layer_candidates(shape: Shape, explanations: Explanations | None = None) -> Candidates:
    """Return what a layer's values may be off by."""
    factors = (
        batch_factor(shape.N),
        Factor("D, the number of inputs", shape.D),
        Factor("M, the number of outputs", shape.M),
    )
    return Candidates(factors, explanations or {})


def loss_candidates(N: int, K: int, explanations: Explanations | None = None) -> Candidates:
    """Return what a loss's values may be off by, for predictions of shape (N, K)."""
    factors = (
        batch_factor(N),
        Factor("K, the number of columns", K),
        Factor("N·K, the number of elements", N * K),
    )
    return Candidates(factors, explanations or {})
