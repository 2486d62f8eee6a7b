"""Mutants: the reference with one change each, and where in the homework each of its files is graded."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grader.selftest.code_tree import Code
from grader.selftest.mutation_operators import OPERATORS

_ID_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Source:
    """A file of the reference, and the question that judges each of its top-level names.

    The name "" stands for all others.
    """

    file: str
    questions: Mapping[str, str]

    def question(self, scope: str) -> str:
        """Return the question that judges a scope such as `Linear.backward`."""
        return self.questions.get(scope.partition(".")[0], self.questions.get("", ""))


# A source of which no question has checks yet is left out.
SOURCES = (
    Source("mytorch/nn/modules/linear.py", {"": "q6.1"}),
    Source("mytorch/nn/modules/activation.py", {"": "q6.2"}),
    Source("mytorch/nn/modules/loss.py", {"": "q6.3"}),
    Source("mytorch/nn/module.py", {"": "q6.4"}),
    Source("mytorch/nn/sequential.py", {"": "q6.4"}),
    Source("mytorch/nn/optim.py", {"": "q6.5"}),
    Source("mytorch/utils.py", {"": "q6.6"}),
    Source(
        "theory.py",
        {
            "softmax_temperature": "q1.1",
            "softmax_jacobian": "q1.1",
            "affine_gradients": "q1.2",
            "huber_gradient": "q2.1",
            "adam_steps": "q3.1",
            "momentum_steps": "q3.1",
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the reference: in which file, class and function, on which line, what for what.

    `text` is the line as the reference has it; `source` is the whole file, changed.
    """

    file: str
    scope: str
    line: int
    text: str
    operator: str
    before: str
    after: str
    question: str
    source: str = field(repr=False)
    nth: int = 0  # of those whose change reads the same

    @property
    def id(self) -> str:
        """A name that stays when other lines come and go."""
        facts = "\0".join((self.file, self.scope, self.text, self.change, str(self.nth)))
        digest = hashlib.sha256(facts.encode()).hexdigest()[:_ID_CHARACTERS]
        return f"{Path(self.file).stem}-{digest}"

    @property
    def change(self) -> str:
        """What was changed, on one line."""
        return f"{_one_line(self.before)} -> {_one_line(self.after)}"


def mutants_of(root: Path, sources: tuple[Source, ...] = SOURCES) -> list[Mutant]:
    """Return every mutant of the sources below a folder, in the order of files and lines."""
    return [
        mutant
        for source in sources
        for mutant in make_mutants((root / source.file).read_text(encoding="utf-8"), source)
    ]


def make_mutants(text: str, source: Source) -> list[Mutant]:
    """Return every mutant of one text; no two of them, and none and the text, mean the same to Python."""
    seen = {ast.dump(ast.parse(text))}
    told: dict[tuple[str, ...], int] = {}
    mutants = []
    for mutant in _changed(Code(text), source):
        meaning = ast.dump(ast.parse(mutant.source))
        if meaning in seen:
            continue
        seen.add(meaning)
        key = (mutant.scope, mutant.text, mutant.change)
        told[key] = told.get(key, -1) + 1
        mutants.append(_numbered(mutant, told[key]))
    return mutants


def write_mutant(mutant: Mutant, honest: Mapping[str, bytes], root: Path) -> Path:
    """Write a whole submission: the files of the reference, with the changed one in its place."""
    for name, content in {**honest, mutant.file: mutant.source.encode()}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _changed(code: Code, source: Source) -> Iterator[Mutant]:
    for node in code.nodes:
        for operator in OPERATORS:
            for change in operator(node, code):
                start, end = code.span(node)
                end = end if change.until is None else code.span(change.until)[1]
                scope = code.scope(node)
                yield Mutant(
                    file=source.file,
                    scope=scope,
                    line=code.line(node),
                    text=code.line_text(node),
                    operator=operator.__name__,
                    before=code.slice(start, end),
                    after=change.text,
                    question=source.question(scope),
                    source=code.replaced(start, end, change.text),
                )


def _numbered(mutant: Mutant, nth: int) -> Mutant:
    values = {name: getattr(mutant, name) for name in Mutant.__slots__}
    return Mutant(**{**values, "nth": nth})


def _one_line(text: str) -> str:
    return " ".join(text.split())
