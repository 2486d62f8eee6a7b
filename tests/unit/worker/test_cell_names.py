"""What a cell binds and what it takes from before, as its source says."""

from __future__ import annotations

import ast

import pytest

from grader.worker.cell_names import names_of


@pytest.mark.parametrize(
    ("source", "bound", "read"),
    [
        ("x = y", {"x"}, {"y"}),
        ("x = 1\nprint(x)", {"x"}, {"print"}),
        ("x = x + 1", {"x"}, {"x"}),
        ("x += 1", {"x"}, {"x"}),
        ("x: int = y", {"x"}, {"y"}),
        ("losses.append(1)", set(), {"losses"}),
        ("stats['he'] = x", {"stats"}, {"stats", "x"}),
        ("for i in items:\n    total = i", {"i", "total"}, {"items"}),
        ("squares = [i * i for i in items]", {"squares"}, {"items"}),
        ("def f(a, b=c):\n    d = a + e\n    return d", {"f"}, {"c", "e"}),
        ("def f():\n    return g()\ndef g():\n    return 1", {"f", "g"}, set()),
        ("class A(B):\n    def f(self):\n        return helper(self)", {"A"}, {"B", "helper"}),
        ("import torch.nn as nn, numpy.linalg", {"nn", "numpy"}, set()),
        ("from torch import nn", {"nn"}, set()),
        ("f = lambda x: x + y", {"f"}, {"y"}),
        ("with open(p) as file:\n    pass", {"file"}, {"open", "p"}),
    ],
)
def test_names_are_told_apart_by_who_binds_them_first(source, bound, read):
    assert names_of(ast.parse(source)) == (bound, read)
