"""Q6.1 Linear: its parameters, both passes, and how it starts."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from grader.assignments.hw1.linear_probe import (
    DLDY_NOT_USED,
    LinearProbe,
    linear_line,
    numeric_input_gradient,
    numeric_sums,
    require_parameter_gradients,
    require_right_way_round,
    usual_mistakes,
)
from grader.assignments.hw1.mytorch_contract import Shape, affine, layer_candidates, seeded
from grader.checks.closeness import (
    quoted,
    reproduced_by,
    require_array,
    require_close,
    require_keys,
    require_number_close,
    require_unchanged,
)
from grader.checks.exactness import FlagIt
from grader.checks.plots import PlotIt, gradient_error
from grader.checks.statistics import (
    FALSE_ALARM,
    Sample,
    require_mean_zero,
    require_no_zeros,
    require_normal_shape,
    require_variance,
)
from grader.client import Student
from grader.errors import CheckFailed, StudentFault
from grader.pytest_plugin import check

# N differs from D, M and 1, so that every wrong factor has one name; both D < M and D > M.
SHAPES = (Shape(N=7, D=5, M=3), Shape(N=4, D=3, M=11))
# D, M: so different that no constant but 2 / D fits all three; thousands of draws each.
HE_SIZES = ((3, 4000), (50, 240), (400, 30))


@check("q6.1.constructs")
def test_linear_can_be_made(student: Student) -> None:
    """Linear(D, M) can be made and has a weight and a bias."""
    for shape in SHAPES:
        with reproduced_by(f"print(Linear({shape.D}, {shape.M}).parameters())"):
            LinearProbe.make(student, shape.D, shape.M)


# That an array is live is its own word as well.
@check("q6.1.parameters_live", needs=("q6.1.constructs", "q6.1.forward_values"))
def test_parameters_are_live(student: Student, rng: np.random.Generator) -> None:
    """The arrays of parameters() are live: changing one in place changes the layer."""
    shape = SHAPES[0]
    x = rng.normal(size=(shape.N, shape.D))
    with reproduced_by(
        f"layer = Linear({shape.D}, {shape.M}); layer.parameters()['weight'][...] = 1; "
        f"print(layer.forward(np.ones(({shape.N}, {shape.D}))))"
    ):
        probe = LinearProbe.make(student, shape.D, shape.M)
        editor = student.stand_in("editor")
        before = require_array(probe.layer.forward(x), what=f"{probe.name}.forward(x)")
        for name, stored_shape in zip((probe.weight, probe.bias), probe.stored_shapes, strict=True):
            value = rng.normal(size=stored_shape)
            editor.call("write", probe.layer, name, value)
            require_close(
                probe.layer.parameters()[name],
                value,
                what=f"{probe.name}.parameters()[{quoted(name)}], after writing into it,",
            )
        after = require_array(probe.layer.forward(x), what=f"{probe.name}.forward(x)")
        if np.array_equal(before, after):
            raise CheckFailed(
                f"{probe.name}.forward(x) does not change when parameters() are changed in place: "
                "does parameters() return copies?"
            )


@check("q6.1.forward_values", needs=("q6.1.constructs",))
def test_forward_is_affine(student: Student, rng: np.random.Generator) -> None:
    """Linear.forward computes x Wᵀ + b."""
    for shape in SHAPES:
        seed, draws = seeded(rng)
        with reproduced_by(_forward_line(shape, seed)):
            probe, W, b = _set_up(student, draws, shape)
            x = draws.normal(size=(shape.N, shape.D))
            mistakes = {
                "the bias is missing": affine(x, W, 0 * b),
                "the bias is subtracted": affine(x, W, -b),
                "the bias is added twice": affine(x, W, 2 * b),
            }
            require_close(
                probe.layer.forward(x),
                affine(x, W, b),
                what=f"{probe.name}.forward(x) with x of shape {x.shape}",
                computed_with=(W, b),
                candidates=layer_candidates(shape, mistakes),
            )


@check("q6.1.backward_input", needs=("q6.1.constructs",))
def test_backward_returns_the_gradient_of_the_input(
    student: Student, rng: np.random.Generator, plot: PlotIt
) -> None:
    """Linear.backward returns dL/dx, without any factor."""
    for shape in SHAPES:
        seed, draws = seeded(rng)
        with reproduced_by(_backward_line(shape, seed, "dLdx")):
            probe, W, b = _set_up(student, draws, shape)
            x, dLdy = _batch(draws, shape)
            y, dLdx = probe.layer.passes(x, dLdy=dLdy)
            truth = numeric_input_gradient(x, W, b, dLdy)
            got = require_close(
                dLdx,
                truth,
                what=f"{probe.name}.backward(dLdy) after a forward of shape {x.shape}, which is dL/dx,",
                computed_with=(W, b, y),
                candidates=layer_candidates(shape, {DLDY_NOT_USED: np.ones_like(dLdy) @ W}),
            )
            plot(gradient_error, f"{probe.name}: dL/dx", got, truth)


@check("q6.1.backward_parameters", needs=("q6.1.constructs",), handout="The mean over the batch")
def test_backward_fills_the_gradients_of_the_parameters(
    student: Student, rng: np.random.Generator, plot: PlotIt
) -> None:
    """Linear.backward fills gradients() with dL/dW and dL/db, as sums or means over the batch."""
    factors = set()
    for shape in SHAPES:
        seed, draws = seeded(rng)
        with reproduced_by(_backward_line(shape, seed, "layer.gradients()")):
            probe, W, b = _set_up(student, draws, shape)
            x, dLdy = _batch(draws, shape)
            y, _ = probe.layer.passes(x, dLdy=dLdy)
            sums = numeric_sums(x, W, b, dLdy)
            mistakes = usual_mistakes(sums, x, dLdy)
            gradients = probe.gradients(sums, mistakes)
            factor = require_parameter_gradients(
                gradients,
                sums,
                shape,
                name=f"{probe.name} after backward with N = {shape.N}",
                computed_with=(W, b, y),
                mistakes=mistakes,
            )
            factors.add(factor == 1.0)
            for part, got, truth in zip(("W", "b"), gradients, sums, strict=True):
                plot(gradient_error, f"{probe.name}: dL/d{part}", got, factor * truth)
    if len(factors) > 1:
        raise CheckFailed("the gradients are sums over the batch for one batch size and means for another")


@check("q6.1.parameter_shapes", needs=("q6.1.constructs",))
def test_parameters_have_the_shapes_of_the_contract(
    student: Student, rng: np.random.Generator, passed: Collection[str]
) -> None:
    """parameters() gives a weight (M, D) and a bias (M,), and gradients() has the same names."""
    for shape in SHAPES:
        call = f"Linear({shape.D}, {shape.M})"
        with reproduced_by(f"print({call}.parameters())"):
            probe = LinearProbe.make(student, shape.D, shape.M)
            arrays = require_right_way_round(probe.layer.parameters(), call)
            weight, bias = probe.weight, probe.bias
            require_array(
                arrays.get(weight), what=f"{call}.parameters()[{quoted(weight)}]", shape=(shape.M, shape.D)
            )
            require_array(arrays.get(bias), what=f"{call}.parameters()[{quoted(bias)}]", shape=(shape.M,))
            _require_same_names(probe, arrays, rng, shape, passed=passed)


# What code did to its arguments is only its own word, so it counts beside right values alone.
@check(
    "q6.1.inputs_unmodified",
    needs=("q6.1.constructs", "q6.1.forward_values"),
    handout="The rules of mytorch",
)
def test_inputs_are_not_modified(student: Student, rng: np.random.Generator) -> None:
    """Linear changes neither the x nor the dLdy that it is given."""
    shape = SHAPES[0]
    seed, draws = seeded(rng)
    with reproduced_by(_backward_line(shape, seed, "x, dLdy")):
        probe, _, _ = _set_up(student, draws, shape)
        x, dLdy = _batch(draws, shape)
        forward, backward = student.run(
            [
                probe.layer.calling("forward", x, echo=True),
                probe.layer.calling("backward", dLdy, echo=True),
            ]
        )
        require_unchanged(forward.args_after[0], x, what=f"the x given to {probe.name}.forward")
        require_unchanged(backward.args_after[0], dLdy, what=f"the dLdy given to {probe.name}.backward")


@check("q6.1.he_variance", needs=("q6.1.constructs",), false_alarm=1e-6)
def test_weights_have_the_variance_of_he(student: Student, flag: FlagIt) -> None:
    """The weight starts with mean 0 and variance 2 / D (He initialisation)."""
    with reproduced_by("print([Linear(D, 500).parameters()['weight'].var() * D / 2 for D in (3, 50, 400)])"):
        samples = _drawn_weights(student)
        for require in (require_variance, require_mean_zero):
            require(samples, what="the weight of a new Linear", false_alarm=FALSE_ALARM / 2)
        if np.array_equal(samples[0].values, samples[1].values):
            flag("same_draws", "two new layers start with the same weights: does Linear set a seed?")


@check("q6.1.he_normal", needs=("q6.1.constructs",), false_alarm=1e-6)
def test_weights_are_normally_distributed(student: Student) -> None:
    """The weight starts with normally distributed values."""
    with reproduced_by("print(np.histogram(Linear(100, 500).parameters()['weight'])[0])"):
        samples = _drawn_weights(student)
        for require in (require_no_zeros, require_normal_shape):
            require(samples, what="the weight of a new Linear", false_alarm=FALSE_ALARM / 2)


@check("q6.1.bias_zero", needs=("q6.1.constructs",))
def test_bias_starts_at_zero(student: Student) -> None:
    """The bias starts at zero."""
    for shape in SHAPES:
        with reproduced_by(f"print(Linear({shape.D}, {shape.M}).parameters()['bias'])"):
            probe = LinearProbe.make(student, shape.D, shape.M)
            _, b = probe.read()
            require_number_close(
                float(np.abs(b).max()),
                0.0,
                what=f"the largest |entry| of the bias of a new {probe.name}",
                rtol=0,
            )


def _set_up(
    student: Student, rng: np.random.Generator, shape: Shape
) -> tuple[LinearProbe, np.ndarray, np.ndarray]:
    """Make a layer with random parameters, a bias that is not zero among them."""
    return LinearProbe.holding(student, rng.normal(size=(shape.M, shape.D)), rng.normal(size=shape.M))


def _batch(rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(shape.N, shape.D)), rng.normal(size=(shape.N, shape.M))


def _require_same_names(
    probe: LinearProbe,
    parameters: dict[str, np.ndarray],
    rng: np.random.Generator,
    shape: Shape,
    *,
    passed: Collection[str],
) -> None:
    x, dLdy = _batch(rng, shape)
    try:
        probe.layer.passes(x, dLdy=dLdy)
        gradients = probe.layer.gradients()
    except StudentFault:
        if "q6.1.backward_parameters" in passed:
            raise
        return  # that a pass works is judged by that check
    require_keys(
        gradients, set(parameters), what=f"{probe.name}.gradients(), which needs the names of parameters(),"
    )


def _drawn_weights(student: Student) -> list[Sample]:
    samples = []
    for inputs, outputs in HE_SIZES:
        for draw in (1, 2):
            W, _ = LinearProbe.make(student, inputs, outputs).read()
            name = f"draw {draw} of Linear({inputs}, {outputs})"
            samples.append(Sample(name, W, 2.0 / inputs, _known_variances(inputs, outputs)))
    return samples


def _known_variances(inputs: int, outputs: int) -> dict[str, float]:
    return {
        "1 / D": 1.0 / inputs,
        "2 / (D + M), which is Xavier's": 2.0 / (inputs + outputs),
        "2 / M: fan-out in place of fan-in": 2.0 / outputs,
        "1 / M": 1.0 / outputs,
        "1 / (3 D)": 1.0 / (3.0 * inputs),
        "6 / D": 6.0 / inputs,
        "4 / D²: 2 / D used as the standard deviation": 4.0 / inputs**2,
        "√(2 / D): the standard deviation used as the variance": (2.0 / inputs) ** 0.5,
        "1: the draws are not scaled": 1.0,
        "0.01²": 1e-4,
        "0.1²": 1e-2,
    }


def _forward_line(shape: Shape, seed: int) -> str:
    return (
        f"{linear_line(seed, shape.D, shape.M)}; x = rng.normal(size=({shape.N}, {shape.D})); "
        "print(layer.forward(x))"
    )


def _backward_line(shape: Shape, seed: int, shown: str) -> str:
    return (
        f"{linear_line(seed, shape.D, shape.M)}; x = rng.normal(size=({shape.N}, {shape.D})); "
        f"layer.forward(x); dLdy = rng.normal(size=({shape.N}, {shape.M})); dLdx = layer.backward(dLdy); "
        f"print({shown})"
    )
