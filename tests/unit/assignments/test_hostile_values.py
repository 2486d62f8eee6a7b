from __future__ import annotations

import inspect
import json
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1.training import calibration_file
from grader.datasets import Mnist
from grader.errors import CheckFailed, StudentFault
from grader.model import ArrayExcerpt
from grader.suites import DeclaredCheck, read_suites
from tests.suite_runner import SUITES, function_of
from tests.unit.assignments.hostile import HostileStudent

REFERENCE = Path(__file__).parents[3] / "reference"
# Whoever asks no student cannot be told anything hostile.
CHECKS = {
    name: declared
    for name, declared in read_suites(SUITES).items()
    if "student" in inspect.signature(function_of(declared)).parameters
}
PROBABILITIES = (0.02, 0.1, 0.4)
MOST_CHARACTERS, MOST_NUMBERS = 2000, 64


@pytest.fixture(scope="module")
def student() -> HostileStudent:
    return HostileStudent(REFERENCE)


@pytest.fixture(scope="module")
def dataset() -> Mnist:
    calibrated = json.loads(calibration_file("sample").read_text(encoding="utf-8"))["data_sha256"]
    rng = np.random.default_rng(5)
    images = rng.integers(256, size=(300, 28, 28), dtype=np.uint8)
    labels = rng.integers(10, size=300).astype(np.uint8)
    return Mnist(images, labels, images[:20], labels[:20], profile="sample", source="", sha256=calibrated)


def judge_hostile(declared: DeclaredCheck, student: HostileStudent, dataset: Mnist, seed: int) -> None:
    """Run one check and hold what it raises, and what it tells, to the contract."""
    number = zlib.crc32(f"{declared.check.id} {seed}".encode())
    student.begin(number, PROBABILITIES[seed % len(PROBABILITIES)])
    fixtures = {
        "student": student,
        "rng": np.random.default_rng(number),
        "dataset": dataset,
        "shared": {"accuracy": 0.5, "best": 0.5},
        "note": lambda _: None,
        "plot": lambda make, *values: make(*values),
        "passed": set(CHECKS) if seed % 2 else set(),  # what else passed decides what is asked
        "flag": lambda *_: None,
    }
    function = function_of(declared)
    arguments = {name: fixtures[name] for name in inspect.signature(function).parameters}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in a real run, where none is an error
        try:
            function(**arguments)
        except StudentFault as fault:
            require_short(fault)


def require_short(fault: StudentFault) -> None:
    assert len(str(fault)) <= MOST_CHARACTERS
    if not isinstance(fault, CheckFailed):
        return
    for shown in (fault.expected, fault.got):
        if isinstance(shown, ArrayExcerpt):
            assert count_numbers(shown.values) <= MOST_NUMBERS
        else:
            assert shown is None or (isinstance(shown, str) and len(shown) <= MOST_CHARACTERS)


def count_numbers(values: object) -> int:
    return sum(map(count_numbers, values)) if isinstance(values, list) else 1


@pytest.mark.parametrize("declared", CHECKS.values(), ids=CHECKS)
def test_whatever_comes_back_a_check_passes_or_blames_the_student(
    student: HostileStudent, dataset: Mnist, declared: DeclaredCheck
) -> None:
    for seed in range(9):
        judge_hostile(declared, student, dataset, seed)


@pytest.mark.slow
@pytest.mark.parametrize("declared", CHECKS.values(), ids=CHECKS)
def test_whatever_comes_back_from_many_seeds_a_check_passes_or_blames_the_student(
    student: HostileStudent, dataset: Mnist, declared: DeclaredCheck
) -> None:
    for seed in range(100, 500):
        judge_hostile(declared, student, dataset, seed)


@pytest.mark.parametrize("declared", CHECKS.values(), ids=CHECKS)
def test_an_answer_that_is_not_replaced_passes(
    student: HostileStudent, dataset: Mnist, declared: DeclaredCheck
) -> None:
    if declared.uses_dataset:
        pytest.skip("nothing is trained here")
    student.begin(7, 0.0)
    function = function_of(declared)
    told = {"passed": set(CHECKS), "flag": lambda kind, message: pytest.fail(f"{kind}: {message}")}
    told["plot"] = lambda make, *values: make(*values)
    arguments = {"student": student, "rng": np.random.default_rng(7)} | told
    function(**{name: arguments[name] for name in inspect.signature(function).parameters})
