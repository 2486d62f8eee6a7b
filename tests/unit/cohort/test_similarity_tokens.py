"""What a copy changes first makes no difference to the tokens, and no text stops them."""

from __future__ import annotations

import io
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.build import own_files
from grader.cohort.similarity.tokens import LINE_END, NAME, NUMBER, OPERATOR, STRING, lexed, normalised
from tests.unit.cohort.similarity_copies import annotated, honest_class, reformatted, renamed

ROOT = Path(__file__).resolve().parents[3]
KINDS = {
    tokenize.NAME: NAME,
    tokenize.NUMBER: NUMBER,
    tokenize.STRING: STRING,
    tokenize.OP: OPERATOR,
    tokenize.NEWLINE: LINE_END,
}
SOURCES = sorted((ROOT / "grader").rglob("*.py")) + sorted((ROOT / "fixtures").rglob("right_*/**/*.py"))


def symbols(source: str) -> str:
    return " ".join(symbol for symbol, _ in normalised(source))


def of_python(source: str) -> list[tuple[str, str, int]]:
    """Return what Python's own tokenizer finds, but for the last end of a line, which it adds."""
    found = [
        (KINDS[token.type], LINE_END if token.type == tokenize.NEWLINE else token.string, token.start[0])
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type in KINDS
    ]
    return found if source.endswith("\n") else found[:-1]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on Python splits f-strings")
def test_the_tokens_are_pythons_own():
    assert len(SOURCES) > 300
    for path in SOURCES:
        with tokenize.open(path) as file:
            source = file.read()
        assert [(token.kind, token.text, token.line) for token in lexed(source)] == of_python(source), path


@pytest.mark.parametrize(
    "one, other",
    [
        ("total = first + 1", "t = f + 2.5e-3  # why"),
        ("x = 'a'", 'y = f"""b\n{c}"""'),
        ("f(a, b)", "g(\n    c,\n    d,\n)"),
        ("y = (a + b) @ c", "y = a + b @ c"),
        ("return a[0]", "return (a[0])"),
        (
            "def f(x, y=1): return x",
            "def g(a: int, b: dict[str, int] = 1) -> list[int]:\n    'doc'\n    return a",
        ),
        ("x = 1", "x: int = 1"),
        ("a = 1; b = 2", "a = 1\nb = 2"),
        ("'doc'\na = 1", "import numpy as np\nfrom .a import (b,\n  c)\na = 1"),
        ("self.mean = 1", "self.mu = 1"),
        ("x = 1\r\ny = 2\r\n", "\ufeffx = 1\n\n\ty = 2\f".removeprefix("\ufeff")),
        ("print('a' 'b')", "print('ab')"),
        ("a = b + \\\n  c", "a = b + c"),
        ("f = lambda x: x", "g: int = lambda q: q"),
    ],
)
def test_what_a_copy_changes_makes_no_difference(one, other):
    assert symbols(one) == symbols(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("np.exp(x)", "np.log(x)"),
        ("x.sum(axis=1)", "x.sum(keepdims=1)"),
        ("a + b", "a - b"),
        ("x.T", "x.shape"),
        ("if a: b", "while a: b"),
        ("max(a)", "min(a)"),
        ("x = None", "x = True"),
        ("f(a, b)", "f(a)"),
        ("d = {a: b}", "d = [a, b]"),
    ],
)
def test_what_a_program_does_makes_a_difference(one, other):
    assert symbols(one) != symbols(other)


@pytest.mark.parametrize("disguise", [renamed, reformatted, annotated])
def test_disguised_fixtures_have_the_tokens_of_the_original(disguise):
    different = total = 0
    for files in honest_class().values():
        for path, content in disguise(files).items():
            before = symbols(files[path].decode("utf-8-sig")).split()
            after = symbols(content.decode()).split()
            total += len(before)
            different += abs(len(before) - len(after))
    assert total > 10_000
    assert different / total < 0.01


def test_a_token_knows_its_line():
    source = 'x = """\n\n"""; y = (1 +\n2)\n\n# no\nz = 3\n'
    assert [(token.text, token.line) for token in lexed(source) if token.kind == NAME] == [
        ("x", 1),
        ("y", 3),
        ("z", 7),
    ]


def test_a_syntax_error_costs_only_the_tokens_around_it():
    whole = symbols("a = np.exp(b)\nfor c in d:\n    e += c.mean()\n")
    broken = symbols("a = np.exp(b)\n)) def ??? :\nfor c in d:\n    e += c.mean()\n")
    assert whole.split()[:8] == broken.split()[:8]
    assert whole.split()[-8:] == broken.split()[-8:]


def test_magics_of_a_notebook_are_tokens_like_others():
    assert symbols("%matplotlib inline\n!pip install x\nx?\ny = 1").endswith("N = 0")


@given(st.text())
def test_any_text_has_tokens(source):
    lines = source.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert all(1 <= line <= lines for _, line in normalised(source))


HOSTILE = [
    '"""\\' * 100_000,
    "'''\"\"\"" * 50_000,
    "(" * 100_000,
    ")" * 100_000,
    "\\\n" * 100_000,
    "\0" * 100_000,
    "f'" * 60_000,
    "a:" * 60_000,
    "lambda:" * 30_000,
    "0_" * 100_000,
    "\u202e\ud800" * 100_000,
    '"' * 100_001,
    'x = """' + '\\"' * 100_000,
    "def f(" * 30_000,
    "[" * 1000 + "]" * 1000,
]


@pytest.mark.parametrize("source", HOSTILE, ids=[repr(source[:7]) for source in HOSTILE])
def test_hostile_texts_take_no_longer_than_others(source):
    # Each would not end in a day if time grew with the square of the text.
    assert sum(1 for _ in normalised(source)) <= len(source)


@settings(max_examples=50)
@given(st.text(alphabet="\"'\\\nfrb#()[]{}:;=,. axn01", max_size=60))
def test_what_python_can_read_has_pythons_tokens(source):
    if sys.version_info >= (3, 12):
        return
    try:
        compile(source, "any", "exec")
        expected = of_python(source)
    except (SyntaxError, ValueError, tokenize.TokenError, SyntaxWarning, DeprecationWarning):
        return
    found = [(token.kind, token.text, token.line) for token in lexed(source)]
    assert [row for row in found if row[0] != LINE_END] == [row for row in expected if row[0] != LINE_END]


def test_a_fixture_with_carriage_returns_is_the_one_without():
    crlf, plain = own_files("right_crlf"), own_files("right_mean_in_loss")
    for path in set(crlf) & set(plain):
        if path.suffix == ".py":
            assert list(normalised(crlf[path].decode())) == list(normalised(plain[path].decode())), path
