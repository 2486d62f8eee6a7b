"""What checks the suites declare, read from their source without running it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader.errors import GraderFault
from grader.model import Check, Visibility

# In the order of execution.
FOLDERS = ("visible", "hidden")


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A check as its suite declares it."""

    check: Check
    file: Path
    uses_dataset: bool


def read_suites(suites: Path, *, only: Collection[str] | None = None) -> Mapping[str, DeclaredCheck]:
    """Return every check of an assignment by id, in an order where a check comes after what it needs.

    With `only` those of the questions that it names: reading all of them is what takes longest in a plan.
    Raise GraderFault when two checks share an id, or one needs a check that its question does not have.
    """
    names = None if only is None else {suite_file_name(question) for question in only}
    declared: dict[str, DeclaredCheck] = {}
    for folder in FOLDERS:
        for file in sorted((suites / folder).glob("test_*.py")):
            if names is not None and file.name not in names:
                continue
            for entry in _declared_in(file, file.stat().st_mtime_ns, file.stat().st_size):
                if entry.check.id in declared:
                    raise GraderFault(f"two checks are called {entry.check.id}")
                declared[entry.check.id] = entry
    return {name: declared[name] for name in _after_their_needs(declared)}


def suite_file_name(question: str) -> str:
    """Return the name of a question's file: `test_q6_1.py` for `q6.1`."""
    return f"test_{question.replace('.', '_')}.py"


def default_visibility(file: Path) -> Visibility:
    """Return the visibility of checks whose declaration names none."""
    return Visibility.HIDDEN if file.parent.name == "hidden" else Visibility.VISIBLE


def _after_their_needs(declared: Mapping[str, DeclaredCheck]) -> Iterable[str]:
    done: dict[str, bool] = {}  # False while its needs are being placed

    def place(name: str) -> None:
        if done.get(name):
            return
        if name in done:
            raise GraderFault(f"the check {name} needs itself, through its needs")
        done[name] = False
        check = declared[name].check
        for need in check.needs:
            if need not in declared or declared[need].check.question != check.question:
                raise GraderFault(f"the check {name} needs {need}, which {check.question} does not have")
            place(need)
        del done[name]  # so that it goes behind its needs
        done[name] = True

    for name in declared:
        place(name)
    return done


@cache
def _declared_in(file: Path, _changed_ns: int, _bytes: int) -> tuple[DeclaredCheck, ...]:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=file.name)
    return tuple(
        _declaration(decorator, function, file)
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and _last_name(decorator.func) == "check"
    )


def _declaration(decorator: ast.Call, function: ast.FunctionDef, file: Path) -> DeclaredCheck:
    where = f"{file.parent.name}/{file.name}:{function.lineno}"
    keywords = {keyword.arg: keyword.value for keyword in decorator.keywords}
    try:
        name = ast.literal_eval(decorator.args[0])
        needs = tuple(ast.literal_eval(keywords["needs"])) if "needs" in keywords else ()
    except (ValueError, IndexError) as error:
        raise GraderFault(f"{where}: id and needs of a check must be written out") from error
    if not all(isinstance(text, str) for text in (name, *needs)):
        raise GraderFault(f"{where}: id and needs of a check are texts; needs is a tuple of them")
    title = (ast.get_docstring(function) or "").partition("\n")[0].strip()
    visibility = _visibility(keywords.get("visibility"), file, where)
    check = Check(id=name, title=title, visibility=visibility, needs=needs)
    if file.name != suite_file_name(check.question):
        raise GraderFault(f"{where}: {name} belongs into {suite_file_name(check.question)}")
    if not title:
        raise GraderFault(f"{where}: {name} has no docstring, and so no title")
    parameters = {argument.arg for argument in function.args.args}
    return DeclaredCheck(check, file, uses_dataset="dataset" in parameters)


def _visibility(node: ast.expr | None, file: Path, where: str) -> Visibility:
    default = default_visibility(file)
    if node is None:
        return default
    try:
        visibility = Visibility[_last_name(node)]
    except KeyError as error:
        raise GraderFault(f"{where}: write the visibility as Visibility.HIDDEN") from error
    if (visibility is Visibility.VISIBLE) != (default is Visibility.VISIBLE):
        raise GraderFault(f"{where}: a check in {file.parent.name}/ cannot be {visibility}")
    return visibility


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
