"""A student's Linear layer, whatever it calls its parameters, and its two right ways to scale gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn

import numpy as np

from grader.assignments.hw1.mytorch_contract import Shape, affine, layer_candidates
from grader.checks.closeness import is_close, listed, quoted, require_array, require_close
from grader.checks.diagnosis import Candidates, Explanations, likely_cause
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.client import Call, RemoteObject, Student
from grader.errors import CheckFailed, StudentFault, StudentRaised

Pair = tuple[Array, Array]  # what belongs to the weight (M, D), and to the bias (M,)

PARAMETERS = ("weight", "bias")  # as the homework names them
DLDY_NOT_USED = "dLdy is not used: it is taken for ones"


@dataclass(frozen=True, slots=True)
class LinearProbe:
    """One Linear(D, M) in the worker; `weight` and `bias` are the names of its parameters.

    Everything is read and written as (M, D) and (M,). A layer that stores the weight the other way
    round, or a bias with an axis of 1, loses the check of shapes and is judged otherwise.
    """

    student: Student
    layer: RemoteObject
    inputs: int
    outputs: int
    weight: str
    bias: str
    stored_shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @classmethod
    def make(cls, student: Student, inputs: int, outputs: int) -> LinearProbe:
        """Make a layer and find its parameters by their shapes; D and M must differ."""
        return cls._of(student, inputs, outputs, *_made(student, inputs, outputs))

    @classmethod
    def holding(cls, student: Student, W: Array, b: Array) -> tuple[LinearProbe, Array, Array]:
        """Make a layer, write both parameters, and return it with what it then holds: see `set`.

        In one request for a layer as the homework wants it; any other is made, and then written.
        """
        outputs, inputs = W.shape
        student.resolve("Linear")  # what is wrong with it is said the first time
        with suppress(CheckFailed, StudentRaised):
            layer, found, *_, after = student.new_at_once(
                "Linear", inputs, outputs, then=lambda layer: _written(layer, W, b)
            )
            probe = cls._of(student, inputs, outputs, layer, _usable(found, _name_of(inputs, outputs)))
            if (probe.weight, probe.bias, probe.stored_shapes) == (*PARAMETERS, (W.shape, b.shape)):
                return probe, *probe.held_after(W, b, found, after)
        probe = cls.make(student, inputs, outputs)
        return probe, *probe.set(W, b)

    @classmethod
    def _of(
        cls, student: Student, inputs: int, outputs: int, layer: RemoteObject, parameters: dict[str, Array]
    ) -> LinearProbe:
        """Find the parameters of a layer by their shapes."""
        weight = _named(parameters, _weight_shapes(inputs, outputs))
        others = {name: value for name, value in parameters.items() if name != weight}
        bias = _named(others, _bias_shapes(outputs))
        if weight is None or bias is None:
            raise CheckFailed(
                f"{_name_of(inputs, outputs)} should have a weight of shape ({outputs}, {inputs}) and a bias "
                f"of shape ({outputs},) in parameters(); found: {_listed(parameters)}"
            )
        shapes = parameters[weight].shape, parameters[bias].shape
        return cls(student, layer, inputs, outputs, weight, bias, shapes)

    @property
    def name(self) -> str:
        """How the layer is written in a message."""
        return _name_of(self.inputs, self.outputs)

    def read(self) -> Pair:
        """Return the weight and the bias as they are now."""
        return self._held(_parameters_of(self.layer, self.name))

    def _held(self, parameters: dict[str, Array]) -> Pair:
        W, b = self._found(parameters, "parameters")
        if W.shape not in _weight_shapes(self.inputs, self.outputs) or b.size != self.outputs:
            raise CheckFailed(
                f"{self.name}.parameters() has the shapes {W.shape} and {b.shape}; they should be "
                f"{(self.outputs, self.inputs)} and {(self.outputs,)}"
            )
        return self._oriented(W, b)

    def set(self, W: Array, b: Array) -> Pair:
        """Write both parameters and return what the layer then holds (float32 rounds).

        What a layer says it holds is the truth that its passes are judged by, so it is not taken on
        trust: it is what was written, or, in a layer whose parameters cannot be written (which is
        another check's matter), what was there before, if no arithmetic can be skipped with it.
        """
        return self._taken(W, b, *self._before_and_after(self.setting(W, b)))

    def held_after(self, W: Array, b: Array, before: dict[str, Any], after: dict[str, Any]) -> Pair:
        """Return what the layer holds after writing, from what parameters() gave before and after."""
        return self._taken(W, b, *(self._held(_usable(found, self.name)) for found in (before, after)))

    def _taken(self, W: Array, b: Array, before: Pair, held: Pair) -> Pair:
        """Return what a layer holds after writing, if that is what `set` takes for the truth."""
        if all(_is_stored_as(new, old) for new, old in zip((W, b), held, strict=True)):
            return held
        if all(np.array_equal(*pair) for pair in zip(before, held, strict=True)) and _is_drawn(*held):
            return held
        raise CheckFailed(
            f"{self.name}: after writing into parameters() in place, they hold neither what was written nor "
            "what was there before"
        )

    def _before_and_after(self, writing: list[Call]) -> tuple[Pair, Pair]:
        """Return what the layer holds before and after writing: in one request, where nothing goes wrong."""
        reading = self.layer.reading_parameters()
        try:
            before, *_, after = self.student.run([reading, *writing, reading])
            return self._held(_usable(before, self.name)), self._held(_usable(after, self.name))
        except (CheckFailed, StudentRaised):
            before = self.read()
            self.student.run(writing)
            return before, self.read()

    def setting(self, W: Array, b: Array) -> list[Call]:
        """Prepare the writing of both parameters."""
        weight_shape, bias_shape = self.stored_shapes
        return [
            self.layer.assigning(self.weight, W if W.shape == weight_shape else W.T),
            self.layer.assigning(self.bias, b.reshape(bias_shape)),
        ]

    def gradients(self, truth: Pair | None = None, mistakes: Explanations | None = None) -> Pair:
        """Return the gradients of the weight and the bias, which have the shapes of their parameters.

        The right gradients and what usual mistakes give instead only serve to say what is wrong.
        """
        return self.gradients_in(self.layer.gradients(), truth, mistakes)

    def gradients_in(
        self, found: dict[str, Array], truth: Pair | None = None, mistakes: Explanations | None = None
    ) -> Pair:
        """Return the gradients that were read already: see `gradients`."""
        W, b = self._found(found, "gradients")
        weight_shape, bias_shape = self.stored_shapes
        if W.shape != weight_shape:
            self._wrong_shape(W, weight_shape, "weight", truth and truth[0], mistakes)
        if b.size != self.outputs or (b.ndim > 1 and b.shape != bias_shape):
            self._wrong_shape(b, bias_shape, "bias", truth and truth[1], mistakes)
        return self._oriented(W, b)

    def _wrong_shape(
        self,
        got: Array,
        shape: tuple[int, ...],
        part: str,
        truth: Array | None,
        mistakes: Explanations | None,
    ) -> NoReturn:
        candidates = Candidates(explanations=mistakes or {})
        raise CheckFailed(
            f"the gradient of the {part} in {self.name}.gradients() has the shape {got.shape}; it should be "
            f"{shape}, that of the {part}",
            expected=f"shape {shape}",
            got=f"shape {got.shape}",
            cause=None if truth is None else likely_cause(got, truth, candidates),
        )

    def _oriented(self, W: Array, b: Array) -> Pair:
        return W if W.shape == (self.outputs, self.inputs) else W.T, b.reshape(self.outputs)

    def _found(self, arrays: dict[str, Array], where: str) -> Pair:
        """Find both by name, or else by shape: that the names agree is a check of its own."""
        weight = (
            self.weight
            if self.weight in arrays
            else _named(arrays, _weight_shapes(self.inputs, self.outputs))
        )
        bias = self.bias if self.bias in arrays else _named(arrays, _bias_shapes(self.outputs))
        if weight is None or bias is None:
            raise CheckFailed(f"{self.name}.{where}() lacks the weight or the bias; found: {_listed(arrays)}")
        W = require_array(arrays[weight], what=f"{self.name}.{where}()[{quoted(weight)}]")
        return W, require_array(arrays[bias], what=f"{self.name}.{where}()[{quoted(bias)}]")


def require_parameter_gradients(
    got: Pair,
    expected: Pair,
    shape: Shape,
    *,
    name: str,
    computed_with: Sequence[object],
    rtol: float | None = None,
    mistakes: Explanations | None = None,
) -> float:
    """Return the one factor, 1 or 1/N, by which both gradients differ from sums over the batch.

    `expected` holds the sums; the mean may be taken in the layer. Raises CheckFailed for any other
    values, and where weight and bias do not share the factor. What usual mistakes give instead only
    serves to say what is wrong.
    """
    fits = [
        {
            factor
            for factor in (1.0, 1.0 / shape.N)
            if is_close(value, factor * truth, rtol=rtol, computed_with=computed_with)
        }
        for value, truth in zip(got, expected, strict=True)
    ]
    if common := fits[0] & fits[1]:
        return max(common)
    if fits[0] and fits[1]:
        of_sum, of_mean = ("bias", "weight") if max(fits[1]) > max(fits[0]) else ("weight", "bias")
        raise CheckFailed(
            f"{name}: the gradients of weight and bias are scaled differently",
            cause=f"that of the {of_sum} is a sum over the batch, that of the {of_mean} a mean "
            f"(N = {shape.N})",
        )
    factor = max(fits[0] | fits[1], default=1.0)
    for value, truth, part in zip(got, expected, ("weight", "bias"), strict=True):
        require_close(
            value,
            factor * truth,
            what=f"{name}: the gradient of the {part}",
            rtol=rtol,
            computed_with=computed_with,
            candidates=layer_candidates(shape, mistakes),
        )
    raise CheckFailed(f"{name}: the gradients of weight and bias do not fit together")


def measured_factor(student: Student, rng: np.random.Generator, shape: Shape) -> float | None:
    """Return the student's own Linear's factor on its parameter gradients; None if it has no right one."""
    try:
        # Not `holding`: a layer that cannot be made draws no numbers, and one that hangs leaves time.
        probe = LinearProbe.make(student, shape.D, shape.M)
        W, b = probe.set(rng.normal(size=(shape.M, shape.D)), rng.normal(size=shape.M))
        x, dLdy = rng.normal(size=(shape.N, shape.D)), rng.normal(size=(shape.N, shape.M))
        y, _ = probe.layer.passes(x, dLdy=dLdy)
        sums = numeric_sums(x, W, b, dLdy)
        return require_parameter_gradients(
            probe.gradients(), sums, shape, name=probe.name, computed_with=(W, b, y)
        )
    except StudentFault:
        return None


def linear_line(seed: int, inputs: int, outputs: int, *, scaled_by: str = "") -> str:
    """Return the start of a line of code: a generator, and a layer whose parameters are drawn from it."""
    return (
        f"rng = np.random.default_rng({seed}); layer = Linear({inputs}, {outputs}); p = layer.parameters(); "
        f"p['weight'][...] = rng.normal(size=({outputs}, {inputs})){scaled_by}; "
        f"p['bias'][...] = rng.normal(size={outputs})"
    )


def usual_mistakes(sums: Pair, x: Array, dLdy: Array) -> Explanations:
    """Return what usual mistakes of backward leave in gradients(), from the right sums over the batch."""
    N, M = dLdy.shape
    without_dLdy = (np.tile(x.sum(axis=0), (M, 1)), np.full(M, float(N)))
    return {
        "weight and bias are swapped": (*sums, sums[0] / N, sums[1] / N),
        "dLdy is summed over the outputs, not over the batch: the wrong axis": (
            dLdy.sum(axis=1),
            dLdy.mean(axis=1),
        ),
        "dLdy is summed over batch and outputs, so that every output gets the same": (
            np.full(M, dLdy.sum()),
            np.full(M, dLdy.sum() / N),
            np.full(M, dLdy.mean()),
        ),
        DLDY_NOT_USED: (*without_dLdy, without_dLdy[0] / N, without_dLdy[1] / N),
    }


def numeric_sums(x: Array, W: Array, b: Array, dLdy: Array) -> Pair:
    """Return the gradients of Σ dLdy · (x Wᵀ + b) in W and b, by differences: sums over the batch.

    A column of y hangs on its own row of W and entry of b alone, so all rows are moved at once.
    """
    by_input = dLdy * _slopes(lambda moves: affine(x, W + moves, b), W.shape[1])  # (D, N, M)
    bias = as_float(b)  # a smaller type would round the step
    in_bias = dLdy * (affine(x, W, bias + 0.5) - affine(x, W, bias - 0.5))
    return by_input.sum(axis=1).T, in_bias.sum(axis=0)


def numeric_input_gradient(x: Array, W: Array, b: Array, dLdy: Array) -> Array:
    """Return the gradient of Σ dLdy · (x Wᵀ + b) in x, by differences; a row of y hangs on its own of x."""
    by_input = dLdy * _slopes(lambda moves: affine(x + moves, W, b), x.shape[1])  # (D, N, M)
    slopes: FloatArray = by_input.sum(axis=2).T
    return slopes


def _slopes(outputs: Callable[[FloatArray], FloatArray], inputs: int) -> FloatArray:
    """Return the slope of `outputs`, linear in a row of so many numbers, when each of them moves: a stack.

    Without truncation a large step leaves the least rounding.
    """
    moves = 0.5 * np.eye(inputs)[:, np.newaxis, :]  # a row for each, and for all rows of what is moved
    return outputs(moves) - outputs(-moves)


def _is_stored_as(written: Array, held: Array) -> bool:
    """Whether `held` is `written`, rounded to the precision the layer stores."""
    return held.dtype.kind == "f" and np.array_equal(written.astype(held.dtype), held)


def _is_drawn(W: Array, b: Array) -> bool:
    """Whether W looks like a random draw that shows in x Wᵀ + b.

    No entry is zero or there twice, and neither the largest one nor the bias hides the others.
    """
    sizes = np.abs(as_float(W))
    largest = float(sizes.max())
    shows = np.median(sizes) > 1e-2 * largest and np.abs(b).max() <= 10.0 * largest
    return bool(sizes.min() > 0 and shows and 1e-3 < largest < 1e3 and len(np.unique(W)) == W.size)


def _name_of(inputs: int, outputs: int) -> str:
    return f"Linear({inputs}, {outputs})"


def _written(layer: RemoteObject, W: Array, b: Array) -> list[Call]:
    """Prepare the writing of both parameters, between two looks at them, in a layer like the homework's."""
    reading, (weight, bias) = layer.reading_parameters(), PARAMETERS
    return [reading, layer.assigning(weight, W), layer.assigning(bias, b), reading]


def _made(student: Student, inputs: int, outputs: int) -> tuple[RemoteObject, dict[str, Array]]:
    """Return a new layer and its parameters: in one request, where nothing goes wrong."""
    name = _name_of(inputs, outputs)
    student.resolve("Linear")  # what is wrong with it is said the first time
    try:
        layer, found = student.new_at_once(
            "Linear", inputs, outputs, then=lambda layer: [layer.reading_parameters()]
        )
        return layer, _usable(found, name)
    except (CheckFailed, StudentRaised):
        layer = student.new("Linear", inputs, outputs)
        return layer, _parameters_of(layer, name)


def _parameters_of(layer: RemoteObject, name: str) -> dict[str, Array]:
    """Return `parameters()`; where that does not work, the attributes `weight` and `bias` serve."""
    try:
        return _usable(layer.parameters(), name)
    except StudentFault as fault:
        try:
            return _arrays({key: layer.get(key) for key in ("weight", "bias")}, name)
        except StudentFault:
            raise fault from None


def _usable(found: dict[str, Any], name: str) -> dict[str, Array]:
    return require_right_way_round(_arrays(found, f"{name}.parameters()"), name)


def require_right_way_round(found: dict[str, Array], name: str) -> dict[str, Array]:
    """Return what was found, unless the weight is called bias, and the bias weight."""
    weight, bias = found.get("weight"), found.get("bias")
    if (
        weight is not None
        and bias is not None
        and weight.ndim == 1
        and bias.ndim == 2
        and 1 not in bias.shape
    ):
        raise CheckFailed(
            f"{name}.parameters() has a 'weight' of shape {weight.shape} and a 'bias' of shape {bias.shape}",
            cause="weight and bias are swapped",
        )
    return found


def _arrays(values: dict[str, Any], where: str) -> dict[str, Array]:
    return {name: require_array(value, what=f"{quoted(name)} of {where}") for name, value in values.items()}


def _weight_shapes(inputs: int, outputs: int) -> list[tuple[int, ...]]:
    return [(outputs, inputs), (inputs, outputs)]


def _bias_shapes(outputs: int) -> list[tuple[int, ...]]:
    return [(outputs,), (1, outputs), (outputs, 1)]


def _named(arrays: dict[str, Array], shapes: list[tuple[int, ...]]) -> str | None:
    """Return the name of the first array that has one of the shapes, the first shape first."""
    return next((name for shape in shapes for name, value in arrays.items() if value.shape == shape), None)


def _listed(arrays: dict[str, Array]) -> str:
    shapes = ", ".join(str(value.shape) for value in islice(arrays.values(), 8))
    return f"{listed(arrays)} of the shapes {shapes}" if arrays else "nothing"
