"""Q6.6 gradient_check is itself under test: right models, and models with planted faults."""

from __future__ import annotations

import numpy as np

from grader.assignments.hw1.checked_models import (
    SMALL,
    Problem,
    draw_net,
    draw_problem,
    error_on_own_net,
    make_model,
    reported_error,
)
from grader.checks.closeness import reproduced_by, require_unchanged
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

# A gradient twice too large has a relative error of 1/3, a missing one 1. Divided by the length of a whole
# parameter instead of entry by entry, a single wrong entry still leaves more than 0.01 here.
GROSS = 1e-2
CLEAR = 1e-3


@check("q6.6.tells_right_from_wrong")
def test_tells_a_right_model_from_a_wrong_one(student: Student, rng: np.random.Generator) -> None:
    """gradient_check is below 1e-5 for right models and large where all gradients are wrong."""
    for _ in range(2):
        problem = draw_problem(rng)
        _require_small(student, problem)
        for factor, words in ((2.0, "twice too large"), (-1.0, "of the wrong sign"), (0.0, "missing")):
            faults = {at: np.full_like(value, factor) for at, value in problem.gradients().items()}
            _require_large(student, problem, faults, GROSS, f"all gradients are {words}")


@check("q6.6.finds_one_entry")
def test_finds_a_single_wrong_entry(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds a single wrong entry of a single parameter, wherever it is."""
    problem = draw_problem(rng)
    for at, gradient in problem.gradients().items():
        for index in np.ndindex(gradient.shape):
            fault = np.ones_like(gradient)
            fault[index] = 0.0
            words = f"only the entry {list(index)} of the gradient {at[1]!r} is missing"
            _require_large(student, problem, {at: fault}, CLEAR, words)


@check("q6.6.finds_bias")
def test_finds_a_wrong_bias(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds a gradient that is wrong in the smallest parameter only."""
    problem = draw_problem(rng)
    fault = np.full_like(problem.layers[0].values["offset"], 1.0 / len(problem.x))
    words = "the gradient of one parameter is the mean over the batch in place of the sum"
    _require_large(student, problem, {(0, "offset"): fault}, GROSS, words)


@check("q6.6.restores_parameters", needs=("q6.6.tells_right_from_wrong",))
def test_leaves_the_parameters_as_they_were(student: Student, rng: np.random.Generator) -> None:
    """gradient_check leaves every parameter exactly as it was, bit for bit."""
    for _ in range(3):
        problem = draw_problem(rng)
        with reproduced_by(
            "gradient_check(model, loss_fn, x, y); compare model.parameters() before and after"
        ):
            model = make_model(student, problem)
            reported_error(student, problem, model=model)
            after = model.parameters()
            for name, value in problem.layers[0].values.items():
                require_unchanged(after.get(name), value, what=f"the parameter {name!r} after gradient_check")


@check("q6.6.own_net", needs=("q6.6.tells_right_from_wrong",))
def test_is_small_on_the_own_network(student: Student, rng: np.random.Generator) -> None:
    """gradient_check is below 1e-5 on your own 5-10-3 ReLU network with cross-entropy.

    Where that network itself is wrong, which costs other questions, a layer of ours takes its place.
    """
    for _ in range(3):
        with reproduced_by(
            "gradient_check(Sequential(Linear(5, 10), ReLU(), Linear(10, 3)), SoftmaxCrossEntropy(), "
            "np.random.randn(8, 5), np.arange(8) % 3)"
        ):
            error = error_on_own_net(student, draw_net(rng))
            if error is None:
                _require_small(student, draw_problem(rng))
            elif not error < SMALL:
                raise CheckFailed(
                    f"gradient_check is {error:.3g} on your own 5-10-3 ReLU network, whose gradients are "
                    f"right; it should be below {SMALL:g}",
                    expected=f"below {SMALL:g}",
                    got=f"{error:.3g}",
                )


def _require_small(student: Student, problem: Problem) -> None:
    with reproduced_by("print(gradient_check(model, loss_fn, x, y))"):
        error = reported_error(student, problem)
        if not error < SMALL:
            raise CheckFailed(
                f"gradient_check is {error:.3g} for a model whose gradients are right; "
                f"it should be below {SMALL:g}",
                expected=f"below {SMALL:g}",
                got=f"{error:.3g}",
            )


def _require_large(
    student: Student, problem: Problem, faults: dict[tuple[int, str], np.ndarray], bound: float, words: str
) -> None:
    with reproduced_by("print(gradient_check(model_with_a_wrong_backward, loss_fn, x, y))"):
        error = reported_error(student, problem, faults)
        if not error > bound:
            raise CheckFailed(
                f"gradient_check is only {error:.3g} for a model where {words}; it should be above {bound:g}",
                expected=f"above {bound:g}",
                got=f"{error:.3g}",
            )
