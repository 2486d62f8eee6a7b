"""Q3.1 Momentum and Adam over many steps, for other shapes, and at the edges of their settings."""

from __future__ import annotations

from functools import partial

import numpy as np

from grader.assignments.hw1.theory_optimisers import adam, draw_grads, momentum, require_path
from grader.checks.tolerance import Array
from grader.client import Student
from grader.pytest_plugin import check

SHAPES = ((1,), (3, 2), (2, 1, 3))
MANY = 60
SHORT, SHAPE = 5, (3,)


@check("q3.1.momentum_any", needs=("q3.1.momentum_several_steps",))
def test_momentum_any(student: Student, rng: np.random.Generator) -> None:
    """momentum_steps is right for many steps, any shape, beta = 0, and gradients of 0."""
    for shape in SHAPES:
        grads = draw_grads(rng, SHORT, shape)
        require_path(student, momentum(rng.normal(size=shape), grads, lr=0.02, beta=0.8))
    w = rng.normal(size=SHAPE)
    for beta in (0.0, 0, 0.5, 0.99):
        require_path(student, momentum(w, draw_grads(rng, MANY, SHAPE), lr=0.02, beta=beta))
    rolling_on = [*draw_grads(rng, 2, SHAPE), *[np.zeros(SHAPE)] * 4]
    require_path(student, momentum(w, rolling_on, lr=0.3, beta=0.7))
    require_path(student, momentum(single(w), _single_grads(rng), lr=0.02, beta=0.8))


@check("q3.1.adam_many_steps", needs=("q3.1.adam_several_steps",))
def test_adam_many_steps(student: Student, rng: np.random.Generator) -> None:
    """adam_steps is right for many steps and any shape."""
    for shape in SHAPES:
        grads = draw_grads(rng, SHORT, shape)
        require_path(student, adam(rng.normal(size=shape), grads, lr=0.02, beta1=0.9, beta2=0.999))
    w = rng.normal(size=SHAPE)
    for beta1, beta2 in ((0.9, 0.999), (0.5, 0.9), (0.99, 0.95)):
        grads = draw_grads(rng, MANY, SHAPE)
        require_path(student, adam(w, grads, lr=0.01, beta1=beta1, beta2=beta2))
    require_path(student, adam(single(w), _single_grads(rng), lr=0.02, beta1=0.9, beta2=0.95))


@check("q3.1.adam_edges", needs=("q3.1.adam_several_steps",))
def test_adam_edges(student: Student, rng: np.random.Generator) -> None:
    """adam_steps is right for beta1 = 0, beta2 = 0 and gradients of 0."""
    w = rng.normal(size=SHAPE)
    for beta1, beta2 in ((0.0, 0.99), (0.9, 0.0), (0.0, 0.0), (0, 0)):
        grads = draw_grads(rng, 8, SHAPE)
        require_path(student, adam(w, grads, lr=0.1, beta1=beta1, beta2=beta2))
    usual = partial(adam, w, lr=0.1, beta1=0.9, beta2=0.95)
    zero = np.zeros(SHAPE)
    require_path(student, usual([zero] * 4))
    require_path(student, usual([*draw_grads(rng, 2, SHAPE), zero, *draw_grads(rng, 2, SHAPE)]))
    require_path(student, usual([g * np.array([1.0, 0.0, 1.0]) for g in draw_grads(rng, SHORT, SHAPE)]))


def single(value: Array) -> Array:
    """Return the values as float32."""
    return value.astype(np.float32)


def _single_grads(rng: np.random.Generator) -> list[Array]:
    return [single(g) for g in draw_grads(rng, SHORT, SHAPE)]
