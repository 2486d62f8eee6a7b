"""Where each name of the homework may be defined: the public module first, its own file last."""

from __future__ import annotations

_LAYERS = {
    "module": ("Module",),
    "sequential": ("Sequential",),
    "optim": ("SGD",),
    "modules.linear": ("Linear",),
    "modules.activation": ("ReLU", "Tanh", "Sigmoid"),
    "modules.loss": ("MSELoss", "SoftmaxCrossEntropy"),
}

_THEORY = (
    "softmax_temperature",
    "softmax_jacobian",
    "affine_gradients",
    "huber_gradient",
    "adam_steps",
    "momentum_steps",
)

PLACES: dict[str, tuple[str, ...]] = {
    name: ("mytorch.nn", f"mytorch.nn.{file}") for file, names in _LAYERS.items() for name in names
} | {"gradient_check": ("mytorch.utils",), **dict.fromkeys(_THEORY, ("theory",))}
