"""Q4.1 and Q4.3: classes of cells in words, beside images and in what is printed of an evaluation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise, permutations

import numpy as np

from grader.assignments.hw1.blood_evaluation import Answers
from grader.assignments.hw1.blood_model import CLASSES
from grader.errors import CheckFailed
from grader.notebooks.replay import Harvest

# Names of classes for a message, and how a text may shorten them.
CLASS_WORDS = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
CLASS_PATTERNS = (
    r"\bbaso",
    r"\beos",
    r"\beryth",
    r"\bimm|granulo|\big\b",
    r"\blymph",
    r"\bmono",
    r"\bneut",
    r"\bplate",
)
GRID = 16
_ANY_CLASS = re.compile("|".join(f"({pattern})" for pattern in CLASS_PATTERNS))
_RATES = ("precision", "recall", "f1")
_TO_TWO_DIGITS = 0.00501
_MAX_PRINTED, _MAX_LINE = 200_000, 5_000
# A line that speaks of more classes than three pairs have is a table or a list of all of them.
_MOST_MENTIONS = 6


def mentions(text: str) -> list[int]:
    """Return the classes that a text names, in order; one that is named twice in a row, once."""
    named = [(match.lastindex or 1) - 1 for match in _ANY_CLASS.finditer(text[:_MAX_LINE].lower())]
    return [index for place, index in enumerate(named) if place == 0 or named[place - 1] != index]


# ---------------------------------------------------------------------------------------- titles of images


def require_titles(titles: Sequence[str]) -> None:
    """Judge the titles of a grid of 16: two of each class, or one of the two has the title for both."""
    titled = [title for title in titles if title]
    if len(titled) != GRID and not (len(titled) == CLASSES and _fits(titled, times=1)):
        raise CheckFailed(
            f"{len(titles) - len(titled)} of the {len(titles)} images have no title; give each its class"
        )
    if len(titled) == GRID and not _fits(titled, times=2):
        first, count = next(
            (value, count) for value, count in Counter(next(_readings(titled))).items() if count != 2
        )
        word = CLASS_WORDS[first] if isinstance(first, int) else first[:40]
        raise CheckFailed(f"the 16 images are not two of each class: {word!r} stands beside {count} of them")


def _fits(titles: Sequence[str], *, times: int) -> bool:
    return any(set(Counter(reading).values()) == {times} for reading in _readings(titles))


def _readings(titles: Sequence[str]) -> Iterator[Sequence[int | str]]:
    """Yield what the titles may mean: the class that each names, or a text, or a number at the same place."""
    named = [set(mentions(title)) for title in titles]
    if all(len(each) == 1 for each in named):
        yield [each.pop() for each in named]
        return
    yield [title.lower() for title in titles]
    found = [re.findall(r"\d+", title) for title in titles]
    yield from zip(*found, strict=False)


# --------------------------------------------------------------------------------- classification report


def require_report(harvest: Harvest, answers: Answers) -> None:
    """Judge that precision, recall and F1 of each class are printed, a line a class or a line a rate."""
    printed = harvest.printed[:_MAX_PRINTED]
    lines = [line for line in map(_numbers_in, printed.splitlines()) if len(line) >= 3]
    rates = _by_rate(printed)
    if not lines and not all(rates.values()):
        raise CheckFailed(
            "no classification report is printed: a line for each class, with precision, recall and F1"
        )
    precisions, recalls = np.nan_to_num(answers.precisions), np.nan_to_num(answers.recalls)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.nan_to_num(2 * precisions * recalls / (precisions + recalls))
    text = printed.lower()
    is_recall_first = -1 < text.find("recall") < text.find("precision")
    for index in range(CLASSES):
        wanted = (float(precisions[index]), float(recalls[index]), float(scores[index]))
        in_order = (wanted[1], wanted[0], wanted[2]) if is_recall_first else wanted
        if not any(_holds(line, in_order) for line in lines) and not _is_among(rates, wanted):
            raise CheckFailed(
                f"no printed line has the precision {wanted[0]:.2f}, the recall {wanted[1]:.2f} and the F1 "
                f"{wanted[2]:.2f} of class {index} ({CLASS_WORDS[index]}): is the report of `all_labels` and "
                "`all_preds`, in this order?"
            )


def _holds(line: Sequence[float], wanted: Sequence[float]) -> bool:
    """Say whether a line has these numbers one after the other, in percent or not."""
    return any(
        all(_is_rate(seen, value) for seen, value in zip(line[start:], wanted, strict=False))
        for start in range(len(line) - len(wanted) + 1)
    )


def _is_among(rates: Mapping[str, Sequence[float]], wanted: Sequence[float]) -> bool:
    """Say whether each number stands in the lines of its own rate."""
    return all(
        any(_is_rate(seen, value) for seen in rates[name]) for name, value in zip(_RATES, wanted, strict=True)
    )


def _is_rate(seen: float, value: float) -> bool:
    return any(abs(seen / unit - value) <= _TO_TWO_DIGITS for unit in (1.0, 100.0))


def _by_rate(printed: str) -> dict[str, list[float]]:
    """Return the numbers of the lines that speak of one rate alone, with the rows of an array below them."""
    found: dict[str, list[float]] = {name: [] for name in _RATES}
    current: str | None = None
    for line in printed.splitlines():
        named = [name for name in _RATES if name in line[:_MAX_LINE].lower()]
        if named or not re.fullmatch(r"[\s\d.,\[\]]*", line[:_MAX_LINE]):
            current = named[0] if len(named) == 1 else None
        if current is not None:
            found[current] += _numbers_in(line)
    return found


def _numbers_in(line: str) -> list[float]:
    found = re.findall(r"(?<![\w.])\d{1,3}(?:\.\d{0,20})?(?!\w|\.\d)", line[:_MAX_LINE])
    return [float(text) for text in found]


# ----------------------------------------------------------------------------------------- confused pairs


def require_pairs_named(harvest: Harvest, answers: Answers) -> None:
    """Judge that the two pairs that are confused most often are named in what is printed.

    Pairs may be counted in one direction or in both, and a tie may be broken either way.
    """
    named = _pairs_named(harvest.printed)
    one_way = {pair: int(answers.confusion[pair]) for pair in permutations(range(CLASSES), 2)}
    both_ways = {pair: one_way[pair] + one_way[pair[::-1]] for pair in combinations(range(CLASSES), 2)}
    if any(_top_two_named(counts, named) for counts in (one_way, both_ways)):
        return
    worst = sorted(both_ways.items(), key=lambda entry: -entry[1])[:2]
    told = " and ".join(
        f"{CLASS_WORDS[a]}/{CLASS_WORDS[b]} ({a} and {b}, {count} times)" for (a, b), count in worst
    )
    raise CheckFailed(
        "what is printed does not name the two pairs of classes that are confused most often, "
        f"{told}; print each pair in a line of its own"
    )


def _top_two_named(counts: Mapping[tuple[int, int], int], named: set[frozenset[int]]) -> bool:
    order = sorted(counts.values(), reverse=True)
    surely = [pair for pair, count in counts.items() if count > order[1]]
    tied = [pair for pair, count in counts.items() if count == order[1]]
    hits = sum(frozenset(pair) in named for pair in tied)
    return all(frozenset(pair) in named for pair in surely) and hits >= min(2 - len(surely), 1)


def _pairs_named(printed: str) -> set[frozenset[int]]:
    """Return the pairs of classes that follow each other in a line, or stand in two lines by themselves."""
    lines = [line for line in printed[:_MAX_PRINTED].splitlines() if not _is_table_row(line)]
    found = {pair for line in lines for pair in _neighbours(_classes_in(line))}
    for first, second in pairwise(lines):
        classes = set(_classes_in(f"{first} {second}"))
        if len(classes) == 2:
            found.add(frozenset(classes))
    return found


def _neighbours(classes: Sequence[int]) -> set[frozenset[int]]:
    if len(classes) > _MOST_MENTIONS:
        return set()
    return {frozenset(pair) for pair in pairwise(classes) if pair[0] != pair[1]}


def _is_table_row(line: str) -> bool:
    """Say whether a line is a row of a matrix or of a report."""
    start = line[:_MAX_LINE]
    return (
        re.fullmatch(r"\s*\[[\[\]\s\d.,]*", start) is not None
        or len(re.findall(r"\d\.\d", start)) >= 3
        or len(re.findall(r"(?<![\w.])\d+(?![\w.])", start)) >= CLASSES
    )


def _classes_in(text: str) -> list[int]:
    """Return the classes that a text names or, where it names none, numbers."""
    numbered = re.findall(r"(?<![\w.])[0-7](?!\w|\.\d)", text[:_MAX_LINE])
    return mentions(text) or [int(digit) for digit in numbered]
