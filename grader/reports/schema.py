"""The shape of `report.json`; its JSON Schema is published as `report.schema.json` beside this module.

Every text passes `grader.plain_text.scrub` on its way in, since much of it was written by students.
"""

from __future__ import annotations

import base64
import hashlib
import json
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import TypeAliasType

from grader.model import Outcome, Visibility
from grader.plain_text import one_line, scrub

SCHEMA: Literal["grader/report/v1"] = "grader/report/v1"
SCHEMA_FILE = Path(__file__).with_name("report.schema.json")


def plain_number(points: Decimal) -> int | float:
    """Return points as JSON and XML show them: 6, 2.5."""
    return int(points) if points == points.to_integral_value() else float(points)


Text = Annotated[str, AfterValidator(scrub)]
# Ids, dates and digests: ours, but a report is a file that anyone can edit.
Name = Annotated[str, AfterValidator(one_line)]
# What a person reads and marks must not end after a page.
MAX_ANSWER_BYTES = 32 << 10
LongText = Annotated[str, AfterValidator(partial(scrub, max_bytes=MAX_ANSWER_BYTES))]
# Decimal in Python, so that 0.1 + 0.2 is 0.3; a plain number in JSON.
Points = Annotated[
    Decimal,
    Field(ge=0, allow_inf_nan=False),
    PlainSerializer(plain_number, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
NonFinite = Literal["nan", "inf", "-inf"]
Values = TypeAliasType("Values", "bool | int | FiniteFloat | Text | list[Values]")


class Record(BaseModel):
    """Base of every part of the report: frozen, no unknown fields, no NaN."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, validate_by_name=True
    )


class ExcerptReport(Record):
    """A window of an array around the first difference; non-finite values are strings."""

    shape: tuple[int, ...]
    dtype: Text
    offset: tuple[int, ...]
    values: Values
    is_whole: bool


class FeedbackReport(Record):
    """What can be said about one check."""

    message: Text
    expected: ExcerptReport | Text | None = None
    got: ExcerptReport | Text | None = None
    first_bad_index: tuple[int, ...] | None = None
    max_relative_error: FiniteFloat | NonFinite | None = None
    reproduce: Text | None = None
    likely_cause: Text | None = None
    handout: Text | None = None


Count = Annotated[int, Field(ge=0, le=10**12)]
Numbers = Annotated[tuple[FiniteFloat | NonFinite, ...], Field(max_length=120)]


class SeriesReport(Record):
    """Named numbers in a row."""

    name: Text
    values: Numbers


class LinesReport(Record):
    """Learning curves, or statistics against depth."""

    kind: Literal["lines"]
    title: Text
    across: Text = Field(description="What the numbers are counted by: epoch, hidden layer.")
    series: Annotated[tuple[SeriesReport, ...], Field(max_length=8)]
    every: int = Field(ge=1, le=10**9, description="Of long series only every so many-th number is kept.")


class MatrixReport(Record):
    """Counts, true classes in rows and predicted ones in columns."""

    kind: Literal["matrix"]
    title: Text
    names: Annotated[tuple[Text, ...], Field(max_length=20)]
    counts: Annotated[tuple[tuple[Count, ...], ...], Field(max_length=20)]

    @model_validator(mode="after")
    def _is_square(self) -> Self:
        if {len(self.names)} != {len(self.counts), *map(len, self.counts)}:
            raise ValueError("a matrix has a row and a column for each name")
        return self


class PictureReport(Record):
    """A picture of the grader's own data, and what the model says of it."""

    height: int = Field(ge=1, le=32)
    width: int = Field(ge=1, le=32)
    channels: Literal[1, 3]
    pixels: str = Field(
        max_length=4096, pattern="^[A-Za-z0-9+/]*={0,2}$", description="Rows of uint8, in base64."
    )
    true: Text
    predicted: Text
    confidence: FiniteFloat | NonFinite

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if len(base64.b64decode(self.pixels)) != self.height * self.width * self.channels:
            raise ValueError("a picture has height x width x channels bytes")
        return self


class PicturesReport(Record):
    """A few pictures."""

    kind: Literal["pictures"]
    title: Text
    pictures: Annotated[tuple[PictureReport, ...], Field(max_length=4)]


class ErrorsReport(Record):
    """Relative errors, by the name of what was compared."""

    kind: Literal["errors"]
    title: Text
    names: Annotated[tuple[Text, ...], Field(max_length=60)]
    errors: Annotated[tuple[FiniteFloat | NonFinite, ...], Field(max_length=60)]

    @model_validator(mode="after")
    def _all_have_names(self) -> Self:
        if len(self.names) != len(self.errors):
            raise ValueError("every error has a name")
        return self


PlotReport = Annotated[
    LinesReport | MatrixReport | PicturesReport | ErrorsReport, Field(discriminator="kind")
]


class AnswerReport(Record):
    """What a student wrote for a written part; data, not markup."""

    text: LongText
    sha256: Name = Field(description="Of the whole text, also where it is cut here.")


class CommentReport(Record):
    """What a person tells everybody whose check failed in the same way; text, not markup."""

    text: Text
    by: Text


class CheckReport(Record):
    """One check, or one written part; `score` is null where nobody has judged it yet."""

    id: Name
    title: Text
    outcome: Outcome
    kind: Literal["auto", "written"]
    score: Points | None
    max_score: Points
    visibility: Visibility
    feedback: FeedbackReport
    duration_s: FiniteFloat
    answer: AnswerReport | None = Field(
        default=None, description="Of a written part; null: the feedback says why there is none."
    )
    grader_fault: Text | None = Field(default=None, description="For the instructor only: what failed in us.")
    plots: Annotated[tuple[PlotReport, ...], Field(max_length=4)] = Field(
        default=(), description="For people to look at; no verdict hangs on them."
    )
    comment: CommentReport | None = Field(
        default=None, description="A person's, for all of a class who failed in this way; students read it."
    )


class QuestionReport(Record):
    """One question; `score` is null where it was not scored."""

    id: Name
    title: Text
    score: Points | None
    max_score: Points
    status: Literal["graded", "manual", "not_run"]
    not_run_reason: Text | None = None
    checks: tuple[CheckReport, ...] = ()


class SubmissionReport(Record):
    """What was graded; `sha256` is null where the submission could not be opened."""

    name: Text
    sha256: Name | None
    files: dict[Text, int]


class AssignmentReport(Record):
    """By which rubric."""

    id: Text
    version: Text
    rubric_digest: Name


class MarkReport(Record):
    """A person's mark for a written part; of several for one part the last counts."""

    question: Name
    part: Name = Field(description="The part's name within its question: `balanced` of q4.1.")
    by: Text
    at: Name = Field(description="When, in UTC (ISO 8601).")
    points: Points
    comment: Text | None = None
    answer_sha256: Name | None = Field(
        default=None, description="Of the text that was marked; null where the report held none."
    )

    @property
    def check_id(self) -> str:
        """The id of the part's row: `q4.1.balanced`."""
        return f"{self.question}.{self.part}"


class FlagReport(Record):
    """Something for a person to look at; never a deduction."""

    kind: Name
    message: Text
    where: Text | None = None


class IsolationReport(Record):
    """Under what isolation the student's code was seen to run, and what that does not cover."""

    level: int
    name: Text
    provider: Text
    covers: tuple[Text, ...]
    does_not_cover: tuple[Text, ...]
    probes: dict[Text, Text]


class EnvironmentReport(Record):
    """Where and how; `is_grade` is false for a self-check and below isolation level 2."""

    is_grade: bool
    note: Text | None
    isolation: IsolationReport | None
    python: Text
    numpy: Text | None
    torch: Text | None
    device: Name
    platform: Text
    seed: int | None = Field(description="The number given with --seed; null: derived from the submission.")
    seed_is_public: bool = Field(description="Whether students can predict the inputs: no course secret.")
    data_profile: Name
    grader_version: Name


class TimingReport(Record):
    """When, in UTC, and how long, in seconds."""

    started_at: Name
    wall_time_s: FiniteFloat
    checks_s: FiniteFloat


class Report(Record):
    """The result of one grading. `score` is null, never 0, where it was not scored."""

    schema_: Literal["grader/report/v1"] = Field(default=SCHEMA, alias="schema")
    submission: SubmissionReport
    assignment: AssignmentReport
    status: Literal["graded", "partial", "rejected", "interrupted", "grader_error"]
    status_reason: Text | None
    score: Points | None
    max_score: Points
    rubric_max_score: Points
    pending: Points
    questions: tuple[QuestionReport, ...]
    marks: tuple[MarkReport, ...] = ()
    flags: tuple[FlagReport, ...] = ()
    environment: EnvironmentReport
    timing: TimingReport
    grader_log: Text | None = Field(default=None, description="For the instructor only: our own last words.")


def answer_digest(text: str) -> str:
    """Return the SHA-256 of a student's text, whatever characters are in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def report_schema() -> str:
    """Return the JSON Schema of `report.json` as text, as it is published in the package."""
    schema = Report.model_json_schema(mode="serialization", by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
