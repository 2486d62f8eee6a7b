"""A class of right submissions that nobody copied, and copies of them, each hidden in one way.

Which of the fixtures were written apart is decided by what the comparison never sees: their comments and
docstrings.
"""

from __future__ import annotations

import ast
import io
import json
import random
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from fixtures.build import names, own_files
from grader.settings import resource
from tests.required import not_here

Files = dict[PurePosixPath, bytes]

LEAST_LINES = 60  # of a fixture's own code: smaller ones change a detail of another
# Says of itself that it is another's code with Greek names: a copy, as the comparison finds, too.
RENAMED = "right_greek"
# Names that no copy can change: NumPy's and Python's own.
LIBRARY = {*dir(np), *dir(np.ndarray), *dir(dict), *dir(list), *dir(str), *dir(np.random.Generator)}
LIBRARY |= {"axis", "keepdims", "dtype", "size", "forward", "backward", "parameters", "gradients", "step"}


def copydetect() -> Any:
    """Return the library that ours is compared with, which other people wrote."""
    if find_spec("copydetect") is None:
        not_here("copydetect: the library is not installed")
    import copydetect.pywinnow  # noqa: PLC0415 -- it is slow to load

    return copydetect


@cache
def honest_class() -> dict[str, Files]:
    """Return submissions no two of which have a comment or a docstring in common, the larger first."""
    own = {
        name: _python(own_files(name)) for name in names() if name.startswith("right_") and name != RENAMED
    }
    own = {name: files for name, files in own.items() if _line_count(files) >= LEAST_LINES}
    template = _words(
        _python({_path(path): path.read_bytes() for path in resource("student_template").rglob("*.py")})
    )
    chosen: dict[str, Files] = {}
    for name in sorted(own, key=lambda name: (-_line_count(own[name]), name)):
        if all(not (_words(own[name]) & _words(files)) - template for files in chosen.values()):
            chosen[name] = own[name]
    return chosen


def _path(path: object) -> PurePosixPath:
    return PurePosixPath(str(path))


def _python(files: Files) -> Files:
    return {path: content for path, content in files.items() if path.suffix == ".py"}


def _line_count(files: Files) -> int:
    return sum(content.count(b"\n") for content in files.values())


def _words(files: Files) -> set[str]:
    """Return the lines of all comments and docstrings that say something, without what is no word."""
    found: set[str] = set()
    for content in files.values():
        for token in tokenize.tokenize(io.BytesIO(content).readline):
            if token.type == tokenize.COMMENT or token.string.startswith(('"""', "'''")):
                found |= {" ".join(re.findall(r"\w+", line.lower())) for line in token.string.splitlines()}
    return {line for line in found if len(line) >= 15}


def renamed(files: Files) -> Files:
    """Give everything that a student named another name, in all files alike."""
    trees = [ast.parse(content) for content in files.values()]
    own = sorted({name for tree in trees for name in _own_names(tree)} - LIBRARY)
    new = {name: f"thing_{number}" for number, name in enumerate(own)}
    return {path: _with_names(content, new) for path, content in files.items()}


def _own_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif (
            isinstance(node, ast.FunctionDef) and node.name.startswith("_") and not node.name.startswith("__")
        ):
            yield node.name


def _with_names(content: bytes, new: dict[str, str]) -> bytes:
    pattern = re.compile(r"(?<![\w\"'])(" + "|".join(map(re.escape, new)) + r")(?![\w\"'])")
    return pattern.sub(lambda match: new[match[0]], content.decode("utf-8-sig")).encode() if new else content


def reordered(files: Files) -> Files:
    """Turn the order of classes, functions and methods around; formatting and comments go, too."""
    return {path: _unparsed(_turned(ast.parse(content))) for path, content in files.items()}


def _turned(tree: ast.Module) -> ast.Module:
    for node in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        definitions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
        turned = iter(definitions[::-1])
        node.body = [next(turned) if each in definitions else each for each in node.body]
    return tree


def _unparsed(tree: ast.AST) -> bytes:
    return ast.unparse(tree).encode()


def reformatted(files: Files) -> Files:
    """Write comments and docstrings of another hand, break lines within brackets, indent by two."""
    return {path: _reformatted(content) for path, content in files.items()}


def _reformatted(content: bytes) -> bytes:
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body.insert(0, ast.Expr(ast.Constant(f"What {node.name} does, told at some length.")))
    lines = []
    for line in ast.unparse(ast.fix_missing_locations(tree)).splitlines():
        indent = len(line) - len(line.lstrip())
        text = (
            re.sub(r"\((?=\w)", "(\n        ", line.lstrip())
            if '"' not in line and "'" not in line
            else line.lstrip()
        )
        lines += [" " * (indent // 2) + text + "  # my own thought on this line", ""]
    return "\n".join(lines).replace("(\n", "(  # and here\n").encode()


def annotated(files: Files) -> Files:
    """Tell the types of everything."""
    return {path: _annotated(content) for path, content in files.items()}


def _annotated(content: bytes) -> bytes:
    tree = ast.parse(content)
    kind = ast.parse("dict[str, np.ndarray] | None", mode="eval").body
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = kind
            for argument in node.args.args:
                argument.annotation = kind
    return _unparsed(ast.fix_missing_locations(tree))


def in_cells(files: Files) -> Files:
    """Put every class and every function into a cell of one notebook, a text before each."""
    nodes = [node for path in sorted(files) for node in ast.parse(files[path]).body]
    cells = [
        cell
        for node in nodes
        for cell in (
            {"cell_type": "markdown", "metadata": {}, "source": "Next."},
            {
                "cell_type": "code",
                "metadata": {},
                "outputs": [],
                "source": ast.unparse(node).splitlines(keepends=True),
            },
        )
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return {PurePosixPath("work.ipynb"): json.dumps(notebook).encode()}


def hidden_in_every_way(files: Files) -> Files:
    """Rename, turn around, annotate and reformat."""
    return reformatted(annotated(reordered(renamed(files))))


def in_another_order(files: Files) -> Files:
    """Put the statements of each function into any order, whether it still works or not."""
    return {path: _unparsed(_shuffled(ast.parse(content))) for path, content in files.items()}


def _shuffled(tree: ast.Module) -> ast.Module:
    chance = random.Random(0)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            chance.shuffle(node.body)
    return tree


def padded(files: Files) -> Files:
    """Put a statement that does nothing before every second one."""
    return {path: _unparsed(_padded(ast.parse(content))) for path, content in files.items()}


def _padded(tree: ast.Module) -> ast.Module:
    nothing = ast.parse("unused = len(str(7))").body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.For | ast.If):
            node.body = [each for at, own in enumerate(node.body) for each in ([nothing] * (at % 2) + [own])]
    return tree


def mixed(files: Files, others: Files) -> Files:
    """Take every second class or function from one and the rest from the other, renamed."""
    parts = [
        [node for path in sorted(each) for node in ast.parse(each[path]).body if hasattr(node, "body")]
        for each in (renamed(files), others)
    ]
    body = [*parts[0][::2], *parts[1][1::2]]
    return {PurePosixPath("mytorch/nn/modules/all.py"): b"\n".join(_unparsed(node) for node in body)}


DISGUISES: tuple[Callable[[Files], Files], ...] = (
    renamed,
    reordered,
    reformatted,
    annotated,
    in_cells,
    hidden_in_every_way,
)
# These cost more work, and more of what makes a passage.
THOROUGH_DISGUISES = (in_another_order, padded)
