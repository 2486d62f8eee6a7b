"""Stochastic gradient descent."""


class SGD:
    """Plain gradient descent on a model's parameters: w ← w - lr · dL/dw."""

    def __init__(self, model, lr=0.1):
        self.model = model
        self.lr = lr

    def step(self):
        """Move every parameter, in place, against its gradient."""
        gradients = self.model.gradients()
        for name, w in self.model.parameters().items():
            w[...] -= self.lr * gradients[name]

    def zero_grad(self):
        """Forget the gradients of the last backward pass."""
        for g in self.model.gradients().values():
            g[...] = 0
