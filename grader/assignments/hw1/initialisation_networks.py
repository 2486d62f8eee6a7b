"""Q5.2 and Q5.4: the student's own InitMLP, its activations worked out again, and the statistics of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grader.assignments.hw1.initialisation import draw, sample_of
from grader.assignments.hw1.notebook_figures import not_drawn
from grader.assignments.hw1.notebook_values import (
    METHODS,
    by_method,
    listed_shapes,
    made_by,
    numbers,
    object_named,
    predicted,
)
from grader.checks.closeness import describe, require_array
from grader.checks.plots import PlotIt, lines
from grader.checks.statistics import Sample, require_variance
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.errors import CheckFailed, StudentFault
from grader.notebooks.replay import Harvest, Replay
from grader.remote import RemoteObject, Value

SIZES = (784, 256, 256, 256, 256, 256, 10)
HIDDEN = len(SIZES) - 2
ACTIVATIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
}
# How the pixels of digits are usually scaled: x -> (x - mean) / deviation, for x between 0 and 1.
SCALINGS = {
    "ToTensor": (0.0, 1.0),
    "Normalize(0.5, 0.5)": (0.5, 0.5),
    "Normalize(0.1307, 0.3081)": (0.1307, 0.3081),
}
# float32 forward passes agree to about 1e-6 of the largest activation.
_FORWARD_TOLERANCE = 1e-4
# Statistics of new networks: how many are made, and how far beyond their own spread a right one may lie.
# Of 200 networks of each method and activation, on 256 digits of the sample, stds spread by up to 11 % (ReLU,
# fifth layer) and means by up to 8 % of the std, about as normal draws do: the farthest entry lay 4.1 spreads
# from the mean. With 16 networks to know the spread from, and this slack, one of 30 such entries leaves its
# bounds once in 10^8 times if it is normal; with 8 networks it would be once in 40,000.
_NETWORKS, _SPREADS = 16, 10.0
_RELATIVE_SLACK = 0.15
_ROUNDING = 1e-6  # of float32 means of numbers around 1


def class_of(notebook: Replay) -> RemoteObject:
    """Return the student's InitMLP."""
    return object_named(notebook.after("q5.2"), "InitMLP", kind="a class")


def network(notebook: Replay, method: str, activation: str) -> RemoteObject:
    """Make one of the student's networks."""
    return made_by(
        notebook, class_of(notebook), method, activation, what=f"InitMLP({method!r}, {activation!r})"
    )


@dataclass(frozen=True, slots=True)
class Parameters:
    """The weights of a network, (fan_in, fan_out) each, and its biases, in order."""

    weights: Sequence[FloatArray]
    biases: Sequence[FloatArray]

    def activations(self, x: FloatArray, activation: str) -> list[FloatArray]:
        """Return the hidden activations for x (N, 784)."""
        found = []
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = ACTIVATIONS[activation](x @ W + b)
            found.append(x)
        return found


def require_architecture(notebook: Replay) -> None:
    """Judge the shapes of the parameters, for both activations."""
    for activation in ACTIVATIONS:
        facts = notebook.student.describe_model(network(notebook, "xavier", activation))
        shapes = [tuple(shape) for _, shape in facts.parameters]
        wanted = list(pairwise(SIZES))
        got = [shape for shape in shapes if len(shape) == 2]
        if sorted(map(sorted, got)) != sorted(map(sorted, wanted)):
            raise CheckFailed(
                f"the weights of InitMLP('xavier', {activation!r}) have the shapes {listed_shapes(got)}; "
                f"the network {'-'.join(map(str, SIZES))} has six, "
                f"{listed_shapes([pair[::-1] for pair in wanted])}"
                + ("" if shapes else ": are the layers kept in a plain list? Use nn.ModuleList"),
                expected=listed_shapes([pair[::-1] for pair in wanted]),
                got=listed_shapes(got),
            )
        if others := [shape for shape in shapes if len(shape) != 2 and shape not in {(256,), (10,)}]:
            raise CheckFailed(
                f"InitMLP('xavier', {activation!r}) has a parameter of shape {others[0]} that is neither a "
                "weight nor a bias of its six layers"
            )
        if len(shapes) > 2 * len(wanted):
            raise CheckFailed(
                f"InitMLP('xavier', {activation!r}) has {len(shapes)} parameters; six layers have 12: "
                "leave out what is not a linear layer (a normalisation?)"
            )


def parameters_of(notebook: Replay, made: RemoteObject) -> Parameters:
    """Read the parameters of a network; CheckFailed unless they are a chain of six layers."""
    state = notebook.student.call_with_tensors(made, "state_dict")
    if not isinstance(state, Mapping):
        raise CheckFailed(f"state_dict() of InitMLP gives {describe(state)}, not the parameters by name")
    arrays = [as_float(require_array(value, what=f"{name} of InitMLP")) for name, value in state.items()]
    matrices = [array for array in arrays if array.ndim == 2]
    biases = [array for array in arrays if array.ndim == 1]
    if len(matrices) != len(SIZES) - 1 or any(
        W.shape not in {pair, pair[::-1]} for W, pair in zip(matrices, pairwise(SIZES), strict=True)
    ):
        raise CheckFailed("the weights of InitMLP are not those of six layers, in order")
    if len(biases) != len(matrices):
        biases = [np.zeros(size) for size in SIZES[1:]]
    # A square one is nn.Linear's if the others are: (fan_out, fan_in).
    stored_transposed = matrices[0].shape == SIZES[1::-1]
    return Parameters([W.T if stored_transposed else W for W in matrices], biases)


def hidden_activations(notebook: Replay, made: RemoteObject, x: Array, what: str) -> list[Array]:
    """Ask a network for its hidden activations for x (N, 784); CheckFailed unless it gives a list of them."""
    images = x.reshape(-1, 1, 28, 28).astype(np.float32)
    got = predicted(notebook, made, images)
    if not isinstance(got, list | tuple):
        raise CheckFailed(
            f"{what} returns {describe(got)}; its forward should return the list of the five hidden "
            "activations"
        )
    if len(got) != HIDDEN:
        hint = {HIDDEN + 1: ": leave out the logits, or the input"}.get(len(got), "")
        raise CheckFailed(f"{what} returns a list of {len(got)}; there are five hidden activations{hint}")
    return [
        require_array(entry, what=f"entry {number} of what {what} returns", shape=(len(images), width))
        for number, (entry, width) in enumerate(zip(got, SIZES[1:-1], strict=True))
    ]


def require_activation_values(notebook: Replay, digits: Array) -> None:
    """Judge the hidden activations by the network's own parameters."""
    x = scaled(digits, "ToTensor")
    for activation in ACTIVATIONS:
        made = network(notebook, "xavier", activation)
        what = f"InitMLP('xavier', {activation!r})"
        got = hidden_activations(notebook, made, x, what)
        parameters = parameters_of(notebook, made)
        for number, (entry, truth) in enumerate(
            zip(got, parameters.activations(x, activation), strict=True), start=1
        ):
            if not _agree(entry, truth):
                raise CheckFailed(
                    f"hidden activation {number} of {what} is not what its weights give with {activation}",
                    cause=_other_activation(parameters, x, got, activation),
                )


def require_initialised(notebook: Replay, *, false_alarm: float) -> None:
    """Judge the weights that an InitMLP starts with: those of its method, and biases of 0."""
    for method in reversed(METHODS):  # zero says least about the cause
        parameters = parameters_of(notebook, network(notebook, method, "tanh"))
        if any(bias.any() for bias in parameters.biases):
            raise CheckFailed(f"InitMLP({method!r}, 'tanh') starts with biases that are not 0")
        if method == "zero":
            if any(W.any() for W in parameters.weights) and not draw(notebook, (784, 256), "zero").any():
                raise CheckFailed("InitMLP('zero', 'tanh') starts with weights that are not 0")
            continue
        drawn = [
            sample_of(W, method, W.shape, f"layer {number} of InitMLP({method!r}, 'tanh')")
            for number, W in enumerate(parameters.weights[:-1], start=1)
        ]
        try:
            require_variance(drawn, what=f"the weights of {method}", false_alarm=false_alarm / 3)
        except CheckFailed:
            if not _drawn_by_own_function(notebook, method, drawn):
                raise


def _drawn_by_own_function(notebook: Replay, method: str, drawn: Sequence[Sample]) -> bool:
    """Say whether weights have the spread that the student's own function gives: that is judged in Q5.1."""
    for sample, shape in zip(drawn, pairwise(SIZES), strict=False):
        try:
            own = float(draw(notebook, shape, method).std())
        except StudentFault:
            return False
        if abs(float(sample.values.std()) - own) > 0.05 * own or own == 0.0:
            return bool(own == 0.0 and not sample.values.any())
    return True


def scaled(digits: Array, scaling: str) -> FloatArray:
    """Return digits as rows (N, 784), as a transform scales them."""
    mean, deviation = SCALINGS[scaling]
    rows: FloatArray = (digits.reshape(len(digits), -1) / 255.0 - mean) / deviation
    return rows


# --------------------------------------------------------------------------------------------- statistics


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and standard deviation of each hidden activation, (5,) each."""

    means: FloatArray
    stds: FloatArray


def stored_statistics(harvest: Harvest, name: str) -> dict[str, Statistics]:
    """Return what a notebook kept, by method; CheckFailed for the first thing that has not the form."""
    return {
        method: _statistics(entry, f"{name}[{method!r}]")
        for method, entry in by_method(harvest, name).items()
        if method in METHODS
    }


def plot_statistics(plot: PlotIt, stored: Mapping[str, Statistics]) -> None:
    """Draw standard deviations and means against depth."""
    for key, words in (("stds", "Standard deviation"), ("means", "Mean")):
        series = {method: getattr(row, key) for method, row in stored.items()}
        plot(lines, f"{words} of the hidden activations", "hidden layer", series)


def _statistics(entry: Value, what: str) -> Statistics:
    if not isinstance(entry, Mapping) or not {"means", "stds"} <= set(entry):
        raise CheckFailed(
            f"{what} should be a dict with the keys 'means' and 'stds', but is {describe(entry)}"
        )
    found = {key: numbers(entry[key], what=f"{what}[{key!r}]") for key in ("means", "stds")}
    for key, row in found.items():
        if len(row) != HIDDEN:
            raise CheckFailed(
                f"{what}[{key!r}] has {len(row)} numbers; there are five hidden activations",
                expected="5 numbers",
                got=f"{len(row)} numbers",
            )
    if (found["stds"] < 0).any():
        raise CheckFailed(f"{what}['stds'] has a negative entry; a standard deviation is never negative")
    return Statistics(**found)


def require_statistics(
    notebook: Replay, stored: Mapping[str, Statistics], name: str, *, activation: str, digits: Array
) -> None:
    """Compare stored statistics with those of new networks of the student's own class."""
    for method in METHODS:
        fitting = [
            _fits(stored[method], _again(notebook, method, activation, scaled(digits, scaling)))
            for scaling in SCALINGS
        ]
        if not any(problem is None for problem in fitting):
            # The first scaling is the plain one, and stands for all of them in the message.
            raise _unlike(f"{name}[{method!r}]", fitting[0] or "", activation)


def _unlike(what: str, problem: str, activation: str) -> CheckFailed:
    return CheckFailed(f"{what} does not fit new networks of your own InitMLP with {activation}: {problem}")


def _again(notebook: Replay, method: str, activation: str, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return means and standard deviations of the hidden activations of new networks, (networks, 5) each."""
    means, stds = [], []
    for _ in range(1 if method == "zero" else _NETWORKS):
        made = network(notebook, method, activation)
        entries = hidden_activations(notebook, made, x, f"InitMLP({method!r}, {activation!r})")
        means.append([float(as_float(entry).mean()) for entry in entries])
        stds.append([float(as_float(entry).std()) for entry in entries])
    return np.array(means), np.array(stds)


def _fits(stored: Statistics, again: tuple[FloatArray, FloatArray]) -> str | None:
    """Return what does not fit, or None."""
    means, stds = again
    for key, got, seen, scale in (("stds", stored.stds, stds, stds), ("means", stored.means, means, stds)):
        middle, spread = seen.mean(axis=0), seen.std(axis=0, ddof=min(1, len(seen) - 1))
        allowed = (
            _SPREADS * spread
            + _RELATIVE_SLACK * (np.abs(middle) if key == "stds" else scale.mean(axis=0))
            + _ROUNDING
        )
        wrong = np.abs(got - middle) > allowed
        if wrong.any():
            layer = int(np.argmax(wrong))
            return (
                f"{key}[{layer}] is {got[layer]:.4g}, and {middle[layer]:.4g} ± {spread[layer]:.2g} in new "
                f"ones{_cause(key, got, stored, stds.mean(axis=0))}"
            )
    return None


def _cause(key: str, got: FloatArray, stored: Statistics, stds: FloatArray) -> str:
    if key == "stds" and np.allclose(got, stds**2, rtol=0.3) and (stds > 0).all():
        return "; are these variances? Take the square root"
    if key == "stds" and np.allclose(stored.means, stds, rtol=0.3) and (stds > 0).all():
        return "; are means and stds swapped?"
    return ""


def require_statistics_drawn(harvest: Harvest, stored: Mapping[str, Statistics]) -> None:
    """Judge that means and standard deviations are drawn against depth, for all four methods."""
    for key in ("means", "stds"):
        curves = [(method, getattr(stored[method], key)) for method in METHODS]
        if missing := not_drawn(harvest, curves):
            raise CheckFailed(
                f"no figure shows the {key} of {', '.join(missing)} against depth; draw one line of five "
                "points for each method"
            )


def _agree(got: Array, truth: FloatArray) -> bool:
    scale = max(float(np.abs(truth).max()), 1e-12)
    return bool(np.abs(as_float(got) - truth).max() <= _FORWARD_TOLERANCE * scale)


def _other_activation(
    parameters: Parameters, x: FloatArray, got: Sequence[Array], activation: str
) -> str | None:
    other = next(name for name in ACTIVATIONS if name != activation)
    if _agree(got[0], parameters.activations(x, other)[0]):
        return f"these are the values of {other}: is `activation` looked at?"
    before = x @ parameters.weights[0] + parameters.biases[0]
    if _agree(got[0], before):
        return "these are the values before the non-linearity"
    return None
