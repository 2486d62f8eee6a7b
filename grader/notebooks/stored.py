"""What a submitted notebook shows below its code cells: outputs that its author stored, and may have edited.

Nothing of it earns a point. It is only compared with what the same cells show when we run them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grader.notebooks.reading import at_most, raw_cells, text_of

MAX_CODE_CELLS = 400  # the homework takes some 40
MAX_CODE_CHARACTERS = 500_000  # of all code cells together
MAX_SHOWN_CHARACTERS = 200_000  # of one cell; what is behind is not compared
MAX_OUTPUTS = 2_000  # of one cell
_NAME_CHARACTERS = 80
_PICTURES = ("image/", "application/vnd.plotly", "application/pdf")
_PICTURES_OF_FORMAT_3 = ("png", "jpeg", "svg", "pdf")


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands below a cell: text by where it came from, how many pictures, the name of an exception.

    `result` is the value of the last expression; `printed` also holds what was displayed as text.
    """

    printed: str = ""
    warned: str = ""
    result: str = ""
    pictures: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        """All that was printed or shown as text, without warnings and progress bars."""
        return f"{self.printed}\n{self.result}" if self.result else self.printed

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is below the cell."""
        return self == Shown()


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A code cell as it was handed in; `number` counts all cells from 1, as the replay's messages do."""

    number: int
    source: str
    execution_count: int | None
    shown: Shown


def read_stored(notebook: bytes) -> tuple[StoredCell, ...]:
    """Return a notebook's code cells with what is stored below them.

    Raise UnreadableNotebook and nothing else, in bounded time and memory.
    """
    cells = enumerate(raw_cells(notebook), start=1)
    code = [(number, cell) for number, cell in cells if cell.get("cell_type") == "code"]
    at_most(len(code), MAX_CODE_CELLS, "code cells")
    stored = tuple(_stored(number, cell) for number, cell in code)
    at_most(sum(len(cell.source) for cell in stored), MAX_CODE_CHARACTERS, "characters of code")
    return stored


def shown_by(outputs: object) -> Shown:
    """Sum up a cell's list of outputs, of any notebook format; what has no known shape is passed over."""
    found: dict[str, list[str]] = {"printed": [], "warned": [], "result": []}
    pictures, error = 0, ""
    for output in _outputs(outputs):
        kind = str(output.get("output_type"))  # whatever it is, it can be looked up
        if kind == "stream":
            found["warned" if _is_stderr(output) else "printed"].append(text_of(output.get("text")))
        elif kind in {"error", "pyerr"}:
            error = error or _name(output.get("ename"))
        elif _has_picture(output):
            pictures += 1
        elif kind in {"execute_result", "pyout"}:
            found["result"].append(_plain_text(output))
        else:
            found["printed"].append(_plain_text(output) + "\n")
    texts = {name: "".join(parts)[:MAX_SHOWN_CHARACTERS] for name, parts in found.items()}
    return Shown(**texts, pictures=pictures, error=error)


def _stored(number: int, cell: Mapping[str, Any]) -> StoredCell:
    count = cell.get("execution_count", cell.get("prompt_number"))
    return StoredCell(
        number=number,
        source=text_of(cell.get("source", cell.get("input"))),
        execution_count=count if isinstance(count, int) and not isinstance(count, bool) else None,
        shown=shown_by(cell.get("outputs")),
    )


def _outputs(outputs: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(outputs, list):
        yield from (output for output in outputs[:MAX_OUTPUTS] if isinstance(output, dict))


def _is_stderr(output: Mapping[str, Any]) -> bool:
    return "stderr" in {str(output.get("name")), str(output.get("stream"))}


def _name(value: object) -> str:
    return value[:_NAME_CHARACTERS] if isinstance(value, str) and value else "an error"


def _data(output: Mapping[str, Any]) -> Mapping[str, Any]:
    data = output.get("data")
    return data if isinstance(data, dict) else {}


def _has_picture(output: Mapping[str, Any]) -> bool:
    kinds = [key for key in _data(output) if isinstance(key, str)]
    return any(kind.startswith(_PICTURES) for kind in kinds) or any(
        key in output for key in _PICTURES_OF_FORMAT_3
    )


def _plain_text(output: Mapping[str, Any]) -> str:
    return text_of(_data(output).get("text/plain", output.get("text")))
