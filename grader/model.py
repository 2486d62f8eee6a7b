"""The nouns that travel between the stages: frozen records of the standard library only.

The shape of `report.json` is in `grader.reports.schema`; this module stays importable in
milliseconds, since the pytest process and the student's loop load it on every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Literal


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run of the checks cost, beside its results; for people alone, and no verdict hangs on it.

    Seconds are on the wall. `student_s` is what the worker says that the student's code took: it may lie.
    """

    workers: int = 0
    round_trips: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    python_s: float = 0.0  # until the process of the checks runs our code
    loading_s: float = 0.0  # from there until the first check starts: imports, and the suites
    checks_s: float = 0.0  # all checks, from the first one's start to the last one's end
    lanes_s: float = 0.0  # the same of all lanes, added up (as the three below are)
    workers_s: float = 0.0  # waiting for workers: what is left of their start, their locks and probes
    waiting_s: float = 0.0  # for answers
    student_s: float | None = None


class Outcome(StrEnum):
    """What became of one check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    EXITED = "exited"
    PROTOCOL_ERROR = "protocol_error"
    MISSING = "missing"
    PENDING = "pending"
    GRADER_ERROR = "grader_error"


class Ending(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    BROKE = "broke"  # our process died, hung or could not start
    NO_ISOLATION = "no_isolation"
    REJECTED = "rejected"


class Visibility(StrEnum):
    """Who may read a check's details, and when (the words Gradescope uses)."""

    VISIBLE = "visible"
    HIDDEN = "hidden"
    AFTER_DUE_DATE = "after_due_date"
    AFTER_PUBLISHED = "after_published"


@dataclass(frozen=True, slots=True)
class Submission:
    """A vetted submission, materialised read-only on disk.

    `root` holds only accepted files, re-rooted so that `root/mytorch` is the package;
    `notebook` is relative to `root`. `files` maps each path to its size in bytes.
    `sha256` is over the bytes that are graded, `name` is safe to print. `left_out` are the files whose
    kind is never graded.
    """

    name: str
    root: Path
    sha256: str
    files: Mapping[PurePosixPath, int]
    package: PurePosixPath | None
    notebook: PurePosixPath | None
    theory: PurePosixPath | None
    left_out: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """Something for a person to look at; never a deduction. `where` is a file and a line, or a check."""

    kind: str
    message: str
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a student wrote for a written part; None where that is not known, and `note` says why."""

    text: str | None
    note: str


@dataclass(frozen=True, slots=True)
class ArrayExcerpt:
    """A window of an array, centred on the first difference; `values` holds repr-able floats.

    `shape` is the whole array's; `offset` is where the window starts. Non-finite values are
    the strings "nan", "inf" and "-inf", so that JSON never sees them as numbers.
    """

    shape: tuple[int, ...]
    dtype: str
    offset: tuple[int, ...]
    values: object  # nested lists of float | int | bool | str, as deep as `shape`
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a student is told about one check.

    `message` is all of it in one text; its last part, where a detector fired, stands in `likely_cause` too.
    """

    message: str
    expected: ArrayExcerpt | str | None = None
    got: ArrayExcerpt | str | None = None
    first_bad_index: tuple[int, ...] | None = None
    max_relative_error: float | None = None
    reproduce: str | None = None
    likely_cause: str | None = None
    handout: str | None = None  # the section to read again


@dataclass(frozen=True, slots=True)
class Check:
    """One graded assertion. Its points live in the rubric only."""

    id: str  # "q6.1.forward_values"
    title: str  # the first line of the check's docstring
    visibility: Visibility
    needs: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The question's id: `q6.1` of `q6.1.forward_values`."""
        return self.id.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Series:
    """Named numbers in a row; they may be nan or inf, as what a submission computed may be."""

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Series against epochs, steps or layers; of long ones only every `every`-th number is kept."""

    title: str
    across: str  # what stands below: "epoch", "hidden layer"
    series: tuple[Series, ...]
    every: int = 1
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True, slots=True)
class MatrixPlot:
    """Counts, true classes in rows and predicted ones in columns."""

    title: str
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kind: Literal["matrix"] = "matrix"


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture of our own data: base64 of rows of uint8 pixels, `channels` of them each."""

    height: int
    width: int
    channels: int
    pixels: str
    true: str
    predicted: str
    confidence: float


@dataclass(frozen=True, slots=True)
class PicturesPlot:
    """Pictures with what a model says of them."""

    title: str
    pictures: tuple[Picture, ...]
    kind: Literal["pictures"] = "pictures"


@dataclass(frozen=True, slots=True)
class ErrorsPlot:
    """Relative errors by the name of what was compared, for a logarithmic axis."""

    title: str
    names: tuple[str, ...]
    errors: tuple[float, ...]
    kind: Literal["errors"] = "errors"


Plot = LinePlot | MatrixPlot | PicturesPlot | ErrorsPlot


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; `plots` are for people to look at and say nothing about the verdict."""

    check: Check
    outcome: Outcome
    feedback: Feedback
    duration_s: float
    plots: tuple[Plot, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use; the numbers live in `sandbox/policy.toml`."""

    memory_bytes: int
    call_s: float
    import_s: float
    check_s: float
    submission_s: float
    training_s: float
    cpu_s: int
    file_bytes: int
    open_files: int
    threads: int
    threads_kept: int
    stack_bytes: int
    output_bytes: int
    response_bytes: int
    responses_bytes: int
    held_up_factor: float
    cell_s: float
    notebook_s: float
    notebook_call_s: float
    notebook_check_s: float
    scratch_bytes: int
    scratch_entries: int


@dataclass(frozen=True, slots=True)
class Isolation:
    """The isolation that a worker was seen to run under."""

    level: int
    name: str
    provider: str
    covers: tuple[str, ...] = ()
    does_not_cover: tuple[str, ...] = ()
    probes: Mapping[str, str] = field(default_factory=dict)
