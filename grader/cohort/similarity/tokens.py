"""The tokens of Python code, without what a copy changes first: names, literals, comments and formatting.

A lexer of our own: it takes time in proportion to the text, whatever the text is, and a syntax error costs at
most the tokens around it. Nothing is parsed and nothing is run, so that no text can exhaust a parser. A test
compares it with Python's own `tokenize`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from grader.cohort.similarity.vocabulary import KEYWORDS, LIBRARY_KEYWORDS, LIBRARY_NAMES

NAME, NUMBER, STRING, OPERATOR, LINE_END = "name", "number", "string", "operator", "line_end"
ANY_NAME, ANY_NUMBER, ANY_STRING = "N", "0", '""'

_PREFIX = r"(?:[rRbBuUfF]|[bBfF][rR]|[rR][bBfF])?"
# Each alternative takes what it began, to the end of the line or the file if need be: none is read twice.
_TOKEN = re.compile(
    rf"""
    (?P<string>{_PREFIX}(?:
        \"\"\"(?:[^"\\]++|\\.|"(?!""))*+(?:\"\"\"|\\?\Z)
      | '''(?:[^'\\]++|\\.|'(?!''))*+(?:'''|\\?\Z)
      | "(?:[^"\\\n]++|\\.)*+"?
      | '(?:[^'\\\n]++|\\.)*+'?))
  | (?P<name>[^\W\d]\w*+)
  | (?P<number>0[xXoObB][0-9a-fA-F_]++ | (?:\d[\d_]*+\.?[\d_]*+|\.\d[\d_]*+)(?:[eE][+-]?\d[\d_]*+)?[jJ]?)
  | (?P<skipped>\#[^\n]*+|\\\n|[^\S\n]++)
  | (?P<line_end>\n)
  | (?P<operator>\*\*=?|//=?|<<=?|>>=?|->|:=|\.\.\.|[-+*/%@&|^=<>!]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_NEVER_ANNOTATED = KEYWORDS | {"match", "case"}  # the colon of these opens a block


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text and the line it begins in, from 1."""

    kind: str
    text: str
    line: int


_NOTHING = Token(LINE_END, LINE_END, 0)


def lexed(source: str) -> Iterator[Token]:
    """Yield the tokens of a source as Python sees them, each end of a logical line once."""
    line, depth, last = 1, 0, _NOTHING
    for match in _TOKEN.finditer(source.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ")):
        kind, text = match.lastgroup or OPERATOR, match[0]
        if kind == OPERATOR:
            depth = max(0, depth + (text in _OPEN) - (text in _CLOSE))
        if kind != "skipped" and not (kind == LINE_END and (depth or last.kind == LINE_END)):
            last = Token(kind, LINE_END if kind == LINE_END else text, line)
            yield last
        line += text.count("\n")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a type is told: in how many brackets, and what ends it."""

    depth: int
    ends: frozenset[str]


_PARAMETER = _Place(1, frozenset({",", "="}))
_RETURNED = _Place(0, frozenset({":"}))
_ASSIGNED = _Place(0, frozenset({"="}))


def normalised(source: str) -> Iterator[tuple[str, int]]:
    """Yield symbol and line of each token that says something about how a program works.

    Imports, annotations, texts that stand by themselves, ends of lines, trailing commas and parentheses that
    only group are left out.
    """
    for statement in _statements(lexed(source)):
        if statement[0].text not in {"import", "from"} and not _is_text(statement):
            yield from _symbols(list(_without_annotations(statement)))


def _statements(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """Split at the ends of logical lines and at semicolons."""
    statement: list[Token] = []
    for token in chain(tokens, [_NOTHING]):
        if token.kind != LINE_END and token.text != ";":
            statement.append(token)
        elif statement:
            yield statement
            statement = []


def _is_text(statement: Sequence[Token]) -> bool:
    return all(token.kind == STRING for token in statement)


def _without_annotations(statement: Sequence[Token]) -> Iterator[Token]:
    """Leave out the types of parameters, of what is returned and of what is assigned to."""
    is_definition = "def" in {token.text for token in statement[:2]}
    place = _PARAMETER if is_definition else _ASSIGNED
    is_over = statement[0].kind != NAME or (statement[0].text in _NEVER_ANNOTATED and not is_definition)
    skipped: _Place | None = None
    depth = lambdas = 0
    for token in statement:
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        lambdas += token.text == "lambda"
        if skipped is not None:
            if depth < skipped.depth or (depth == skipped.depth and token.text in skipped.ends):
                skipped = None
        elif is_definition and depth == 0 and token.text == "->":
            skipped, is_over = _RETURNED, True
        elif not is_over and depth == place.depth and token.text == ":":
            skipped, lambdas = (None, lambdas - 1) if lambdas else (place, 0)
        is_over |= depth == 0 and token.text == ("=" if place is _ASSIGNED else ":")
        if skipped is None:
            yield token


def _symbols(statement: Sequence[Token]) -> Iterator[tuple[str, int]]:
    groups: list[bool] = []  # of each open bracket: does it only group?
    texts = [token.text for token in statement]
    for at, token in enumerate(statement):
        before = statement[at - 1] if at else _NOTHING
        after = texts[at + 1] if at + 1 < len(texts) else ""
        if token.text in _OPEN:
            groups.append(token.text == "(" and not _is_value(before))
        drops = token.text == "," and after in _CLOSE
        drops |= token.text == "(" and groups[-1]
        drops |= token.text in _CLOSE and bool(groups) and groups.pop()
        drops |= token.kind == STRING and before.kind == STRING  # one text in several pieces
        if not drops:
            yield _symbol(token, texts[max(0, at - 2) : at], after, is_inside=bool(groups)), token.line


def _is_value(token: Token) -> bool:
    """Tell whether a parenthesis after it is that of a call or of a definition."""
    return token.text in _CLOSE or token.kind == STRING or (token.kind == NAME and token.text not in KEYWORDS)


def _symbol(token: Token, before: Sequence[str], after: str, *, is_inside: bool) -> str:
    if token.kind == NAME:
        return token.text if _is_given(token.text, before, after, is_inside=is_inside) else ANY_NAME
    return {NUMBER: ANY_NUMBER, STRING: ANY_STRING}.get(token.kind, token.text)


def _is_given(name: str, before: Sequence[str], after: str, *, is_inside: bool) -> bool:
    """Tell whether a name is Python's or a library's, which no student can choose anew."""
    if name in KEYWORDS:
        return True
    if is_inside and after == "=" and name in LIBRARY_KEYWORDS:
        return True
    last = before[-1] if before else ""
    is_looked_up = last == "." and before[0] != "self"
    is_called = after == "(" and last not in {"def", "class", "."}
    return (is_looked_up or is_called) and name in LIBRARY_NAMES
