"""Q1.1: softmax with a temperature and its Jacobian, each judged by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from grader.assignments.hw1.mytorch_contract import DIFFERENCES_RTOL
from grader.assignments.hw1.theory_contract import CLOSED_FORM_RTOL, Asked, answers, slope, softmax
from grader.checks.closeness import (
    counted,
    is_close,
    reproduced_by,
    require_array,
    require_close,
)
from grader.checks.diagnosis import Candidates
from grader.checks.tolerance import Array, FloatArray, as_float, tolerance_for
from grader.client import Student, Value
from grader.errors import CheckFailed, StudentFault

SOFTMAX_WORKED = "q1.1.softmax_values"
LARGE_WORKED = "q1.1.softmax_large"
JACOBIAN_WORKED = "q1.1.jacobian_values"

# A Jacobian most of whose entries are that small could be right by accident: all zeros would do.
_NEGLIGIBLE = 1e-9
_LARGEST_Z = 300.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One z and tau."""

    z: Array
    tau: float

    @property
    def softmax(self) -> Asked:
        """The call of softmax_temperature."""
        return Asked("softmax_temperature", {"z": self.z, "tau": self.tau})

    @property
    def jacobian(self) -> Asked:
        """The call of softmax_jacobian."""
        return Asked("softmax_jacobian", {"z": self.z, "tau": self.tau})

    def truth(self) -> FloatArray:
        """Return softmax(z / tau)."""
        return softmax(as_float(self.z), self.tau)

    def slopes(self) -> FloatArray:
        """Return the derivatives of softmax(z / tau) in z, (K, K), by differences."""
        z = as_float(self.z)

        def component(at: FloatArray, i: int) -> float:
            return float(softmax(at, self.tau)[i])

        return np.stack([slope(partial(component, i=i), z) for i in range(z.size)])


# At tau = 1 one entry is larger than all others by far, each time another one.
CLEAR = (
    Trial(np.array([1000.0, -1000.0, 0.0]), 1.0),
    Trial(np.array([-1000.0, 0.0, 1000.0]), 1.0),
)
# Ties, so that the Jacobian is not 0.
TIES = (
    Trial(np.array([1000.0, 1000.0, -1000.0]), 0.001),
    Trial(np.array([900.0, 900.0 + 2**-10, -1000.0, 900.0 - 2**-10]), 0.001),
)
EXTREME = (*CLEAR, Trial(np.array([-1000.0, -999.0, -1000.5]), 0.001), *TIES)


def draw_trial(rng: np.random.Generator, K: int, tau: float) -> Trial:
    """Return a trial whose z / tau is of moderate size, so that no probability is nearly 1.

    A derivative near 0 would be known to few digits only, by whatever right formula.
    """
    return Trial(min(tau, _LARGEST_Z) * rng.normal(size=K), tau)


def draw_trials(rng: np.random.Generator) -> list[Trial]:
    """Return trials with temperatures below, above and at 1."""
    sizes = ((5, rng.uniform(0.4, 0.7)), (4, rng.uniform(1.5, 2.0)), (6, 1.0))
    return [draw_trial(rng, K, round(tau, 3)) for K, tau in sizes]


def require_softmax(student: Student, trials: Sequence[Trial]) -> None:
    """Judge softmax_temperature by its formula."""
    for trial, got in zip(trials, answers(student, [trial.softmax for trial in trials]), strict=True):
        with reproduced_by(trial.softmax.line):
            require_close(
                _finite(got, trial),
                trial.truth(),
                what=trial.softmax.what,
                rtol=CLOSED_FORM_RTOL,
                computed_with=(trial.z,),
                candidates=Candidates(explanations=_wrong_softmax(trial)),
            )


def require_large(student: Student, *, passed: Collection[str]) -> None:
    """Judge softmax_temperature where exp overflows.

    Where moderate values are wrong, which costs another check, only finite probabilities are asked for.
    """
    if SOFTMAX_WORKED in passed:
        require_softmax(student, EXTREME)
        return
    for trial, got in zip(EXTREME, answers(student, [trial.softmax for trial in EXTREME]), strict=True):
        with reproduced_by(trial.softmax.line):
            y = as_float(require_array(_finite(got, trial), what=trial.softmax.what, shape=trial.z.shape))
            if (y < 0).any() or abs(y.sum() - 1.0) > 1e-6:
                raise CheckFailed(f"{trial.softmax.what} does not give probabilities that sum to 1")
            if trial.tau == 1.0 and y[trial.z.argmax()] < 0.99:
                raise CheckFailed(f"{trial.softmax.what} should be about 1 where z is largest by far")


def require_shift_invariance(student: Student, trial: Trial, shifts: Sequence[float]) -> None:
    """Judge that the same number added to every z changes nothing."""
    z = np.round(trial.z * 64) / 64  # so that z + shift is exact
    trial = Trial(z, trial.tau)
    shifted = [Trial(z + shift, trial.tau) for shift in shifts]
    first, *others = answers(student, [each.softmax for each in (trial, *shifted)])
    with reproduced_by(
        f"z = np.random.randn(5); print({trial.softmax.call}, {trial.softmax.name}(z + 30, 1))"
    ):
        before = require_array(first, what=trial.softmax.what, shape=trial.z.shape)
        for shift, after in zip(shifts, others, strict=True):
            what = f"{trial.softmax.name}(z{shift:+g}, {trial.tau:g}), which should be that of z itself,"
            require_close(after, as_float(before), what=what, rtol=DIFFERENCES_RTOL, computed_with=(before,))


def require_jacobian(
    student: Student, trials: Sequence[Trial], *, passed: Collection[str], closed_form: bool = False
) -> list[Array]:
    """Judge softmax_jacobian by differences of softmax, or in closed form, and return what came back.

    Where the student's softmax_temperature is wrong, which costs another check, a Jacobian that is
    right for what that function gives is right too.
    """
    got = answers(student, [trial.jacobian for trial in trials])
    own = None if SOFTMAX_WORKED in passed else _own_softmax(student, trials)
    return [
        _require_jacobian(trial, value, None if own is None else own[index], closed_form=closed_form)
        for index, (trial, value) in enumerate(zip(trials, got, strict=True))
    ]


def _require_jacobian(trial: Trial, got: Value, own: Value, *, closed_form: bool) -> Array:
    truth = jacobian_of(trial.truth(), trial.tau) if closed_form else trial.slopes()
    through_own = _through_own_softmax(own, trial)
    if through_own is not None and is_close(got, through_own, rtol=DIFFERENCES_RTOL, computed_with=(own,)):
        return np.asarray(got)
    with reproduced_by(trial.jacobian.line):
        return require_close(
            got,
            truth,
            what=trial.jacobian.what,
            rtol=CLOSED_FORM_RTOL if closed_form else DIFFERENCES_RTOL,
            computed_with=(trial.z,),
            candidates=Candidates(explanations=_wrong_jacobians(trial)),
        )


def require_structure(student: Student, trial: Trial, *, passed: Collection[str]) -> None:
    """Judge what holds of the Jacobian whatever its scale: signs, symmetry, rows that sum to 0."""
    asked = trial.jacobian
    with reproduced_by(asked.line):
        got = require_array(answers(student, [asked])[0], what=asked.what, shape=(trial.z.size,) * 2)
        own = None if SOFTMAX_WORKED in passed else _own_softmax(student, [trial])
        through_own = None if own is None else _through_own_softmax(own[0], trial)
        if through_own is not None and is_close(got, through_own, rtol=DIFFERENCES_RTOL):
            return
        J = as_float(got)
        scale = float(np.abs(J).max())
        tolerance = tolerance_for(J, got, rtol=DIFFERENCES_RTOL).rtol
        off = ~np.eye(len(J), dtype=bool)
        if not (np.diag(J) > 0).all():
            raise CheckFailed(f"{asked.what}: y[i] grows with z[i], so the diagonal should be positive")
        if not (J[off] < 0).all():
            raise CheckFailed(
                f"{asked.what}: y[i] falls where another z[j] grows, so what is off the diagonal "
                "should be negative"
            )
        if np.abs(J - J.T).max() > tolerance * scale:
            raise CheckFailed(f"{asked.what} should be symmetric, and is not")
        sums = np.abs(J.sum(axis=1))
        if sums.max() > len(J) * tolerance * scale:
            raise CheckFailed(
                f"{asked.what}: every row should sum to 0, since the sum of y is always 1; "
                f"row {int(sums.argmax())} sums to {J.sum(axis=1)[sums.argmax()]:.4g}"
            )


def jacobian_of(y: Array, tau: float) -> FloatArray:
    """Return the Jacobian that belongs to y = softmax(z / tau)."""
    J: FloatArray = (np.diag(y) - np.outer(y, y)) / tau
    return J


def _finite(got: Value, trial: Trial) -> Value:
    """Return what came back, unless it is an array with nan or inf: then it is told what overflows."""
    if not isinstance(got, np.ndarray) or got.dtype.kind != "f" or np.isfinite(got).all():
        return got
    cause = "exp overflows, or every exp is 0: look at what may be subtracted from z without changing y"
    message = f"{trial.softmax.what} is not finite: {counted(~np.isfinite(got))} are nan or inf"
    raise CheckFailed(message, cause=cause if _naive_breaks(trial) else None)


def _naive_breaks(trial: Trial) -> bool:
    with np.errstate(all="ignore"):
        powers = np.exp(as_float(trial.z) / trial.tau)
        return not np.isfinite(powers / powers.sum()).all()


def _own_softmax(student: Student, trials: Sequence[Trial]) -> list[Value] | None:
    try:
        return answers(student, [trial.softmax for trial in trials])
    except StudentFault:
        return None


def _through_own_softmax(own: Value, trial: Trial) -> FloatArray | None:
    """Return the Jacobian that belongs to the student's own y; None where zeros would look right too."""
    if not isinstance(own, np.ndarray) or own.shape != trial.z.shape or own.dtype.kind not in "fiu":
        return None
    with np.errstate(all="ignore"):
        J = jacobian_of(as_float(own), trial.tau)
        size = np.abs(J)
        is_telling = np.isfinite(J).all() and np.median(size) > _NEGLIGIBLE * size.max() > 0.0
    return J if is_telling else None


def _wrong_softmax(trial: Trial) -> dict[str, Array]:
    z, tau = as_float(trial.z), trial.tau
    with np.errstate(all="ignore"):
        shifted = np.exp((z - z.max()) / tau)
        return {
            "z is not divided by tau": softmax(z, 1.0),
            "z is multiplied by tau, not divided": softmax(z, 1.0 / tau),
            "the probabilities are divided by tau, not z": softmax(z, 1.0) / tau,
            "exp is not divided by its sum": np.exp(z / tau),
            "exp, of z minus its largest entry, is not divided by its sum": shifted,
            "exp is divided by its length, not by its sum": shifted / np.sqrt((shifted**2).sum()),
            "this is the logarithm of softmax": np.log(trial.truth()),
            "this is softmax of -z": softmax(-z, tau),
        }


def _wrong_jacobians(trial: Trial) -> dict[str, Array]:
    z, tau = as_float(trial.z), trial.tau
    y, plain = trial.truth(), softmax(z, 1.0)
    diagonal, outer = np.diag(y), np.outer(y, y)
    at_one = jacobian_of(plain, 1.0)
    return {
        "the factor 1/tau is missing": diagonal - outer,
        "it is multiplied by tau where it should be divided": (diagonal - outer) * tau,
        "the factor 1/tau is there twice": (diagonal - outer) / tau**2,
        "tau is not used at all": at_one,
        "z is not divided by tau in the softmax": at_one / tau,
        "y yᵀ is missing: the diagonal is y alone": diagonal / tau,
        "diag(y) is missing": -outer / tau,
        "y yᵀ is added to diag(y), not subtracted": (diagonal + outer) / tau,
        "only the diagonal is filled": np.diag(y * (1.0 - y)) / tau,
        "what is off the diagonal has the wrong sign": (diagonal + outer - 2.0 * np.diag(y**2)) / tau,
        "the case i = j is used for every entry": np.outer(y, 1.0 - y) / tau,
        "the identity stands where diag(y) should": (np.eye(len(y)) - outer) / tau,
    }
