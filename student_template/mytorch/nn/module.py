"""Q6.4 The base class of every layer. Start here: the other files build on it."""


class Module:
    """A layer: it maps x to y, sends gradients back, and owns the arrays that are learned.

    Attributes
        training: True after construction and after `train()`, False after `eval()`.
    """

    def __init__(self):
        """Start in training mode."""
        raise NotImplementedError("TODO: Module.__init__ (Q6.4)")

    def forward(self, x):
        """Return y for the input x. Each layer writes its own; the base class keeps this error."""
        raise NotImplementedError(f"{type(self).__name__} has no forward pass")

    def backward(self, dLdy):
        """Return dL/dx, given dL/dy for the y that `forward` returned last.

        Each layer writes its own; the base class keeps this error.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward pass")

    def train(self):
        """Switch to training mode."""
        raise NotImplementedError("TODO: Module.train (Q6.4)")

    def eval(self):
        """Switch to evaluation mode."""
        raise NotImplementedError("TODO: Module.eval (Q6.4)")

    def parameters(self):
        """Return a dict: name -> array that is learned. A layer with nothing to learn returns an empty dict.

        The arrays are live: they are the ones `forward` uses, so writing into one changes the layer.
        """
        raise NotImplementedError("TODO: Module.parameters (Q6.4)")

    def gradients(self):
        """Return a dict: name -> dL/d(parameter), with the keys and the shapes of `parameters()`."""
        raise NotImplementedError("TODO: Module.gradients (Q6.4)")
