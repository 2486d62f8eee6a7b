"""Each operator writes what it says, and nothing else."""

from __future__ import annotations

import pytest

from grader.selftest import mutation_operators
from grader.selftest.code_tree import Code
from grader.selftest.mutation_operators import OPERATORS

METHOD = "import numpy as np\nclass Layer:\n    def forward(self, x, y):\n        {}\n"
# operator -> a statement, and some of what the operator must put in place of a part of it
CASES = {
    "swap_arithmetic": ("z = x + y", {"x + y": "(x - y)"}),
    "swap_operands": ("z = x @ y", {"x @ y": "(y @ x)"}),
    "one_operand_only": ("z = x - y.max()", {"x - y.max()": "x"}),
    "same_operand_twice": ("z = x - y", {"x - y": "(y - y)"}),
    "flip_sign": ("z = -x", {"-x": "x"}),
    "change_constant": ("z = x ** 2", {"2": "3"}),
    "change_axis": ("z = x.sum(axis=0)", {"0": "1"}),
    "change_text": ("z = f'{x}.{y}'", {"f'{x}.{y}'": "f'{x}_{y}'"}),
    "swap_comparison": ("z = x > y", {"x > y": "(x >= y)"}),
    "decide_otherwise": ("z = x if x else y", {"x": "(not x)"}),
    "drop_keyword": ("z = x.sum(axis=0, keepdims=True)", {"x.sum(axis=0, keepdims=True)": "x.sum(axis=0)"}),
    "keep_dimensions": ("z = x.sum(axis=0)", {"x.sum(axis=0)": "x.sum(axis=0, keepdims=True)"}),
    "swap_arguments": ("z = f(x, y)", {"f(x, y)": "f(y, x)"}),
    "call_another": ("z = x.sum()", {"x.sum()": "x.mean()"}),
    "call_nothing": ("z = np.sqrt(x)", {"np.sqrt(x)": "x"}),
    "compute_in_place": ("z = x * y", {"x * y": "np.multiply(x, y, out=x)"}),
    "mistake_shape": ("z = x.T", {"x.T": "x"}),
    "mistake_length": ("z = len(x)", {"len(x)": "x.size"}),
    "mistake_attribute": ("self.a = 1; self.b = self.a", {"self.a": "self.b"}),
    "return_wrongly": ("return x + y", {"return x + y": "return 1.01 * (x + y)"}),
    "keep_wrongly": ("self.a = x", {"self.a = x": "self.a = 0 * x"}),
    "keep_state_wrongly": ("self.a = x", {"self.a = x": "self.a = self.__dict__.get('a', x)"}),
    "drop_statement": ("x = y", {"x = y": "pass"}),
    "repeat_statement": ("x -= y", {"x -= y": "x -= y; x -= y"}),
    "swap_statements": ("x = y\n        y = x", {"x = y\n        y = x": "y = x; x = y"}),
    "assign_otherwise": ("x[...] -= y", {"x[...] -= y": "x = x - y"}),
    "loop_wrongly": ("for a in x: a()", {"x": "list(x)[1:]"}),
    "leave_early": ("for a in x: a()", {"a()": "a(); break"}),
    "count_from_one": ("z = enumerate(x)", {"enumerate(x)": "enumerate(x, start=1)"}),
    "mistake_entry": ("z = {'a': x, 'b': y}", {"{'a': x, 'b': y}": "{'a': y, 'b': x}"}),
    "mistake_tuple": ("z = (x, y)", {"(x, y)": "(y, x)"}),
}


def changes(name: str, statement: str) -> set[tuple[str, str]]:
    """Return (before, after) of every change that an operator makes."""
    code, operator = Code(METHOD.format(statement)), getattr(mutation_operators, name)
    found = set()
    for node in code.nodes:
        for change in operator(node, code):
            start, end = code.span(node)
            end = end if change.until is None else code.span(change.until)[1]
            found.add((code.slice(start, end), change.text))
            compile(code.replaced(start, end, change.text), "mutant", "exec")
    return found


@pytest.mark.parametrize("name", [operator.__name__ for operator in OPERATORS])
def test_an_operator_makes_what_it_says(name):
    statement, wanted = CASES[name]
    assert set(wanted.items()) <= changes(name, statement)


@pytest.mark.parametrize("name", [operator.__name__ for operator in OPERATORS])
def test_an_operator_leaves_alone_what_is_not_its_business(name):
    assert not changes(name, "return")


@pytest.mark.parametrize(
    "name, statement",
    [
        ("drop_statement", "z = x; return z"),  # a first value: what follows could only raise NameError
        ("change_text", "raise ValueError('no')"),
        ("change_constant", "'a docstring, or as good as one: 1'"),
        ("flip_sign", "print(x)"),
        ("mistake_attribute", "z = self.elsewhere"),
        ("swap_operands", "z = x + y"),
    ],
)
def test_an_operator_knows_its_bounds(name, statement):
    assert not changes(name, statement)


def test_every_fault_of_a_value_can_be_had_of_one_that_is_returned():
    after = {text for _, text in changes("return_wrongly", "return x + y")}
    assert "return None" in after
    assert "return 0 * (x + y)" in after
    assert len(after) == 8
