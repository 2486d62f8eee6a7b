"""What tests of the gradebook share: a place to fill a template in, and a class as a batch records it."""

from __future__ import annotations

from pathlib import Path

import pytest

from grader.cohort.gradebooks import filling as gradebook
from grader.cohort.gradebooks.filling import fill_gradebook
from grader.cohort.gradebooks.records import GradebookOptions
from grader.cohort.model import Entry, Row
from grader.reports.to_json import render
from tests.unit.cohort.class_samples import different_cells, write_class


@pytest.fixture
def place(tmp_path):
    """Return a function that fills a template for rows of a class, and shows which cells differ."""
    return _Place(tmp_path)


class _Place:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.csv"
        self.out = folder / "out" / "filled.csv"

    def fill(self, text: str | bytes, rows, **options):
        """Fill a template; return what came of it, and the cells in which Python's csv sees a difference."""
        before = text if isinstance(text, bytes) else text.encode()
        self.template.write_bytes(before)
        options.setdefault("out", self.out)
        filled = fill_gradebook(self.class_of(rows), GradebookOptions(template=self.template, **options))
        return filled, different_cells(before, Path(options["out"]).read_bytes())

    def class_of(self, rows):
        folder = self.folder / "class"
        return write_class(folder, **rows) if isinstance(rows, dict) else folder


@pytest.fixture
def rows_of(monkeypatch, tmp_path):
    """Return a function that makes the class of rows that a batch would have recorded."""

    def make(*rows: tuple[Entry, object]):
        made = []
        for entry, each in rows:
            path = tmp_path / "class" / entry.label / "report.json"
            path.parent.mkdir(parents=True)
            path.write_text(render(each), encoding="utf-8")
            made.append(
                Row(entry=entry, status=each.status, score=each.score, max_score=each.max_score, report=path)
            )
        monkeypatch.setattr(gradebook, "read_rows", lambda _: iter(made))

    return make
