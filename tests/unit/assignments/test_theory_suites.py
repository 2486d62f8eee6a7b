"""The suites of Problems 1-3 on theory.py in this process: right code, single faults, and odd answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fixtures import theory_fixtures
from grader.assignments.hw1.theory_huber import closed_form, problem_with
from grader.assignments.hw1.theory_optimisers import adam, momentum
from grader.assignments.hw1.theory_softmax import Trial, jacobian_of
from tests.suite_runner import Verdict, failed_checks, judge, lost_questions

REPOSITORY = Path(__file__).parents[3]
RIGHT = [name for name in theory_fixtures.names() if name.startswith("right_")]
PLAIN = theory_fixtures.source("right_theory_plain")
QUESTION_OF = {
    "softmax_temperature": "q1.1",
    "softmax_jacobian": "q1.1",
    "affine_gradients": "q1.2",
    "huber_gradient": "q2.1",
    "momentum_steps": "q3.1",
    "adam_steps": "q3.1",
}
FIRST_CHECK = {
    "softmax_temperature": "q1.1.softmax_values",
    "softmax_jacobian": "q1.1.jacobian_values",
    "affine_gradients": "q1.2.gradient_a",
    "huber_gradient": "q2.1.small_residuals",
    "momentum_steps": "q3.1.momentum_one_step",
    "adam_steps": "q3.1.adam_one_step",
}

Judge = Callable[..., dict[str, Verdict]]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    """Judge the plain right theory.py with code appended to it."""

    def run(code: str, *questions: str, seed: int = 0) -> dict[str, Verdict]:
        (tmp_path / "theory.py").write_text(f"{PLAIN}\n\n{code}\n", encoding="utf-8")
        return judge(tmp_path, questions=questions, seed=seed)

    return run


def wrapped(function: str, result: str) -> str:
    """Return code in which a function gives something else; `right` is what it gave."""
    return (
        f"_{function} = {function}\n"
        f"def {function}(*args):\n    right = _{function}(*args)\n    return {result}\n"
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RIGHT)
def test_right_code_passes_every_check_whatever_the_seed(name: str, seed: int, tmp_path: Path) -> None:
    theory_fixtures.write_folder(name, tmp_path)
    flags: list[tuple[str, str, str]] = []
    verdicts = judge(tmp_path, seed=seed + 10, flags=flags)
    assert {check: verdict for check, verdict in verdicts.items() if verdict.outcome != "passed"} == {}
    assert flags == []


def test_the_reference_passes_and_the_template_passes_nothing() -> None:
    questions = set(QUESTION_OF.values()) | {"q2.3"}
    assert lost_questions(judge(REPOSITORY / "reference", questions=questions)) == set()
    verdicts = judge(REPOSITORY / "student_template", questions=questions)
    assert {check for check, verdict in verdicts.items() if verdict.outcome == "passed"} == set()


# ------------------------------------------------------------------------------------------ odd answers

ODD = (
    ("None", "None (is a return missing?)"),
    ("'right'", "a text"),
    ("iter([right])", "list_iterator"),
    ("{'right': right}", "a dict of 1"),
    ("object()", "an object of type object"),
    ("np.array(right, dtype=object)", "dtype object"),
    ("np.asarray(right) * 1j", "complex128"),
    ("np.asarray(right)[..., None]", "shape"),
    ("np.asarray(right) * np.nan", "not finite"),
    ("np.zeros_like(right)", "Likely cause: every entry is 0"),
    ("np.asarray(right) > 0", "bool"),
)


@pytest.mark.parametrize("function", ["softmax_temperature", "softmax_jacobian", "huber_gradient"])
@pytest.mark.parametrize(("result", "words"), ODD, ids=[result for result, _ in ODD])
def test_an_odd_array_is_told_for_what_it_is(judged: Judge, function: str, result: str, words: str) -> None:
    verdicts = judged(wrapped(function, result), QUESTION_OF[function])
    verdict = verdicts[FIRST_CHECK[function]]
    assert verdict.outcome == "failed"
    assert words in verdict.message
    assert verdict.reproduce is not None


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("right[0]", "should give the pair (dA, db), but gives an array of shape (3, 5)"),
        ("(*right, right[0])", "a tuple of 3"),
        ("None", "None (is a return missing?)"),
        ("{'dA': right[0], 'db': right[1]}", "a dict of 2"),
        ("(r for r in right)", "generator"),
        ("(None, right[1])", "should be a NumPy array, but is None"),
        ("(right[0].tolist(), right[1])", "should be a NumPy array, but is a list of 3"),
        ("(right[0].T, right[1])", "has the shape (5, 3); it should be (3, 5)"),
    ],
)
def test_an_odd_pair_is_told_for_what_it_is(judged: Judge, result: str, words: str) -> None:
    verdicts = judged(wrapped("affine_gradients", result), "q1.2")
    assert words in verdicts["q1.2.gradient_a"].message
    assert verdicts["q1.2.gradient_a"].outcome == verdicts["q1.2.pair"].outcome == "failed"


@pytest.mark.parametrize("function", ["momentum_steps", "adam_steps"])
@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("None", "None (is a return missing?)"),
        ("right[-1]", "only the last w"),
        ("iter(right)", "but is an object of type list_iterator"),
        ("(w for w in right)", "make it a list"),
        ("[w.tolist() for w in right]", "the w after step 1"),
        ("[w[:2] for w in right]", "has the shape (2,)"),
        ("[args[0], *right]", "the list starts with the w that you start from"),
        ("right + right", "but has 2"),
        ("[w * np.nan for w in right]", "is not finite"),
        ("3.0", "but is the float 3.0"),
        ("np.array(5.0)", "should be a list"),
        ("np.stack(right)[:, :2]", "as one array it should be (1, 4)"),
        ("{k: w for k, w in enumerate(right)}", "should be a list of the w after each step"),
    ],
)
def test_an_odd_path_is_told_for_what_it_is(judged: Judge, function: str, result: str, words: str) -> None:
    verdict = judged(wrapped(function, result), "q3.1")[FIRST_CHECK[function]]
    assert verdict.outcome == "failed"
    assert words in verdict.message


@pytest.mark.parametrize("container", ["tuple(right)", "np.array(right).reshape(-1, *args[0].shape)"])
def test_steps_may_come_in_a_tuple_or_one_array(judged: Judge, container: str) -> None:
    code = wrapped("momentum_steps", container) + wrapped("adam_steps", container)
    assert lost_questions(judged(code, "q3.1")) == set()


# ----------------------------------------------------------------------------------- no double penalty


def passed(verdicts: dict[str, Verdict]) -> set[str]:
    return {check.rpartition(".")[2] for check, verdict in verdicts.items() if verdict.outcome == "passed"}


WRONG_SOFTMAX = {
    "tau is not used": "softmax(z, 1.0)",
    "z times tau": "softmax(z, 1.0 / tau)",
    "not normalised": "np.exp((z - z.max()) / tau)",
    "divided by tau": "softmax(z, tau) / tau",
    "overflows": "np.exp(z / tau) / np.exp(z / tau).sum()",
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("result", WRONG_SOFTMAX.values(), ids=WRONG_SOFTMAX)
def test_a_jacobian_that_calls_a_wrong_softmax_is_right(judged: Judge, result: str, seed: int) -> None:
    code = f"softmax = softmax_temperature\ndef softmax_temperature(z, tau):\n    return {result}\n"
    with np.errstate(all="ignore"):
        verdicts = judged(code, "q1.1", seed=seed)
    jacobian = {"jacobian_values", "jacobian_structure", "jacobian_any_size", "jacobian_large"}
    assert jacobian <= passed(verdicts)
    assert failed_checks(verdicts)


@pytest.mark.parametrize(
    "y", ["np.zeros(len(z))", "np.eye(len(z))[0]", "1e-20 * z", "np.ones(len(z)) / len(z)"]
)
def test_a_jacobian_of_zeros_is_not_right_beside_a_softmax_that_makes_it_so(judged: Judge, y: str) -> None:
    code = (
        f"def softmax_temperature(z, tau):\n    return {y}\n"
        "def softmax_jacobian(z, tau):\n    return np.zeros((len(z), len(z)))\n"
    )
    assert "q1.1.jacobian_values" in failed_checks(judged(code, "q1.1"))
    assert not passed(judged(code, "q1.1"))


def test_a_missing_softmax_leaves_a_jacobian_that_does_without_it(judged: Judge) -> None:
    code = "_own = softmax_temperature\ndef softmax_jacobian(z, tau):\n    y = _own(z, tau)\n"
    code += "    return (np.diag(y) - np.outer(y, y)) / tau\ndel softmax_temperature\n"
    verdicts = judged(code, "q1.1")
    expected = {"jacobian_values", "jacobian_structure", "jacobian_any_size", "jacobian_large"}
    assert passed(verdicts) == expected | {"inputs_unmodified"}


WRONG_HUBER = {
    "squared loss": "-X.T @ (y - X @ w)",
    "wrong sign": "X.T @ np.clip(y - X @ w, -delta, delta)",
    "a mean": "-X.T @ np.clip(y - X @ w, -delta, delta) / len(y)",
    "nothing but the regulariser": "0.0 * w",
}


@pytest.mark.parametrize("gradient", WRONG_HUBER.values(), ids=WRONG_HUBER)
def test_a_right_regulariser_is_paid_beside_a_wrong_gradient(judged: Judge, gradient: str) -> None:
    code = f"def huber_gradient(w, X, y, delta, lam=0.0):\n    return {gradient} + lam * w\n"
    assert lost_questions(judged(code, "q2.1", "q2.3")) == {"q2.1"}


def test_adam_and_momentum_know_nothing_of_each_other(judged: Judge) -> None:
    for function, other in (("momentum_steps", "adam"), ("adam_steps", "momentum")):
        verdicts = judged(f"def {function}(*_):\n    raise ValueError\n", "q3.1")
        lost = {name for name, verdict in verdicts.items() if verdict.outcome != "passed"}
        assert lost
        assert not [name for name in lost if other in name or "no_steps" in name or "inputs" in name]


def test_a_function_that_refuses_whole_numbers_loses_nothing(judged: Judge) -> None:
    code = "".join(
        f"_{name} = {name}\ndef {name}(*args, **kwargs):\n"
        "    if any(np.asarray(arg).dtype.kind == 'i' and np.ndim(arg) for arg in args):\n"
        f"        raise TypeError('floats, please')\n    return _{name}(*args, **kwargs)\n"
        for name in ("softmax_temperature", "softmax_jacobian", "affine_gradients", "huber_gradient")
    )
    assert lost_questions(judged(code, "q1.1", "q1.2", "q2.1", "q2.3")) == set()


# ------------------------------------------------------------------- faults that the fixtures leave out

FAULTS = {
    "softmax right for tau of one only": (
        "_s = softmax_temperature\ndef softmax_temperature(z, tau):\n    return _s(z, 1.0)\n",
        "q1.1.softmax_values",
        "z is not divided by tau",
    ),
    "softmax as logarithm": (
        wrapped("softmax_temperature", "np.log(right + 1e-300)"),
        "q1.1.softmax_values",
        "the logarithm of softmax",
    ),
    "softmax rounded": (wrapped("softmax_temperature", "np.round(right, 4)"), "q1.1.softmax_values", ""),
    "softmax clipped": (
        (
            "_s = softmax_temperature\ndef softmax_temperature(z, tau):\n"
            "    return _s(np.clip(z, -500, 500), tau)\n"
        ),
        "q1.1.softmax_large",
        "",
    ),
    "jacobian with tau twice": (
        wrapped("softmax_jacobian", "right / args[1]"),
        "q1.1.jacobian_values",
        "1/tau is there twice",
    ),
    "jacobian without its diagonal": (
        wrapped("softmax_jacobian", "right - np.diag(np.diag(right))"),
        "q1.1.jacobian_structure",
        "the diagonal should be positive",
    ),
    "jacobian negative": (wrapped("softmax_jacobian", "-right"), "q1.1.jacobian_values", "wrong sign"),
    "jacobian with the identity": (
        (
            "def softmax_jacobian(z, tau):\n    y = softmax_temperature(z, tau)\n"
            "    return (np.eye(len(z)) - np.outer(y, y)) / tau\n"
        ),
        "q1.1.jacobian_values",
        "the identity stands where diag(y) should",
    ),
    "jacobian one entry": (
        (
            "_j = softmax_jacobian\ndef softmax_jacobian(z, tau):\n    J = _j(z, tau)\n    J[-1, 0] *= 1.01\n"
            "    return J\n"
        ),
        "q1.1.jacobian_values",
        "only the entry [4, 0] is wrong",
    ),
    "affine without x": (
        wrapped("affine_gradients", "(np.outer(right[1], np.ones_like(args[2])), right[1])"),
        "q1.2.gradient_a",
        "x is left out",
    ),
    "affine b subtracted": (
        "def affine_gradients(A, b, x, t):\n    r = A @ x - b - t\n    return np.outer(r, x), r\n",
        "q1.2.gradient_b",
        "b is subtracted in the residual",
    ),
    "affine transposed where square": (
        wrapped("affine_gradients", "(right[0].T if args[0].shape == (4, 4) else right[0], right[1])"),
        "q1.2.gradient_a_any_size",
        "this is the transpose",
    ),
    "affine changes b": (
        "def affine_gradients(A, b, x, t):\n    b += A @ x - t\n    return np.outer(b, x), b\n",
        "q1.2.inputs_unmodified",
        "the b given to affine_gradients was changed",
    ),
    "huber two pieces exchanged": (
        (
            "def huber_gradient(w, X, y, delta, lam=0.0):\n    r = y - X @ w\n"
            "    return -X.T @ np.where(np.abs(r) > delta, r, delta * np.sign(r)) + lam * w\n"
        ),
        "q2.1.all_residuals",
        "the two pieces are exchanged",
    ),
    "huber is the loss": (
        (
            "def huber_gradient(w, X, y, delta, lam=0.0):\n    r = y - X @ w\n    a = np.abs(r)\n"
            "    return -X.T @ np.where(a <= delta, r**2 / 2, delta * (a - delta / 2)) + lam * w\n"
        ),
        "q2.1.all_residuals",
        "the loss itself stands where its derivative should",
    ),
    "huber negative side not clipped": (
        (
            "def huber_gradient(w, X, y, delta, lam=0.0):\n"
            "    return -X.T @ np.minimum(y - X @ w, delta) + lam * w\n"
        ),
        "q2.1.large_residuals",
        "",
    ),
    "momentum without beta": (
        (
            "def momentum_steps(w, grads, lr, beta):\n    steps = []\n    for g in grads:\n"
            "        w = w - lr * g\n        steps.append(w)\n    return steps\n"
        ),
        "q3.1.momentum_several_steps",
        "plain gradient descent",
    ),
    "momentum forgets after fifty steps": (
        wrapped("momentum_steps", "[w if k < 50 else right[49] for k, w in enumerate(right)]"),
        "q3.1.momentum_any",
        "",
    ),
    "adam never squares": (
        (
            "def adam_steps(w, grads, lr, beta1, beta2, eps):\n    m = v = 0\n    steps = []\n"
            "    for t, g in enumerate(grads, 1):\n        m = beta1 * m + (1 - beta1) * g\n"
            "        v = beta2 * v + (1 - beta2) * np.abs(g)\n"
            "        w = w - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)\n"
            "        steps.append(w)\n    return steps\n"
        ),
        "q3.1.adam_one_step",
        "",
    ),
    "adam without root": (
        (
            "def adam_steps(w, grads, lr, beta1, beta2, eps):\n    m = v = 0\n    steps = []\n"
            "    for t, g in enumerate(grads, 1):\n        m = beta1 * m + (1 - beta1) * g\n"
            "        v = beta2 * v + (1 - beta2) * g**2\n"
            "        w = w - lr * m / (1 - beta1**t) / (v / (1 - beta2**t) + eps)\n"
            "        steps.append(w)\n    return steps\n"
        ),
        "q3.1.adam_one_step",
        "the root of the second average is missing",
    ),
    "adam divides by beta1": (
        (
            "_a = adam_steps\ndef adam_steps(w, grads, lr, beta1, beta2, eps):\n"
            "    1 / beta1\n    return _a(w, grads, lr, beta1, beta2, eps)\n"
        ),
        "q3.1.adam_edges",
        "ZeroDivisionError",
    ),
    "adam divides where gradients are zero": (
        (
            "_a = adam_steps\ndef adam_steps(w, grads, lr, beta1, beta2, eps):\n"
            "    return [w + 0 * (1 / sum(abs(grads[0]))) for w in _a(w, grads, lr, beta1, beta2, eps)]\n"
            "_b = adam_steps\ndef adam_steps(w, grads, *rest):\n"
            "    return _b(w, grads, *rest) if grads else []\n"
        ),
        "q3.1.adam_edges",
        "is not finite",
    ),
}


@pytest.mark.parametrize(("code", "check", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_fails_its_check_and_says_why(judged: Judge, code: str, check: str, words: str) -> None:
    with np.errstate(all="ignore"):
        verdicts = judged(code, check.rpartition(".")[0])
    assert verdicts[check].outcome == "failed", verdicts
    assert words in verdicts[check].message


# -------------------------------------------------------------------------------------- our own formulas


def test_differences_agree_with_closed_forms(rng: np.random.Generator) -> None:
    problem = problem_with(rng, [0.3, -2.0, 5.0, -0.4], p=3, delta=1.0)
    np.testing.assert_allclose(problem.slope(), closed_form(problem), rtol=1e-8, atol=1e-9)
    trial = Trial(rng.normal(size=4), 0.6)
    np.testing.assert_allclose(trial.slopes(), jacobian_of(trial.truth(), 0.6), rtol=1e-7, atol=1e-9)


def test_weighted_sums_agree_with_running_averages(rng: np.random.Generator) -> None:
    w, grads = rng.normal(size=(2, 3)), list(rng.normal(size=(30, 2, 3)))
    v = m = s = np.zeros_like(w)
    by_momentum, by_adam = [w], [w]
    for t, g in enumerate(grads, start=1):
        v, m, s = 0.7 * v + g, 0.9 * m + 0.1 * g, 0.99 * s + 0.01 * g**2
        by_momentum.append(by_momentum[-1] - 0.2 * v)
        by_adam.append(by_adam[-1] - 0.2 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.99**t)) + 1e-3))
    np.testing.assert_allclose(momentum(w, grads, lr=0.2, beta=0.7).path, by_momentum[1:], rtol=1e-10)
    adam_run = adam(w, grads, lr=0.2, beta1=0.9, beta2=0.99, eps=1e-3)
    np.testing.assert_allclose(adam_run.path, by_adam[1:], rtol=1e-9, atol=1e-10)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)
