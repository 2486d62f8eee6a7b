"""What a cell's source is able to show, told from its words alone: can it print, can it plot.

The source is a stranger's, so it is cut into tokens and never parsed: no depth of brackets costs more than
its length. Every doubt is read in the student's favour: a name that leads to a function of the notebook which
prints can print, and so can whatever the tokens do not explain.
"""

from __future__ import annotations

import io
import keyword
import token
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from grader.notebooks.quantities import words_of

MAX_SOURCE_CHARACTERS = 100_000  # of one cell; of a longer one everything is believed
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_BEGIN_EXPRESSIONS = frozenset({"not", "None", "True", "False", "lambda", "await"})
_OTHER_AS_METHODS = frozenset({"eval", "exec", "input", "help"})  # `model.eval()` evaluates no source
_DEFINING = frozenset({"def", "class", "async"})
_LAYOUT = frozenset({token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.ENDMARKER, tokenize.COMMENT})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that stand for printing, or for something that may do anything.
PRINTING = _words(
    "print pprint display write writelines stdout stderr logging logger warn summary tqdm trange progress "
    "progress_bar input help exec eval system subprocess get_ipython HTML Markdown Image Latex"
)
PLOTTING = _words(
    "plt pyplot pylab matplotlib sns seaborn px go fig axs ax axes figure plot imshow show subplots hist bar "
    "scatter heatmap Image PIL display draw savefig make_grid save_image ConfusionMatrixDisplay exec eval "
    "get_ipython system animation"
)
# Modules whose functions print and plot nothing unless a name above says so; the submission's own would do it
# in the replay as well. Whatever else is imported may.
QUIET_MODULES = _words(
    "torch torchvision numpy math random os sys time collections itertools functools medmnist sklearn copy "
    "json pathlib typing dataclasses warnings gc re string statistics scipy pandas mytorch theory "
    "__future__"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line of a source: its names, those that it binds, and whether it has a value to show.

    The lines below a definition, deeper than it, belong to the name that it binds.
    """

    names: frozenset[str]
    bound: frozenset[str]
    indent: int
    is_definition: bool
    is_expression: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A cell's logical lines; None where the tokens do not explain it (magics, broken code)."""

    lines: tuple[Line, ...] | None

    @property
    def names(self) -> frozenset[str]:
        """Every name in it."""
        return frozenset().union(*(line.names for line in self.lines or ()))

    @property
    def bound(self) -> frozenset[str]:
        """Every name that it binds."""
        return frozenset().union(*(line.bound for line in self.lines or ()))

    @property
    def shows_value(self) -> bool:
        """Whether it ends in an expression, whose value a notebook shows."""
        return self.lines is None or bool(self.lines and self.lines[-1].is_expression)


class Abilities:
    """What the cells of one notebook are able to show: a name is as able as what it was made of."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._sources = {source: read_source(source) for source in sources}
        self._made_of = _made_of(self._sources.values())
        self._behind: dict[str, frozenset[str]] = {}  # of the cell that was asked for last, and no other
        self._words = [(read.bound, words_of(source)) for source, read in self._sources.items()]

    def shows_value(self, source: str) -> bool:
        """Whether the notebook shows the value of its last line."""
        return self._sources[source].shows_value

    def can_print(self, source: str) -> bool:
        """Whether it can leave text below the cell, its last value aside."""
        return self._can(source, PRINTING)

    def can_plot(self, source: str) -> bool:
        """Whether it can leave a picture below the cell."""
        return self.shows_value(source) or self._can(source, PLOTTING)

    def printed_names(self, source: str) -> frozenset[str]:
        """Return the names in the lines that print, and in the last expression."""
        lines = self._sources[source].lines or ()
        return frozenset().union(
            *(line.names for line in lines if line.is_expression or not PRINTING.isdisjoint(line.names))
        )

    def names_behind(self, source: str) -> frozenset[str]:
        """Return every name that the cell uses, and those of the notebook's own code behind them."""
        if source not in self._behind:
            reached: set[str] = set()
            waiting = set(self._sources[source].names)
            while waiting:
                reached |= waiting
                lines = {names for name in waiting for names in self._made_of.get(name, ())}
                waiting = set().union(*lines) - reached
            self._behind = {source: frozenset(reached)}
        return self._behind[source]

    def words_behind(self, source: str) -> frozenset[str]:
        """Return the words of the cell and of every cell that binds a name which it leads to."""
        behind = self.names_behind(source)
        others = (words for bound, words in self._words if not bound.isdisjoint(behind))
        return words_of(source).union(*others)

    def _can(self, source: str, able: frozenset[str]) -> bool:
        if self._sources[source].lines is None:
            return True
        behind = self.names_behind(source)
        return not able.isdisjoint(behind) or _UNKNOWN in behind


_UNKNOWN = "?"  # what stands behind a name that was imported from anywhere


def read_source(source: str) -> Source:
    """Cut a cell into logical lines; never raises."""
    if len(source) > MAX_SOURCE_CHARACTERS or any(
        line.lstrip()[:1] in {"%", "!", "?"} for line in source.splitlines()
    ):
        return Source(None)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError, Warning, ValueError):
        return Source(None)
    if any(each.type == token.ERRORTOKEN and not each.string.isspace() for each in tokens):
        return Source(None)
    return Source(tuple(_line(line, indent) for line, indent in _logical_lines(tokens)))


def _logical_lines(tokens: Sequence[tokenize.TokenInfo]) -> Iterator[tuple[list[tokenize.TokenInfo], int]]:
    """Yield each line with its depth; `a; b` is two lines, and a `;` at the end stays with its own."""
    line: list[tokenize.TokenInfo] = []
    indent = depth = 0
    for each in tokens:
        depth += (each.string in _OPENING) - (each.string in _CLOSING) if each.type == token.OP else 0
        indent += (each.type == token.INDENT) - (each.type == token.DEDENT)
        if line and each.type in {token.NEWLINE, token.ENDMARKER}:
            yield from ((part, indent) for part in _statements(line))
            line = []
        elif each.type not in _LAYOUT:
            line.append(each)


def _statements(line: list[tokenize.TokenInfo]) -> Iterator[list[tokenize.TokenInfo]]:
    part: list[tokenize.TokenInfo] = []
    for position, each in enumerate(line):
        part.append(each)
        if each.type == token.OP and each.string == ";" and position + 1 < len(line):
            yield part
            part = []
    yield part


def _line(tokens: list[tokenize.TokenInfo], indent: int) -> Line:
    names = list(_names(tokens))
    first = tokens[0].string
    bound = _bound(first, tokens)
    inside = _embedded(tokens)
    is_statement = keyword.iskeyword(first) and first not in _BEGIN_EXPRESSIONS
    return Line(
        names=frozenset(names) | inside | _imports(first, tokens),
        bound=bound,
        indent=indent,
        is_definition=first in _DEFINING,
        is_expression=not (is_statement or bound or indent or tokens[-1].string == ";"),
    )


def _names(tokens: Sequence[tokenize.TokenInfo]) -> Iterator[str]:
    before = ""
    for each in tokens:
        is_name = each.type == token.NAME and not keyword.iskeyword(each.string)
        if is_name and not (before == "." and each.string in _OTHER_AS_METHODS):
            yield each.string
        before = each.string


def _bound(first: str, tokens: Sequence[tokenize.TokenInfo]) -> frozenset[str]:
    """Return the names that a line gives something new to stand for."""
    words = [each.string for each in tokens]
    if first in _DEFINING:
        end = words.index("(") if "(" in words else len(words)
    elif first == "for":
        end = words.index("in") if "in" in words else len(words)
    elif first in {"import", "from", "with"}:
        tokens = tokens[words.index("import") :] if first == "from" and "import" in words else tokens
        end = len(tokens)
    else:
        end = _assignment(tokens) or 0
    bound = (each.string for each in tokens[:end] if each.type == token.NAME)
    return frozenset(name for name in bound if not keyword.iskeyword(name))


def _assignment(tokens: Sequence[tokenize.TokenInfo]) -> int | None:
    """Return where the line's own `=`, `+=` or `:` stands, outside of all brackets."""
    depth = 0
    for position, each in enumerate(tokens):
        if each.type != token.OP:
            continue
        depth += (each.string in _OPENING) - (each.string in _CLOSING)
        is_sign = each.string.endswith("=") and each.string not in {"==", "!=", "<=", ">=", ":="}
        if depth == 0 and (is_sign or each.string == ":"):
            return position
    return None


def _embedded(tokens: Sequence[tokenize.TokenInfo]) -> frozenset[str]:
    """Return the names in f-strings, which older versions of Python keep as one token."""
    texts = [
        each.string.partition(each.string[-1])[2]
        for each in tokens
        if each.type == token.STRING and "f" in each.string.partition(each.string[-1])[0].lower()
    ]
    letters = "".join(
        character if character.isidentifier() or character.isdigit() else " " for character in " ".join(texts)
    )
    return frozenset(word for word in letters.split() if word.isidentifier())


def _imports(first: str, tokens: Sequence[tokenize.TokenInfo]) -> frozenset[str]:
    """Mark what is imported from a module that may do anything."""
    if first not in {"import", "from"} or len(tokens) < 2:
        return frozenset()
    return frozenset() if tokens[1].string in QUIET_MODULES | PLOTTING else frozenset({_UNKNOWN})


def _made_of(sources: Iterable[Source]) -> dict[str, list[frozenset[str]]]:
    """Map each name that the notebook binds to the names in each line that binds it, bodies included.

    The names of a line are kept once for all that it binds: ten thousand names in one line take no more.
    """
    made_of: dict[str, list[frozenset[str]]] = {}
    for source in sources:
        owners: list[tuple[int, frozenset[str]]] = []
        for line in source.lines or ():
            while owners and owners[-1][0] >= line.indent:
                owners.pop()
            for name in line.bound.union(*(bound for _, bound in owners)):
                made_of.setdefault(name, []).append(line.names)
            if line.is_definition:
                owners.append((line.indent, line.bound))
    return made_of
