"""A class of tiny submissions, graded by a tiny assignment that counts how often it is run."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from grader import pipeline
from grader.cohort.grading.batch import BatchOptions, folder_of_batch, run_batch
from grader.cohort.grading.executors import Place, ThisMachine
from grader.cohort.grading.tasks import let_go, order_for
from grader.cohort.journal import Journal
from grader.cohort.model import Entry, How, Row
from tests.contract.tiny_assignment import options_for, rubric_of, write_assignment

POINTS = {"first": 1, "second": 2}


class Here:
    """Grades in this very process, one after the other: for tests that are not about processes."""

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1)

    def slots(self) -> int:
        return 1

    def close(self, *, at_once: bool) -> None:
        self.executor.shutdown(cancel_futures=at_once)
        let_go()


def two_processes(_: BatchOptions) -> Place:
    return ThisMachine(2)


@dataclass
class TinyClass:
    """Submissions in one folder, an assignment beside them, and the folder that a batch writes."""

    root: Path
    body: str = "pass"
    changes: dict[str, object] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    ways: dict[str, How] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        source = f"""
            @check("q6.1.first")
            def test_first(student):
                "First."
                with open({str(self.runs)!r}, "a") as file:
                    file.write("run\\n")
                {self.body}
            @check("q6.1.second")
            def test_second(student):
                "Second."
        """
        self.assignment = write_assignment(self.root / "tiny", source, rubric=rubric_of(POINTS))
        self.submissions = self.root / "in"
        self.submissions.mkdir()

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def options(self) -> pipeline.GradeOptions:
        return options_for(self.assignment, **self.changes)

    def hand_in(self, *names: str, source: str | None = None) -> None:
        """Write submissions, each with other bytes unless a source is given."""
        for name in names:
            package = self.submissions / name / "mytorch"
            package.mkdir(parents=True, exist_ok=True)
            text = f"# of {name}\n" if source is None else source
            (package / "__init__.py").write_text(text, encoding="utf-8")

    def entries(self) -> list[Entry]:
        return [Entry(label=path.name, path=path) for path in sorted(self.submissions.iterdir())]

    def set_rubric(self, points: dict[str, object]) -> None:
        head = 'schema = "grader/rubric/v1"\nassignment = "tiny"\nversion = "2"\n'
        (self.assignment.folder / "rubric.toml").write_text(head + rubric_of(points), encoding="utf-8")

    def grade(
        self,
        *,
        entries: list[Entry] | None = None,
        place: Callable[[BatchOptions], Place] = lambda _: Here(),
        on_row: Callable[[Row, How], None] = lambda *_: None,
        **changes: object,
    ) -> Counter[How]:
        """Run a batch; return how often each way of getting a row occurred."""
        options = self.options
        plan = pipeline.prepare(options)
        batch = BatchOptions(order=order_for(options, secrets.token_hex(8)), plan=plan, folder=self.out)
        batch = replace(batch, **changes)
        self.rows, self.ways = {}, {}

        def note(row: Row, how: How) -> None:
            self.rows[row.entry.label], self.ways[row.entry.label] = row, how
            on_row(row, how)

        with folder_of_batch(self.out), Journal(self.out, assignment="tiny") as journal:
            handed_in = self.entries() if entries is None else entries
            self.sentences = run_batch(handed_in, batch, journal, place(batch), note)
        return Counter(self.ways.values())

    def times_run(self) -> int:
        """Return how often the checks were run since this was last asked, and forget it."""
        count = len(self.runs.read_text().splitlines()) if self.runs.exists() else 0
        self.runs.unlink(missing_ok=True)
        return count
