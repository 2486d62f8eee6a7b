import numpy as np
import pytest

from grader.checks.closeness import (
    first_index,
    is_close,
    reproduced_by,
    require_array,
    require_close,
    require_keys,
    require_number,
    require_number_close,
    require_unchanged,
)
from grader.checks.tolerance import relative_errors, tolerance_for
from grader.errors import CheckFailed, StudentRaised
from tests.fakes import FakeUnsupported

EXPECTED = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])


def failure_of(judge, *args, **kwargs) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        judge(*args, **kwargs)
    return caught.value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is None (is a return missing?)"),
        ([1.0, 2.0], "is a list of 2"),
        ((1.0,), "is a tuple of 1"),
        ({"a": 1}, "is a dict of 1"),
        (3.5, "is the float 3.5"),
        (True, "is the bool True"),
        ("text", "is a text"),
        (FakeUnsupported("an object array"), "is an object array"),
    ],
)
def test_anything_but_an_array_is_named_in_words(value, words) -> None:
    assert words in str(failure_of(require_array, value, what="it"))


def test_the_rungs_come_in_the_order_type_shape_dtype_finite_values() -> None:
    complex_wrong_shape = np.ones((2, 2), dtype=complex)
    complex_right_shape = np.ones((2, 3), dtype=complex)
    not_finite = np.where(EXPECTED > 4, np.nan, EXPECTED + 1)
    assert "shape" in str(failure_of(require_close, complex_wrong_shape, EXPECTED, what="y"))
    assert "dtype" in str(failure_of(require_close, complex_right_shape, EXPECTED, what="y"))
    assert "not finite" in str(failure_of(require_close, not_finite, EXPECTED, what="y"))
    assert "is wrong" in str(failure_of(require_close, EXPECTED + 1, EXPECTED, what="y"))


def test_a_scalar_does_not_broadcast_against_an_array_of_equal_values() -> None:
    failure_of(require_close, np.float64(1.0) * np.ones(()), np.ones((2, 2)), what="y")
    failure_of(require_close, np.ones((1, 2)), np.ones((2, 2)), what="y")
    failure_of(require_close, np.ones((0, 2)), np.ones((2, 2)), what="y")


def test_nan_is_never_close_even_to_nan() -> None:
    failure_of(require_close, np.array([np.nan]), np.array([np.nan]), what="y")


def test_a_bool_array_is_no_answer_where_numbers_are_asked_for() -> None:
    assert "bool" in str(failure_of(require_close, np.array([True]), np.array([1.0]), what="y"))


def test_an_int_array_with_the_right_values_is_right() -> None:
    require_close(EXPECTED.astype(np.int64), EXPECTED, what="y")


@pytest.mark.parametrize(
    ("dtype", "right", "wrong"),
    [(np.float64, 1e-12, 1e-5), (np.float32, 1e-6, 1e-2), (np.float16, 0.0, 1e-3)],
)
def test_the_tolerance_follows_the_dtype_that_came_back(dtype, right, wrong) -> None:
    require_close((EXPECTED * (1 + right)).astype(dtype), EXPECTED, what="y")
    failure_of(require_close, (EXPECTED * (1 + wrong)).astype(dtype), EXPECTED, what="y")


def test_float32_parameters_loosen_the_tolerance_of_a_float64_result() -> None:
    got = EXPECTED * (1 + 1e-6)
    assert not is_close(got, EXPECTED)
    assert is_close(got, EXPECTED, computed_with=[np.ones(2, dtype=np.float32)])


def test_a_given_rtol_is_not_tightened_for_coarse_dtypes() -> None:
    assert tolerance_for(EXPECTED, EXPECTED.astype(np.float32), rtol=1e-9).rtol > 1e-5


def test_an_entry_near_zero_may_carry_the_rounding_of_its_neighbours() -> None:
    expected = np.array([1000.0, 0.0])
    assert is_close(np.array([1000.0, 1e-10]), expected)
    assert not is_close(np.array([1000.0, 1e-2]), expected)


def test_the_message_counts_the_wrong_entries_and_shows_the_first() -> None:
    got = EXPECTED.copy()
    got[1, 1], got[1, 2] = 5.5, -7.0
    failure = failure_of(require_close, got, EXPECTED, what="Linear(5, 3).forward(x)")
    assert "Linear(5, 3).forward(x) is wrong: 2 of 6 entries differ; the first at [1, 1] is 5.5" in str(
        failure
    )
    assert failure.first_bad_index == (1, 1)
    assert failure.max_relative_error == pytest.approx(1 / 13)


def test_the_excerpt_is_centred_on_the_first_difference_and_small() -> None:
    expected = np.zeros((100, 50))
    got = expected.copy()
    got[60, 49] = 1.0
    failure = failure_of(require_close, got, expected, what="y")
    assert failure.got.offset == (56, 44)
    assert failure.got.shape == (100, 50)
    assert not failure.got.is_whole
    assert len(failure.got.values) == 8
    assert failure.got.values[4][5] == 1.0


def test_excerpts_hold_nan_and_inf_as_text() -> None:
    failure = failure_of(require_array, np.array([1.0, np.nan, -np.inf]), what="y")
    assert failure.got.values == [1.0, "nan", "-inf"]
    assert failure.got.is_whole


def test_a_tensor_of_many_axes_still_has_a_small_excerpt() -> None:
    expected = np.zeros((9, 9, 9, 9))
    failure = failure_of(require_close, expected + 1, expected, what="y")
    assert np.asarray(failure.got.values).shape == (1, 1, 8, 6)


@pytest.mark.parametrize("value", [2, 2.0, np.array(2.0), np.array(2, dtype=np.int32)])
def test_a_number_may_be_a_float_an_int_or_an_array_without_axes(value) -> None:
    assert require_number(value, what="the loss") == 2.0


@pytest.mark.parametrize(
    "value", [None, True, "2", [2.0], np.array([2.0]), np.array([[2.0]]), np.array(2j), np.array(True)]
)
def test_anything_else_is_no_number(value) -> None:
    failure_of(require_number, value, what="the loss")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.array(np.nan)])
def test_a_number_must_be_finite_unless_said_otherwise(value) -> None:
    failure_of(require_number, value, what="the loss")
    require_number(value, what="the loss", finite=False)


def test_a_number_is_compared_relatively() -> None:
    assert require_number_close(1.0000001, 1.0, what="the loss", rtol=1e-6) == pytest.approx(1.0)
    assert "it should be 1" in str(failure_of(require_number_close, 1.1, 1.0, what="the loss", rtol=1e-6))


def test_unchanged_means_bit_for_bit() -> None:
    require_unchanged(EXPECTED.copy(), EXPECTED, what="x")
    require_unchanged(np.array([np.nan]), np.array([np.nan]), what="x")
    changed = EXPECTED.copy()
    changed[0, 2] = np.nextafter(3.0, 4.0)
    assert "the first at [0, 2]" in str(failure_of(require_unchanged, changed, EXPECTED, what="x"))


def test_keys_that_lack_or_are_too_many_are_named() -> None:
    require_keys({"a": 1}, {"a"}, what="parameters()")
    message = str(failure_of(require_keys, {"a": 1, "c": 1}, {"a", "b"}, what="parameters()"))
    assert "it lacks 'b'" in message
    assert "it should not have 'c'" in message


def test_a_fault_carries_the_innermost_line_that_reproduces_it() -> None:
    with pytest.raises(StudentRaised) as caught, reproduced_by("outer"), reproduced_by("inner"):
        raise StudentRaised("it broke", exception_type="ValueError")
    assert caught.value.reproduce == "inner"


def test_the_relative_error_of_two_zeros_is_zero_and_of_infinities_is_one() -> None:
    got, expected = np.array([0.0, np.inf, 1.0, np.nan]), np.array([0.0, np.inf, 3.0, 1.0])
    assert relative_errors(got, expected).tolist() == [0.0, 1.0, 0.5, 1.0]


@pytest.mark.parametrize("size", [1e155, 1e200, 1.7e308])
def test_an_allowance_that_overflows_forgives_nothing(size) -> None:
    with np.errstate(all="ignore"), pytest.raises(CheckFailed):
        require_close(np.zeros((2, 2)), np.full((2, 2), size), what="y")


@pytest.mark.parametrize("size", [1.5e308, 1.7e308])
def test_huge_values_of_opposite_signs_are_not_close(size) -> None:
    with np.errstate(all="ignore"), pytest.raises(CheckFailed):
        require_close(np.full(3, -size), np.full(3, size), what="y")


def test_an_int_that_no_float_can_hold_is_not_finite() -> None:
    with pytest.raises(CheckFailed, match="not finite"):
        require_number(10**400, what="the loss")


def test_names_of_a_students_choice_are_shown_shortly() -> None:
    names = {"x" * 60_000: 1, **{f"{i}\n" * 500: 1 for i in range(300)}}
    with pytest.raises(CheckFailed) as caught:
        require_keys(names, {"weight"}, what="parameters()")
    shown = (str(caught.value), caught.value.expected, caught.value.got)
    assert max(map(len, shown)) < 1000
    assert "and 293 more" in str(caught.value)


def test_the_first_index_of_an_array_without_axes_is_empty() -> None:
    assert first_index(np.array(True)) == ()
    assert first_index(np.array([[False, False], [True, True]])) == (1, 0)
