"""Elementwise non-linearities y = f(x), so that dL/dx = dL/dy · f'(x), for any shape."""

import numpy as np

from ..module import Module


class ReLU(Module):
    """y = max(x, 0); the derivative at 0, where there is none, is taken to be 0."""

    def forward(self, x):
        """Return max(x, 0)."""
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dLdy):
        """Pass dL/dy on where x was positive."""
        return dLdy * (self.x > 0)


class Tanh(Module):
    """y = tanh(x), y' = 1 - y²."""

    def forward(self, x):
        """Return tanh(x)."""
        self.y = np.tanh(x)
        return self.y

    def backward(self, dLdy):
        """Return dL/dy · (1 - y²)."""
        return dLdy * (1 - self.y**2)


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ), y' = y (1 - y)."""

    def forward(self, x):
        """Return 1 / (1 + e⁻ˣ), as exp(-log(e⁰ + e⁻ˣ)): no power overflows on the way."""
        self.y = np.exp(-np.logaddexp(0, -x))
        return self.y

    def backward(self, dLdy):
        """Return dL/dy · y (1 - y)."""
        return dLdy * self.y * (1 - self.y)
