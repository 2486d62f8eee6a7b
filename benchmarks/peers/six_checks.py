"""Six plain checks of Q6.2, written once: each contender wraps these same functions in its own way.

They know nothing of any grader: the submission's `mytorch` is on the path, and a wrong answer raises.
"""

from __future__ import annotations

import numpy as np
from mytorch.nn import ReLU, Sigmoid, Tanh

X = np.array([[-3.0, -0.5, 0.25], [1.5, -1.25, 4.0]])
UPSTREAM = np.array([[0.5, -2.0, 1.0], [3.0, 0.75, -1.5]])
SIGMOID = 1 / (1 + np.exp(-X))


def relu_forward() -> None:
    """ReLU.forward computes max(x, 0)."""
    assert np.allclose(ReLU().forward(X), np.where(X > 0, X, 0.0))


def relu_backward() -> None:
    """ReLU.backward passes the slope on where x was positive."""
    layer = ReLU()
    layer.forward(X)
    assert np.allclose(layer.backward(UPSTREAM), np.where(X > 0, UPSTREAM, 0.0))


def tanh_forward() -> None:
    """Tanh.forward computes tanh(x)."""
    assert np.allclose(Tanh().forward(X), np.tanh(X))


def tanh_backward() -> None:
    """Tanh.backward multiplies by the derivative of tanh."""
    layer = Tanh()
    layer.forward(X)
    assert np.allclose(layer.backward(UPSTREAM), UPSTREAM * (1 - np.tanh(X) ** 2))


def sigmoid_forward() -> None:
    """Sigmoid.forward computes 1 / (1 + exp(-x))."""
    assert np.allclose(Sigmoid().forward(X), SIGMOID)


def sigmoid_backward() -> None:
    """Sigmoid.backward multiplies by the derivative of the sigmoid."""
    layer = Sigmoid()
    layer.forward(X)
    assert np.allclose(layer.backward(UPSTREAM), UPSTREAM * SIGMOID * (1 - SIGMOID))
