"""Q6.4 Layers one after the other."""

from .module import Module


class Sequential(Module):
    """A chain of layers that is itself a layer, so one Sequential may hold another.

    Parameters
        layers: any number of Modules, in the order in which `forward` runs them.
    """

    def __init__(self, *layers):
        """Keep the layers."""
        raise NotImplementedError("TODO: Sequential.__init__ (Q6.4)")

    def forward(self, x):
        """Run x through all layers, in order, and return what the last one returns."""
        raise NotImplementedError("TODO: Sequential.forward (Q6.4)")

    def backward(self, dLdy):
        """Backpropagate through all layers, and return dL/dx with the shape of the input x.

        dLdy: the gradient with respect to the output of the last layer, in the shape of that output.
        """
        raise NotImplementedError("TODO: Sequential.backward (Q6.4)")

    def train(self):
        """Switch to training mode, with all layers."""
        raise NotImplementedError("TODO: Sequential.train (Q6.4)")

    def eval(self):
        """Switch to evaluation mode, with all layers."""
        raise NotImplementedError("TODO: Sequential.eval (Q6.4)")

    def parameters(self):
        """Return the live parameters of all layers in one dict.

        Parameter `name` of layer number i, counted from 0, has the key "{i}.{name}", like "0.weight".
        """
        raise NotImplementedError("TODO: Sequential.parameters (Q6.4)")

    def gradients(self):
        """Return the gradients of all layers in one dict, with the keys of `parameters()`."""
        raise NotImplementedError("TODO: Sequential.gradients (Q6.4)")
