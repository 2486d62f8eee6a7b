"""Fixtures of the attack tests: a bench on every sandbox that confines, and one where nothing does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader import sandbox
from grader.sandbox.providers import PROVIDERS, Provider
from grader.selftest.bench import Bench
from grader.selftest.run import attacks_folder
from tests.required import if_here


@pytest.fixture(
    scope="module", params=[entry for entry in PROVIDERS if entry.level >= 2], ids=lambda entry: entry.name
)
def bench(request, available) -> Iterator[Bench]:
    """A bench on a sandbox that must hold; attacks share it, each has a worker of its own."""
    yield from _bench_on(request.param, available)


@pytest.fixture(scope="module")
def confined_bench(available) -> Iterator[Bench]:
    """A bench on the base layer that every other sandbox has too."""
    yield from _bench_on(next(entry for entry in PROVIDERS if entry.name == "confined"), available)


@pytest.fixture(scope="module")
def open_bench(available) -> Iterator[Bench]:
    """A bench at isolation level 1, where an attack that is worth its name succeeds."""
    yield from _bench_on(next(entry for entry in PROVIDERS if entry.level == 1), available)


def _bench_on(provider: Provider, available: dict[str, sandbox.Finding]) -> Iterator[Bench]:
    if_here(available[provider.name])
    with Bench(attacks_folder() / "programs", provider) as opened:
        yield opened
