"""The two losses of Q6.3: their values, their gradients up to the batch mean, and that mean end to end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from grader.assignments.hw1.linear_probe import LinearProbe, Pair, linear_line, measured_factor
from grader.assignments.hw1.mytorch_contract import (
    LOSS_GRADIENT_RTOL,
    LOSS_RTOL,
    Shape,
    affine,
    cross_entropies,
    loss_candidates,
    mean_squared_errors,
    one_hot,
    seeded,
)
from grader.checks.closeness import (
    is_close,
    reproduced_by,
    require_array,
    require_close,
    require_number_close,
)
from grader.checks.diagnosis import Candidates, Explanations, Factor
from grader.checks.gradients import central_differences
from grader.checks.plots import PlotIt, gradient_error, no_plot
from grader.checks.tolerance import Array, FloatArray
from grader.client import Student
from grader.errors import CheckFailed, StudentFault

_LINEAR_WORKED = "q6.1.backward_parameters"
_INPUTS = 4
ONE_LABEL_TOO_LOW = "each target is taken for the class before it: are the labels counted from 1?"
ONE_LABEL_TOO_HIGH = "each target is taken for the class after it: is 1 added to the labels?"
_SCALED = " / 4**0.5"  # as in make_chain, for that many inputs


@dataclass(frozen=True, slots=True)
class LossCase:
    """One call of a loss: `value` is the formula as a function of the predictions (N, K), or of a stack."""

    name: str  # of the class
    pred: FloatArray
    target: Array
    value: Callable[[Array], FloatArray]
    inputs_line: str  # draws both again, as `pred` and `y`
    # What usual mistakes in backward give, from the right gradient of the mean.
    mistakes: Callable[[FloatArray], Explanations] = lambda _: {}

    @property
    def line(self) -> str:
        """One line with which the student sees the same numbers."""
        return f"{self.inputs_line}; loss = {self.name}(); print(loss.forward(pred, y), loss.backward())"

    @property
    def call(self) -> str:
        """The call, as it stands in a message."""
        target = "target" if self.name == "MSELoss" else "targets"
        return f"{self.name}().forward(pred, {target}) with shapes {self.pred.shape} and {self.target.shape}"


def squared_error_case(rng: np.random.Generator, N: int, K: int) -> LossCase:
    """Return a call of MSELoss with random predictions and targets (N, K)."""
    seed, draws = seeded(rng)
    pred, target = draws.normal(size=(2, N, K))
    return LossCase(
        "MSELoss",
        pred,
        target,
        lambda moved: mean_squared_errors(moved, target),
        f"rng = np.random.default_rng({seed}); pred, y = rng.normal(size=(2, {N}, {K}))",
    )


def cross_entropy_case(rng: np.random.Generator, N: int, K: int) -> LossCase:
    """Return a call of SoftmaxCrossEntropy with random logits (N, K) and class indices (N,).

    The logits are small, so that a 1e-8 inside the logarithm does not show.
    """
    seed, draws = seeded(rng)
    logits, labels = draws.normal(size=(N, K)), draws.integers(K, size=N)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    over_batch = np.exp(logits) / np.exp(logits).sum(axis=0, keepdims=True)
    over_all = np.exp(logits) / np.exp(logits).sum()

    def mistakes(gradient: FloatArray) -> Explanations:
        sums = {
            "these are the probabilities: the targets are not used": shares,
            "the softmax runs over the batch, not over the classes": N * gradient + over_batch - shares,
            "the softmax runs over all entries, not over the classes": N * gradient + over_all - shares,
            ONE_LABEL_TOO_LOW: shares - one_hot((labels - 1) % K, K),
            ONE_LABEL_TOO_HIGH: shares - one_hot((labels + 1) % K, K),
        }
        return {sentence: (values, values / N) for sentence, values in sums.items()}

    return LossCase(
        "SoftmaxCrossEntropy",
        logits,
        labels,
        lambda moved: cross_entropies(moved, labels),
        f"rng = np.random.default_rng({seed}); pred, y = rng.normal(size=({N}, {K})), "
        f"rng.integers({K}, size={N})",
        mistakes,
    )


def require_loss_value(
    student: Student, case: LossCase, explanations: dict[str, float] | None = None
) -> None:
    """Judge the forward pass; `explanations` are values that usual mistakes give."""
    N, K = case.pred.shape
    candidates = loss_candidates(
        N, K, {sentence: np.array([value]) for sentence, value in (explanations or {}).items()}
    )
    with reproduced_by(case.line):
        _, value = student.new_then(
            case.name, then=lambda loss: [loss.calling("forward", case.pred, case.target)]
        )
        require_number_close(
            value,
            float(case.value(case.pred)),
            what=case.call,
            rtol=LOSS_RTOL,
            candidates=candidates,
        )


def require_loss_gradient(
    student: Student,
    case: LossCase,
    *,
    truth: Array | None = None,
    what: str = "",
    plot: PlotIt = no_plot,
) -> float:
    """Judge the backward pass and return its factor: 1, or N where the mean is left to the layers.

    `truth` is the gradient of the mean in closed form; without it differences of the formula serve.
    """
    expected = numeric_gradient(case) if truth is None else truth
    N, K = case.pred.shape
    with reproduced_by(case.line):
        _, _, slope = student.new_then(case.name, then=lambda loss: loss.passing(case.pred, case.target))
        got = require_array(slope, what=f"{case.name}().backward(){what}", shape=case.pred.shape)
        for factor in (1.0, float(N)):
            if is_close(got, factor * expected, rtol=LOSS_GRADIENT_RTOL):
                plot(gradient_error, f"{case.name}, {N} x {K}", got, factor * expected)
                return factor
        require_close(
            got,
            expected,
            what=f"{case.name}().backward(){what}, after a forward of shape {case.pred.shape},",
            rtol=LOSS_GRADIENT_RTOL,
            candidates=loss_candidates(N, K, case.mistakes(expected)),
        )
    return 1.0


def numeric_gradient(case: LossCase) -> FloatArray:
    """Return the gradient of the formula in the predictions, by differences."""
    return central_differences(case.value, case.pred).values


def require_end_to_end(
    student: Student,
    rng: np.random.Generator,
    case: LossCase,
    other: LossCase,
    *,
    passed: Collection[str],
    plot: PlotIt = no_plot,
) -> None:
    """Judge the gradient of loss(Linear(x)) in weight and bias, where the batch mean must be right.

    Where the student's Linear has no right gradient of its own, either convention is right, but
    it must be that of the `other` loss.
    """
    N, M = case.pred.shape
    shape = Shape(N=N, D=_INPUTS, M=M)
    if not linear_works(student, rng, shape, passed=passed):
        _require_same_convention(student, case, other)
        return
    seed, draws = seeded(rng)
    with reproduced_by(
        f"{case.inputs_line}; {linear_line(seed, shape.D, M, scaled_by=_SCALED)}; "
        f"x = rng.normal(size=({N}, {shape.D})); loss = {case.name}(); loss.forward(layer.forward(x), y); "
        "layer.backward(loss.backward()); print(layer.gradients())"
    ):
        chain = make_chain(student, draws, case, shape)
        for part, value, truth in zip(("weight", "bias"), chain.gradients(), chain.slopes(), strict=True):
            got = require_close(
                value,
                truth,
                what=f"the gradient of {case.name}()(Linear({shape.D}, {M})(x)) in the {part}, "
                f"for a batch of {N},",
                rtol=LOSS_GRADIENT_RTOL,
                computed_with=(chain.W, chain.b),
                candidates=_mean_candidates(N),
            )
            plot(gradient_error, f"{case.name} on Linear({shape.D}, {M}): {part}", got, truth)


def linear_works(
    student: Student, rng: np.random.Generator, shape: Shape, *, passed: Collection[str]
) -> bool:
    """Say whether the student's Linear has a right gradient; one that had it in Q6.1 must have it here."""
    if measured_factor(student, rng, shape) is not None:
        return True
    if _LINEAR_WORKED in passed:
        raise CheckFailed(
            f"the gradients of Linear({shape.D}, {shape.M}) are not right beside a loss, though Linear's "
            "were right in Q6.1: does one share something with the other?"
        )
    return False


def _mean_candidates(N: int) -> Candidates:
    return Candidates(
        (
            Factor(
                "N, the batch size",
                N,
                if_too_large="the mean over the batch is taken neither in the loss nor in Linear.backward",
                if_too_small="the mean over the batch is taken both in the loss and in Linear.backward",
            ),
        )
    )


def _require_same_convention(student: Student, case: LossCase, other: LossCase) -> None:
    factor = require_loss_gradient(student, case)
    try:
        other_factor = require_loss_gradient(student, other)
    except StudentFault:
        return  # the other loss has none, which is its own loss of points
    if (factor == 1.0) != (other_factor == 1.0):
        raise CheckFailed(
            "one loss takes the mean over the batch in backward and the other does not, "
            "so that no Linear fits both"
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """A student's loss on top of a student's Linear whose own gradients are right."""

    student: Student
    probe: LinearProbe
    case: LossCase
    x: FloatArray
    W: Array
    b: Array

    def gradients(self) -> Pair:
        """Backpropagate; the loss sees the right predictions, whatever Linear.forward gives."""
        self.probe.layer.forward(self.x)
        pred, target = affine(self.x, self.W, self.b), self.case.target
        _, _, found = self.student.new_then(self.case.name, then=lambda loss: loss.passing(pred, target))
        slope = require_array(found, what=f"{self.case.name}().backward()", shape=self.case.pred.shape)
        self.probe.layer.backward(slope)
        return self.probe.gradients()

    def slopes(self) -> Pair:
        """Return the slopes of the loss's formula in weight and bias, by differences."""
        x, W, b = self.x, self.W, self.b
        return (
            self._slope(lambda moved: affine(x, moved, b), W),
            self._slope(lambda moved: affine(x, W, moved), b),
        )

    def _slope(self, function: Callable[[FloatArray], FloatArray], at: Array) -> FloatArray:
        value = self.case.value
        return central_differences(lambda points: value(function(points)), at).values


def make_chain(student: Student, rng: np.random.Generator, case: LossCase, shape: Shape) -> Chain:
    """Make a Linear with small random parameters and a batch for it."""
    W, b = rng.normal(size=(shape.M, shape.D)) / shape.D**0.5, rng.normal(size=shape.M)
    probe, W, b = LinearProbe.holding(student, W, b)
    return Chain(student, probe, case, rng.normal(size=(shape.N, shape.D)), W, b)
