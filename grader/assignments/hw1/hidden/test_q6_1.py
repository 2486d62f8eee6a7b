"""Q6.1 Linear, other sizes in closed form, and layers that are used more than once."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.linear_probe import LinearProbe, Pair, require_parameter_gradients
from grader.assignments.hw1.mytorch_contract import Shape, affine, layer_candidates
from grader.checks.closeness import is_close, require_array, require_close
from grader.checks.diagnosis import EARLIER_CALL, Candidates, likely_cause
from grader.checks.exactness import FlagIt, flag_differences, inexactness
from grader.checks.tolerance import Array
from grader.client import Student
from grader.errors import CheckFailed, StudentRaised
from grader.pytest_plugin import check

SHAPES = (
    Shape(N=1, D=6, M=4),
    Shape(N=13, D=2, M=9),
    Shape(N=5, D=31, M=8),
    Shape(N=64, D=17, M=23),
)
Passed = tuple[Array, Pair]  # dL/dx, and the gradients of weight and bias


@check("q6.1.forward_any_shape", needs=("q6.1.constructs",))
def test_forward_is_right_for_other_sizes(student: Student, rng: np.random.Generator) -> None:
    """Linear.forward is right for other sizes, also for a batch of one."""
    for shape in SHAPES:
        probe, W, b = _set_up(student, rng, shape)
        x = 3.0 * rng.normal(size=(shape.N, shape.D)) + 1.0
        require_close(
            probe.layer.forward(x),
            affine(x, W, b),
            what=f"{probe.name}.forward(x) with x of shape {x.shape}",
            computed_with=(W, b),
            candidates=layer_candidates(shape),
        )


@check("q6.1.backward_any_shape", needs=("q6.1.constructs",))
def test_backward_is_right_for_other_sizes(student: Student, rng: np.random.Generator, flag: FlagIt) -> None:
    """Linear.backward is right for other sizes, also for a batch of one."""
    conventions, error = set(), 0.0
    for shape in SHAPES:
        probe, W, b = _set_up(student, rng, shape)
        x, dLdy = rng.normal(size=(shape.N, shape.D)), rng.normal(size=(shape.N, shape.M))
        y, found = probe.layer.passes(x, dLdy=dLdy)
        dLdx = require_close(
            found,
            dLdy @ W,
            what=f"{probe.name}.backward(dLdy) with dLdy of shape {dLdy.shape}",
            computed_with=(W, b, y),
            candidates=layer_candidates(shape),
        )
        gradients, sums = probe.gradients(), (dLdy.T @ x, dLdy.sum(axis=0))
        factor = require_parameter_gradients(
            gradients,
            sums,
            shape,
            name=f"{probe.name} after backward with N = {shape.N}",
            computed_with=(W, b, y),
        )
        for got, truth in ((dLdx, dLdy @ W), (gradients[0], factor * sums[0])):
            error = max(error, inexactness(got, truth, W, b, y))
        if shape.N > 1:
            conventions.add("sum" if factor == 1.0 else "mean")
    if len(conventions) > 1:
        raise CheckFailed("the gradients are sums over the batch for one batch size and means for another")
    flag_differences(flag, error, what="Linear.backward")


@check("q6.1.used_again", needs=("q6.1.forward_values",))
def test_a_layer_can_be_used_again(student: Student, rng: np.random.Generator) -> None:
    """A Linear used again, with other batches or beside another Linear, gives what a new one would."""
    inputs, outputs = 6, 4
    W, b = rng.normal(size=(outputs, inputs)), rng.normal(size=outputs)
    batches = [(rng.normal(size=(n, inputs)), rng.normal(size=(n, outputs))) for n in (5, 2, 9)]
    alone = [_pass(_made(student, W, b), x, dLdy) for x, dLdy in batches]

    probe = _made(student, W, b)
    other = _made(student, -W, b + 1.0)  # made later: what is kept on the class is this one's
    seen = []
    for x, dLdy in batches:
        probe.layer.forward(x)
        _pass(other, x[::-1] + 1.0, 2.0 * dLdy)  # another layer before backward, and before gradients()
        dLdx = probe.layer.backward(dLdy)
        _pass(other, x[::-1] - 1.0, 3.0 * dLdy)
        seen.append((dLdx, probe.gradients()))
    _require_as_alone(seen, alone, W)

    probe = _made(student, W, b)
    probe.layer.forward(batches[0][0])  # a forward pass without a backward pass, as in evaluation
    first = _pass(probe, *batches[1])
    _require_as_alone([first], alone[1:2], W)
    _require_backward_again(probe, batches[1][1], first, W)


def _require_backward_again(probe: LinearProbe, dLdy: Array, first: Passed, W: Array) -> None:
    """Allow a second backward pass to be refused, but not to be wrong."""
    try:
        again = probe.layer.backward(-dLdy)
    except StudentRaised:
        return
    require_close(again, -first[0], what="dL/dx of a second backward pass", computed_with=(W,))


def _require_as_alone(seen: list[Passed], alone: list[Passed], W: Array) -> None:
    """Gradients of a batch may replace those of the batch before, or be added to them until zero_grad()."""
    for number, ((dLdx, _), (truth, _)) in enumerate(zip(seen, alone, strict=True), start=1):
        require_close(dLdx, truth, what=f"dL/dx of batch {number} of one layer", computed_with=(W,))
    last = [pair for _, pair in alone]
    added = [
        tuple(np.sum([pair[part] for pair in last[: count + 1]], axis=0) for part in (0, 1))
        for count in range(len(last))
    ]
    if not any(
        all(
            is_close(got[part], truth[part], computed_with=(W,))
            for (_, got), truth in zip(seen, truths, strict=True)
            for part in (0, 1)
        )
        for truths in (last, added)
    ):
        raise CheckFailed(
            "the gradients of a layer that is used again are neither those of its last batch nor the sum of "
            "those so far: does it remember an earlier batch, or share something with other layers?",
            cause=_earlier_batch(seen, last),
        )


def _earlier_batch(seen: list[Passed], last: list[Pair]) -> str | None:
    """Return what to say where some gradient is that of a batch before."""
    causes = (
        likely_cause(got[0], last[number][0], Candidates(explanations={EARLIER_CALL: (pair[0],)}))
        for number, (_, got) in enumerate(seen)
        for pair in last[:number]
    )
    return EARLIER_CALL if EARLIER_CALL in causes else None


def _pass(probe: LinearProbe, x: Array, dLdy: Array) -> Passed:
    _, found = probe.layer.passes(x, dLdy=dLdy)
    dLdx = require_array(found, what=f"{probe.name}.backward(dLdy)")
    return dLdx, probe.gradients()


def _made(student: Student, W: Array, b: Array) -> LinearProbe:
    probe, *_ = LinearProbe.holding(student, W, b)
    return probe


def _set_up(student: Student, rng: np.random.Generator, shape: Shape) -> tuple[LinearProbe, Array, Array]:
    return LinearProbe.holding(student, rng.normal(size=(shape.M, shape.D)), rng.normal(size=shape.M))
