"""A place to run containers in, where this machine can: root, and crun or runc from the distribution."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.containers.bundle import MAPPED_ROOT, ROOT, USER, Order, Person, Place, copy_checkout
from tests.containers.engine import Done, run
from tests.required import not_here

Runner = Callable[..., Done]


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Place:
    return copy_checkout(CHECKOUT, tmp_path_factory.mktemp("image") / "checkout")


@pytest.fixture(
    params=[ROOT, USER, pytest.param(MAPPED_ROOT, marks=pytest.mark.slow)], ids=lambda person: person.name
)
def person(request) -> Person:
    return request.param


@pytest.fixture(params=["crun", pytest.param("runc", marks=pytest.mark.slow)])
def engine(request) -> str:
    return request.param


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder for bundles that a root without power over this machine's files can get to."""
    with tempfile.TemporaryDirectory(prefix="grader-containers-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def in_container(engine, person, place, folder) -> Runner:
    """Return a function that runs one command in a new container, as this person."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("containers with a root of their own are made by root only")
    if not shutil.which(engine) or not shutil.which("unshare"):
        not_here(f"{engine}: is not installed (apt-get install {engine})")
    numbers = itertools.count()

    def runner(*command: str, seconds: float = 120, **order) -> Done:
        bundle = folder / str(next(numbers))
        bundle.mkdir()
        return run(engine, place, Order(person, command, **order), folder=bundle, seconds=seconds)

    if (tried := runner("true")).returncode:
        not_here(f"{engine}: starts no container here: {tried.stderr.strip()}")
    return runner
