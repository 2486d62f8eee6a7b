"""A diagnosis is the same for the same fault, whatever numbers and names it came with."""

from __future__ import annotations

import pytest

from grader.cohort.failures.diagnosis_text import diagnosis_of
from grader.model import Outcome, Visibility
from grader.reports.schema import CheckReport, FeedbackReport

SHAPES = "parameters() gives a weight and a bias, and gradients() has the same names."


def check_with(message: str, *, cause: str | None = None, title: str = SHAPES, **feedback) -> CheckReport:
    whole = message if cause is None else f"{message}. Likely cause: {cause}"
    return CheckReport(
        id="q6.1.backward_parameters",
        title=title,
        outcome=Outcome.FAILED,
        kind="auto",
        score=0,
        max_score=1,
        visibility=Visibility.VISIBLE,
        feedback=FeedbackReport(message=whole, likely_cause=cause, **feedback),
        duration_s=0.1,
    )


def far_off(value: float, error: str) -> str:
    return f"; the first at [0, 1] is {value:g} and should be 2.5; the largest relative error is {error}"


@pytest.mark.parametrize(
    "one, other",
    [
        (
            f"Linear(5, 3) with N = 7 is wrong: 3 of 3 entries differ{far_off(-4.88447, '0.79')}",
            f"Linear(6, 4) with N = 1 is wrong: 4 of 4 entries differ{far_off(1e-9, 'inf')}",
        ),
        (
            "Linear.forward raised NameError: name 'std' is not defined (mytorch/nn/linear.py, line 3: std)",
            "Linear.forward raised NameError: name 'scale' is not defined (mytorch/nn.py, line 91: s)",
        ),
        (
            "Linear.backward raised AttributeError: 'Linear' object has no attribute '_x' (a.py, line 1: x)",
            "Linear.backward raised AttributeError: 'Linear' object has no attribute 'saved' (a.py, line 8)",
        ),
        (
            "Linear.backward raised TypeError: make_mask() takes 1 positional argument but 2 were given",
            "Linear.backward raised TypeError: _mask2() takes 1 positional argument but 3 were given",
        ),
        (
            "Linear.forward raised FileNotFoundError: No such file or directory: '/home/ada/w.py'",
            "Linear.forward raised FileNotFoundError: No such file or directory: 'C:/bob/weights.py'",
        ),
        (
            "Linear(5, 3).gradients() has wrong keys: it lacks 'weight'; it should not have 'dW'",
            "Linear(5, 3).gradients() has wrong keys: it lacks 'weight'; it should not have 'grad_w'",
        ),
        ("forward returned <A object at 0x7f12ab>", "forward returned <A object at 0x7fe2c0>"),
        ("ReLU.forward was stopped after 0.4 s", "ReLU.forward was stopped after 1.25 s"),
    ],
)
def test_numbers_places_and_names_of_ones_own_do_not_tell_faults_apart(one, other):
    assert diagnosis_of(check_with(one)) == diagnosis_of(check_with(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ("the gradient of the weight is wrong", "the gradient of the bias is wrong"),
        ("it has the shape (5, 3); it should be (3, 5)", "it has the shape (3, 3); it should be (3, 5)"),
        ("it has the shape (3,); it should be (3, 5)", "it has the shape (3, 1); it should be (3, 5)"),
        ("12 of 15 entries differ", "15 of 15 entries differ"),
        ("the variance is 0 in draw 1", "the variance is 0.3 in draw 1"),
        ("it lacks 'weight'; no 'dW'", "it lacks 'weight', 'bias'; no 'dW'"),
        ("f raised ValueError: bad", "f raised TypeError: bad"),
        ("forward raised ValueError: bad", "backward raised ValueError: bad"),
        ("f raised ImportError: No module named 'torch'", "f raised ImportError: No module named 'numpi'"),
        ("f raised TypeError: 'int' is wrong", "f raised TypeError: 'list' is wrong"),
    ],
)
def test_what_is_wrong_tells_faults_apart(one, other):
    assert diagnosis_of(check_with(one)) != diagnosis_of(check_with(other))


def test_a_likely_cause_is_the_diagnosis_of_what_was_looked_at():
    def found(what: str, cause: str, numbers: str = "3 of 3 entries differ") -> str:
        return diagnosis_of(check_with(f"the gradient of the {what} is wrong: {numbers}", cause=cause))

    assert found("bias", "every entry is 0") == found("bias", "every entry is 0", "2 of 3 entries differ")
    assert found("bias", "every entry is 0") != found("weight", "every entry is 0")
    assert found("bias", "the variance is 1 / D") != found("bias", "the variance is 2 / D")
    assert found("bias", "0.99999693 times") == found("bias", "0.99999706 times")
    assert found("bias", "0.5 times what it should be") != found("bias", "0.25 times what it should be")
    assert found("bias", "too small (N = 7)") == found("bias", "too small (N = 13)")
    assert found("bias", "off by the same +0.25") == found("bias", "off by the same -3.5")
    assert found("bias", "only the entry [1, 2] is wrong") == found("bias", "only the entry [0, 0] is wrong")


@pytest.mark.parametrize(
    "text",
    [
        "[" + "1" * 4000,
        "[" + "1, " * 1300,
        "(" * 4000,
        "the first at a is b " * 200,
        "<a" * 2000,
        "a.py" * 1000,
        "'" * 4000,
        "0x" * 2000,
        "1.2e" * 1000,
        "\u202e" + "9" * 4000,
        " raised " * 500,
    ],
)
def test_a_message_made_to_take_long_is_read_all_the_same(text):
    assert diagnosis_of(check_with(text)) == diagnosis_of(check_with(text))
