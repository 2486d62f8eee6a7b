"""What a student wrote for each written part, told from what the starter notebook already held."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from grader.model import Answer
from grader.notebooks.headings import heading_of
from grader.notebooks.reading import Cell, UnreadableNotebook, read_cells

NO_NOTEBOOK = "no notebook was handed in"
NO_CELL = "no cell of the notebook belongs to this question; look into the notebook itself"
NOTHING_WRITTEN = "nothing was written here; only text cells are looked at"
TO_BE_MARKED = "a person marks this part"
WITH_PICTURE = "a person marks this part; it shows a picture, so look into the notebook itself"

# A line of a cell that says where to write, reduced to its letters and digits.
_PLACEHOLDER = re.compile(
    r"(?:todo|please)?(?:double)?(?:clickto)?(?:write|type|enter|put|insert|add|edit)?(?:your|my)?"
    r"(?:written)?(?:answer|analysis|comparison|response|solution|explanation|text|words)?s?(?:goes|go)?(?:here|below)?"
)
_ORNAMENTS = frozenset(".…-_*=#> \t")
_NEW_CELL_OF_JUPYTER = "typemarkdownandlatexalpha2"
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_WORTH = re.compile(r"\([^()]{0,60}\bpoints?\b[^()]{0,60}\)")
_PICTURE = re.compile(r"!\[|<img\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Starter:
    """What the starter notebook holds: the lines of its text cells, and the titles of its headings."""

    lines: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Place:
    """Which questions text belongs to, and which of their parts, where a cell names one."""

    questions: tuple[str, ...] = ()
    part: str | None = None
    is_precise: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text; of a heading, what stands behind its number."""

    place: _Place
    text: str
    is_heading: bool = False


def starter_of(notebook: bytes, known: Mapping[str, str]) -> Starter:
    """Read the starter notebook; `known` maps the assignment's questions to their titles."""
    cells = read_cells(notebook)
    lines = (line for cell in cells if cell.is_text for line in cell.text.splitlines())
    return Starter(
        lines=frozenset(map(_normalised, lines)),
        titles=frozenset(_title(line.text) for line in _lines(cells, known) if line.is_heading),
    )


def find_answers(
    notebook: bytes | None, parts: Iterable[str], known: Mapping[str, str], starter: Starter
) -> dict[str, Answer]:
    """Return what was written for each part (`q2.2.answer`); a notebook that cannot be read says so instead.

    `known` maps the assignment's questions to their titles, in order. Text belongs to the question of the
    last heading above it, or of its cell's metadata; to all parts of the question unless metadata names one.
    Text under the heading of a whole problem is taken where a question has no text of its own.
    """
    parts = list(parts)
    if notebook is None:
        return dict.fromkeys(parts, Answer(None, NO_NOTEBOOK))
    try:
        lines = list(_lines(read_cells(notebook), known))
    except UnreadableNotebook as error:
        return dict.fromkeys(parts, Answer(None, f"the notebook cannot be read: {error}"))
    titles = starter.titles | frozenset(map(_title, known.values()))
    starter = replace(starter, titles=titles)
    by_question: dict[str, list[_Line]] = {}
    for line in lines:
        for question in line.place.questions:
            by_question.setdefault(question, []).append(line)
    return {part: _answer(part, parts, by_question, starter) for part in parts}


def _answer(
    part: str, parts: Collection[str], by_question: Mapping[str, list[_Line]], starter: Starter
) -> Answer:
    question, _, name = part.rpartition(".")
    siblings = {other.rpartition(".")[2] for other in parts if other.startswith(f"{question}.")} - {name}
    lines = [line for line in by_question.get(question, ()) if line.place.part not in siblings]
    own = [line for line in lines if line.place.is_precise]
    text = _text(own, starter) or _text([line for line in lines if not line.place.is_precise], starter)
    if text:
        return Answer(text, WITH_PICTURE if _PICTURE.search(text) else TO_BE_MARKED)
    return Answer("", NOTHING_WRITTEN) if own else Answer(None, NO_CELL)


def _lines(cells: Iterable[Cell], known: Mapping[str, str]) -> Iterator[_Line]:
    """Give every line of every text cell its place."""
    place = _Place()
    for cell in cells:
        if cell.question is not None:
            place = _Place((cell.question,), cell.part, is_precise=True)
        if cell.is_text:
            yield _Line(place, "")  # cells are paragraphs of their own, and an empty one is a place to write
            for line in _lines_of_cell(cell.text.splitlines(), place, known):
                place = line.place
                yield line


def _lines_of_cell(lines: list[str], place: _Place, known: Mapping[str, str]) -> Iterator[_Line]:
    is_code = False
    for number, line in enumerate(lines):
        is_code ^= bool(_FENCE.match(line))
        following = lines[number + 1] if number + 1 < len(lines) else ""
        heading = None if is_code else heading_of(line, known, next_line=following)
        if heading is None:
            yield _Line(place, line.rstrip())
            continue
        if heading.questions != place.questions:  # else a cell's metadata says more
            place = _Place(heading.questions, is_precise=heading.is_precise)
        yield _Line(place, heading.rest, is_heading=True)


def _text(lines: Iterable[_Line], starter: Starter) -> str:
    """Join what is the student's own; several empty lines become one."""
    kept = [line.text if _is_own(line, starter) else "" for line in lines]
    paragraphs = re.sub(r"\n{3,}", "\n\n", "\n".join(kept))
    return paragraphs.strip("\n")


def _is_own(line: _Line, starter: Starter) -> bool:
    if line.is_heading:
        return _title(line.text) not in starter.titles
    return _normalised(line.text) not in starter.lines and not _is_placeholder(line.text)


def _is_placeholder(line: str) -> bool:
    if _ORNAMENTS.issuperset(line):
        return True
    letters = _letters(line[:100])
    return bool(letters) and (letters == _NEW_CELL_OF_JUPYTER or bool(_PLACEHOLDER.fullmatch(letters)))


def _title(text: str) -> str:
    """Reduce a heading to what two spellings of it share: no points, no punctuation, no capitals."""
    return _letters(_WORTH.sub("", text[:400]))


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _normalised(line: str) -> str:
    return " ".join(line.split())
