"""Run the suites on a mytorch package in this process, in order and with their needs, as the plugin does."""

from __future__ import annotations

import importlib
import inspect
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.client import Student
from grader.datasets import Mnist
from grader.errors import StudentFault
from grader.suites import DeclaredCheck, read_suites
from tests.fakes import FakeStudent

NOTEBOOK = ("q4.", "q5.")  # judged on a notebook that has run
SUITES = Path(__file__).parents[1] / "grader" / "assignments" / "hw1"


@dataclass(frozen=True)
class Verdict:
    """What became of one check."""

    outcome: str
    message: str = ""
    reproduce: str | None = None
    fault: StudentFault | None = None


def judge(
    root: Path,
    *,
    questions: Iterable[str] = (),
    checks: Iterable[str] = (),
    dataset: Mnist | None = None,
    seed: int = 0,
    student: Student | None = None,
    flags: list[tuple[str, str, str]] | None = None,
) -> dict[str, Verdict]:
    """Judge the parts of a submission that are in `root`, by some questions or checks if any are named.

    q6.7 needs a dataset. They are imported here, unless a `student` with a worker is given. `flags` gets
    check, kind and message of what is flagged.
    """
    student = student or FakeStudent(root)
    flagged = [] if flags is None else flags
    shared: dict[str, float] = {}
    verdicts: dict[str, Verdict] = {}
    for name, declared in read_suites(SUITES).items():
        if not _is_asked(declared, questions, root) or (checks and name not in checks):
            continue
        if declared.uses_dataset and not dataset:
            continue
        if any(need in verdicts and verdicts[need].outcome != "passed" for need in declared.check.needs):
            verdicts[name] = Verdict("skipped")
            continue
        number = zlib.crc32(f"{name} {seed}".encode())
        student.seed(number)
        fixtures = {
            "student": student,
            "rng": np.random.default_rng(number),
            "dataset": dataset,
            "shared": shared,
            "note": lambda _: None,
            "plot": lambda make, *values: make(*values),
            "passed": {name for name, verdict in verdicts.items() if verdict.outcome == "passed"},
            "flag": lambda kind, message, check=name: flagged.append((check, kind, message)),
        }
        verdicts[name] = _verdict(declared, fixtures)
    return verdicts


def judge_notebook(
    notebook: object,
    *questions: str,
    seed: int = 0,
    flags: list[tuple[str, str, str]] | None = None,
    **data: object,
) -> dict[str, Verdict]:
    """Judge some questions of Problems 4 and 5 on a notebook that has run; `data` are further fixtures."""
    flagged = [] if flags is None else flags
    verdicts: dict[str, Verdict] = {}
    for name, declared in read_suites(SUITES).items():
        if declared.check.question not in questions:
            continue
        if any(need in verdicts and verdicts[need].outcome != "passed" for need in declared.check.needs):
            verdicts[name] = Verdict("skipped")
            continue
        fixtures = {
            "notebook": notebook,
            "rng": np.random.default_rng(zlib.crc32(f"{name} {seed}".encode())),
            "note": lambda _: None,
            "plot": lambda make, *values: make(*values),
            "passed": {name for name, verdict in verdicts.items() if verdict.outcome == "passed"},
            "flag": lambda kind, message, check=name: flagged.append((check, kind, message)),
            **data,
        }
        verdicts[name] = _verdict(declared, fixtures)
    return verdicts


def failed_checks(verdicts: Mapping[str, Verdict]) -> set[str]:
    """Return the checks that ran and did not pass."""
    return {name for name, verdict in verdicts.items() if verdict.outcome == "failed"}


def lost_questions(verdicts: Mapping[str, Verdict]) -> set[str]:
    """Return the questions that do not get all their points."""
    return {name.rpartition(".")[0] for name, verdict in verdicts.items() if verdict.outcome != "passed"}


def _is_asked(declared: DeclaredCheck, questions: Iterable[str], root: Path) -> bool:
    """Say whether a question is asked for; if none is named, that is every one whose part is in `root`.

    Those of the notebook are judged by `judge_notebook`.
    """
    question = declared.check.question
    if question.startswith(NOTEBOOK):
        return False
    part = "mytorch" if question.startswith("q6") else "theory.py"
    return question in questions if questions else (root / part).exists()


def _verdict(declared: DeclaredCheck, fixtures: Mapping[str, object]) -> Verdict:
    function = function_of(declared)
    arguments = {name: fixtures[name] for name in inspect.signature(function).parameters}
    try:
        function(**arguments)
    except StudentFault as fault:
        return Verdict("failed", str(fault), fault.reproduce, fault)
    return Verdict("passed")


def function_of(declared: DeclaredCheck):
    module = importlib.import_module(
        f"grader.assignments.hw1.{declared.file.parent.name}.{declared.file.stem}"
    )
    return next(
        value
        for value in vars(module).values()
        if getattr(getattr(value, "_grader_check", None), "id", None) == declared.check.id
    )
