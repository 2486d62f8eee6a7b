"""Q6.2 Activation functions. They work on every element by itself, for arrays of any shape."""

from ..module import Module


class ReLU(Module):
    """Keeps what is positive, and replaces the rest by 0."""

    def forward(self, x):
        """Return ReLU(x), in x's shape; x stays as it is."""
        raise NotImplementedError("TODO: ReLU.forward (Q6.2)")

    def backward(self, dLdy):
        """Return dL/dx in the shape of dLdy. At x = 0 take the derivative to be 0."""
        raise NotImplementedError("TODO: ReLU.backward (Q6.2)")


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x):
        """Return tanh(x), in x's shape; x stays as it is."""
        raise NotImplementedError("TODO: Tanh.forward (Q6.2)")

    def backward(self, dLdy):
        """Return dL/dx in the shape of dLdy."""
        raise NotImplementedError("TODO: Tanh.backward (Q6.2)")


class Sigmoid(Module):
    """The logistic function 1 / (1 + exp(-x)), finite for every finite x: try 1000 and -1000."""

    def forward(self, x):
        """Return the logistic function of x, in x's shape; x stays as it is."""
        raise NotImplementedError("TODO: Sigmoid.forward (Q6.2)")

    def backward(self, dLdy):
        """Return dL/dx in the shape of dLdy."""
        raise NotImplementedError("TODO: Sigmoid.backward (Q6.2)")
