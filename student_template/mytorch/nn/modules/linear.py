"""Q6.1 The fully connected layer."""

from ..module import Module


class Linear(Module):
    """An affine map of every row of the batch.

    Parameters
        in_features: D, the length of an input row.
        out_features: M, the length of an output row.

    Attributes
        weight: (M, D), at first independent draws from a normal distribution with mean 0 and
            variance 2 / D (He initialisation).
        bias: (M,), at first zero.
    """

    def __init__(self, in_features, out_features):
        """Create `weight` and `bias`."""
        raise NotImplementedError("TODO: Linear.__init__ (Q6.1)")

    def forward(self, x):
        """Return x Wᵀ + b.

        x: (N, D), which stays as it is. Returns (N, M). N may differ from call to call.
        """
        raise NotImplementedError("TODO: Linear.forward (Q6.1)")

    def backward(self, dLdy):
        """Return dL/dx, and keep dL/dweight and dL/dbias for `gradients()`.

        dLdy: (N, M), for the batch that went through `forward` last. Returns (N, D).
        """
        raise NotImplementedError("TODO: Linear.backward (Q6.1)")

    def parameters(self):
        """Return {"weight": (M, D), "bias": (M,)}, the arrays themselves."""
        raise NotImplementedError("TODO: Linear.parameters (Q6.1)")

    def gradients(self):
        """Return {"weight": (M, D), "bias": (M,)}, as the last backward pass left them."""
        raise NotImplementedError("TODO: Linear.gradients (Q6.1)")
