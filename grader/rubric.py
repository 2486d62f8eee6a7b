"""The rubric: which questions there are, and what each check and each written part is worth."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from grader.errors import UsageError

SCHEMA = "grader/rubric/v1"
# What a question may require of the submission; every other word in `requires` is a Python package.
SUBMISSION_PARTS = frozenset({"mytorch", "notebook", "theory"})

_QUESTION_ID = re.compile(r"q[0-9]+\.[0-9]+")
_ITEM_NAME = re.compile(r"[a-z0-9_]+")
_RUBRIC_KEYS = frozenset({"schema", "assignment", "version", "question"})
_QUESTION_KEYS = frozenset({"id", "title", "points", "requires", "checks", "written", "withheld"})
_WITHHELD_KEYS = frozenset({"checks", "points"})


@dataclass(frozen=True, slots=True)
class Withheld:
    """Hidden checks that this installation does not have: how many, and what they are worth together."""

    checks: int = 0
    points: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Question:
    """One graded part; `checks` and `written` map full ids (`q6.1.forward_values`) to points.

    `withheld` is for the rubric of a student's kit.
    """

    id: str
    title: str
    points: Decimal
    requires: tuple[str, ...]
    checks: Mapping[str, Decimal]
    written: Mapping[str, Decimal]
    withheld: Withheld = Withheld()

    @property
    def problem(self) -> str:
        """The problem's id: `q6` of `q6.1`."""
        return self.id.partition(".")[0]

    @property
    def packages(self) -> tuple[str, ...]:
        """The Python packages that must be installed."""
        return tuple(name for name in self.requires if name not in SUBMISSION_PARTS)

    @property
    def needs_notebook(self) -> bool:
        """Whether it is about what the notebook does."""
        return "notebook" in self.requires

    @property
    def submission_parts(self) -> frozenset[str]:
        """What the submission must hold: mytorch, notebook, theory."""
        return SUBMISSION_PARTS.intersection(self.requires)


@dataclass(frozen=True, slots=True)
class Rubric:
    """All questions, in the order of the file; `digest` is over the content, not its layout."""

    assignment: str
    version: str
    questions: tuple[Question, ...]
    digest: str

    @property
    def points(self) -> Decimal:
        """The points of all questions."""
        return sum((question.points for question in self.questions), Decimal(0))


def load_rubric(path: Path) -> Rubric:
    """Read and validate a rubric file; raise UsageError with one sentence on the first thing wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise UsageError(f"the rubric {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the rubric {path} is not valid TOML: {error}") from error
    try:
        return parse_rubric(content)
    except UsageError as error:
        raise UsageError(f"the rubric {path}: {error}") from error


def parse_rubric(content: Mapping[str, Any]) -> Rubric:
    """Turn the content of a rubric file into a Rubric; points must be ints or Decimals."""
    _no_other_keys(content, _RUBRIC_KEYS, where="the top level")
    if content.get("schema") != SCHEMA:
        raise UsageError(f"schema must be {SCHEMA!r}, not {content.get('schema')!r}")
    rows = content.get("question")
    if not isinstance(rows, list) or not rows:
        raise UsageError("there is no [[question]]")
    questions = tuple(_question(row) for row in rows)
    ids = [question.id for question in questions]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise UsageError(f"{repeated[0]} is there twice")
    return Rubric(
        assignment=_text(content, "assignment", where="the top level"),
        version=_text(content, "version", where="the top level"),
        questions=questions,
        digest=_digest(content),
    )


def select(rubric: Rubric, wanted: Iterable[str]) -> tuple[Question, ...]:
    """Return the questions asked for, in the rubric's order: `q6` is all of Problem 6, nothing is all."""
    names = [name.strip().lower() for name in wanted]
    known = {question.id for question in rubric.questions} | {
        question.problem for question in rubric.questions
    }
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"unknown question {unknown[0]!r}; known: {known_questions(rubric)}")
    return tuple(
        question
        for question in rubric.questions
        if not names or question.id in names or question.problem in names
    )


def known_questions(rubric: Rubric) -> str:
    """Return the ids of all questions, and of the problems, as one line."""
    problems = dict.fromkeys(question.problem for question in rubric.questions)
    ids = ", ".join(question.id for question in rubric.questions)
    return f"{ids}, or a whole problem: {', '.join(problems)}"


def _question(row: object) -> Question:
    if not isinstance(row, dict):
        raise UsageError("every [[question]] must be a table")
    name = row.get("id")
    if not isinstance(name, str) or not _QUESTION_ID.fullmatch(name):
        raise UsageError(f"a question's id looks like q6.1, not {name!r}")
    _no_other_keys(row, _QUESTION_KEYS, where=name)
    question = Question(
        id=name,
        title=_text(row, "title", where=name),
        points=_points(row.get("points"), where=name),
        requires=_names(row.get("requires", []), where=name),
        checks=_items(row.get("checks", {}), name),
        written=_items(row.get("written", {}), name),
        withheld=_withheld(row.get("withheld", {}), name),
    )
    _sums_are_right(question)
    return question


def _sums_are_right(question: Question) -> None:
    written = sum(question.written.values(), Decimal(0))
    total = sum(question.checks.values(), written + question.withheld.points)
    if both := sorted(set(question.checks) & set(question.written)):
        raise UsageError(f"{both[0]} is both a check and a written part")
    if question.checks and total != question.points:
        raise UsageError(f"{question.id}: its parts add up to {total}, its points are {question.points}")
    if written > question.points:
        raise UsageError(f"{question.id}: its written parts are worth more than its {question.points} points")


def _withheld(table: object, question: str) -> Withheld:
    if not isinstance(table, dict):
        raise UsageError(f"{question}: withheld is a table of checks and points")
    _no_other_keys(table, _WITHHELD_KEYS, where=f"{question}: withheld")
    count = table.get("checks", 0)
    if type(count) is not int or count < 0:
        raise UsageError(f"{question}: the number of withheld checks is a whole number from 0 up")
    return Withheld(count, _points(table.get("points", 0), where=f"{question}: withheld"))


def _items(table: object, question: str) -> Mapping[str, Decimal]:
    if not isinstance(table, dict):
        raise UsageError(f"{question}: checks and written are tables of names and points")
    for name in table:
        if not _ITEM_NAME.fullmatch(name):
            raise UsageError(f"{question}: {name!r} is no name of a check (a-z, 0-9 and _)")
    return {
        f"{question}.{name}": _points(points, where=f"{question}.{name}") for name, points in table.items()
    }


def _points(value: object, *, where: str) -> Decimal:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if not is_number or not Decimal(str(value)).is_finite() or Decimal(str(value)) < 0:
        raise UsageError(f"{where}: points must be a number from 0 up, not {value!r}")
    return Decimal(str(value))


def _names(value: object, *, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise UsageError(f"{where}: requires is a list of names")
    return tuple(value)


def _text(table: Mapping[str, Any], key: str, *, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where}: {key} must be a text")
    return value


def _no_other_keys(table: Mapping[str, Any], known: frozenset[str], *, where: str) -> None:
    if unknown := sorted(set(table) - known):
        raise UsageError(f"{where}: {unknown[0]!r} is unknown; known: {', '.join(sorted(known))}")


def _digest(content: Mapping[str, Any]) -> str:
    def plain(value: object) -> str:
        # 1.50 and 1.5 are the same points.
        return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)

    return hashlib.sha256(json.dumps(content, sort_keys=True, default=plain).encode()).hexdigest()
