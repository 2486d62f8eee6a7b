"""Arguments in, exit code out; no grading logic. Modules load inside commands, so that --help is quick."""

# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer
from typer.core import TyperGroup

from grader.cli_options import (
    DataDir,
    Device,
    FastData,
    Formats,
    MinIsolation,
    Profile,
    ProfileGrader,
    Questions,
    RubricFile,
    Sandbox,
    Seed,
    WithoutExperiments,
    formats_in,
    grade_options,
)
from grader.cli_paths import output_folders, split_check_arguments
from grader.distribution import NAME as INSTALLATION
from grader.endings import (
    DEBUG_FLAG,
    complain,
    exit_code_of,
    go_on_ending,
    interruption_told,
    own_fault,
    run_as_process,
    tell_interruption,
    worst,
)
from grader.errors import GraderError, UsageError
from grader.memory import require_start_memory
from grader.scratch import scratch

if TYPE_CHECKING:
    from grader.datasets.store import DatasetStatus
    from grader.pipeline import Graded, GradeOptions
    from grader.plan import Plan
    from grader.sandbox.zygote import Zygote
    from grader.self_check import SelfCheck
    from grader.session import Event


# What a student's kit leaves out: its commands are not offered there.
_OPTIONAL_COMMANDS = {"bundle": "grader.bundles", "selftest": "grader.selftest"}


class _Commands(TyperGroup):
    """All commands that are installed; typer would end an interrupted one without a word."""

    def __init__(self, *, commands: dict[str, Any], **attributes: Any) -> None:
        super().__init__(
            commands={name: each for name, each in commands.items() if _is_here(name)}, **attributes
        )

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line."""
        with interruption_told():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with interruption_told():
            return super().invoke(ctx)


def _is_here(command: str) -> bool:
    return command not in _OPTIONAL_COMMANDS or find_spec(_OPTIONAL_COMMANDS[command]) is not None


app = typer.Typer(
    name="grader",
    cls=_Commands,
    help="Grades hand-written deep learning. Values cross the sandbox boundary, verdicts do not.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="The data sets: MNIST and BloodMNIST.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option(DEBUG_FLAG, help="Show tracebacks of our own faults.")] = False,
) -> None:
    """Grades hand-written deep learning. Values cross the sandbox boundary, verdicts do not."""
    del debug  # main() looks for it, since it must work even where parsing fails
    if show_version:
        from importlib.metadata import version

        typer.echo(f"grader {version(INSTALLATION)}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        require_start_memory()
        context.with_resource(scratch())


@app.command()
def grade(
    context: typer.Context,
    submissions: Annotated[list[Path], typer.Argument(help="Zips or folders.")],
    *,
    out: Annotated[Path, typer.Option(help="Where reports go.")] = Path("report"),
    profile: Profile = None,
    questions: Questions = "",
    device: Device = "auto",
    sandbox: Sandbox = "",
    min_isolation: MinIsolation = 2,
    rubric: RubricFile = None,
    seed: Seed = None,
    min_score: Annotated[float | None, typer.Option(help="Exit with 1 below this score.")] = None,
    report_format: Formats = "json",
    data_dir: DataDir = None,
    without_experiments: WithoutExperiments = False,
    fast_data: FastData = True,
    profile_grader: ProfileGrader = False,
) -> int:
    """Grade submissions: DIR/report.json, or DIR/NAME/report.json where there are several."""
    from grader import pipeline
    from grader.reports import ensure_writable, left_out, unscored_sentence

    formats = formats_in(report_format)
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
        asks_time=profile_grader,
    )
    folders = output_folders(submissions, out)
    for folder in folders.values():
        ensure_writable(folder)
    plan = pipeline.prepare(options)
    _require_own_marks(folders, plan)
    codes = []
    zygote = context.with_resource(pipeline.zygote_for(plan, options))
    for path, folder in folders.items():
        try:
            graded = _grade_one(path, options, plan, zygote)
            from grader import terminal
            from grader.marks import write_keeping_marks

            kept = write_keeping_marks(graded.report, folder, formats)
        except GraderError as error:
            complain(f"{pipeline.name_of(path)}: {error}")
            codes.append(error.exit_code)
            continue
        except Exception as error:  # noqa: BLE001  # a fault of ours in one submission is not the next one's
            go_on_ending()
            codes.append(own_fault(error, show_details=DEBUG_FLAG in sys.argv))
            continue
        graded = replace(graded, report=kept.report)
        terminal.print_report(terminal.make_console(), kept.report, kept.path)
        _show_profile(graded, wanted=profile_grader)
        for sentence in kept.sentences:
            complain(f"{pipeline.name_of(path)}: {sentence}")
        for name in left_out(kept.report, formats):
            complain(f"{pipeline.name_of(path)}: {unscored_sentence(name)}")
        codes.append(_exit_code(graded, min_score))
        if graded.error is not None:
            complain(f"{graded.report.submission.name}: {graded.error}")
        if graded.report.status == "interrupted":
            tell_interruption(f"what was finished is in {kept.path}")
            break
    return worst(codes)


@app.command()
def report(
    report: Annotated[Path, typer.Argument(metavar="REPORT.json", help="A report of `grader grade`.")],
    *,
    to: Annotated[str, typer.Option(help="The format: markdown, junit, gradescope, csv, and others.")],
    view: Annotated[str | None, typer.Option(help="student or instructor; else as the place needs.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write here; else it is printed.")] = None,
) -> int:
    """Make another format of a report, without grading again."""
    from grader.reports.conversion import convert

    typer.echo(convert(report, to, view=view, out=out).encode(), nl=False)
    return 0


@app.command()
def mark(
    report: Annotated[Path, typer.Argument(metavar="REPORT.json", help="A report of `grader grade`.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Such as q2.2.")],
    points: Annotated[str, typer.Argument(metavar="POINTS", help="From 0 to what the part is worth.")],
    *,
    by: Annotated[str, typer.Option(help="Who marks.")],
    comment: Annotated[str | None, typer.Option(help="What the student is told.")] = None,
    part: Annotated[str | None, typer.Option(help="Which part, where there are several.")] = None,
) -> int:
    """Mark a written part by hand; marks are kept when the submission is graded again."""
    from grader import marks, terminal

    changed = marks.mark(report, question, points, by=by, comment=comment, part=part)
    terminal.print_mark(terminal.make_console(), changed)
    return 0


@app.command()
def check(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH] [QUESTION]...", help="Where mytorch/ is; default: here."),
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run unchanged questions again, too.")] = False,
    profile: Profile = None,
    sandbox: Sandbox = "",
    data_dir: DataDir = None,
    profile_grader: ProfileGrader = False,
) -> int:
    """Check your own work: visible checks only, not a grade; what has not changed is not run again."""
    from grader.pipeline import zygote_for
    from grader.self_check import prepare_self_check
    from grader.settings import read_settings

    path, questions = split_check_arguments(arguments or [])
    prepared = prepare_self_check(
        read_settings(),
        questions,
        profile=profile,
        sandbox=sandbox,
        data_dir=data_dir,
        fresh=fresh,
        asks_time=profile_grader,
    )
    zygote = context.with_resource(zygote_for(prepared.plan, prepared.options))
    if watch:
        from grader.watching import watch_folder

        return watch_folder(path, lambda: _check_once(path, prepared, zygote, watched=True))
    return _check_once(path, prepared, zygote)


@app.command()
def rubric(*, rubric: RubricFile = None) -> int:
    """Show what each question is worth, and who checks it."""
    from grader import terminal
    from grader.pipeline import HW1
    from grader.plan import make_plan
    from grader.rubric import load_rubric
    from grader.suites import read_suites

    plan = make_plan(load_rubric(rubric or HW1.folder / "rubric.toml"), read_suites(HW1.folder))
    terminal.print_rubric(terminal.make_console(), plan)
    return 0


@app.command()
def bundle(
    name: Annotated[str, typer.Argument(metavar="BUNDLE", help="student, gradescope or actions.")],
    *,
    out: Annotated[Path, typer.Option(help="A new zip (its name ends with .zip), or a new folder.")],
    with_experiments: Annotated[
        bool, typer.Option("--with-experiments", help="PyTorch is installed there too, for the notebook.")
    ] = False,
    minutes: Annotated[int, typer.Option(help="How long that place lets one grading run.")] = 10,
    rubric: RubricFile = None,
) -> int:
    """Write what a place needs: the student's kit, Gradescope's autograder, a GitHub workflow."""
    from grader.bundles import BundleOptions, make_bundle

    options = BundleOptions(with_experiments=with_experiments, minutes=minutes, rubric=rubric)
    files = make_bundle(name, out, options)
    typer.echo(f"{out}: {files} files")
    return 0


@app.command()
def doctor(*, data_dir: DataDir = None) -> int:
    """Show what is available on this machine, and what would help."""
    from grader import terminal
    from grader.doctor import examine
    from grader.settings import read_settings

    settings = read_settings()
    found = examine(settings, data_dir or settings.data_dir)
    console = terminal.make_console()
    terminal.print_table(console, ("isolation", "state", "details"), found.isolation)
    console.print()
    terminal.print_table(console, ("package", "version", ""), found.packages)
    console.print()
    terminal.print_table(console, ("data", "state", "details"), found.data)
    console.print()
    for sentence in found.advice:
        console.print(sentence)
    return 0


@app.command()
def selftest(
    *,
    attacks: Annotated[bool, typer.Option("--attacks", help="Try every attack on this machine.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A part of it, in a minute.")] = False,
    repeat: Annotated[int | None, typer.Option(min=1, help="Grade the reference so often.")] = None,
    sandbox: Sandbox = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> int:
    """See for yourself that the grader judges right; with --attacks, that no attack succeeds here."""
    from grader.selftest_terminal import judge_the_judge, try_attacks
    from grader.settings import read_settings

    name = sandbox or read_settings().sandbox
    if not attacks:
        return judge_the_judge(name, quick=quick, repeat=repeat, as_json=as_json)
    if quick or repeat is not None:
        raise UsageError("--quick and --repeat are for the grader's judgement, not for --attacks")
    return try_attacks(name, as_json=as_json)


@data_app.command("status")
def data_status(*, data_dir: DataDir = None) -> int:
    """Show which data sets are here and verified."""
    from grader.datasets.store import status
    from grader.settings import read_settings

    return _print_data(status(data_dir or read_settings().data_dir))


@data_app.command("fetch")
def data_fetch(*, data_dir: DataDir = None) -> int:
    """Download the full data sets (needs the extra `experiments`)."""
    from grader.datasets.fetch import fetch
    from grader.settings import read_settings

    return _print_data(fetch(data_dir or read_settings().data_dir))


@data_app.command("import")
def data_import(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")], *, data_dir: DataDir = None
) -> int:
    """Copy data sets from a folder on disk, after verifying them."""
    from grader.datasets.store import import_folder
    from grader.settings import read_settings

    return _print_data(import_folder(folder, data_dir or read_settings().data_dir))


# A student's kit leaves out what is for a whole class.
if find_spec("grader.class_cli") is not None:
    from grader.class_cli.commands import CLASS_COMMANDS

    for _name, _command in CLASS_COMMANDS.items():
        app.command(_name)(_command)


def main() -> None:
    """Run the command line; every error leaves as one sentence and an exit code."""
    run_as_process(lambda: run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    return exit_code_of(
        lambda: app(args=list(arguments), prog_name="grader", standalone_mode=False),
        show_details=DEBUG_FLAG in arguments,
    )


def _check_once(path: Path, prepared: SelfCheck, zygote: Zygote | None, *, watched: bool = False) -> int:
    """Check what is there now, and print what was found; return the exit code of that."""
    from grader import pipeline

    with _Bar(prepared.plan, pipeline.name_of(path)) as bar:
        graded = prepared.run(path, zygote=zygote, on_event=bar.show, meanwhile=bar.begin)
    if watched and graded.report.status == "interrupted":  # which is how a watch ends
        return graded.exit_code
    if graded.report.status != "rejected":
        from grader import terminal

        terminal.print_self_check(
            terminal.make_console(), graded.report, prepared.plan, unchanged=graded.unchanged
        )
    _show_profile(graded, wanted=prepared.options.asks_time)
    if graded.error is not None:
        complain(str(graded.error))
    return graded.exit_code or int(not prepared.passes(graded))


def _require_own_marks(folders: Mapping[Path, Path], plan: Plan) -> None:
    """Refuse to replace a report with marks for somebody else's work."""
    from grader import pipeline
    from grader.reports import FORMATS, may_hold_marks

    for path, folder in folders.items():
        if may_hold_marks(folder / FORMATS["json"].file_name):  # else nobody waits for what reads reports
            from grader.marks import require_own_marks

            require_own_marks(folder, name=pipeline.name_of(path), assignment=plan.rubric.assignment)


def _grade_one(path: Path, options: GradeOptions, plan: Plan, zygote: Zygote | None) -> Graded:
    from grader import pipeline

    with _Bar(plan, pipeline.name_of(path)) as bar:

        def prepare_the_end() -> None:
            bar.begin()
            import grader.marks  # noqa: F401 -- which writes the report

        return pipeline.grade(
            path, options, plan=plan, on_event=bar.show, zygote=zygote, meanwhile=prepare_the_end
        )


def _show_profile(graded: Graded, *, wanted: bool) -> None:
    """Print where the time went, on the error output: what was asked for stays alone on the other one."""
    if wanted:
        from grader import terminal
        from grader.spending import ONLY_A_WORD, profile_rows

        console = terminal.make_console(stderr=True)
        rows = profile_rows(graded.spent, wall_time_s=float(graded.report.timing.wall_time_s))
        terminal.print_table(console, ("where the time went", "seconds", ""), rows)
        console.print(ONLY_A_WORD)


class _Bar:
    """A progress bar that is made while the process of the checks starts, and takes its events after that."""

    def __init__(self, plan: Plan, name: str) -> None:
        self._plan, self._name = plan, name
        self._shown = ExitStack()
        self._on_event: Callable[[Event], None] = lambda _: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def begin(self) -> None:
        """Show it, on a terminal only."""
        from grader import terminal

        console = terminal.make_console(stderr=True)
        self._on_event = self._shown.enter_context(terminal.progress(console, self._plan, self._name))

    def show(self, event: Event) -> None:
        """Take in what the checks' process tells."""
        self._on_event(event)


def _exit_code(graded: Graded, min_score: float | None) -> int:
    score = graded.report.score
    is_below = min_score is not None and (score is None or float(score) < min_score)
    return graded.exit_code or int(is_below)


def _print_data(rows: Iterable[DatasetStatus]) -> int:
    from grader import terminal

    cells = [
        (f"{row.name} {row.profile}", "verified" if row.verified else "missing", row.problem or f"{row.path}")
        for row in rows
    ]
    terminal.print_table(terminal.make_console(), ("data", "state", "where"), cells)
    return 0


if __name__ == "__main__":
    main()
