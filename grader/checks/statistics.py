"""Judge random numbers with a stated rate of false alarms.

Each test gives a p-value: the chance that right code looks at least this odd. A check fails only below its
`false_alarm`, one in a million unless told otherwise, shared between the tests that it makes. Only the
standard library: tails come from math.erfc and the Wilson-Hilferty transform.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from grader.checks.tolerance import Array, FloatArray, as_float
from grader.errors import CheckFailed

FALSE_ALARM = 1e-6
# How often a normal draw is exactly 0 at most: in single precision NumPy starts from 23 random bits.
_ZERO_RATE = 2.0**-23
# A known constant explains a variance if right code with that constant would look like this once in 1000.
_EXPLAINS = 1e-3


@dataclass(frozen=True, slots=True)
class Sample:
    """Independent draws, and the variance they should have; `name` says where they came from."""

    name: str
    values: Array
    variance: float
    known: Mapping[str, float]  # what else the variance may be, by name: {"1/D": 0.2}


def variance_p_value(values: Array, variance: float) -> float:
    """Return the two-sided chi-square p-value of `variance` for normal draws of unknown mean."""
    sample = _flat(values)
    freedom = sample.size - 1
    if freedom < 1 or variance <= 0 or not _can_be_squared(sample):
        return 0.0
    return chi_square_p_value(float(((sample - sample.mean()) ** 2).sum()) / variance, freedom)


def chi_square_p_value(statistic: float, freedom: int) -> float:
    """Return the two-sided p-value of a chi-square statistic, by the Wilson-Hilferty transform.

    For 100 degrees of freedom and more the p-value is within 10 % of the exact one down to 1e-6.
    """
    spread = 2.0 / (9.0 * freedom)
    return _two_sided(((statistic / freedom) ** (1.0 / 3.0) - (1.0 - spread)) / math.sqrt(spread))


def mean_p_value(values: Array, mean: float = 0.0) -> float:
    """Return the two-sided p-value of `mean`, by a z-test with the sample's own variance."""
    sample = _flat(values)
    if sample.size < 2 or not _can_be_squared(sample):
        return 0.0
    error = float(sample.std(ddof=1)) / math.sqrt(sample.size)
    gap = abs(float(sample.mean()) - mean)
    if error == 0.0:
        return 1.0 if gap == 0.0 else 0.0
    return _two_sided(gap / error)


def normal_shape_p_value(values: Array) -> float:
    """Return the Kolmogorov-Smirnov p-value of a normal shape, whatever mean and variance.

    Both are taken from the sample, which makes the true chance smaller than what is returned
    (Lilliefors): the false-alarm rate is at most the one stated.
    """
    sample = np.sort(_flat(values))
    if sample.size < 2 or not _can_be_squared(sample):
        return 0.0
    spread = float(sample.std(ddof=1))
    if spread == 0.0:
        return 0.0
    count = sample.size
    share = _normal_share((sample - sample.mean()) / spread)
    steps = np.arange(count + 1) / count
    distance = max(float((steps[1:] - share).max()), float((share - steps[:-1]).max()))
    root = math.sqrt(count)
    return _kolmogorov_tail((root + 0.12 + 0.11 / root) * distance)


def require_variance(samples: Sequence[Sample], *, what: str, false_alarm: float = FALSE_ALARM) -> None:
    """Raise CheckFailed if the variance of some sample is not the one it should be.

    The samples share `false_alarm`. The message names what was seen, and the known constant that
    explains every sample, if there is one.
    """
    level = false_alarm / len(samples)
    odd = [sample for sample in samples if not variance_p_value(sample.values, sample.variance) >= level]
    if not odd:
        return
    first = odd[0]
    with np.errstate(all="ignore"):
        seen = float(_flat(first.values).var(ddof=1))
    constant = _explaining_constant(samples)
    raise CheckFailed(
        f"{what}: the variance is {seen:.4g} in {first.name}, and should be {first.variance:.4g} "
        f"(right code looks like this less than once in {1 / false_alarm:,.0f} times)",
        expected=f"{first.variance:.6g}",
        got=f"{seen:.6g}",
        cause=f"the variance is {constant}" if constant else None,
    )


def require_mean_zero(samples: Sequence[Sample], *, what: str, false_alarm: float = FALSE_ALARM) -> None:
    """Raise CheckFailed if the mean of some sample is not 0; the samples share `false_alarm`."""
    level = false_alarm / len(samples)
    for sample in samples:
        if not mean_p_value(sample.values) >= level:
            with np.errstate(all="ignore"):
                mean = float(_flat(sample.values).mean())
            raise CheckFailed(
                f"{what}: the mean is {mean:.4g} in {sample.name}, and should be 0 "
                f"(right code looks like this less than once in {1 / false_alarm:,.0f} times)",
                expected="0",
                got=f"{mean:.6g}",
            )


def require_normal_shape(samples: Sequence[Sample], *, what: str, false_alarm: float = FALSE_ALARM) -> None:
    """Raise CheckFailed if some sample is not bell-shaped; the samples share `false_alarm`."""
    level = false_alarm / len(samples)
    for sample in samples:
        if not normal_shape_p_value(sample.values) >= level:
            widest = _largest_in_spreads(sample.values)
            raise CheckFailed(
                f"{what}: the values in {sample.name} are not normally distributed (Kolmogorov-Smirnov; "
                f"the largest is {widest:.2f} standard deviations from the mean)",
                expected="a normal distribution",
                got="another shape",
            )


def require_no_zeros(samples: Sequence[Sample], *, what: str, false_alarm: float = FALSE_ALARM) -> None:
    """Raise CheckFailed if more draws of all samples together are exactly 0 than chance explains."""
    zeros = sum(int(np.count_nonzero(sample.values == 0)) for sample in samples)
    expected = _ZERO_RATE * sum(sample.values.size for sample in samples)
    if zeros and _log_poisson_tail(zeros, expected) < math.log(false_alarm):
        first = next(sample for sample in samples if np.any(sample.values == 0))
        index = [int(axis) for axis in np.argwhere(first.values == 0)[0]]
        raise CheckFailed(
            f"{what}: {zeros} entries are exactly 0, one at {index} in {first.name}; random values are not",
            expected="no entry that is 0",
            got=f"{zeros} entries that are 0",
        )


def _log_poisson_tail(count: int, mean: float) -> float:
    """Return the logarithm of an upper bound of the chance of at least `count` rare events."""
    return count * math.log(mean) - math.lgamma(count + 1)


def _explaining_constant(samples: Sequence[Sample]) -> str | None:
    """Return the one known constant that fits every sample."""
    names = [
        name
        for name in samples[0].known
        if all(
            name in sample.known and variance_p_value(sample.values, sample.known[name]) > _EXPLAINS
            for sample in samples
        )
    ]
    return names[0] if len(names) == 1 else None


def _largest_in_spreads(values: Array) -> float:
    sample = _flat(values)
    if not _can_be_squared(sample):
        return math.inf
    spread = float(sample.std())
    return float(np.abs(sample - sample.mean()).max()) / spread if spread else 0.0


def _can_be_squared(sample: FloatArray) -> bool:
    """Whether sums of squares stay finite; a sample of which they do not has no p-value but 0."""
    return bool(np.abs(sample).max(initial=0.0) < 1e100)


def _normal_share(z: FloatArray) -> FloatArray:
    """Return the share of a standard normal below each z, to 2e-7: one draw of a sample makes far more."""
    return np.interp(z, *_normal_table())


@cache
def _normal_table() -> tuple[FloatArray, FloatArray]:
    # A line between two knots is off by at most step² / 8 times the largest second derivative, 0.25.
    knots = np.linspace(-9.0, 9.0, 9001)
    return knots, np.array([0.5 * math.erfc(-knot / math.sqrt(2.0)) for knot in knots.tolist()])


def _two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2.0))


def _kolmogorov_tail(x: float) -> float:
    if x < 0.2:  # the series needs many terms there, and the tail is 1
        return 1.0
    terms = (2.0 * (-1.0) ** (k - 1) * math.exp(-2.0 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms)))


def _flat(values: Array) -> FloatArray:
    return as_float(values).reshape(-1)
