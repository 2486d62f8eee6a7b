"""Q4.2: the trained model, by its parameters and by its answers for images that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.blood_pixels import Images, Scaling, model_scaling
from grader.assignments.hw1.notebook_figures import not_drawn
from grader.assignments.hw1.notebook_values import (
    listed_shapes,
    numbers,
    object_named,
    predicted,
    require_share,
)
from grader.checks.closeness import describe, require_array
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.datasets import BloodMnist
from grader.errors import CheckFailed, StudentFault
from grader.notebooks.replay import Harvest, Replay
from grader.remote import RemoteObject

CLASSES = 8
SIZES = (2352, 256, 128, 8)
NAME = "-".join(map(str, SIZES))
WEIGHTS = ((256, 2352), (128, 256), (8, 128))
RELU_BETWEEN = "q4.2.relu_between"
LOSSES, ACCURACIES = ("train_losses", "val_losses"), ("train_accs", "val_accs")
# A network that guesses the largest class is right on a fifth of the images.
LEARNS_ACCURACY = 0.5
# The first epoch of right code ends at about 1.1, guessing costs ln 8 = 2.1.
_FIRST_LOSS, _FALL = (0.3, 5.0), 0.9
_FORWARD_TOLERANCE = 1e-3  # of the largest logit: float32 through three layers
_SAME_ACCURACY = 0.02  # a mean over batches is not quite the mean over images


@dataclass(frozen=True, slots=True)
class Asked:
    """A model to be asked about images, and how it takes them."""

    notebook: Replay
    model: RemoteObject
    scaling: Scaling

    def outputs(self, images: Images) -> Array:
        """Return what it gives, (N, 8); CheckFailed if that is something else."""
        value = predicted(self.notebook, self.model, self.scaling.apply(images))
        return require_array(
            value, what=f"model(images) for {len(images)} images", shape=(len(images), CLASSES)
        )

    def predictions(self, images: Images) -> Array:
        """Return the class of each image, (N,)."""
        found: Array = self.outputs(images).argmax(axis=1)
        return found

    def accuracy(self, images: Images, labels: Array) -> float:
        """Return the share of images whose class it knows."""
        return float(np.mean(self.predictions(images) == labels))


def model_after(notebook: Replay, *questions: str) -> RemoteObject:
    """Return `model` after the first of these questions that has one."""
    missing: StudentFault | None = None
    for question in questions:
        try:
            return object_named(notebook.after(question), "model", kind="a network")
        except StudentFault as fault:
            missing = missing or fault
    raise missing or CheckFailed("there is no `model`")


def asked(notebook: Replay, cells: BloodMnist, *questions: str) -> Asked:
    """Return the model of a question, with the scaling of the notebook's own test set.

    Where that does not tell, which costs points in Q4.1, the usual one that suits the model best is taken.
    """
    model = model_after(notebook, *(questions or ("q4.2",)))
    candidates = [Asked(notebook, model, scaling) for scaling in model_scaling(notebook, cells)]
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda each: each.accuracy(cells.test_images, cells.test_labels))


# ---------------------------------------------------------------------------------------- architecture


def require_architecture(notebook: Replay) -> None:
    """Judge the shapes of the model's parameters."""
    facts = notebook.student.describe_model(model_after(notebook, "q4.2"))
    shapes = [tuple(shape) for _, shape in facts.parameters]
    weights = [shape for shape in shapes if len(shape) > 1]
    if sorted(weights) != sorted(WEIGHTS):
        raise CheckFailed(
            f"the weights of `model` have the shapes {listed_shapes(weights)}; "
            f"{NAME} has {listed_shapes(WEIGHTS)}",
            expected=listed_shapes(WEIGHTS),
            got=listed_shapes(weights),
        )
    others = [shape for shape in shapes if len(shape) <= 1]
    if surplus := [shape for shape in others if shape not in {(size,) for size in SIZES[1:]}]:
        raise CheckFailed(f"`model` has a parameter of shape {surplus[0]} beside the layers of {NAME}")
    if len(others) > len(WEIGHTS):
        raise CheckFailed(
            f"`model` has {len(others)} parameters beside its three weights; {NAME} has three biases: "
            "leave out what is not a linear layer (a normalisation?)"
        )


def require_logits(outputs: Array) -> None:
    """Judge that outputs are logits and no probabilities."""
    values = as_float(outputs)
    if values.min() < 0.0 or values.max() > 1.0:
        return
    is_softmax = np.abs(values.sum(axis=1) - 1.0).max() < 1e-3
    raise CheckFailed(
        f"model(images) lies between {values.min():.2g} and {values.max():.2g}"
        + (" and sums to 1 for each image" if is_softmax else "")
        + "; it should give logits",
        cause=(
            "a softmax in forward: leave it out, since cross-entropy takes it itself"
            if is_softmax
            else "a sigmoid in forward: leave it out"
        ),
    )


def own_accuracy(
    asked_: Asked, images: Images, labels: Array, *, passed: Collection[str] = frozenset()
) -> float:
    """Return the share of images whose class the model knows by its own layers.

    Code that is asked may look up an answer, or notice from the number of images when accuracy is at stake.
    So where its three layers gave its outputs before, they must give these very outputs, too.
    """
    outputs = asked_.outputs(images)
    if RELU_BETWEEN in passed and not _are_of_its_layers(asked_, as_float(outputs), images):
        raise CheckFailed(
            f"model(images) is not what its three layers give for these {len(images):,} images, though it "
            "was for fewer; forward should only run the layers"
        )
    return float(np.mean(outputs.argmax(axis=1) == labels))


def _are_of_its_layers(asked_: Asked, outputs: FloatArray, images: Images) -> bool:
    layers = _layers(asked_.notebook.student.call_with_tensors(asked_.model, "state_dict"))
    inputs = _orders_of(asked_.scaling, images)
    return any(_fits(outputs, logits) for x in inputs for logits in _endings(_logits(layers, x, _relu)))


def require_relu_between(asked_: Asked, images: Images) -> None:
    """Judge the logits by the model's own weights, with ReLU between."""
    notebook, model = asked_.notebook, asked_.model
    outputs = as_float(asked_.outputs(images))
    if _are_of_its_layers(asked_, outputs, images):
        return
    layers = _layers(notebook.student.call_with_tensors(model, "state_dict"))
    inputs = _orders_of(asked_.scaling, images)
    cause = next(
        (
            sentence
            for sentence, other in _OTHERS.items()
            for x in inputs
            if _fits(outputs, _logits(layers, x, other))
        ),
        None,
    )
    if cause is None and any(_fits(outputs, _relu(_logits(layers, x, _relu))) for x in inputs):
        cause = "a ReLU after the last layer"
    raise CheckFailed(
        "model(images) is not what its three layers give with a ReLU after each of the two hidden ones",
        cause=cause,
    )


def _relu(x: FloatArray) -> FloatArray:
    return np.maximum(x, 0.0)


_OTHERS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "there is nothing between the layers": lambda x: x,
    "tanh in place of ReLU": np.tanh,
    "sigmoid in place of ReLU": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "LeakyReLU in place of ReLU": lambda x: np.where(x > 0, x, 0.01 * x),
}


def _logits(
    layers: Sequence[tuple[FloatArray, FloatArray]],
    x: FloatArray,
    between: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    for number, (W, b) in enumerate(layers, start=1):
        x = x @ W.T + b
        if number < len(layers):
            x = between(x)
    return x


def _endings(logits: FloatArray) -> list[FloatArray]:
    """Return logits, and what a softmax makes of them, which costs another check."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return [logits, shares, np.log(np.maximum(shares, 1e-300))]


def _orders_of(scaling: Scaling, images: Images) -> list[FloatArray]:
    """Return the inputs as rows (N, 2352), in either order of channels and pixels."""
    rows = as_float(scaling.apply(images)).reshape(len(images), -1)
    if scaling.channels_last:
        other = rows.reshape(len(images), -1, 3).transpose(0, 2, 1)
    else:
        other = rows.reshape(len(images), 3, -1).transpose(0, 2, 1)
    return [rows, other.reshape(len(images), -1)]


def _layers(state: object) -> list[tuple[FloatArray, FloatArray]]:
    if not isinstance(state, Mapping):
        raise CheckFailed(f"model.state_dict() gives {describe(state)}, not the parameters by name")
    arrays = [as_float(require_array(value, what=f"{name} of model")) for name, value in state.items()]
    weights = {array.shape: array for array in arrays if array.ndim == 2}
    biases = {array.shape: array for array in arrays if array.ndim == 1}
    if missing := [shape for shape in WEIGHTS if shape not in weights]:
        raise CheckFailed(f"model.state_dict() has no weight of shape {missing[0]}")
    return [(weights[shape], biases.get(shape[:1], np.zeros(shape[0]))) for shape in WEIGHTS]


def _fits(got: FloatArray, truth: FloatArray) -> bool:
    scale = max(float(np.abs(truth).max()), 1e-6)
    return bool(np.abs(got - truth).max() <= _FORWARD_TOLERANCE * scale)


# --------------------------------------------------------------------------------------------- curves


def curves(harvest: Harvest) -> dict[str, FloatArray]:
    """Return the four curves, (epochs,) each; CheckFailed unless all have the same length, 2 or more."""
    found = {name: numbers(harvest.value(name), what=f"`{name}`") for name in (*LOSSES, *ACCURACIES)}
    for name, row in found.items():
        if len(row) < 2:
            raise CheckFailed(
                f"`{name}` has {len(row)} number{'s' * (len(row) != 1)}; there should be one an epoch"
            )
    first = len(found["train_losses"])
    if odd := [name for name, row in found.items() if len(row) != first]:
        raise CheckFailed(
            f"`{odd[0]}` has {len(found[odd[0]])} numbers and `train_losses` {first}; there should be one "
            "an epoch in each"
        )
    return found


def require_falling(found: Mapping[str, FloatArray]) -> None:
    """Judge that the losses are means, and that training makes its own fall."""
    for name in LOSSES:
        low, high = _FIRST_LOSS
        first = float(found[name][0])
        if not low <= first <= high:
            raise CheckFailed(
                f"`{name}` begins at {first:.4g}; the mean loss of the first epoch is about 1, and guessing "
                "costs ln 8 = 2.08",
                cause="is this a sum over the batches? Divide by their number"
                if first > high
                else "is the mean taken twice?",
            )
    row = found["train_losses"]
    if not row[-1] <= _FALL * row[0]:
        raise CheckFailed(
            f"`train_losses` goes from {row[0]:.4g} to {row[-1]:.4g}; training should make it fall",
            cause="it does not change: does the optimiser get model.parameters(), and step()?"
            if np.ptp(row) < 1e-3
            else None,
        )


def require_accuracies(found: Mapping[str, FloatArray]) -> None:
    """Judge that accuracies lie between 0 and 1 and rise."""
    for name in ACCURACIES:
        require_share(float(found[name].max()), what=f"the largest of `{name}`")
        require_share(float(found[name].min()), what=f"the smallest of `{name}`")
    row = found["train_accs"]
    if not row[-1] > row[0]:
        raise CheckFailed(
            f"`train_accs` goes from {row[0]:.4g} to {row[-1]:.4g}; training should make it rise"
        )


def require_drawn(harvest: Harvest, found: Mapping[str, FloatArray]) -> None:
    """Judge that the four curves are drawn."""
    if missing := not_drawn(harvest, list(found.items())):
        raise CheckFailed(
            f"no figure shows {' and '.join(f'`{name}`' for name in missing)}; plot both losses in one "
            "figure and both accuracies in another"
        )


def require_own_accuracies(
    asked_: Asked,
    cells: BloodMnist,
    found: Mapping[str, FloatArray],
    *,
    passed: Collection[str] = frozenset(),
) -> None:
    """Judge `val_accs` by the model: what it knows of the validation images stands in there."""
    accuracy = own_accuracy(asked_, cells.val_images, cells.val_labels, passed=passed)
    row = found["val_accs"]
    shares = row / 100.0 if row.max() > 1.0 else row
    if not np.abs(shares - accuracy).min() <= _SAME_ACCURACY:
        raise CheckFailed(
            f"model is right on {accuracy:.4f} of the validation images, and `val_accs` has no such entry "
            f"(it ends at {row[-1]:.4g}): is it computed on the validation images, after each epoch?",
            expected=f"{accuracy:.4f}",
            got=f"{row[-1]:.4g}",
        )
