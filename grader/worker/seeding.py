"""Make every generator repeatable: `random`, NumPy's legacy one, and new ones made without a seed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.random import bit_generator

# Submission code is imported under this seed, whichever check happens to import it first.
IMPORT_SEED = 0x6D79746F


def seed_afresh() -> None:
    """Give each generator of a forked process a state of its own: it was born with its parent's."""
    random.seed()
    np.random.seed()  # noqa: NPY002


def seed_everything(seed: int) -> None:
    """Reseed all generators of this process from one number in [0, 2**64).

    `default_rng()`, `Generator(PCG64())` and `RandomState()` take fresh entropy when no seed is given:
    NumPy asks `randbits` for it, which is replaced by a seeded stream.
    """
    source = random.Random(seed)  # noqa: S311 -- reproducible on purpose
    random.seed(source.getrandbits(64))
    np.random.seed(source.getrandbits(32))  # noqa: NPY002
    stream = random.Random(source.getrandbits(64))  # noqa: S311

    def randbits(count: int) -> int:
        return stream.getrandbits(count)

    module: Any = bit_generator
    module.randbits = randbits
