"""Q6.3 Losses: values, gradients up to the batch mean, and that mean end to end with the student's Linear."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from grader.assignments.hw1.losses import (
    ONE_LABEL_TOO_HIGH,
    ONE_LABEL_TOO_LOW,
    LossCase,
    cross_entropy_case,
    require_end_to_end,
    require_loss_gradient,
    require_loss_value,
    squared_error_case,
)
from grader.assignments.hw1.mytorch_contract import LOSS_GRADIENT_RTOL, LOSS_RTOL, one_hot
from grader.checks.closeness import (
    reproduced_by,
    require_array,
    require_close,
    require_number,
    require_number_close,
)
from grader.checks.diagnosis import Candidates
from grader.checks.plots import PlotIt
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

# N, K: different from each other, from 1 and from 2, so that every wrong factor has one name.
SHAPES = ((7, 3), (5, 11))


@check("q6.3.mse_value")
def test_mse_value(student: Student, rng: np.random.Generator) -> None:
    """MSELoss.forward is the mean of the squared differences over every element."""
    for N, K in SHAPES:
        case = squared_error_case(rng, N, K)
        gap = case.pred - case.target
        mistakes = {
            "this is the root of the mean": float(np.sqrt((gap**2).mean())),
            "this is the mean absolute difference": float(np.abs(gap).mean()),
            "this is the square of the mean difference": float(gap.mean() ** 2),
        }
        require_loss_value(student, case, mistakes)


@check("q6.3.mse_gradient", handout="The mean over the batch")
def test_mse_gradient(student: Student, rng: np.random.Generator, plot: PlotIt) -> None:
    """MSELoss.backward is the gradient in pred, with or without the mean over the batch."""
    _require_gradients(student, [squared_error_case(rng, N, K) for N, K in SHAPES], plot)


@check("q6.3.mse_end_to_end", needs=("q6.3.mse_gradient",), handout="The mean over the batch")
def test_mse_end_to_end(
    student: Student, rng: np.random.Generator, passed: Collection[str], plot: PlotIt
) -> None:
    """MSELoss on top of Linear: the mean over the batch is taken exactly once."""
    for N, K in SHAPES:
        case, other = squared_error_case(rng, N, K), cross_entropy_case(rng, N, K)
        require_end_to_end(student, rng, case, other, passed=passed, plot=plot)


@check("q6.3.ce_value")
def test_cross_entropy_value(student: Student, rng: np.random.Generator) -> None:
    """SoftmaxCrossEntropy.forward is the mean over the batch of -log softmax at the target."""
    for N, K in SHAPES:
        case = cross_entropy_case(rng, N, K)
        shares = np.exp(case.pred) / np.exp(case.pred).sum(axis=1, keepdims=True)
        at_target = shares[np.arange(N), case.target]
        over_rows = np.exp(case.pred) / np.exp(case.pred).sum(axis=0, keepdims=True)
        over_all = np.exp(case.pred) / np.exp(case.pred).sum()
        mistakes = {
            "the softmax runs over the batch, not over the classes": float(
                -np.log(over_rows[np.arange(N), case.target]).mean()
            ),
            "the softmax runs over all entries, not over the classes": float(
                -np.log(over_all[np.arange(N), case.target]).mean()
            ),
            ONE_LABEL_TOO_LOW: float(-np.log(shares[np.arange(N), case.target - 1]).mean()),
            ONE_LABEL_TOO_HIGH: float(-np.log(shares[np.arange(N), (case.target + 1) % K]).mean()),
            "the sign is missing": float(np.log(at_target).mean()),
            "this is the mean of -p at the target: the logarithm is missing": float(-at_target.mean()),
            "the logarithm is that of base 2": float(-np.log2(at_target).mean()),
            "the logits are taken for probabilities' logarithms: the softmax is missing": float(
                -case.pred[np.arange(N), case.target].mean()
            ),
        }
        require_loss_value(student, case, mistakes)


@check("q6.3.ce_gradient", handout="The mean over the batch")
def test_cross_entropy_gradient(student: Student, rng: np.random.Generator, plot: PlotIt) -> None:
    """SoftmaxCrossEntropy.backward is the gradient in the logits, with or without the mean over the batch."""
    _require_gradients(student, [cross_entropy_case(rng, N, K) for N, K in SHAPES], plot)


@check("q6.3.ce_end_to_end", needs=("q6.3.ce_gradient",), handout="The mean over the batch")
def test_cross_entropy_end_to_end(
    student: Student, rng: np.random.Generator, passed: Collection[str], plot: PlotIt
) -> None:
    """SoftmaxCrossEntropy on top of Linear: the mean over the batch is taken exactly once."""
    for N, K in SHAPES:
        case, other = cross_entropy_case(rng, N, K), squared_error_case(rng, N, K)
        require_end_to_end(student, rng, case, other, passed=passed, plot=plot)


@check("q6.3.ce_target_forms", needs=("q6.3.ce_value", "q6.3.ce_gradient"))
def test_cross_entropy_target_forms(student: Student, rng: np.random.Generator) -> None:
    """SoftmaxCrossEntropy takes targets as indices (N,) or (N, 1), or as one-hot rows (N, K)."""
    for N, K in ((6, 4), (5, 2)):
        case = cross_entropy_case(rng, N, K)
        loss = student.new(case.name)
        _, slope = loss.passes(case.pred, case.target)
        gradient = require_array(slope, what=f"{case.name}().backward()", shape=case.pred.shape)
        for targets, words in ((case.target[:, np.newaxis], ""), (one_hot(case.target, K), ", one-hot,")):
            what = f"with targets of shape {targets.shape}{words}"
            line = (
                f"{case.inputs_line}; loss = SoftmaxCrossEntropy(); "
                f"print(loss.forward(pred, {f'np.eye({K})[y]' if words else 'y[:, None]'}), loss.backward())"
            )
            with reproduced_by(line):
                value = loss.forward(case.pred, targets)
                require_number_close(
                    value,
                    float(case.value(case.pred)),
                    what=f"{case.name}().forward {what}",
                    rtol=LOSS_RTOL,
                    candidates=Candidates(explanations=_broadcast_value(case)),
                )
                require_close(
                    loss.backward(),
                    gradient,
                    what=f"{case.name}().backward() {what}",
                    rtol=LOSS_GRADIENT_RTOL,
                )


@check("q6.3.ce_large_logits", needs=("q6.3.ce_value",))
def test_cross_entropy_large_logits(student: Student) -> None:
    """SoftmaxCrossEntropy stays finite for logits of ±1000: loss and gradient."""
    logits = np.array([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -1000.0], [0.0, 1000.0, 999.0]])
    with reproduced_by(
        "loss = SoftmaxCrossEntropy(); logits = np.array([[1000., 0., -1000.]]); "
        "print(loss.forward(logits, np.array([2])), loss.backward())"
    ):
        for labels in (np.array([0, 1, 1]), np.array([2, 0, 0])):
            loss = student.new("SoftmaxCrossEntropy")
            require_number(
                loss.forward(logits, labels), what="SoftmaxCrossEntropy().forward with logits of ±1000"
            )
            require_array(
                loss.backward(),
                what="SoftmaxCrossEntropy().backward() with logits of ±1000",
                shape=logits.shape,
            )


def _require_gradients(student: Student, cases: list[LossCase], plot: PlotIt) -> None:
    means = {require_loss_gradient(student, case, plot=plot) == 1.0 for case in cases}
    if len(means) > 1:
        raise CheckFailed(
            f"{cases[0].name}().backward() takes the mean over the batch for one batch size and not for "
            "another"
        )


def _broadcast_value(case: LossCase) -> dict[str, np.ndarray]:
    """Return what the loss is when targets (N, 1) are used as an index as they are."""
    log_shares = case.pred - np.log(np.exp(case.pred).sum(axis=1, keepdims=True))
    grid = log_shares[np.arange(len(case.pred)), case.target[:, np.newaxis]]
    marked = log_shares[:, np.unique(case.target)].sum(axis=1)
    return {
        "targets of shape (N, 1) pick an (N, N) grid: flatten them first": np.array([-grid.mean()]),
        "targets of shape (N, 1) mark every label in every row: flatten them first": np.array(
            [-marked.mean()]
        ),
    }
