"""The part of an assignment that its visible checks need, and no more.

Suites share modules. What in them only a hidden check reaches (a comparison, a constant, the text of a
message) would tell what is hidden, so that a definition stays only if something visible leads to it. That is
read from the sources: nobody keeps a list.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# A name in a module of the assignment.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Module:
    """A module: its top-level definitions, the statements beside them, and what it takes from its peers."""

    source: str
    tree: ast.Module
    definitions: Mapping[str, ast.stmt]
    other: tuple[ast.stmt, ...]
    imported: Mapping[str, Place]


def visible_modules(modules: Mapping[str, str], package: str, importers: Iterable[str]) -> dict[str, str]:
    """Return the modules of a package that `importers` lead to, without definitions that they do not.

    Modules and importers are source texts, the former by their names; `importers` stay as they are.
    """
    read = {name: _read(source, package) for name, source in modules.items()}
    roots = [place for text in importers for place in _imports(ast.parse(text), package).values()]
    reached, used = _reached(read, package, roots)
    return {name: _pruned(read[name], package, name, reached) for name in sorted(used)}


def _read(source: str, package: str) -> _Module:
    tree = ast.parse(source)
    definitions = {name: node for node in tree.body for name in _defined_by(node)}
    other = tuple(
        node
        for node in tree.body
        if not _defined_by(node) and not isinstance(node, ast.Import | ast.ImportFrom)
    )
    return _Module(source, tree, definitions, other, _imports(tree, package))


def _defined_by(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets: Sequence[ast.expr] = node.targets if isinstance(node, ast.Assign) else ()
    if isinstance(node, ast.AnnAssign):
        targets = (node.target,)
    return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]


def _imports(tree: ast.AST, package: str) -> dict[str, Place]:
    return {
        alias.asname or alias.name: (node.module.removeprefix(f"{package}."), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{package}.")
        for alias in node.names
    }


def _reached(modules: Mapping[str, _Module], package: str, roots: list[Place]) -> tuple[set[Place], set[str]]:
    """Return every definition that the roots lead to, and the modules that are imported on the way."""
    reached: set[Place] = set()
    used: set[str] = set()
    open_ = list(roots)
    while open_:
        place = open_.pop()
        module, name = place
        if module not in modules:
            continue
        if module not in used:  # whoever imports it runs what stands beside its definitions
            used.add(module)
            open_ += [(module, each) for node in modules[module].other for each in _names(node)]
        if place in reached:
            continue
        if name in modules[module].definitions:
            reached.add(place)
            node = modules[module].definitions[name]
            open_ += [(module, each) for each in _names(node)]
            open_ += _imports(node, package).values()
        elif name in modules[module].imported:
            reached.add(place)
            open_.append(modules[module].imported[name])
    return reached, used


def _names(node: ast.AST) -> Iterator[str]:
    return (each.id for each in ast.walk(node) if isinstance(each, ast.Name))


def _pruned(module: _Module, package: str, name: str, reached: set[Place]) -> str:
    lines = module.source.splitlines()
    for node in reversed(module.tree.body):
        defined = _defined_by(node)
        if defined and not any((name, each) in reached for each in defined):
            del lines[_first_line(node, lines) : node.end_lineno]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            kept = [alias for alias in node.names if (name, alias.asname or alias.name) in reached]
            lines[node.lineno - 1 : node.end_lineno] = _import_lines(node, kept)
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(lines).rstrip() + "\n")


def _first_line(node: ast.stmt, lines: list[str]) -> int:
    """Return where a definition begins: with its decorators, and with the comment right above it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(each.lineno for each in decorators)]) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return first


def _import_lines(node: ast.ImportFrom, kept: list[ast.alias]) -> list[str]:
    if not kept:
        return []
    return [ast.unparse(ast.ImportFrom(node.module, kept, node.level))]
