import numpy as np
import pytest

from grader.checks.gradients import (
    LINEAR_STEPS,
    SINGLE,
    away_from_kinks,
    central_differences,
    directional_derivatives,
    draw_until,
    elementwise_derivative,
    random_directions,
    taylor_order,
)
from grader.errors import GraderFault

RNG_SEEDS = range(5)


def many(function):
    return lambda points: [float(function(point)) for point in points]


def wavy(x):
    return np.sum(np.sin(x) * np.exp(0.3 * x))


def wavy_gradient(x):
    return np.exp(0.3 * x) * (np.cos(x) + 0.3 * np.sin(x))


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_central_differences_know_a_smooth_gradient_to_nine_digits(seed) -> None:
    x = np.random.default_rng(seed).normal(size=(4, 3))
    estimate = central_differences(many(wavy), x)
    assert np.abs(estimate.values - wavy_gradient(x)).max() < 1e-9
    assert estimate.values.shape == x.shape


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_the_uncertainty_bounds_the_error_up_to_a_small_factor(seed) -> None:
    x = np.random.default_rng(seed).normal(size=20)
    estimate = central_differences(many(wavy), x)
    assert (np.abs(estimate.values - wavy_gradient(x)) <= 3 * estimate.uncertainty + 1e-15).all()


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_a_function_in_float32_is_differentiated_as_well_as_it_can_be(seed) -> None:
    x = np.random.default_rng(seed).normal(size=12)

    def coarse(point):
        return np.float32(wavy(point))

    estimate = central_differences(many(coarse), x, precision=SINGLE)
    assert np.abs(estimate.values - wavy_gradient(x)).max() < 2e-3


def test_steps_too_small_to_be_seen_do_not_agree_on_zero() -> None:
    estimate = central_differences(many(lambda x: np.float16(100 + x[0])), np.zeros(1), precision=1e-3)
    assert estimate.uncertainty[0] > 0.5  # it does not claim to know


def test_a_linear_function_is_exact_at_large_steps() -> None:
    slope = np.random.default_rng(1).normal(size=(5, 4))
    estimate = central_differences(many(lambda x: (slope * x).sum()), np.zeros((5, 4)), steps=LINEAR_STEPS)
    np.testing.assert_allclose(estimate.values, slope, rtol=1e-13)


def test_all_perturbations_are_asked_for_at_once() -> None:
    rounds = []

    def evaluate(points):
        rounds.append(len(points))
        return [float(point.sum()) for point in points]

    central_differences(evaluate, np.zeros((3, 2)), steps=(1e-2, 1e-3))
    assert rounds == [2 * 6 * 2]


def test_directions_give_the_gradient_along_them() -> None:
    rng = np.random.default_rng(2)
    x, directions = rng.normal(size=(6, 5)), random_directions(rng, 4, (6, 5))
    slopes = directional_derivatives(many(wavy), x, directions).values
    truth = (directions * wavy_gradient(x)).reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(slopes, truth, atol=1e-9)
    np.testing.assert_allclose((directions**2).reshape(4, -1).sum(axis=1), 1.0)


def test_an_elementwise_function_is_differentiated_entry_by_entry() -> None:
    x = np.random.default_rng(4).normal(size=(2, 3, 4))
    np.testing.assert_allclose(elementwise_derivative(np.tanh, x).values, 1 - np.tanh(x) ** 2, atol=1e-9)


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_the_taylor_order_tells_a_right_gradient_from_a_wrong_one(seed) -> None:
    rng = np.random.default_rng(seed)
    x, direction = rng.normal(size=20), random_directions(rng, 1, (20,))[0]
    right = wavy_gradient(x)
    assert taylor_order(many(wavy), x, right, direction) > 1.8
    assert taylor_order(many(wavy), x, 1.1 * right + 0.1, direction) < 1.5


def test_the_taylor_order_of_a_linear_function_is_infinite_only_for_the_right_gradient() -> None:
    slope, direction = np.arange(1.0, 5.0), np.ones(4)
    function = many(lambda x: slope @ x)
    assert taylor_order(function, np.zeros(4), slope, direction) == float("inf")
    assert taylor_order(function, np.zeros(4), slope + 0.01, direction) == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(2, 2), (6, 7), (5, 1), (2, 3, 4), (9,)])
@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_inputs_away_from_kinks_keep_their_distance_and_leave_no_dead_unit(shape, seed) -> None:
    x = away_from_kinks(np.random.default_rng(seed), shape)
    assert np.abs(x).min() >= 0.2
    assert (x > 0).any(axis=0).all()
    assert (x < 0).any(axis=0).all()


def test_a_draw_that_never_comes_is_our_fault() -> None:
    with pytest.raises(GraderFault):
        draw_until(lambda: 1, lambda value: value > 1, attempts=3)


@pytest.mark.parametrize("heights", [(1.7e308, -1.7e308), (-1.7e308, 1.7e308), (np.nan, 0.0), (np.inf, 0.0)])
def test_the_taylor_order_of_heights_that_overflow_is_that_of_a_wrong_gradient(heights) -> None:
    def evaluate(points):
        return [heights[number % 2] for number in range(len(points))]

    with np.errstate(all="ignore"):
        assert taylor_order(evaluate, np.zeros(2), np.ones(2), np.array([1.0, 0.0])) == 0.0
