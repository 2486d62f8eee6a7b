"""The chain rule over a list of layers."""

from .module import Module


class Sequential(Module):
    """The composition y = fₖ(… f₁(f₀(x)))."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        """Send x through the layers, first to last."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dLdy):
        """Send dL/dy back through the layers, last to first; what comes out is dL/dx."""
        for layer in reversed(self.layers):
            dLdy = layer.backward(dLdy)
        return dLdy

    def train(self):
        """Switch every layer to training."""
        super().train()
        for layer in self.layers:
            layer.train()

    def eval(self):
        """Switch every layer to evaluation."""
        super().eval()
        for layer in self.layers:
            layer.eval()

    def parameters(self):
        """Return the parameters of layer i as "{i}.{name}"; nested, "{i}.{j}.{name}"."""
        return _numbered(layer.parameters() for layer in self.layers)

    def gradients(self):
        """Return the gradients of layer i as "{i}.{name}"; nested, "{i}.{j}.{name}"."""
        return _numbered(layer.gradients() for layer in self.layers)


def _numbered(dicts):
    return {f"{i}.{name}": array for i, arrays in enumerate(dicts) for name, array in arrays.items()}
