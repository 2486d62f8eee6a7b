"""Which questions a line of text is the heading of: `## Q4.2`, `**1.3:** …`, `Q6.1 - Q6.5`, `# Problem 2`."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_LOOKED_AT = 400  # characters of a line; a heading comes first in it

_MARKS = r"(?P<marks>(?:[\s>*_#~+-]|<[a-z][^<>]{0,60}>){0,24})"
_WORDS = r"(?:qn|question|q|problem|prob|exercise|ex|task|part|section|aufgabe)"
_NUMBER = r"\d{1,2}\.\d{1,2}(?!\d)"
_JOINT = r"\s{0,3}(?P<joint>-|–|—|to|through|bis|and|und|&|,|/)\s{0,3}"  # noqa: RUF001 -- dashes of every length
_QUESTION = re.compile(
    rf"{_MARKS}(?P<word>{_WORDS}\.?\s{{0,3}})?(?P<number>{_NUMBER})"
    rf"(?P<more>(?:{_JOINT.replace('?P<joint>', '?:')}(?:{_WORDS}\.?\s{{0,3}})?{_NUMBER}){{0,20}})"
    rf"(?P<item>\.\d{{1,2}}|\s?\([a-z]\)|[a-z](?![a-z]))?(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MORE = re.compile(rf"{_JOINT}(?:{_WORDS}\.?\s{{0,3}})?(?P<number>{_NUMBER})", re.IGNORECASE)
_PROBLEM = re.compile(
    rf"{_MARKS}problem\s{{0,3}}(?P<number>\d{{1,2}})(?![\d.]\d|\d)(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_CLOSED = r"(?:[\s*_]|</[a-z][a-z0-9]{0,10}>)*"
_DELIMITER = re.compile(
    rf"{_CLOSED}(?:(?P<stop>\.)(?=\s|$)|[:)]|[-–—](?=\s|$)|$)",  # noqa: RUF001
    re.IGNORECASE,
)
_MARK = r"(?:\*\*|__|[*_]|</[a-z][a-z0-9]{0,10}>)"
_BEFORE_TEXT = re.compile(rf"{_MARK}*[\s:.)–—-]*(?:{_MARK}(?=\s|$))*\s*", re.IGNORECASE)  # noqa: RUF001
_END_TAG = re.compile(r"</h[1-6]>$", re.IGNORECASE)
_HEADING_TAG = re.compile(r"<h[1-6]", re.IGNORECASE)
_BOLD = re.compile(r"\*\*|__|<(?:b|strong)\b", re.IGNORECASE)
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)\s*")
_RANGES = frozenset({"-", "–", "—", "to", "through", "bis"})  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: of which questions, what else stands in its line, and whether it names them one by one."""

    questions: tuple[str, ...]
    rest: str
    is_precise: bool


def heading_of(line: str, known: Collection[str], *, next_line: str = "") -> Heading | None:
    """Return what a line heads, or None; `known` are the assignment's questions, in order.

    A number in running text ("Q4.2 shows that") is none: it takes a heading's markup, or a colon, or an end.
    """
    start = line[:_LOOKED_AT]
    is_underlined = bool(_UNDERLINE.fullmatch(next_line[:_LOOKED_AT])) and bool(line.strip())
    if (match := _QUESTION.match(start)) and _is_heading(match, known, is_underlined=is_underlined):
        return Heading(_questions(match, known), _rest(match, line), is_precise=True)
    if (match := _PROBLEM.match(start)) and (is_underlined or _is_marked(match) or _delimited(match)):
        problem = f"q{match['number']}."
        return Heading(
            tuple(name for name in known if name.startswith(problem)), _rest(match, line), is_precise=False
        )
    return None


def _is_heading(match: re.Match[str], known: Collection[str], *, is_underlined: bool) -> bool:
    has_word = match["word"] is not None
    if not has_word and f"q{match['number']}" not in known:
        return False
    if is_underlined or _is_marked(match) or (has_word and _BOLD.search(match["marks"])):
        return True
    delimiter = _delimited(match)
    return delimiter is not None and (has_word or delimiter["stop"] is None)


def _is_marked(match: re.Match[str]) -> bool:
    return "#" in match["marks"] or _HEADING_TAG.search(match["marks"]) is not None


def _delimited(match: re.Match[str]) -> re.Match[str] | None:
    return _DELIMITER.match(match["rest"])


def _questions(match: re.Match[str], known: Collection[str]) -> tuple[str, ...]:
    order = list(known)
    found = [f"q{match['number']}"]
    for more in _MORE.finditer(match["more"]):
        last = f"q{more['number']}"
        if more["joint"].lower() in _RANGES and found[-1] in order and last in order:
            found += order[order.index(found[-1]) + 1 : order.index(last)]
        found.append(last)
    return tuple(dict.fromkeys(found))


def _rest(match: re.Match[str], line: str) -> str:
    """Return what is left of the line behind the number: a title, or the beginning of an answer."""
    rest = line[match.start("rest") :]
    rest = rest[_BEFORE_TEXT.match(rest).end() :].rstrip()  # type: ignore[union-attr]  # it may match nothing
    rest = _END_TAG.sub("", rest.rstrip("#").rstrip()).rstrip()
    # The end of the bold print that began before the number.
    return rest[:-2].rstrip() if rest.count("**") == 1 and rest.endswith("**") else rest
