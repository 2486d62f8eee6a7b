"""Where each name of the homework may be defined, and what each question of the notebook leaves behind."""

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

# The public module first, a name's own file last.
PLACES: dict[str, tuple[str, ...]] = {
    name: ("mytorch.nn", f"mytorch.nn.{file}") for file, names in _LAYERS.items() for name in names
} | {"gradient_check": ("mytorch.utils",), **dict.fromkeys(_THEORY, ("theory",))}

# A question of the notebook is recognised by the names that are nobody else's, where headings are missing.
NOTEBOOK_NAMES: dict[str, tuple[str, ...]] = {
    "q4.1": ("train_dataset", "val_dataset", "test_dataset", "train_loader", "val_loader", "test_loader"),
    "q4.2": ("BloodMLP", "model", "train_losses", "val_losses", "train_accs", "val_accs"),
    "q4.3": ("all_preds", "all_labels", "accuracy", "cm", "lowest_recall_class"),
    "q4.4": ("confident_correct", "confident_incorrect", "uncertain_correct", "uncertain_incorrect"),
    "q5.1": ("initialize_weights",),
    "q5.2": ("InitMLP", "stats"),
    "q5.3": ("training_losses", "final_accuracies"),
    "q5.4": ("stats_relu", "training_losses_relu", "final_accuracies_relu"),
    "q6.7": ("model", "losses", "preds_test", "accuracy"),
}
