"""The commands for a whole class: arguments in, exit code out."""

# ruff: noqa: PLC0415 -- modules load inside commands, so that --help is quick

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from grader.cli_options import (
    DataDir,
    Device,
    FastData,
    Formats,
    MinIsolation,
    Profile,
    Questions,
    RubricFile,
    Sandbox,
    Seed,
    WithoutExperiments,
    formats_in,
    grade_options,
    names_in,
)
from grader.endings import complain
from grader.errors import UsageError

MERGE = "merge"
ClassFolder = Annotated[Path, typer.Argument(metavar="DIR", help="What a class was graded into.")]


def batch(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER", help="What a class handed in; or `merge` and folders of batches."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Where the journal, the reports and the class's pages go.")],
    roster: Annotated[Path | None, typer.Option(help="A CSV that names the students.")] = None,
    layout: Annotated[str | None, typer.Option(help="Whose download it is; default: recognised.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Submissions at once; default: processors.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler: tcp://HOST:8786.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Only this part of the class.")] = None,
    only: Annotated[str, typer.Option(help="Only these submissions or students, with commas.")] = "",
    since: Annotated[str | None, typer.Option(help="Only what was handed in since this date.")] = None,
    retry_faults: Annotated[
        bool, typer.Option("--retry-faults", help="Try again what failed through no student's fault.")
    ] = False,
    profile: Profile = None,
    questions: Questions = "",
    device: Device = "auto",
    sandbox: Sandbox = "",
    min_isolation: MinIsolation = 2,
    rubric: RubricFile = None,
    seed: Seed = None,
    report_format: Formats = "json",
    data_dir: DataDir = None,
    without_experiments: WithoutExperiments = False,
    fast_data: FastData = True,
) -> int:
    """Grade a class into DIR/NAME/report.json; started again, it goes on, and grades only what changed."""
    from grader.class_cli.batch import ClassRun
    from grader.sandbox.machine import processors

    options = grade_options(
        questions=questions,
        profile=profile,
        device=device,
        sandbox=sandbox,
        min_isolation=min_isolation,
        rubric=rubric,
        seed=seed,
        data_dir=data_dir,
        fast_data=fast_data,
        without_experiments=without_experiments,
        gradings=jobs or processors(),
    )
    run = ClassRun(options, out, formats_in(report_format))
    if folders[0] == Path(MERGE):
        return run.merge(folders[1:])
    if jobs is not None and scheduler is not None:
        raise UsageError("--jobs is for this machine, and --scheduler for others; give one of them")
    return run.grade(
        _only_folder(folders),
        roster=roster,
        layout=layout,
        jobs=jobs,
        scheduler=scheduler,
        shard=shard,
        only=names_in(only),
        since=since,
        retries_faults=retry_faults,
    )


def gradebook(
    folder: ClassFolder,
    *,
    template: Annotated[Path, typer.Option(help="The file that Canvas or Moodle let you download.")],
    out: Annotated[Path, typer.Option(help="The same file with the grades, to upload there.")],
    column: Annotated[str | None, typer.Option(help="Which column, where several may be meant.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="A TOML file: lateness, and which attempt counts.")
    ] = None,
    accept: Annotated[str, typer.Option(help="Enter these too: partial, pending, not-a-grade.")] = "",
    scale: Annotated[
        str | None, typer.Option(help="Where the maximum differs: proportional or none.")
    ] = None,
    comments: Annotated[bool, typer.Option("--comments", help="Fill Moodle's feedback comments.")] = False,
    feedback: Annotated[Path | None, typer.Option(help="A zip of each student's report, for Moodle.")] = None,
    feedback_format: Annotated[str, typer.Option(help="html, markdown, or both with a comma.")] = "html",
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> int:
    """Fill the grades into the gradebook file of Canvas or Moodle; nothing else in it changes."""
    from grader import terminal
    from grader.class_cli import gradebook_terminal
    from grader.cohort.gradebooks.filling import fill_gradebook
    from grader.cohort.gradebooks.policy_file import read_policy
    from grader.cohort.gradebooks.records import GradebookOptions

    options = GradebookOptions(
        template=template,
        out=out,
        column=column,
        policy=read_policy(policy) if policy is not None else None,
        accept=frozenset(names_in(accept)),
        scale=scale,
        comments=comments,
        feedback=feedback,
        feedback_formats=names_in(feedback_format),
    )
    filled = fill_gradebook(folder, options)
    if as_json:
        typer.echo(gradebook_terminal.gradebook_as_json(filled))
    else:
        gradebook_terminal.print_gradebook(terminal.make_console(), filled)
    return int(not filled.is_whole)


def class_report(
    folder: ClassFolder,
    *,
    out: Annotated[Path | None, typer.Option(help="The page; default: class.html in DIR.")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Numbers in place of names.")] = False,
) -> int:
    """Write a page about a whole class: scores, checks, the same failures, what is left to do."""
    from grader.cohort.page.writing import write_class_report

    typer.echo(write_class_report(folder, out, anonymous=anonymous))
    return 0


def comment(
    folder: ClassFolder,
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="As `grader class-report` lists them.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What they are told; empty: take it back.")],
    *,
    by: Annotated[str, typer.Option(help="Who comments.")],
) -> int:
    """Comment on a failure, in the reports of all who have it; kept when they are graded again."""
    from grader.cohort.failures import comments

    applied = comments.comment(folder, cluster, text, by=by)
    typer.echo(f"{applied.changed} {'report was' if applied.changed == 1 else 'reports were'} changed")
    for sentence in applied.sentences:
        complain(sentence)
    return 0


def similarity(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What a class handed in, as for `batch`.")],
    *,
    out: Annotated[Path, typer.Option(help="The page, for a browser.")] = Path("similarity.html"),
    as_json: Annotated[Path | None, typer.Option("--json", help="Write it for machines, too.")] = None,
    starter: Annotated[list[Path] | None, typer.Option(help="A folder of code all were given.")] = None,
    min_tokens: Annotated[int, typer.Option(help="A passage this long is surely found.")] = 15,
    top: Annotated[int, typer.Option(help="So many pairs are shown.")] = 50,
) -> int:
    """Show which submissions of a class share unusual code: for a person to look at, never a verdict."""
    from grader import terminal
    from grader.cohort.handed_in.discovery import discover
    from grader.cohort.similarity import comparing, output

    handed_in = discover(folder, without=[out] if as_json is None else [out, as_json])
    options = comparing.Options(starters=tuple(starter or ()), min_tokens=min_tokens, top=top)
    console, errors = terminal.make_console(), terminal.make_console(stderr=True)
    with terminal.steps_progress(errors, name="reading", total=len(handed_in.entries)) as on_step:
        found = comparing.compare(handed_in.entries, options, on_step)
    output.write(found, out, as_json)
    for sentence in (*handed_in.sentences, *output.problem_sentences(found)):
        complain(sentence)
    terminal.print_table(console, output.COLUMNS, output.table_rows(found))
    console.print(output.summary(found, out))
    return 0


def _only_folder(folders: Sequence[Path]) -> Path:
    if len(folders) > 1:
        raise UsageError("`grader batch` takes one folder; `grader batch merge DIR...` puts several together")
    return folders[0]


CLASS_COMMANDS: Mapping[str, Callable[..., int]] = {
    "batch": batch,
    "class-report": class_report,
    "comment": comment,
    "gradebook": gradebook,
    "similarity": similarity,
}
