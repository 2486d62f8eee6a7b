"""The layers, the losses, the container and the optimiser."""

from .module import Module
from .modules.activation import ReLU, Sigmoid, Tanh
from .modules.linear import Linear
from .modules.loss import MSELoss, SoftmaxCrossEntropy
from .optim import SGD
from .sequential import Sequential

__all__ = [
    "SGD",
    "Linear",
    "MSELoss",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Tanh",
]
