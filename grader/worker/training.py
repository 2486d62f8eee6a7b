"""The training loop of Q6.7, run inside the worker so that no batch crosses the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def train(
    *,
    model: Any,
    loss: Any,
    optimiser: Any,
    inputs: np.ndarray,
    targets: np.ndarray,
    batches: Sequence[np.ndarray],
    scale: float,
) -> np.ndarray:
    """Train a model of the student's and return the loss of each batch, shape (len(batches),).

    inputs (N, ...) of any dtype is flattened to float64 (N, D) times `scale` once; targets is (N,);
    each batch holds row numbers.
    """
    rows = inputs.reshape(len(inputs), -1).astype(np.float64)  # (N, D)
    rows *= scale
    labels = targets.astype(np.int64)
    losses = np.empty(len(batches))
    for step, batch in enumerate(batches):
        optimiser.zero_grad()
        predictions = model.forward(rows[batch])
        losses[step] = loss.forward(predictions, labels[batch])
        model.backward(loss.backward())
        optimiser.step()
    return losses
