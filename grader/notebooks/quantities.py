"""The numbers in printed text: what each one says it is, and how far two honest runs may differ in it.

A number's kind is told by the words in front of it ("test accuracy: 0.86"), or, where its line has none, by
the names that the cell prints. What neither explains is not compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_LINE_CHARACTERS = 1_000
MAX_NUMBERS = 200  # of one line
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3}){1,5}(?![\d,])|\d{1,20})(?:\.\d{0,20})?(?:[eE][-+]?\d{1,4})?(?P<percent>\s?%)?"
    r"|(?<!\w)[-+]?(?:nan|inf)\b",
    re.IGNORECASE,
)
_LIST = re.compile(r"#[\s#,]*")  # one long or short, so that a list keeps its skeleton when it grows
_WORD = re.compile(r"[^\W\d_]{2,}")


class Kind(StrEnum):
    """What a printed number is, as far as that decides what may change it."""

    ACCURACY = "accuracy"
    LOSS = "loss"
    COUNT = "count"
    PARAMETERS = "number of parameters"
    STATISTIC = "statistic"
    CHECK = "gradient error"
    OTHER = ""  # not compared


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a line; `value` of an accuracy is between 0 and 1, percent or not."""

    value: float
    text: str
    kind: Kind
    label: int  # which label of the line it stands behind: the numbers of a list share one


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line of output: its text, its words with `#` for each number, and its numbers."""

    text: str
    skeleton: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """How far two honest runs of one notebook may differ in a number, given the replayed value.

    `alone` holds for one or two numbers behind a label, `middle` for the middle deviation of a series.
    `elsewhere` is for a replay on other data than the student had; None: then the number is not compared.
    """

    reason: str
    alone: Callable[[float], float]
    middle: Callable[[float], float]
    elsewhere: Callable[[float], float] | None


def _of_accuracy(value: float) -> float:
    return 0.02 + 0.4 * value * (1 - value) if 0 <= value <= 1 else 0.12


def _of_gradient_error(claimed: float) -> float:
    return 1e-4 + 1e3 * abs(claimed)


def _of_nothing(_: float) -> float:
    return 0.0


_SEEDS = "another seed or machine changes it by at most"
# The one place with tolerances. What they come from stands in docs/decisions/0017.
SPREADS: Mapping[Kind, Spread] = {
    Kind.ACCURACY: Spread(_SEEDS, _of_accuracy, lambda value: 0.4 * _of_accuracy(value), lambda _: 0.3),
    Kind.LOSS: Spread(
        _SEEDS, lambda value: 0.2 + 0.3 * abs(value), lambda value: 0.005 + 0.1 * abs(value), None
    ),
    Kind.STATISTIC: Spread(
        "another draw of the weights changes it by at most",
        lambda value: 0.05 + 0.3 * abs(value),
        lambda value: 0.05 + 0.3 * abs(value),
        lambda value: 0.1 + 0.5 * abs(value),
    ),
    Kind.CHECK: Spread("rounding and kinks explain at most", *(3 * [_of_gradient_error])),
    Kind.COUNT: Spread("no seed changes it", _of_nothing, _of_nothing, None),
    Kind.PARAMETERS: Spread("no seed changes it", _of_nothing, _of_nothing, _of_nothing),
}
SERIES = 3  # numbers behind one label: from here on their middle deviation is judged, for one epoch may jump
OF_ONE_IN_A_SERIES = 3.0  # times the spread of a number alone: further off no single epoch jumps


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SURE = (
    (Kind.ACCURACY, _words("acc accs accuracy accuracies genauigkeit")),
    (Kind.LOSS, _words("loss losses nll entropy crossentropy mse verlust")),
    (Kind.PARAMETERS, _words("parameter parameters params weights")),
    (Kind.CHECK, _words("gradient gradcheck grad")),
    (Kind.STATISTIC, _words("mean means std stds deviation variance var")),
    (Kind.COUNT, _words("images samples examples size sizes shape length len dataset split splits batches")),
)
# Behind these words a number is neither, whatever else stands there.
_NEVER = _words(
    "time seconds sec secs elapsed minutes ms took lr rate learning seed index indices idx version "
    "device cuda gpu memory mb gb pred predicted prediction predictions label labels true target "
    "targets threshold best patience confidence conf probability prob misclassified wrong mistakes "
    "errors correct confused found confusions uncertain confident improvement improved gap difference "
    "diff delta expected chance baseline epoch epochs step steps iteration iter batch class classes "
    "pair pairs recall precision it"
)
_EXACT = frozenset({Kind.COUNT, Kind.PARAMETERS})
_LEAST_EXACT = 100  # smaller whole numbers are digits and classes more often than sizes
_SMALL = 1e-3


def spread_of(
    kind: Kind, claimed: float, replayed: float, *, same_data: bool, is_middle: bool = False
) -> float | None:
    """Return how far an honest number of this kind may be from the replayed one; None: not compared."""
    spread = SPREADS.get(kind)
    if spread is None:
        return None
    here = spread.middle if is_middle else spread.alone
    allowed = here if same_data else spread.elsewhere
    # A gradient error is a claim of smallness: rounding makes of 4e-9 another 4e-9, never 0.3.
    return None if allowed is None else allowed(claimed if kind is Kind.CHECK else replayed)


def read_lines(text: str, *, hints: Iterable[str] = ()) -> list[PrintedLine]:
    """Cut printed text into lines with their numbers; `hints` are the names that the cell prints.

    Of a line that was written over (a progress bar), what was written last.
    """
    hint = _hinted(hints)
    lines = (line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n"))
    return [_line(line[:MAX_LINE_CHARACTERS], hint) for line in lines if line.strip()]


def words_of(text: str) -> frozenset[str]:
    """Return a text's words, in small letters."""
    return frozenset(match[0].casefold() for match in _WORD.finditer(text.replace("_", " ")))


def _line(text: str, hint: Kind) -> PrintedLine:
    numbers = list(_numbers(text, hint))
    skeleton = " ".join(_LIST.sub("# ", _NUMBER.sub("#", text).casefold()).split())
    return PrintedLine(text.strip(), skeleton, tuple(numbers))


def _numbers(text: str, hint: Kind) -> Iterator[Number]:
    label, words, end = -1, frozenset[str](), 0
    for count, match in enumerate(_NUMBER.finditer(text)):
        if count >= MAX_NUMBERS:
            return
        before = words_of(text[end : match.start()])
        if before or label < 0:
            label, words = label + 1, before
        end = match.end()
        kind = _kind(words)
        is_unexplained = kind is Kind.OTHER and _NEVER.isdisjoint(words)
        yield _number(match, hint if is_unexplained else kind, label, is_hinted=is_unexplained)


def _number(match: re.Match[str], kind: Kind, label: int, *, is_hinted: bool) -> Number:
    text = match[0].strip()
    value = float(text.rstrip("% ").replace(",", ""))
    is_whole = math.isfinite(value) and "." not in text and "e" not in text.casefold()
    if kind is Kind.ACCURACY and (match["percent"] or value > 1):
        value /= 100
    is_none = (
        (kind in _EXACT and not (is_whole and value >= _LEAST_EXACT))
        or (kind is Kind.CHECK and not abs(value) < _SMALL)
        or (is_hinted and is_whole)
    )
    return Number(value, text, Kind.OTHER if is_none else kind, label)


def _kind(words: frozenset[str]) -> Kind:
    """Return what the words in front of a number say that it is."""
    for kind, telling in _SURE[:2]:
        if not words.isdisjoint(telling):
            return kind
    if not words.isdisjoint(_NEVER):
        return Kind.OTHER
    return next((kind for kind, telling in _SURE[2:] if not words.isdisjoint(telling)), Kind.OTHER)


def _hinted(names: Iterable[str]) -> Kind:
    """Return the one kind of accuracy or loss that the printed names speak of."""
    words = words_of(" ".join(names))
    kinds = [kind for kind, telling in _SURE[:2] if not words.isdisjoint(telling)]
    return kinds[0] if len(kinds) == 1 else Kind.OTHER
