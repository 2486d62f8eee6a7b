"""What every layer is: a forward map, its chain rule, and the arrays that are learned."""


class Module:
    """A differentiable map y = f(x; parameters)."""

    def __init__(self):
        self.training = True

    def forward(self, x):
        """Return y = f(x), and keep what the backward pass will need."""
        raise NotImplementedError(f"{type(self).__name__} has no forward pass")

    def backward(self, dLdy):
        """Return dL/dx, given dL/dy at the last forward pass, and fill `gradients()` on the way."""
        raise NotImplementedError(f"{type(self).__name__} has no backward pass")

    def train(self):
        """Switch to training."""
        self.training = True

    def eval(self):
        """Switch to evaluation."""
        self.training = False

    def parameters(self):
        """Return name -> array; the arrays are the layer's own, so that writing into one changes it."""
        return {}

    def gradients(self):
        """Return name -> dL/d(parameter), under the same names as `parameters()`."""
        return {}
