import hypothesis
import hypothesis.extra.numpy
import numpy as np
import pytest
from hypothesis import strategies

from grader.checks.diagnosis import (
    EARLIER_CALL,
    Candidates,
    Factor,
    all_zero,
    constant_factor,
    constant_offset,
    known_mistake,
    likely_cause,
    only_part_wrong,
    transposed,
    wrong_sign,
)

EXPECTED = np.random.default_rng(7).normal(size=(4, 3))
FACTORS = (
    Factor("N, the batch size", 7, if_too_large="is the mean missing?", if_too_small="is it taken twice?"),
    Factor("K, the number of columns", 3),
)


def with_one_entry(index, value):
    got = EXPECTED.copy()
    got[index] = value
    return got


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (7 * EXPECTED, "exactly N, the batch size (= 7) times too large: is the mean missing?"),
        (EXPECTED / 7, "exactly N, the batch size (= 7) times too small: is it taken twice?"),
        (3 * EXPECTED, "exactly K, the number of columns (= 3) times too large"),
        (2 * EXPECTED, "exactly 2 times too large"),
        (EXPECTED / 2, "exactly 2 times too small"),
        (0.37 * EXPECTED, "every entry is 0.37 times what it should be"),
    ],
)
def test_a_constant_factor_is_named(got, sentence) -> None:
    assert constant_factor(got, EXPECTED, FACTORS) == sentence


@pytest.mark.parametrize(
    "got",
    [
        EXPECTED + 0.1,
        with_one_entry((0, 0), 5.0),
        7.01 * with_one_entry((0, 0), 5.0),
        EXPECTED**2,
    ],
)
def test_a_factor_is_not_named_unless_it_explains_every_entry(got) -> None:
    assert constant_factor(got, EXPECTED, FACTORS) is None


def test_a_factor_that_is_near_a_known_one_is_not_given_its_name() -> None:
    assert (
        constant_factor(7.001 * EXPECTED, EXPECTED, FACTORS) == "every entry is 7.001 times what it should be"
    )


def test_a_factor_of_float32_values_is_found_in_their_precision() -> None:
    assert "N, the batch size" in constant_factor((7 * EXPECTED).astype(np.float32), EXPECTED, FACTORS)


def test_two_numbers_are_too_few_for_a_factor_without_a_name() -> None:
    assert constant_factor(np.array([0.37, 0.74]), np.array([1.0, 2.0])) is None


def test_a_single_number_can_be_off_by_a_known_factor_only() -> None:
    assert "K" in constant_factor(np.array([6.0]), np.array([2.0]), FACTORS)
    assert likely_cause(np.array([6.1]), np.array([2.0]), Candidates(FACTORS)) is None


def test_the_wrong_sign_is_found_only_when_every_entry_has_it() -> None:
    assert wrong_sign(-EXPECTED, EXPECTED) == "every entry has the wrong sign"
    assert wrong_sign(-with_one_entry((1, 1), 9.0), EXPECTED) is None


def test_all_zeros_are_found_only_where_something_should_be() -> None:
    assert all_zero(0 * EXPECTED, EXPECTED) == "every entry is 0"
    assert all_zero(with_one_entry((0, 0), 0.0), EXPECTED) is None
    assert all_zero(np.zeros(3), np.zeros(3)) is None


def test_the_transpose_is_found_in_its_own_shape_and_reshaped() -> None:
    assert transposed(EXPECTED.T, EXPECTED) == "this is the transpose of what it should be"
    assert "reshaped" in transposed(EXPECTED.T.reshape(4, 3), EXPECTED)
    assert transposed(np.ones((3, 4)), EXPECTED) is None
    assert transposed(np.ones((1, 3)), np.ones((3, 1))) is None


def test_a_known_mistake_is_named_only_when_its_values_are_these() -> None:
    mistakes = {"the bias is missing": EXPECTED - 1.0, "the bias is added twice": EXPECTED + 1.0}
    assert known_mistake(EXPECTED + 1.0, EXPECTED, mistakes) == "the bias is added twice"
    assert known_mistake(EXPECTED + 1.1, EXPECTED, mistakes) is None


def test_a_mistake_that_changes_nothing_here_or_is_not_the_only_one_is_not_named() -> None:
    assert known_mistake(EXPECTED, EXPECTED, {"the bias is missing": EXPECTED}) is None
    two = {"one": EXPECTED + 1.0, "the other": EXPECTED + 1.0}
    assert known_mistake(EXPECTED + 1.0, EXPECTED, two) is None


def test_a_single_wrong_entry_row_or_column_is_named() -> None:
    row, column = EXPECTED.copy(), EXPECTED.copy()
    row[3] += [1.0, 2.0, 3.0]
    column[:, 0] *= [2.0, 3.0, 4.0, 5.0]
    assert only_part_wrong(with_one_entry((2, 1), 9.0), EXPECTED) == (
        "only the entry [2, 1] is wrong, all others are right"
    )
    assert only_part_wrong(row, EXPECTED) == "only row 3 (the last) is wrong, all others are right"
    assert only_part_wrong(column, EXPECTED) == "only column 0 is wrong, all others are right"


def test_entries_wrong_in_two_rows_and_two_columns_are_no_part() -> None:
    got = EXPECTED.copy()
    got[0, 0] += 1
    got[1, 1] += 1
    assert only_part_wrong(got, EXPECTED) is None
    assert only_part_wrong(EXPECTED, EXPECTED) is None


def test_a_constant_offset_is_found_only_when_it_is_the_same_everywhere() -> None:
    assert constant_offset(EXPECTED + 0.25, EXPECTED) == "every entry is off by the same +0.25"
    assert constant_offset(EXPECTED + EXPECTED**2, EXPECTED) is None
    assert constant_offset(np.array([1.0, 2.0]), np.array([0.0, 1.0])) is None


def test_nothing_is_said_about_right_values_or_about_noise() -> None:
    noise = np.random.default_rng(3).normal(size=EXPECTED.shape)
    candidates = Candidates(FACTORS, {"the bias is missing": EXPECTED - 1.0})
    assert likely_cause(EXPECTED, EXPECTED, candidates) is None
    assert likely_cause(EXPECTED + noise, EXPECTED, candidates) is None
    assert likely_cause(EXPECTED * np.nan, EXPECTED, candidates) is None


def test_random_wrong_values_are_never_explained() -> None:
    rng = np.random.default_rng(0)
    candidates = Candidates(FACTORS, {"something": rng.normal(size=(4, 3))})
    causes = [likely_cause(rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), candidates) for _ in range(2000)]
    assert causes == [None] * 2000


def test_a_mistake_may_give_another_shape_or_one_of_several_values() -> None:
    column_sums, means = EXPECTED.sum(axis=0), EXPECTED.mean(axis=0)
    mistakes = Candidates(explanations={"summed over the wrong axis": (column_sums, means)})
    for values in (column_sums, means):
        assert likely_cause(values, EXPECTED.sum(axis=1), mistakes) == "summed over the wrong axis"
    assert likely_cause(means + 0.1, EXPECTED.sum(axis=1), mistakes) is None
    assert likely_cause(EXPECTED.sum(axis=1), EXPECTED.sum(axis=1), mistakes) is None


def test_the_values_of_an_earlier_call_are_found_in_any_shape_and_only_if_they_are_these() -> None:
    earlier = (np.arange(1.0, 7.0).reshape(2, 3), np.ones((4, 3)))
    candidates = Candidates(explanations={EARLIER_CALL: earlier})
    for values in earlier:
        assert likely_cause(values, EXPECTED, candidates) == EARLIER_CALL
    assert likely_cause(earlier[0] + 0.5, EXPECTED, candidates) is None


def test_a_mistake_that_leaves_zeros_explains_nothing() -> None:
    assert known_mistake(np.zeros(3), np.ones(3), {"the input comes back": np.zeros(3)}) is None


def test_a_factor_close_to_one_is_told_with_as_many_digits_as_it_takes() -> None:
    assert constant_factor(1.00002 * EXPECTED, EXPECTED) == "every entry is 1.00002 times what it should be"


SHAPES = hypothesis.extra.numpy.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)


@hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
@hypothesis.given(seed=strategies.integers(0, 2**32 - 1), shape=SHAPES, scale=strategies.floats(1e-3, 1e3))
def test_random_wrong_values_of_any_shape_get_no_cause(seed, shape, scale) -> None:
    rng = np.random.default_rng(seed)
    got, expected, mistake = (scale * rng.normal(size=shape) for _ in range(3))
    hypothesis.assume(got.size > 1)
    candidates = Candidates(FACTORS, {"something": mistake, "an earlier call": (mistake[:1], -mistake)})
    cause = likely_cause(got, expected, candidates)
    assert cause is None


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(
    seed=strategies.integers(0, 2**32 - 1),
    shape=SHAPES,
    factor=strategies.sampled_from([2.0, 7.0, 3.0, -1.0]),
)
def test_a_cause_that_is_named_gives_the_values_that_came(seed, shape, factor) -> None:
    expected = np.random.default_rng(seed).normal(size=shape)
    sentences = {2.0: "exactly 2 times", 7.0: "exactly N", 3.0: "exactly K", -1.0: "the wrong sign"}
    assert sentences[factor] in likely_cause(factor * expected, expected, Candidates(FACTORS))
    if expected.size > 1:  # one entry less, and the factor explains nothing any more
        spoiled = factor * expected
        spoiled.flat[0] += 1.0
        cause = likely_cause(spoiled, expected, Candidates(FACTORS))
        assert cause is None or sentences[factor] not in cause


def test_a_homeworks_own_mistake_comes_before_a_plain_factor() -> None:
    candidates = Candidates(FACTORS, {"the mean is missing": 7 * EXPECTED})
    assert likely_cause(7 * EXPECTED, EXPECTED, candidates) == "the mean is missing"
