"""The code of a submission as one stream of tokens, each of which knows its file, its cell and its line.

A submission is opened by intake alone, and nothing of it is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from grader.cohort.similarity.tokens import normalised
from grader.intake import open_submission
from grader.intake.folder import read_folder
from grader.notebooks.reading import UnreadableNotebook, read_cells
from grader.plain_text import one_line

# An honest submission has some 6,000 tokens in 50,000 characters: more is there to slow its reader down.
MAX_TOKENS = 100_000
MAX_CHARACTERS = 1_000_000

Numbers = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Text:
    """A file, or a cell of a notebook."""

    file: str
    cell: int | None  # of a notebook, from 1, text cells counted too
    source: str

    @property
    def lines(self) -> list[str]:
        """The lines as the lexer counts them."""
        return self.source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@dataclass(frozen=True, slots=True)
class Stream:
    """The tokens of one file, or of all cells of a notebook, which are one program.

    `tokens` are hashes of symbols; `texts` says for each in which text it is, `lines` in which line of it.
    """

    tokens: Numbers
    texts: NDArray[np.int32]
    lines: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Code:
    """All code of a submission. `notes` say what of it could not be looked at."""

    texts: tuple[Text, ...]
    streams: tuple[Stream, ...]
    notes: tuple[str, ...] = ()

    @property
    def token_count(self) -> int:
        """How many tokens there are in all files."""
        return sum(len(stream.tokens) for stream in self.streams)


def read_submission(path: Path) -> Code:
    """Read a zip or a folder; raise SubmissionRejected where it cannot be opened."""
    with open_submission(path, require=frozenset()) as submission:
        names = (PurePosixPath(name) for name in submission.files)
        return read_code({name: (submission.root / name).read_bytes() for name in names if _is_code(name)})


def read_starter(folder: Path) -> Code:
    """Read what everybody was given: all code below a folder; raise SubmissionRejected where that fails."""
    return read_code(read_folder(folder).files)


def read_code(files: Mapping[PurePosixPath, bytes]) -> Code:
    """Return the tokens of Python files and notebooks, in the order of their names, up to a limit."""
    texts: list[Text] = []
    streams: list[Stream] = []
    notes: list[str] = []
    left, characters = MAX_TOKENS, MAX_CHARACTERS
    for name in sorted(filter(_is_code, files)):
        try:
            found = list(_texts_of(name, files[name]))
        except UnreadableNotebook as error:
            notes.append(one_line(f"{name} cannot be read: {error}"))
            continue
        characters -= sum(len(text.source) for text in found)
        stream = _stream(found, first=len(texts), limit=left) if characters > 0 else None
        if stream is None or len(stream.tokens) == left:
            notes.append(one_line(f"{name} and what follows it is too much code to be compared as a whole"))
        if stream is None:
            break
        texts += found
        streams.append(stream)
        left -= len(stream.tokens)
        if left == 0:
            break
    return Code(tuple(texts), tuple(streams), tuple(notes))


def _is_code(name: PurePosixPath) -> bool:
    return name.suffix.lower() in {".py", ".ipynb"}


def _texts_of(name: PurePosixPath, content: bytes) -> Iterator[Text]:
    if name.suffix.lower() == ".py":
        yield Text(str(name), None, content.decode("utf-8-sig", errors="replace"))
        return
    for number, cell in enumerate(read_cells(content), start=1):
        if cell.kind == "code":
            yield Text(str(name), number, cell.text)


def _stream(texts: Iterable[Text], *, first: int, limit: int) -> Stream:
    every = (
        (_hash_of(symbol), at, line)
        for at, text in enumerate(texts, start=first)
        for symbol, line in normalised(text.source)
    )
    rows = list(islice(every, limit))
    return Stream(
        tokens=np.array([row[0] for row in rows], np.uint64),
        texts=np.array([row[1] for row in rows], np.int32),
        lines=np.array([row[2] for row in rows], np.int32),
    )


@lru_cache(maxsize=4096)
def _hash_of(symbol: str) -> int:
    return int.from_bytes(hashlib.blake2b(symbol.encode("utf-8", "replace"), digest_size=8).digest(), "big")
