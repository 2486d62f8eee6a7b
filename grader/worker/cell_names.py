"""The names that a cell binds, and those it takes from cells before it, read from its source.

Parsed in the worker: a source can be made to take a parser's memory, or its stack, and the process with it.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable

import numpy as np

MAX_PARSED_CHARACTERS = 200_000
# Blanks of one line only: a pattern that may look beyond its end takes the square of many empty lines.
_MAGIC_LINE = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)
_SHELL_VALUE = re.compile(r"^([ \t]*[A-Za-z_]\w*[ \t]*=[ \t]*)[%!].*$", re.MULTILINE)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def read_names(sources: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Read `names_in` each of some sources, UTF-8 one behind the other; JSON as bytes, two lists for each."""
    ends = np.cumsum(sizes)
    text = sources.tobytes()
    found = [names_in(text[end - size : end].decode()) for size, end in zip(sizes, ends, strict=True)]
    answer = [[sorted(defines), sorted(uses)] for defines, uses in found]
    return np.frombuffer(json.dumps(answer).encode("ascii"), dtype=np.uint8)


def names_in(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return `names_of` a cell without its magics; nothing for what is no Python, or nests too deep."""
    if len(source) > MAX_PARSED_CHARACTERS:
        return frozenset(), frozenset()
    plain = _MAGIC_LINE.sub("pass", _SHELL_VALUE.sub(r"\1None", source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return names_of(ast.parse(plain))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(), frozenset()


def names_of(tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a cell binds or fills, and what it reads before it binds it itself.

    Names that only a function or comprehension has are neither. A function reads its other names when it is
    called, so that the cell may bind them behind it. What happens through exec(), globals() or `import *` is
    not seen.
    """
    reader = _Reader()
    reader.visit(tree)
    return frozenset(reader.bound | reader.filled), frozenset(
        reader.read | (reader.read_later - reader.bound)
    )


class _Reader(ast.NodeVisitor):
    """Goes through a cell in the order in which it runs."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.filled: set[str] = set()  # stats["he"] = …
        self.read: set[str] = set()
        self.read_later: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            if node.id not in self.bound:
                self.read.add(node.id)
        else:
            self.bound.add(node.id)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            self.filled.add(node.value.id)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._in_order(node.value, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._in_order(node.value, [node.target] if node.value else [])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name) and node.target.id not in self.bound:
            self.read.add(node.target.id)
        self._in_order(node.value, [node.target])

    def visit_For(self, node: ast.For) -> None:
        self._in_order(node.iter, [node.target, *node.body, *node.orelse])

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._in_order(None, [*node.decorator_list, *_defaults(node)])
        self.bound.add(node.name)
        self._later(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._in_order(None, _defaults(node))
        self._later(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._in_order(None, [*node.decorator_list, *node.bases, *(each.value for each in node.keywords)])
        self.bound.add(node.name)
        self._later(node)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}

    visit_ImportFrom = visit_Import  # noqa: N815

    def generic_visit(self, node: ast.AST) -> None:
        """Go on inside; a comprehension's own names stay its own."""
        if isinstance(node, _COMPREHENSIONS):
            self._own_scope(node)
        else:
            super().generic_visit(node)

    def _in_order(self, first: ast.AST | None, rest: Iterable[ast.AST]) -> None:
        for node in (*([] if first is None else [first]), *rest):
            self.visit(node)

    def _later(self, node: ast.AST) -> None:
        loaded, own = _loads_and_own(node)
        self.read_later |= loaded - own

    def _own_scope(self, node: ast.AST) -> None:
        loaded, own = _loads_and_own(node)
        self.read |= loaded - own - self.bound


def _loads_and_own(node: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names that are read anywhere below a node, and those that are bound there."""
    loaded: set[str] = set()
    own: set[str] = set()
    shared: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            (loaded if isinstance(each.ctx, ast.Load) else own).add(each.id)
        elif isinstance(each, ast.arg):
            own.add(each.arg)
        elif isinstance(each, ast.Global):
            shared |= set(each.names)
    return loaded | shared, own - shared


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.expr]:
    return [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
