"""Code cells, given to questions: by heading, by metadata, and else by the names they define."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grader.notebooks.headings import heading_of
from grader.notebooks.reading import Cell

CODE = "code"
# What cells bind, and what they take from cells before them: (defines, uses) of each source.
ReadNames = Callable[[Sequence[str]], Sequence[tuple[Collection[str], Collection[str]]]]


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A cell of code: its place among all cells (from 0), and the questions it belongs to; none for set-up.

    `defines` and `uses` are names as far as they can be read from the source (worker/cell_names.py).
    """

    position: int
    source: str
    questions: tuple[str, ...] = ()
    defines: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()


def code_cells(
    cells: Sequence[Cell],
    known: Collection[str],
    names: Mapping[str, Collection[str]],
    *,
    read_names: ReadNames,
) -> tuple[CodeCell, ...]:
    """Give every code cell that is not empty its questions.

    `known` are the assignment's questions in order, `names` what each of them leaves behind. A cell belongs
    to the question of the last heading above it, or of its metadata; under the heading of a whole problem,
    and above all headings, it is set-up. A question with no cell of its own gets those that define names
    which are nobody else's. `read_names` reads the sources, which nobody on this side parses.
    """
    placed = tuple(_placed(cells, known))
    found = read_names([cell.source for cell in placed])
    placed = tuple(
        replace(cell, defines=frozenset(defines), uses=frozenset(uses))
        for cell, (defines, uses) in zip(placed, found, strict=True)
    )
    if not any(cell.questions for cell in placed):
        return tuple(_by_names(placed, names))
    homeless = [name for name in names if not any(name in cell.questions for cell in placed)]
    return tuple(_taken_in(cell, homeless, names) for cell in placed)


def last_positions(cells: Sequence[CodeCell]) -> Mapping[str, int]:
    """Return the position of each question's last cell."""
    return {question: cell.position for cell in cells for question in cell.questions}


def needed_for(cells: Sequence[CodeCell], questions: Collection[str]) -> tuple[CodeCell, ...]:
    """Return the cells that some questions need, in order: set-up, their own, and where used names come from.

    As far as can be told without running anything: a name made by exec() is not seen.
    """
    own = {cell.position for cell in cells if not questions_disjoint(cell, questions)}
    last = max(own, default=-1)
    before = [cell for cell in cells if cell.position <= last]
    needed = own | {cell.position for cell in before if not cell.questions}
    makers: dict[str, list[CodeCell]] = {}
    for cell in before:
        for name in cell.defines:
            makers.setdefault(name, []).append(cell)
    waiting = [cell for cell in before if cell.position in needed]
    while waiting:  # each name is looked up once: a chain of 10,000 cells must not take a square of steps
        for name in waiting.pop().uses:
            found = [maker for maker in makers.pop(name, ()) if maker.position not in needed]
            needed |= {maker.position for maker in found}
            waiting += found
    return tuple(cell for cell in before if cell.position in needed)


def questions_disjoint(cell: CodeCell, questions: Collection[str]) -> bool:
    """Say whether a cell belongs to none of the questions."""
    return set(cell.questions).isdisjoint(questions)


def _placed(cells: Sequence[Cell], known: Collection[str]) -> Iterator[CodeCell]:
    place: tuple[str, ...] = ()
    for position, cell in enumerate(cells):
        if cell.question is not None:
            place = (cell.question,)
        if cell.is_text:
            place = _place_after(cell.text, place, known)
        elif cell.kind == CODE and cell.text.strip():
            own = (
                (cell.question,) if cell.question is not None else place or _told_by_comment(cell.text, known)
            )
            yield CodeCell(position, cell.text, tuple(name for name in own if name in known))


def _place_after(text: str, place: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """Return the questions that the last heading of a text names, or the place so far."""
    lines = text.splitlines()
    is_code = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        is_code ^= line.lstrip().startswith(("```", "~~~"))
        heading = None if is_code else heading_of(line, known, next_line=following)
        if heading is not None:
            place = heading.questions if heading.is_precise else ()
    return place


def _told_by_comment(source: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the questions that the comment at the top of a cell names as a heading would."""
    first = source.lstrip().partition("\n")[0]
    heading = heading_of(first, known) if first.startswith("#") else None
    return heading.questions if heading is not None and heading.is_precise else ()


def _by_names(cells: Sequence[CodeCell], names: Mapping[str, Collection[str]]) -> Iterator[CodeCell]:
    """Give cells to questions where nothing else says: a cell that defines none stays with the one before."""
    current: tuple[str, ...] = ()
    for cell in cells:
        current = tuple(name for name in names if _defines_own(cell, name, names)) or current
        yield replace(cell, questions=current)


def _taken_in(cell: CodeCell, homeless: Sequence[str], names: Mapping[str, Collection[str]]) -> CodeCell:
    more = tuple(name for name in homeless if _defines_own(cell, name, names))
    return replace(cell, questions=(*cell.questions, *more)) if more else cell


def _defines_own(cell: CodeCell, question: str, names: Mapping[str, Collection[str]]) -> bool:
    """Say whether a cell defines a name that this question leaves behind and no other."""
    others = {name for other, theirs in names.items() if other != question for name in theirs}
    return not cell.defines.isdisjoint(set(names[question]) - others)
