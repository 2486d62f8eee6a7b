"""A program as text and tree, and what a mutation may ask about its nodes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Constant, ast.Subscript, ast.Dict, ast.List, ast.ListComp)
# Their values are no numbers: nothing can be computed with them.
_NO_NUMBERS = frozenset(
    {"enumerate", "gradients", "items", "ndindex", "parameters", "reversed", "super", "type", "values"}
)


class Code:
    """A text, its tree, and what an operator may ask about both."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()
        self._lines = text.splitlines()
        self._tree = ast.parse(text)
        starts, position = [], 0
        for line in text.splitlines(keepends=True):
            starts.append(position)
            position += len(line.encode())
        self._starts = starts
        self.parents = {
            child: parent for parent in ast.walk(self._tree) for child in ast.iter_child_nodes(parent)
        }
        self.has_numpy = any(
            isinstance(node, ast.Import) and any(alias.asname == "np" for alias in node.names)
            for node in self._tree.body
        )
        self.nodes = sorted(
            (node for node in ast.walk(self._tree) if self._may_change(node)),
            key=self.span,
        )

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node begins and ends, in bytes."""
        if (
            not isinstance(node, ast.stmt | ast.expr)
            or node.end_lineno is None
            or node.end_col_offset is None
        ):
            raise TypeError(f"{type(node).__name__} has no place of its own")
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        return self._starts[node.lineno - 1] + node.col_offset, end

    def slice(self, start: int, end: int) -> str:
        """Return a part of the text."""
        return self._bytes[start:end].decode()

    def text(self, node: ast.AST) -> str:
        """Return what stands there."""
        return self.slice(*self.span(node))

    def operand(self, node: ast.AST) -> str:
        """Return what stands there, so that it can be part of any expression."""
        return self.text(node) if isinstance(node, _ATOMS) else f"({self.text(node)})"

    def replaced(self, start: int, end: int, text: str) -> str:
        """Return the whole text with one part replaced."""
        return (self._bytes[:start] + text.encode() + self._bytes[end:]).decode()

    def line(self, node: ast.AST) -> int:
        """Return the number of the line on which a node begins."""
        return self._bytes.count(b"\n", 0, self.span(node)[0]) + 1

    def line_text(self, node: ast.AST) -> str:
        """Return that line without its indentation."""
        return self._lines[self.line(node) - 1].strip()

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node is in, from the inside out."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def scope(self, node: ast.AST) -> str:
        """Return the classes and functions that a node is in, or is: `Linear.backward`."""
        around = [node, *self.ancestors(node)]
        return ".".join(
            each.name for each in reversed(around) if isinstance(each, (*_FUNCTIONS, ast.ClassDef))
        )

    def function(self, node: ast.AST) -> ast.FunctionDef | None:
        """Return the function that a node is in."""
        return next((each for each in self.ancestors(node) if isinstance(each, ast.FunctionDef)), None)

    def parameters(self, node: ast.AST) -> list[str]:
        """Return the parameters of the function that a node is in, but `self`."""
        function = self.function(node)
        names = [] if function is None else [argument.arg for argument in function.args.args]
        return [name for name in names if name != "self"]

    def attributes(self, node: ast.AST) -> list[str]:
        """Return the attributes that the class around a node assigns, in alphabetical order."""
        around = next((each for each in self.ancestors(node) if isinstance(each, ast.ClassDef)), None)
        inside = () if around is None else ast.walk(around)
        return sorted({each.attr for each in inside if is_own(each) and isinstance(each.ctx, ast.Store)})

    def is_in_init(self, node: ast.AST) -> bool:
        """Say whether a node is in a constructor."""
        function = self.function(node)
        return function is not None and function.name == "__init__"

    def is_in_private(self, node: ast.AST) -> bool:
        """Say whether a node is in a function that only others of this text call: those are changed."""
        functions = [each for each in self.ancestors(node) if isinstance(each, ast.FunctionDef)]
        return len(functions) > 1 or any(re.match(r"_[a-z]", each.name) for each in functions)

    def is_iterated(self, node: ast.AST) -> bool:
        """Say whether a loop runs over a node."""
        parent = self.parents.get(node)
        return isinstance(parent, ast.For | ast.comprehension) and parent.iter is node

    def is_number(self, node: ast.AST) -> bool:
        """Say whether a node may well be a number or an array."""
        if isinstance(node, ast.Call):
            return called_name(node) not in _NO_NUMBERS
        return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Name | ast.Attribute | ast.IfExp)

    def following(self, node: ast.AST) -> ast.AST | None:
        """Return the statement after a statement, in the same block."""
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(self.parents.get(node), block, None)
            if isinstance(statements, list) and node in statements[:-1]:
                found: ast.AST = statements[statements.index(node) + 1]
                return found
        return None

    def _may_change(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.stmt | ast.expr) or isinstance(node, ast.Import | ast.ImportFrom):
            return False
        around = (node, *self.ancestors(node))
        # Positions in f-strings are wrong up to Python 3.11; messages are nobody's business.
        inside = around[1:]
        return not any(isinstance(each, ast.JoinedStr | ast.Raise) for each in inside) and not any(
            _is_docstring(each) for each in around
        )


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def is_own(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Say whether a node is an attribute of `self`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def called_name(call: ast.Call) -> str:
    """Return the last part of the name of what is called, or nothing."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def is_of_numpy(call: ast.Call) -> bool:
    """Say whether a function of NumPy is called."""
    return ast.unparse(call.func).startswith("np.")
