"""Options that several commands have, declared once."""

# ruff: noqa: PLC0415 -- modules load inside commands, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from grader.pipeline import GradeOptions

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where full data sets are kept.")]
Profile = Annotated[str | None, typer.Option(help="Which data: sample (embedded) or full.")]
Sandbox = Annotated[str, typer.Option(help="auto, or one of those that `grader doctor` lists.")]
RubricFile = Annotated[Path | None, typer.Option("--rubric", help="A rubric of your own.")]
Questions = Annotated[str, typer.Option(help="Only these: q6.1,q6.2 or a whole problem, q6.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
MinIsolation = Annotated[int, typer.Option(help="Below 2 the report is not a grade.")]
Seed = Annotated[int | None, typer.Option(help="Give every submission the same inputs.")]
Formats = Annotated[str, typer.Option("--format", help="More formats, with commas.")]
WithoutExperiments = Annotated[
    bool, typer.Option("--without-experiments", help="Leave what needs PyTorch not run.")
]
ProfileGrader = Annotated[
    bool, typer.Option("--profile-grader", help="Also show where the time went: ours, and the student's.")
]
FastData = Annotated[
    bool, typer.Option("--fast-data/--plain-data", help="Images for notebooks by the batch, or singly.")
]


def grade_options(
    *,
    profile: str | None,
    questions: str,
    device: str,
    sandbox: str,
    min_isolation: int,
    rubric: Path | None,
    seed: int | None,
    data_dir: Path | None,
    without_experiments: bool,
    fast_data: bool,
    gradings: int = 1,
    asks_time: bool = False,
) -> GradeOptions:
    """Return how submissions are graded: what was asked for, and the settings for all that was not.

    `gradings` is how many of them run at once, on this machine's processors.
    """
    from grader import pipeline
    from grader.sandbox.machine import processors_each
    from grader.settings import installation_secret, read_settings

    settings = read_settings()
    return pipeline.GradeOptions(
        assignment=pipeline.HW1,
        questions=names_in(questions),
        profile=profile or settings.profile,
        device=device,
        sandbox=sandbox or settings.sandbox,
        min_isolation=min_isolation,
        rubric=rubric,
        seed=seed,
        data_dir=data_dir or settings.data_dir,
        fast_data=fast_data,
        processors=processors_each(gradings),
        without_experiments=without_experiments,
        asks_time=asks_time,
        course_secret=installation_secret() if settings.secret_is_public else settings.course_secret,
    )


def formats_in(text: str) -> tuple[str, ...]:
    """Return the formats that were named; raise UsageError where one cannot be made here."""
    from grader.reports import require_formats

    names = names_in(text)
    require_formats(names)
    return names


def names_in(text: str) -> tuple[str, ...]:
    """Return names that were given with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
