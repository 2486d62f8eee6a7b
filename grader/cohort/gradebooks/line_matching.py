"""Which line of a place's file is whose: by number, login, address or exact name, and never by a guess."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grader.cohort.gradebooks.template import TemplateLine
from grader.cohort.handed_in.layouts.layout import alike
from grader.cohort.model import Student
from grader.plain_text import one_line


@dataclass(frozen=True, slots=True)
class Match:
    """The line that is a student's, and by what it is; without one, `problem` says why."""

    line: TemplateLine | None = None
    by: str | None = None
    problem: str | None = None


class Directory:
    """The lines of a template, found by what is known of a student."""

    def __init__(self, lines: Sequence[TemplateLine]) -> None:
        self._by_kind = {kind: _index(lines, values_of_line) for kind, (values_of_line, _) in _KINDS.items()}

    def find(self, student: Student) -> Match:
        """Return the line of a student.

        The first kind of knowledge by which there is a line decides: a number of the place before one of the
        university, a login before an address, and a name last. It does not count where what else is known
        speaks of somebody else: numbers of two places may be the same.
        """
        for kind, (_, values_of_student) in _KINDS.items():
            found = self._lines(kind, values_of_student(student))
            if len(found) > 1:
                return Match(problem=f"{len(found)} lines of the template have this {kind}")
            if found and (other := _contradiction(student, found[0], kind)):
                return Match(problem=f"the template has this {kind} with another {other}")
            if found:
                return Match(found[0], kind)
        return self._by_label(student)

    def _by_label(self, student: Student) -> Match:
        """Look for the name of a file or folder of which nothing else is known: it may be any of these."""
        if any((student.email, student.sid, student.login, student.lms_id)):
            return Match(problem="the template has no line for them")
        found: dict[int, Match] = {}
        for kind in _KINDS:
            for line in self._lines(kind, [student.name or student.key]):
                found.setdefault(line.number, Match(line, kind))
        if len(found) > 1:
            return Match(problem=f"{len(found)} lines of the template fit this label")
        return next(iter(found.values()), Match(problem="the template has no line for them"))

    def _lines(self, kind: str, values: Iterable[str | None]) -> list[TemplateLine]:
        index = self._by_kind[kind]
        lines = {line.number: line for value in values if value for line in index.get(folded(value), ())}
        return list(lines.values())


def folded(text: str) -> str:
    """Return a text as it is compared: one way to write each letter, without case and needless space."""
    return alike(" ".join(one_line(text).split()))


def name_variants(name: str | None) -> tuple[str, ...]:
    """Return a name as it is, and, where it is written "Last, First", the other way round."""
    if not name:
        return ()
    last, comma, first = name.partition(",")
    return (name, f"{first.strip()} {last.strip()}") if comma else (name,)


def _index(
    lines: Sequence[TemplateLine], values: Callable[[TemplateLine], Iterable[str | None]]
) -> dict[str, list[TemplateLine]]:
    index: dict[str, list[TemplateLine]] = defaultdict(list)
    for line in lines:
        for value in {folded(value) for value in values(line) if value}:
            index[value].append(line)
    return dict(index)


def _contradiction(student: Student, line: TemplateLine, kind: str) -> str | None:
    """Return what speaks against a line that was found by one kind of knowledge; None where nothing does.

    Against a name everything does that differs. A number is of another person only where an address or the
    university's number differs, or the names have nothing in common, and neither of those two is the same.
    """
    other = line.student
    pairs = {
        "university number": (student.sid, other.sid),
        "address": (student.email, other.email),
        "number in the place": (student.lms_id, other.lms_id),
        "login": (student.login, other.login),
    }
    agrees = {
        what: folded(mine) == folded(theirs) for what, (mine, theirs) in pairs.items() if mine and theirs
    }
    differing = [what for what, is_same in agrees.items() if not is_same]
    if kind == "name":
        return next(iter(differing), None)
    if agrees.get("university number") or agrees.get("address"):
        return None
    hard = [what for what in differing if what in ("university number", "address")]
    if not hard and student.name and line.names and not _are_alike(student.name, line.names):
        return "name"
    return next(iter(hard), None)


def _are_alike(name: str, others: Iterable[str]) -> bool:
    """Whether two names have a word in common, also where one is written without spaces: it is no match."""
    squashed = _squashed(" ".join(others))
    words = [_squashed(word) for word in folded(name).replace(",", " ").split()]
    their_words = [_squashed(word) for other in others for word in folded(other).replace(",", " ").split()]
    mine = _squashed(name)
    return any(len(word) > 1 and word in squashed for word in words) or any(
        len(word) > 1 and word in mine for word in their_words
    )


def _squashed(text: str) -> str:
    return "".join(character for character in folded(text) if character.isalnum())


# What is compared, in this order: of a line, and of a student.
_KINDS: dict[
    str, tuple[Callable[[TemplateLine], Iterable[str | None]], Callable[[Student], Iterable[str | None]]]
] = {
    "number in the place": (lambda line: [line.student.lms_id], lambda student: [student.lms_id]),
    "university number": (lambda line: [line.student.sid], lambda student: [student.sid]),
    "login": (lambda line: [line.student.login], lambda student: [student.login]),
    "address": (lambda line: [line.student.email, line.student.login], lambda student: [student.email]),
    "name": (lambda line: line.names, lambda student: name_variants(student.name)),
}
