"""Q6.6 gradient_check is itself under test: right models, and models with planted faults."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np

from grader.assignments.hw1.checked_models import (
    SMALL,
    Trial,
    checked,
    draw_net,
    draw_problem,
    error_on_own_net,
    made_model,
    reported_error,
    reported_errors,
    require_told_apart,
    wrong_entries,
    wrong_everywhere,
)
from grader.checks.closeness import reproduced_by, require_unchanged
from grader.checks.plots import PlotIt, errors
from grader.client import Student
from grader.errors import CheckFailed
from grader.pytest_plugin import check

# A gradient twice too large has a relative error of 1/3, a missing one 1. Divided by the length of a whole
# parameter instead of entry by entry, a single wrong entry still leaves more than 0.004 here.
GROSS = 1e-2
CLEAR = 1e-3


@check("q6.6.tells_right_from_wrong")
def test_tells_a_right_model_from_a_wrong_one(
    student: Student, rng: np.random.Generator, plot: PlotIt
) -> None:
    """gradient_check is below 1e-5 for right models and large where all gradients are wrong."""
    trials = [Trial(draw_problem(rng)) for _ in range(5)]
    for factor, words in (*((2.0, "twice too large"), (-1.0, "of the wrong sign")) * 3, (0.0, "missing")):
        trials.append(wrong_everywhere(draw_problem(rng), factor, f"all gradients are {words}"))
    reported = _errors(student, rng, trials)
    names = [f"model {number}: {trial.words or 'right'}" for number, trial in enumerate(trials, start=1)]
    plot(errors, "What gradient_check says of models", dict(zip(names, reported, strict=True)))
    for trial, error in zip(trials, reported, strict=True):
        if trial.faults:
            _require_large(trial, error, GROSS)
        else:
            _require_small(error)


@check("q6.6.finds_one_entry")
def test_finds_a_single_wrong_entry(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds a single wrong entry of a single parameter, wherever it is."""
    right = [Trial(draw_problem(rng)) for _ in range(4)]
    wrong = wrong_entries(rng, lambda: draw_problem(rng))
    _require_found(student, rng, right + wrong, CLEAR)


@check("q6.6.finds_bias")
def test_finds_a_wrong_bias(student: Student, rng: np.random.Generator) -> None:
    """gradient_check finds a gradient that is wrong in the smallest parameter only."""
    trials = [Trial(draw_problem(rng)) for _ in range(5)]
    words = "the gradient of one parameter is the mean over the batch in place of the sum"
    for problem in [draw_problem(rng) for _ in range(5)]:
        fault = np.full_like(problem.layers[0].values["offset"], 1.0 / len(problem.x))
        trials.append(Trial(problem, {(0, "offset"): fault}, words))
    _require_found(student, rng, trials, GROSS)


@check("q6.6.restores_parameters", needs=("q6.6.tells_right_from_wrong",))
def test_leaves_the_parameters_as_they_were(student: Student, rng: np.random.Generator) -> None:
    """gradient_check leaves every parameter exactly as it was, bit for bit."""
    for _ in range(3):
        problem = draw_problem(rng)
        with reproduced_by(
            "gradient_check(model, loss_fn, x, y); compare model.parameters() before and after"
        ):
            with made_model(student, Trial(problem)) as model:
                checked(student, model, problem)
                after = model.parameters()
            for name, value in problem.layers[0].values.items():
                require_unchanged(after.get(name), value, what=f"the parameter {name!r} after gradient_check")


@check("q6.6.own_net", needs=("q6.6.tells_right_from_wrong",))
def test_is_small_on_the_own_network(
    student: Student, rng: np.random.Generator, passed: AbstractSet[str]
) -> None:
    """gradient_check is below 1e-5 on your own 5-10-3 ReLU network with cross-entropy.

    Where that network itself is wrong, which costs other questions, a layer of ours takes its place.
    """
    for _ in range(3):
        with reproduced_by(
            "gradient_check(Sequential(Linear(5, 10), ReLU(), Linear(10, 3)), SoftmaxCrossEntropy(), "
            "np.random.randn(8, 5), np.arange(8) % 3)"
        ):
            error = error_on_own_net(student, draw_net(rng), passed=passed)
            if error is None:
                _require_small(reported_error(student, Trial(draw_problem(rng))))
            elif not error < SMALL:
                raise CheckFailed(
                    f"gradient_check is {error:.3g} on your own 5-10-3 ReLU network, whose gradients are "
                    f"right; it should be below {SMALL:g}",
                    expected=f"below {SMALL:g}",
                    got=f"{error:.3g}",
                )


def _require_found(student: Student, rng: np.random.Generator, trials: list[Trial], bound: float) -> None:
    reported = _errors(student, rng, trials)
    for trial, error in zip(trials, reported, strict=True):
        if trial.faults:
            _require_large(trial, error, bound)
    with reproduced_by("compare gradient_check of a right model with that of a model with a wrong backward"):
        require_told_apart(trials, reported)


def _errors(student: Student, rng: np.random.Generator, trials: list[Trial]) -> list[float]:
    with reproduced_by("print(gradient_check(model, loss_fn, x, y))"):
        return reported_errors(student, rng, trials)


def _require_small(error: float) -> None:
    with reproduced_by("print(gradient_check(model, loss_fn, x, y))"):
        if not error < SMALL:
            raise CheckFailed(
                f"gradient_check is {error:.3g} for a model whose gradients are right; "
                f"it should be below {SMALL:g}",
                expected=f"below {SMALL:g}",
                got=f"{error:.3g}",
            )


def _require_large(trial: Trial, error: float, bound: float) -> None:
    with reproduced_by("print(gradient_check(model_with_a_wrong_backward, loss_fn, x, y))"):
        if not error > bound:
            raise CheckFailed(
                f"gradient_check is only {error:.3g} for a model where {trial.words}; "
                f"it should be above {bound:g}",
                expected=f"above {bound:g}",
                got=f"{error:.3g}",
            )
