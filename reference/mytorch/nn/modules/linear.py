"""The fully connected layer."""

import numpy as np

from ..module import Module


class Linear(Module):
    """y = x Wᵀ + b, with He initialisation: W ~ N(0, 2 / in_features), b = 0."""

    def __init__(self, in_features, out_features):
        super().__init__()
        std = np.sqrt(2 / in_features)  # with ReLUs between, y's variance then stays the same at any depth
        self.weight = np.random.normal(0.0, std, (out_features, in_features))  # (M, D)
        self.bias = np.zeros(out_features)  # (M,)
        self.dLdW = np.zeros_like(self.weight)
        self.dLdb = np.zeros_like(self.bias)

    def forward(self, x):
        """Return x Wᵀ + b."""
        self.x = x  # (N, D)
        return x @ self.weight.T + self.bias  # (N, M)

    def backward(self, dLdy):
        """Return dL/dx, and keep dL/dW and dL/db: sums over the batch, whose mean the loss has taken."""
        self.dLdW = dLdy.T @ self.x  # (M, N) (N, D) -> (M, D)
        self.dLdb = dLdy.sum(axis=0)  # (M,)
        return dLdy @ self.weight  # (N, M) (M, D) -> (N, D)

    def parameters(self):
        """Return W and b."""
        return {"weight": self.weight, "bias": self.bias}

    def gradients(self):
        """Return dL/dW and dL/db of the last backward pass, zero before the first."""
        return {"weight": self.dLdW, "bias": self.dLdb}
