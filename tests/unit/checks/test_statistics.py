import math

import numpy as np
import pytest

from grader.checks.statistics import (
    Sample,
    _normal_share,
    chi_square_p_value,
    mean_p_value,
    normal_shape_p_value,
    require_mean_zero,
    require_no_zeros,
    require_normal_shape,
    require_variance,
    variance_p_value,
)
from grader.errors import CheckFailed

D, M = 30, 400


def he_sample(rng, scale=1.0, inputs=D, outputs=M):
    values = scale * rng.normal(0.0, math.sqrt(2 / inputs), size=(outputs, inputs))
    known = {"1 / D": 1 / inputs, "2 / (D + M)": 2 / (inputs + outputs), "0.01²": 1e-4}
    return Sample(f"Linear({inputs}, {outputs})", values, 2 / inputs, known)


def exact_upper_tail(statistic, freedom):
    """The chi-square tail by the finite sum for even degrees of freedom."""
    half, terms, term = statistic / 2, 0.0, 1.0
    for k in range(freedom // 2):
        term = term * half / k if k else 1.0
        terms += term
    return math.exp(-half) * terms


@pytest.mark.parametrize("freedom", [100, 400, 1000])
@pytest.mark.parametrize("deviations", [2.0, 4.0, 5.0])
def test_wilson_hilferty_is_close_to_the_exact_tail(freedom, deviations) -> None:
    statistic = freedom + deviations * math.sqrt(2 * freedom)
    exact = 2 * exact_upper_tail(statistic, freedom)
    assert chi_square_p_value(statistic, freedom) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize(
    "p_value",
    [
        lambda values: variance_p_value(values, 1.0),
        mean_p_value,
        normal_shape_p_value,
    ],
    ids=["variance", "mean", "shape"],
)
def test_false_alarms_are_no_more_frequent_than_stated(p_value) -> None:
    rng = np.random.default_rng(11)
    alarms = sum(p_value(rng.normal(size=400)) < 0.01 for _ in range(3000))
    assert alarms <= 30 + 5 * math.sqrt(30)


def test_the_variance_is_accepted_where_it_is_right_and_not_where_it_is_half() -> None:
    rng = np.random.default_rng(5)
    require_variance([he_sample(rng), he_sample(rng, inputs=3, outputs=4000)], what="the weight")
    with pytest.raises(CheckFailed):
        require_variance([he_sample(rng, scale=math.sqrt(0.5))], what="the weight")


def test_the_constant_that_explains_every_sample_is_named() -> None:
    rng = np.random.default_rng(5)
    samples = [he_sample(rng, math.sqrt(0.5), 30, 400), he_sample(rng, math.sqrt(0.5), 3, 4000)]
    with pytest.raises(CheckFailed, match="Likely cause: the variance is 1 / D"):
        require_variance(samples, what="the weight")


def test_a_constant_that_fits_one_size_only_is_not_named() -> None:
    rng = np.random.default_rng(5)
    samples = [he_sample(rng, math.sqrt(0.5), 30, 400), he_sample(rng, 2.0, 3, 4000)]
    with pytest.raises(CheckFailed) as caught:
        require_variance(samples, what="the weight")
    assert "Likely cause" not in str(caught.value)


@pytest.mark.parametrize("values", [np.zeros((4, 100)), np.full((4, 100), 0.3)])
def test_constant_weights_have_the_wrong_variance_and_shape(values) -> None:
    sample = Sample("Linear(100, 4)", values, 0.02, {})
    for judge in (require_variance, require_normal_shape):
        with pytest.raises(CheckFailed):
            judge([sample], what="the weight")


def test_a_mean_that_is_off_is_seen() -> None:
    sample = he_sample(np.random.default_rng(8))
    require_mean_zero([sample], what="the weight")
    moved = Sample(sample.name, sample.values + 0.02, sample.variance, {})
    with pytest.raises(CheckFailed, match="the mean is"):
        require_mean_zero([moved], what="the weight")


@pytest.mark.parametrize("seed", range(5))
def test_a_uniform_of_the_same_variance_loses_the_shape_only(seed) -> None:
    bound = math.sqrt(6 / D)
    values = np.random.default_rng(seed).uniform(-bound, bound, size=(M, D))
    sample = Sample("Linear", values, 2 / D, {})
    require_variance([sample], what="the weight")
    require_mean_zero([sample], what="the weight")
    with pytest.raises(CheckFailed, match="not normally distributed"):
        require_normal_shape([sample], what="the weight")


@pytest.mark.parametrize("seed", range(5))
def test_entries_that_are_exactly_zero_are_seen_and_one_of_many_is_not(seed) -> None:
    rng = np.random.default_rng(seed)
    clean = [he_sample(rng) for _ in range(6)]
    require_no_zeros(clean, what="the weight")
    clean[2].values[3, 1] = 0.0  # single precision may give one
    require_no_zeros(clean, what="the weight", false_alarm=1e-9)
    for sample in clean:
        sample.values[0, 0] = 0.0
    with pytest.raises(CheckFailed, match="7 entries are exactly 0"):
        require_no_zeros(clean, what="the weight")


@pytest.mark.parametrize("seed", range(3))
def test_the_table_of_the_normal_distribution_is_as_exact_as_it_says(seed) -> None:
    z = np.concatenate((np.random.default_rng(seed).normal(size=5000) * 3.0, [-40.0, -9.0, 0.0, 9.0, 40.0]))
    exact = [0.5 * math.erfc(-each / math.sqrt(2.0)) for each in z]
    np.testing.assert_allclose(_normal_share(z), exact, rtol=0, atol=2e-7)


@pytest.mark.parametrize("seed", range(20))
def test_the_shape_does_not_mind_another_variance_or_float32(seed) -> None:
    sample = he_sample(np.random.default_rng(seed), scale=3.0)
    single = Sample("Linear", sample.values.astype(np.float32), 2 / D, {})
    require_normal_shape([sample, single], what="the weight")


HUGE = {
    "alternating": np.where(np.arange(400) % 2, 1.7e308, -1.7e308),
    "one of each": np.concatenate([[1e308, -1e308], np.random.default_rng(3).normal(size=398)]),
    "all the same": np.full(400, 1.7e308),
    "1e200": 1e200 * np.random.default_rng(3).normal(size=400),
}


@pytest.mark.parametrize("values", HUGE.values(), ids=HUGE)
def test_values_whose_squares_overflow_have_no_p_value_but_0(values) -> None:
    assert variance_p_value(values, 1.0) == 0.0
    assert mean_p_value(values) == 0.0
    assert normal_shape_p_value(values) == 0.0


@pytest.mark.parametrize("values", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("require", [require_variance, require_mean_zero, require_normal_shape])
def test_values_whose_squares_overflow_are_refused(require, values) -> None:
    with pytest.raises(CheckFailed):
        require([Sample("a draw", values, 1.0, {"1": 1.0})], what="the weight")
