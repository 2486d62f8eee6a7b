"""Where a comparison is written to, and the sentences about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grader.cohort.similarity.comparing import Similarity
from grader.cohort.similarity.page import as_json, cut, name_of, percent, rarest, render, visible
from grader.errors import UsageError
from grader.plain_text import one_line
from grader.reports import write_atomically

ROWS = 10  # of the table on the terminal; the page has all pairs
COLUMNS = ("score", "passages", "stands in", "submissions")
_MOST_NAME = 100  # characters


def write(found: Similarity, out: Path, json_file: Path | None) -> None:
    """Write the page, and the JSON where it is asked for; raise UsageError where that fails."""
    _write(out, render(found))
    if json_file is not None:
        _write(json_file, as_json(found))


def problem_sentences(found: Similarity) -> Iterator[str]:
    """Yield a sentence for each submission that could not be compared, or not as a whole."""
    for entry, problem in found.problems:
        yield f"{name_of(entry)}: {one_line(visible(problem))}"


def summary(found: Similarity, out: Path) -> str:
    """Say how the rest of the class compares, what the table is not, and where the page is."""
    return (
        f"{found.compared} submissions compared; half of all pairs score at most {percent(found.median)}, "
        f"99 of 100 at most {percent(found.high)}. This says where to look; it is no verdict. "
        f"Side by side: {out}"
    )


def table_rows(found: Similarity) -> list[tuple[str, str, str, str]]:
    """Return a row of the terminal's table for each of the first pairs."""
    return [
        (
            percent(pair.score),
            str(len(pair.regions)),
            rarest(pair, found),
            f"{cut(name_of(pair.one), _MOST_NAME)}\n{cut(name_of(pair.other), _MOST_NAME)}",
        )
        for pair in found.pairs[:ROWS]
    ]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
