"""The student's kit: what students start from, the self-check as a wheel, and how to install it.

What grades is not in it: no hidden check and nothing that only hidden checks use, no reference, no band out
of calibrations, no submission of a known score. Of hidden checks the kit's rubric holds how many there are in
a question, and what they are worth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath

from grader import distribution as installation
from grader.bundles import visible_part
from grader.bundles.archive import BundledFile
from grader.bundles.wheel import (
    ASSIGNMENT,
    PACKAGE,
    RUBRIC,
    make_wheel,
    package_files,
    resource_files,
    tree,
    wheel_name,
)
from grader.errors import GraderFault
from grader.model import Visibility
from grader.rubric import SCHEMA, Question, Rubric, load_rubric
from grader.settings import resource
from grader.suites import read_suites

KIT_NAME = "mytorch-selfcheck"
_FOLDER = f"grader/assignments/{ASSIGNMENT}"
_PACKAGE = f"grader.assignments.{ASSIGNMENT}"
# What judges the grader, and what makes bundles: both know what is right; and what is for a class. Commands
# of theirs are not offered where they are not installed.
_LEFT_OUT = (
    "grader/selftest/",
    "grader/selftest_terminal.py",
    "grader/bundles/",
    "grader/cohort/",
    "grader/class_cli/",
)
# What only those need.
_NOT_NEEDED = ("pyyaml",)
_INSTRUCTIONS = "files/student/START_HERE.md"


def student_files(rubric: Path | None = None) -> dict[str, BundledFile]:
    """Return the files of the kit by their paths in it; `rubric` is a course's own."""
    files = {path: BundledFile(content) for path, content in tree(resource("student_template")).items()}
    wheel = wheel_name(KIT_NAME)
    instructions = (PACKAGE / "bundles" / _INSTRUCTIONS).read_text(encoding="utf-8").replace("WHEEL", wheel)
    files["START_HERE.md"] = BundledFile(instructions.encode())
    files[f"selfcheck/{wheel}"] = BundledFile(
        make_wheel(self_check_files(rubric), KIT_NAME, without=_NOT_NEEDED)
    )
    return files


def self_check_files(rubric: Path | None = None) -> dict[str, bytes]:
    """Return the package as students get it, by paths in a wheel."""
    engine: dict[str, bytes] = {}
    suites: dict[str, bytes] = {}
    shared: dict[str, str] = {}
    for path, content in package_files().items():
        below = PurePosixPath(path)
        if path.startswith(f"{_FOLDER}/visible/"):
            suites[path] = content
        elif str(below.parent) == _FOLDER and below.suffix == ".py":
            shared[below.stem] = content.decode()
        elif not path.startswith((f"{_FOLDER}/", *_LEFT_OUT)):
            engine[path] = content
    importers = [content.decode() for path, content in (engine | suites).items() if path.endswith(".py")]
    modules = visible_part.visible_modules(shared, _PACKAGE, importers)
    modules["__init__"] = shared["__init__"]
    return {
        **engine,
        **suites,
        **{f"{_FOLDER}/{name}.py": _without_names(source).encode() for name, source in modules.items()},
        **resource_files(("fixtures/data",)),
        RUBRIC: _kit_rubric(rubric).encode(),
        "grader/distribution.py": _kit_distribution(engine["grader/distribution.py"]),
    }


def _kit_distribution(source: bytes) -> bytes:
    own, kits = (f'NAME = "{name}"'.encode() for name in (installation.NAME, KIT_NAME))
    if source.count(own) != 1:
        raise GraderFault("this installation is incomplete: it does not say what it is called")
    return source.replace(own, kits)


def _without_names(source: str) -> str:
    """Call hidden checks that a shared module waits for by a name that tells nothing and never passes."""
    for name in _hidden():
        source = source.replace(f'"{name}"', f'"{name.rpartition(".")[0]}.withheld"')
    return source


def _hidden() -> frozenset[str]:
    suites = read_suites(PACKAGE / "assignments" / ASSIGNMENT)
    return frozenset(
        name for name, declared in suites.items() if declared.check.visibility is not Visibility.VISIBLE
    )


def _kit_rubric(own: Path | None) -> str:
    rubric = load_rubric(own or PACKAGE.parent / RUBRIC)
    return "".join(f"{line}\n" for line in _rubric_lines(rubric, _hidden()))


def _rubric_lines(rubric: Rubric, hidden: frozenset[str]) -> Iterator[str]:
    yield "# What questions and visible checks are worth. Of hidden checks: how many, and their points."
    yield f"schema = {_text(SCHEMA)}"
    yield f"assignment = {_text(rubric.assignment)}"
    yield f"version = {_text(rubric.version)}"
    for question in rubric.questions:
        yield from _question_lines(question, hidden)


def _question_lines(question: Question, hidden: frozenset[str]) -> Iterator[str]:
    withheld = [points for name, points in question.checks.items() if name in hidden]
    yield ""
    yield "[[question]]"
    yield f"id = {_text(question.id)}"
    yield f"title = {_text(question.title)}"
    yield f"points = {_number(question.points)}"
    yield f"requires = [{', '.join(map(_text, question.requires))}]"
    visible = {name: points for name, points in question.checks.items() if name not in hidden}
    for table, rows in (("checks", visible), ("written", question.written)):
        yield from _table_lines(table, rows)
    if withheld:
        yield "[question.withheld]"
        yield f"checks = {len(withheld)}"
        yield f"points = {_number(sum(withheld, Decimal(0)))}"


def _table_lines(table: str, rows: Mapping[str, Decimal]) -> Iterator[str]:
    if rows:
        yield f"[question.{table}]"
    for name, points in rows.items():
        yield f"{name.rpartition('.')[2]} = {_number(points)}"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: Decimal) -> str:
    return format(value.normalize(), "f")
