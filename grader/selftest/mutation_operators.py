"""What may go wrong in one place of a program, one function a kind of fault.

An operator looks at one node and yields what to write in its place. Whether that changes anything is not its
business (`behaviour.py` finds out); that Python can read it, is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grader.selftest.code_tree import Code, called_name, is_of_numpy, is_own

_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.MatMult: "@",
}
_OTHER_OPERATORS: dict[type[ast.operator], tuple[str, ...]] = {
    ast.Add: ("-",),
    ast.Sub: ("+",),
    ast.Mult: ("/",),
    ast.Div: ("*",),
    ast.Pow: ("*",),
}
_UFUNCS: dict[type[ast.operator], str] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply"}
_OTHER_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Gt: (">=", "<", "<="),
    ast.Lt: ("<=", ">", ">="),
    ast.GtE: (">", "<"),
    ast.LtE: ("<", ">"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
}
_OTHER_FUNCTIONS = {
    "abs": ("square",),
    "clip": ("minimum",),
    "empty": ("ones",),
    "exp": ("expm1",),
    "eye": ("ones",),
    "isfinite": ("isnan",),
    "log": ("log1p",),
    "logaddexp": ("maximum",),
    "max": ("min",),
    "maximum": ("minimum",),
    "mean": ("sum",),
    "normal": ("uniform", "laplace"),
    "outer": ("add.outer",),
    "sqrt": ("square",),
    "sum": ("mean",),
    "tanh": ("arctan",),
    "zeros": ("ones",),
    "zeros_like": ("ones_like",),
}
# Faults of a whole array `a`, as judgement.md measures them; those of one entry, row or column need NumPy.
_NUMBER_FAULTS = ("0 * {v}", "1.01 * {v}")
_ARRAY_FAULTS = (
    "{v} / len({v})",
    "(lambda a: np.where(np.arange(a.size).reshape(a.shape) == 0, 0, a))({v})",
    "(lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, -a, a))({v})",
    "(lambda a: a * (np.arange(a.shape[-1]) < a.shape[-1] - 1))({v})",
    "(lambda a: np.concatenate([a[:-1], 0 * a[-1:]]))({v})",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What to write in place of a node, or of all from it up to another."""

    text: str
    until: ast.AST | None = None


Operator = Callable[[ast.AST, Code], Iterator[Change]]


def swap_arithmetic(node: ast.AST, code: Code) -> Iterator[Change]:
    """Compute something else: + for -, / for *."""
    if isinstance(node, ast.BinOp):
        for symbol in _OTHER_OPERATORS.get(type(node.op), ()):
            yield Change(f"({code.operand(node.left)} {symbol} {code.operand(node.right)})")


def swap_operands(node: ast.AST, code: Code) -> Iterator[Change]:
    """Take the operands in the other order."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Add | ast.Mult):
        yield Change(f"({code.operand(node.right)} {_SYMBOLS[type(node.op)]} {code.operand(node.left)})")


def one_operand_only(node: ast.AST, code: Code) -> Iterator[Change]:
    """Forget one of two operands."""
    if isinstance(node, ast.BinOp):
        yield Change(code.operand(node.left))
        yield Change(code.operand(node.right))


def same_operand_twice(node: ast.AST, _code: Code) -> Iterator[Change]:
    """Take the second of two variables for both."""
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name) and isinstance(node.right, ast.Name):
        yield Change(f"({node.right.id} {_SYMBOLS[type(node.op)]} {node.right.id})")


def flip_sign(node: ast.AST, code: Code) -> Iterator[Change]:
    """Add a minus, or lose one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield Change(code.operand(node.operand))
    elif code.has_numpy and isinstance(node, ast.BinOp | ast.Call) and not _is_operand(node, code):
        is_value = code.is_number(node) and not code.is_iterated(node)
        if is_value and not isinstance(code.parents[node], ast.Expr):
            yield Change(f"(-{code.operand(node)})")


def _is_operand(node: ast.AST, code: Code) -> bool:
    """Say whether a sum or product holds a node: then another operator there says the same."""
    return isinstance(code.parents[node], ast.UnaryOp | ast.BinOp)


def change_constant(node: ast.AST, code: Code) -> Iterator[Change]:
    """Use another number."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield Change(str(not value))
    elif isinstance(value, int | float) and not _is_axis(node, code):
        others = (1, -1) if value == 0 else (value + 1, 0, -value)
        for other in others:
            yield Change(f"({other!r})" if other < 0 else repr(other))
        if 0 < value < 1:
            yield Change(repr(value * 2))
            yield Change(repr(value * 1000))


def change_axis(node: ast.AST, code: Code) -> Iterator[Change]:
    """Go along another axis, or along all."""
    if isinstance(node, ast.Constant) and _is_axis(node, code):
        for other in ("0", "1", "-1", "None"):
            yield Change(other)


def _is_axis(node: ast.Constant, code: Code) -> bool:
    parent = code.parents.get(node)
    return isinstance(parent, ast.keyword) and parent.arg == "axis"


def change_text(node: ast.AST, code: Code) -> Iterator[Change]:
    """Use another name or separator."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield Change(repr(node.value + "s"))
    if isinstance(node, ast.JoinedStr):
        changed = code.text(node).replace("}.{", "}_{")
        if changed != code.text(node):
            yield Change(changed)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                yield Change(f"str({ast.unparse(value.value)})")


def swap_comparison(node: ast.AST, code: Code) -> Iterator[Change]:
    """Compare the other way round, or with the boundary on the other side."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for symbol in _OTHER_COMPARISONS.get(type(node.ops[0]), ()):
            yield Change(f"({code.operand(node.left)} {symbol} {code.operand(node.comparators[0])})")


def decide_otherwise(node: ast.AST, code: Code) -> Iterator[Change]:
    """Negate a condition, or take one branch always."""
    parent = code.parents.get(node)
    if isinstance(parent, ast.If | ast.IfExp) and parent.test is node:
        yield Change(f"(not {code.operand(node)})")
        yield Change("True")
        yield Change("False")


def drop_keyword(node: ast.AST, code: Code) -> Iterator[Change]:
    """Forget an argument given by name."""
    if isinstance(node, ast.Call):
        for left_out in node.keywords:
            kept = [*node.args, *(each.value for each in node.keywords if each is not left_out)]
            names = [""] * len(node.args) + [f"{each.arg}=" for each in node.keywords if each is not left_out]
            yield Change(_call(code, node, [f"{n}{code.text(a)}" for n, a in zip(names, kept, strict=True)]))


def keep_dimensions(node: ast.AST, code: Code) -> Iterator[Change]:
    """Keep an axis that should go."""
    if isinstance(node, ast.Call) and {each.arg for each in node.keywords} == {"axis"}:
        yield Change(f"{code.text(node)[:-1]}, keepdims=True)")


def swap_arguments(node: ast.AST, code: Code) -> Iterator[Change]:
    """Give two neighbouring arguments in the wrong order."""
    if isinstance(node, ast.Call) and not node.keywords:
        arguments = [code.text(argument) for argument in node.args]
        for place in range(len(arguments) - 1):
            swapped = arguments[place + 1], arguments[place]
            yield Change(_call(code, node, [*arguments[:place], *swapped, *arguments[place + 2 :]]))


def _call(code: Code, call: ast.Call, arguments: list[str]) -> str:
    return f"{code.text(call.func)}({', '.join(arguments)})"


def call_another(node: ast.AST, code: Code) -> Iterator[Change]:
    """Call a function that looks alike."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        whole, name = code.text(node), node.func.attr
        for other in _OTHER_FUNCTIONS.get(name, ()):
            place = len(code.text(node.func))
            yield Change(whole[: place - len(name)] + other + whole[place:])


def call_nothing(node: ast.AST, code: Code) -> Iterator[Change]:
    """Leave a function out: take its argument, or its object, as it is."""
    if not isinstance(node, ast.Call) or isinstance(code.parents[node], ast.Expr):
        return
    if isinstance(node.func, ast.Name) or is_of_numpy(node):
        for argument in node.args if len(node.args) <= 2 else ():
            if not isinstance(argument, ast.GeneratorExp | ast.Starred):
                yield Change(code.operand(argument))
    elif isinstance(node.func, ast.Attribute):
        yield Change(code.operand(node.func.value))


def compute_in_place(node: ast.AST, code: Code) -> Iterator[Change]:
    """Write a result over an argument, which is the caller's."""
    if not code.has_numpy:
        return
    given = code.parameters(node)
    if isinstance(node, ast.BinOp) and type(node.op) in _UFUNCS and _is_one_of(node.left, given):
        left, right = code.text(node.left), code.text(node.right)
        yield Change(f"np.{_UFUNCS[type(node.op)]}({left}, {right}, out={left})")
    elif isinstance(node, ast.Call) and is_of_numpy(node) and node.args and _is_one_of(node.args[0], given):
        yield Change(f"{code.text(node)[:-1]}, out={code.text(node.args[0])})")


def _is_one_of(node: ast.AST, names: list[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def mistake_shape(node: ast.AST, code: Code) -> Iterator[Change]:
    """Forget a transpose or reshape instead, and take one size for another."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    whole = code.operand(node.value)
    if node.attr == "T":
        yield Change(whole)
        yield Change(f"{whole}.reshape({whole}.shape[::-1])")
    elif node.attr == "size":
        yield Change(f"len({whole})")
        yield Change(f"{whole}.shape[-1]")
    elif node.attr == "shape":
        yield Change(f"{whole}.shape[::-1]")


def mistake_length(node: ast.AST, code: Code) -> Iterator[Change]:
    """Count entries or columns instead of rows."""
    if isinstance(node, ast.Call) and called_name(node) == "len":
        for other in ("size", "shape[-1]"):
            yield Change(f"{code.operand(node.args[0])}.{other}")


def mistake_attribute(node: ast.AST, code: Code) -> Iterator[Change]:
    """Read another attribute, or an argument, in place of an attribute."""
    is_read = is_own(node) and isinstance(node.ctx, ast.Load) and node.attr in code.attributes(node)
    if is_read and code.has_numpy and not code.is_in_init(node):
        for other in code.attributes(node):
            yield Change(f"self.{other}")
        for name in code.parameters(node):
            yield Change(name)


def return_wrongly(node: ast.AST, code: Code) -> Iterator[Change]:
    """Return nothing, or what is wrong in size, in one entry, row or column."""
    if isinstance(node, ast.Return) and node.value is not None:
        yield Change("return None")
        for fault in _faults(node.value, code):
            yield Change(f"return {fault}")


def keep_wrongly(node: ast.AST, code: Code) -> Iterator[Change]:
    """Keep for later what is wrong in size, in one entry, row or column."""
    if isinstance(node, ast.Assign) and is_own(node.targets[0]) and code.has_numpy:
        for fault in _faults(node.value, code):
            yield Change(f"{code.text(node.targets[0])} = {fault}")


def _faults(value: ast.AST, code: Code) -> Iterator[str]:
    if not code.is_number(value):
        return
    if not code.has_numpy and not isinstance(value, ast.Name):
        return
    is_single = isinstance(value, ast.Call) and called_name(value) in {"float", "len", "max", "sqrt"}
    has_entries = code.has_numpy and not is_single and not code.is_in_private(value)
    faults = _NUMBER_FAULTS + _ARRAY_FAULTS if has_entries else _NUMBER_FAULTS
    for fault in faults:
        yield fault.format(v=code.operand(value))


def keep_state_wrongly(node: ast.AST, code: Code) -> Iterator[Change]:
    """Keep the first value for ever, keep it for all objects of the class, or add up."""
    if not isinstance(node, ast.Assign) or not is_own(node.targets[0]):
        return
    name, value = node.targets[0].attr, code.operand(node.value)
    yield Change(f"type(self).{name} = {value}")
    if not code.is_in_init(node):
        yield Change(f"self.{name} = self.__dict__.get({name!r}, {value})")
        yield Change(f"self.{name} = getattr(self, {name!r}, 0) + {value}")


def drop_statement(node: ast.AST, code: Code) -> Iterator[Change]:
    """Forget a statement, a loop, or a method that returns nothing; not a variable's first value."""
    is_step = isinstance(node, (*_SIMPLE, ast.For, ast.Raise)) and not _is_first_value(node, code)
    if is_step or _is_procedure(node, code):
        yield Change("pass")


def _is_first_value(node: ast.AST, code: Code) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    known = {*code.parameters(node), *_names_read(node)}
    return any(isinstance(each, ast.Name) and each.id not in known for each in targets)


def _names_read(node: ast.AST) -> set[str]:
    inside = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {each.id for each in inside if isinstance(each.ctx, ast.Load)}


def _is_procedure(node: ast.AST, code: Code) -> bool:
    is_named = isinstance(node, ast.FunctionDef) and node.name != "__init__"
    is_method = is_named and isinstance(code.parents[node], ast.ClassDef)
    return is_method and not any(isinstance(each, ast.Return) for each in ast.walk(node))


def repeat_statement(node: ast.AST, code: Code) -> Iterator[Change]:
    """Do something twice."""
    reads_itself = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in _names_read(node)
    if reads_itself or isinstance(node, ast.AugAssign | ast.Expr):
        yield Change(f"{code.text(node)}; {code.text(node)}")


def swap_statements(node: ast.AST, code: Code) -> Iterator[Change]:
    """Do two things in the wrong order."""
    after = code.following(node)
    if isinstance(node, _SIMPLE) and isinstance(after, _SIMPLE):
        yield Change(f"{code.text(after)}; {code.text(node)}", until=after)


def assign_otherwise(node: ast.AST, code: Code) -> Iterator[Change]:
    """Overwrite in place of adding, add in place of subtracting, rebind in place of writing into."""
    if isinstance(node, ast.AugAssign):
        target, value = code.text(node.target), code.operand(node.value)
        symbol = _SYMBOLS[type(node.op)]
        yield Change(f"{target} = {value}")
        for other in _OTHER_OPERATORS.get(type(node.op), ()):
            yield Change(f"{target} {other}= {value}")
        if isinstance(node.target, ast.Subscript):
            whole = code.text(node.target.value)
            yield Change(f"{whole} = {whole} {symbol} {value}")
            yield Change(f"{target} {symbol}= ({value}).mean()")
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        yield Change(f"{code.text(node.targets[0].value)} = {code.text(node.value)}")


def loop_wrongly(node: ast.AST, code: Code) -> Iterator[Change]:
    """Leave out the first or the last, or go the other way."""
    if code.is_iterated(node):
        for part in ("[1:]", "[:-1]", "[::-1]"):
            yield Change(f"list({code.text(node)}){part}")


def leave_early(node: ast.AST, code: Code) -> Iterator[Change]:
    """End a loop, or a function, after its first turn."""
    parent = code.parents.get(node)
    if isinstance(parent, ast.For) and node is parent.body[-1] and isinstance(node, _SIMPLE):
        yield Change(f"{code.text(node)}; break")


def count_from_one(node: ast.AST, code: Code) -> Iterator[Change]:
    """Count from 1, or from 0, in place of the other."""
    if isinstance(node, ast.Call) and called_name(node) == "enumerate" and len(node.args) == 1:
        start = "" if node.keywords else ", start=1"
        yield Change(f"enumerate({code.text(node.args[0])}{start})")


def mistake_entry(node: ast.AST, code: Code) -> Iterator[Change]:
    """Lose an entry of a dict, put one under another's name, or hand out a copy."""
    if isinstance(node, ast.Dict):
        pairs = [
            (code.text(key), code.text(value))
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        ]
        for place in range(len(pairs)):
            yield Change(_dict([*pairs[:place], *pairs[place + 1 :]]))
            name, value = pairs[place]
            yield Change(_dict([*pairs[:place], (name, f"{value}.copy()"), *pairs[place + 1 :]]))
        yield Change(
            _dict(
                [(name, value) for (name, _), (_, value) in zip(pairs, [*pairs[1:], *pairs[:1]], strict=True)]
            )
        )
    elif isinstance(node, ast.Name) and isinstance(code.parents.get(node), ast.DictComp):
        yield Change(f"{node.id}.copy()")


def _dict(pairs: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"


def mistake_tuple(node: ast.AST, code: Code) -> Iterator[Change]:
    """Take the entries of a tuple in the wrong order."""
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        first, second = (code.text(entry) for entry in node.elts)
        yield Change(f"({second}, {first})")


OPERATORS: tuple[Operator, ...] = (
    swap_arithmetic,
    swap_operands,
    one_operand_only,
    same_operand_twice,
    flip_sign,
    change_constant,
    change_axis,
    change_text,
    swap_comparison,
    decide_otherwise,
    drop_keyword,
    keep_dimensions,
    swap_arguments,
    call_another,
    call_nothing,
    compute_in_place,
    mistake_shape,
    mistake_length,
    mistake_attribute,
    return_wrongly,
    keep_wrongly,
    keep_state_wrongly,
    drop_statement,
    repeat_statement,
    swap_statements,
    assign_otherwise,
    loop_wrongly,
    leave_early,
    count_from_one,
    mistake_entry,
    mistake_tuple,
)
