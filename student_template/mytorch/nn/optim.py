"""Q6.5 The optimiser."""


class SGD:
    """Stochastic gradient descent without momentum.

    Parameters
        model: a Module; `step` updates its `parameters()` from its `gradients()`.
        lr: the learning rate.
    """

    def __init__(self, model, lr=0.1):
        """Keep the model and the learning rate."""
        raise NotImplementedError("TODO: SGD.__init__ (Q6.5)")

    def step(self):
        """Take one step of gradient descent on every parameter, in place: the model must see the change."""
        raise NotImplementedError("TODO: SGD.step (Q6.5)")

    def zero_grad(self):
        """Clear the gradients, so that the next backward pass starts afresh."""
        raise NotImplementedError("TODO: SGD.zero_grad (Q6.5)")
