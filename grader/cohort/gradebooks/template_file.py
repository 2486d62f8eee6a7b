"""A template from disk: which place's it is, how it is separated, which column is to be filled."""

from __future__ import annotations

from pathlib import Path

from grader.cohort.gradebooks.canvas import canvas_template, is_canvas, is_damaged_canvas
from grader.cohort.gradebooks.csv_cells import (
    DELIMITERS,
    MAX_TABLE_BYTES,
    Table,
    decoded,
    is_unclosed,
    read_table,
)
from grader.cohort.gradebooks.moodle import is_moodle, moodle_template
from grader.cohort.gradebooks.template import Template
from grader.errors import UsageError
from grader.plain_text import one_line


def read_template(path: Path, column: str | None = None) -> Template:
    """Read Canvas' or Moodle's own file; raise UsageError with one sentence where it is neither."""
    name = one_line(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_TABLE_BYTES:
        raise UsageError(f"{name} is larger than any gradebook")
    return template_of(data, name, column)


def template_of(data: bytes, name: str, column: str | None = None) -> Template:
    """Find out what a file's bytes hold; `name` is what sentences call it."""
    text, encoding, bom = decoded(data, name)
    if not text.strip():
        raise UsageError(f"{name} is empty")
    tables = [read_table(text, delimiter, encoding=encoding, bom=bom) for delimiter in DELIMITERS]
    tables.sort(key=lambda table: -len(table.header))  # of equals, the earlier delimiter
    for table in tables:
        if is_canvas(table):
            return canvas_template(_checked(table, name), name, column)
    for table in tables:
        if is_moodle(table) and len(table.header) > 1:
            return moodle_template(_checked(table, name), name, column)
    if any(map(is_damaged_canvas, tables)):
        raise UsageError(f"{name} has no column 'ID' beside the students' names: export the gradebook again")
    raise UsageError(
        f"{name} is neither Canvas' gradebook (first columns: Student, ID) nor Moodle's grading worksheet"
        " (a column of 'Participant 12345'): download it from the course again"
    )


def _checked(table: Table, name: str) -> Table:
    """Raise UsageError where a quote swallows the rest of the file."""
    for number, line in enumerate(table.lines, start=1):
        if any(map(is_unclosed, line.cells)):
            raise UsageError(
                f"{name} is not a CSV file: a quote that is opened in its line {number} never closes"
            )
    return table
