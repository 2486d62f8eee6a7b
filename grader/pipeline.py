"""The stages in order: plan, intake, checks, scoring. The only module that knows them all.

What comes after the checks is imported while their process starts, in time that is waited for anyway.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from grader.assignments.hw1.names import NOTEBOOK_NAMES, PLACES
from grader.distribution import EXPERIMENTS_COMMAND
from grader.distribution import NAME as INSTALLATION
from grader.errors import (
    GraderError,
    GraderFault,
    MachineFault,
    SandboxUnavailable,
    SubmissionRejected,
    UsageError,
)
from grader.intake import is_compiled, open_submission, safe_name
from grader.model import Answer, CheckResult, Ending, Flag, Limits, Spent, Submission
from grader.plan import Plan, is_installed, make_plan, require_all_checks
from grader.records import GradingRequest
from grader.remembered import Earlier, Remembered, own_digest
from grader.rubric import load_rubric, select
from grader.sandbox import default_limits
from grader.sandbox.machine import has_gpu
from grader.sandbox.policy import read_policy
from grader.sandbox.providers import PROVIDERS
from grader.session import Event, SuiteRun, run_suites
from grader.settings import PUBLIC_SECRET, default_data_dir, resource
from grader.suites import read_suites

if TYPE_CHECKING:
    from grader.findings import Findings
    from grader.notebooks.written import Starter
    from grader.reports.schema import EnvironmentReport, Report, SubmissionReport, TimingReport
    from grader.sandbox.zygote import Zygote

INTERRUPTED_EXIT_CODE = 130
GRADE_MIN_ISOLATION = 2
PROFILES = ("sample", "full")
DEVICES = ("auto", "cpu", "cuda")
MOST_COMPILED = 20  # files of compiled code that are told one by one


@dataclass(frozen=True, slots=True)
class Assignment:
    """A homework: the folder with its rubric and suites, and where a submission may define each name.

    `starter` is the notebook that students start from, in what ships beside the package; `names` is what each
    of its questions leaves behind.
    """

    folder: Path
    places: Mapping[str, Sequence[str]]
    starter: str | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The process that runs the suites starts elsewhere.
        object.__setattr__(self, "folder", self.folder.resolve())


HW1 = Assignment(
    Path(__file__).parent / "assignments" / "hw1",
    PLACES,
    starter="student_template/hw1_s26_p4_5_6_starter.ipynb",
    names=NOTEBOOK_NAMES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeOptions:
    """What the caller may choose; `rubric` replaces the assignment's own, `limits` the policy's.

    `visible_only` is the student's own run. `only_first_loss` is for those who ask whether points are lost,
    not how many: what comes after the first check that does not pass is skipped. `fast_data` serves a
    notebook its images by the batch; without, the libraries make them one by one, which gives the same bits.
    `processors` is how many this grading may use, for a notebook's networks or for several questions at a
    time: more than one only where nothing else is graded beside it. `without_experiments` leaves what needs
    PyTorch not run, where it is installed but cannot be used.
    With `asks_time` workers say how long the student's code took, for people who look where time goes.
    `use_zygote` loads a notebook's libraries once for all its workers; without, each loads them itself.
    """

    questions: tuple[str, ...] = ()
    profile: str = "sample"
    device: str = "auto"
    sandbox: str = "auto"
    min_isolation: int = GRADE_MIN_ISOLATION
    rubric: Path | None = None
    seed: int | None = None
    data_dir: Path | None = None
    course_secret: str = field(default=PUBLIC_SECRET, repr=False)
    assignment: Assignment = HW1
    limits: Limits | None = None
    visible_only: bool = False
    only_first_loss: bool = False
    fast_data: bool = True
    processors: int = 1
    use_zygote: bool = True
    without_experiments: bool = False
    asks_time: bool = False

    @property
    def is_grade(self) -> bool:
        """Whether the result may count as a grade."""
        return not (self.visible_only or self.only_first_loss) and self.min_isolation >= GRADE_MIN_ISOLATION


@dataclass(frozen=True, slots=True)
class Graded:
    """A report, and the error that explains it where it holds no score.

    `unchanged` are the questions whose results are those of an earlier run of the same code. `spent` is what
    the run of the checks cost, if there was one.
    """

    report: Report
    error: GraderError | None = None
    unchanged: frozenset[str] = frozenset()
    spent: Spent | None = None

    @property
    def exit_code(self) -> int:
        """The process's exit code: 0 graded, 2 rejected, 3 our fault, 4 no isolation, 130 interrupted."""
        if self.report.status == "interrupted":
            return INTERRUPTED_EXIT_CODE
        return 0 if self.error is None else self.error.exit_code


def prepare(options: GradeOptions) -> Plan:
    """Find everything wrong with the call before a process starts; return what grading will do.

    Raise UsageError for unknown questions, rubrics, sandboxes and devices, DataUnavailable for missing data.
    """
    _is_one_of(options.profile, PROFILES, what="profile")
    _is_one_of(options.sandbox, ("auto", *(provider.name for provider in PROVIDERS)), what="sandbox")
    _is_one_of(options.device, DEVICES, what="device")
    if options.min_isolation not in (1, 2, 3):
        raise UsageError(f"--min-isolation is 1, 2 or 3, not {options.min_isolation}")
    rubric = load_rubric(options.rubric or options.assignment.folder / "rubric.toml")
    if not options.visible_only:
        require_all_checks(rubric)
    # That the assignment's own rubric fits all of its suites was seen by a test: not every start reads them.
    named = {question.id for question in select(rubric, options.questions)} if not options.rubric else None
    plan = make_plan(
        rubric,
        read_suites(options.assignment.folder, only=named),
        wanted=options.questions,
        visible_only=options.visible_only,
        without_experiments=options.without_experiments,
        is_whole=named is None,
    )
    if not plan.questions:
        everything = read_suites(options.assignment.folder)
        having = ", ".join(dict.fromkeys(check_id.rpartition(".")[0] for check_id in everything))
        raise UsageError(f"none of these questions has visible checks yet; those that do: {having}")
    reasons = {planned.question.id: planned.not_run_reason for planned in plan.questions}
    if options.visible_only and all(reasons.values()):
        first, reason = next(iter(reasons.items()))
        raise UsageError(f"{first} cannot be checked here: it {reason}")
    if options.device == "cuda":
        _require_cuda()
    if plan.uses_dataset or plan.uses_notebook:
        from grader.datasets import load_bloodmnist, load_mnist

        load_mnist(options.profile, options.data_dir)
        if plan.uses_notebook and options.profile == "full":  # the sample is drawn, which cannot fail
            load_bloodmnist(options.profile, options.data_dir)
    return plan


@contextmanager
def zygote_for(plan: Plan, options: GradeOptions) -> Iterator[Zygote | None]:
    """Have a notebook's libraries loaded once for all gradings in the block.

    None where no notebook is replayed, and where one is on a GPU: see sandbox/zygote.py.
    """
    if not (options.use_zygote and plan.uses_notebook) or device_of(options.device, plan) == "cuda":
        yield None
        return
    from grader.sandbox.zygote import Zygote

    with Zygote(
        provider=options.sandbox, min_isolation=options.min_isolation, policy=read_policy()
    ) as zygote:
        yield zygote


def grade(
    path: Path,
    options: GradeOptions,
    *,
    plan: Plan | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    zygote: Zygote | None = None,
    remembered: Remembered | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Graded:
    """Grade one submission. There is always a report; only wrong calls raise (see `prepare`).

    Who grades several makes one `zygote_for` all of them. `remembered` is for self-checks alone: what it
    knows of the same code is not run again. `meanwhile` is done while the process of the checks starts.
    """
    if remembered is not None and not options.visible_only:
        raise ValueError("only a self-check may use what an earlier one found")
    plan = plan or prepare(options)
    with nullcontext(zygote) if zygote is not None else zygote_for(plan, options) as own:
        return _graded(path, options, plan, _Means(on_event, own, remembered, meanwhile))


@dataclass(frozen=True, slots=True)
class _Means:
    """What a grading is lent by its caller."""

    on_event: Callable[[Event], None]
    zygote: Zygote | None
    remembered: Remembered | None
    meanwhile: Callable[[], None] = lambda: None

    def prepare_the_end(self) -> None:
        """Do what would be waited for after the checks, in the time in which they only start."""
        import grader.findings  # noqa: F401

        platform.platform()  # which remembers what it found, as the next two do
        for package in ("torch", INSTALLATION):
            installed_version(package)
        if self.remembered is not None:
            own_digest()
        self.meanwhile()


def find(
    path: Path,
    options: GradeOptions,
    *,
    plan: Plan,
    on_event: Callable[[Event], None] = lambda _: None,
    zygote: Zygote | None = None,
) -> Findings:
    """Run the checks on one submission, and leave the points to whoever asks; see `grade`."""
    return _found(path, options, plan, _Means(on_event, zygote, None))[0]


def not_run(path: Path, options: GradeOptions, plan: Plan, reason: str) -> Findings:
    """Return what is known of a submission that could not be graded here, through no fault of its own."""
    from grader.findings import Findings
    from grader.scoring import Facts

    run = SuiteRun(Ending.BROKE, reason)
    environment = _environment(run, options, plan)
    facts = Facts(_submission_report(path, None), environment, _Clock().timing({}), Ending.BROKE, reason)
    return Findings({}, facts)


def _graded(path: Path, options: GradeOptions, plan: Plan, means: _Means) -> Graded:
    from grader.findings import report_of

    findings, unchanged, spent = _found(path, options, plan, means)
    report = report_of(plan, findings)
    return Graded(report, error_of(report, findings), unchanged, spent)


def _found(
    path: Path, options: GradeOptions, plan: Plan, means: _Means
) -> tuple[Findings, frozenset[str], Spent | None]:
    clock = _Clock()
    submission: Submission | None = None
    left_out: list[Flag] = []
    answers: Mapping[str, Answer] = {}
    unchanged: frozenset[str] = frozenset()
    try:
        with open_submission(path, require=plan.required_parts) as opened:
            submission = opened
            left_out = _compiled_code(opened)
            answers = _answers(opened, plan, options.assignment)
            earlier = Earlier() if means.remembered is None else means.remembered.recall(opened, plan)
            changed = plan.without(earlier.questions)
            run = _run(opened, changed, options, means)
            if means.remembered is not None:
                means.remembered.keep(opened, changed, run)
            run, unchanged = earlier.completed_by(run), frozenset(earlier.questions)
    except SubmissionRejected as error:
        run = SuiteRun(Ending.REJECTED, str(error))
    except MachineFault as error:
        run = SuiteRun(Ending.BROKE, str(error))
    except KeyboardInterrupt:
        run = SuiteRun(Ending.INTERRUPTED, "grading was interrupted")
    except Exception as error:  # noqa: BLE001  # whatever fails in us, there is a report that says so
        from grader.findings import last_lines

        reason = f"the grader could not run this submission ({type(error).__name__}: {error})"
        run = SuiteRun(Ending.BROKE, reason, log=last_lines(error))
    from grader.findings import Findings
    from grader.scoring import Facts

    facts = Facts(
        submission=_submission_report(path, submission),
        environment=_environment(run, options, plan),
        timing=clock.timing(run.results),
        ending=run.ending,
        reason=run.reason,
        broken=run.broken,
        faults=run.faults,
        flags=[*left_out, *run.flags],
        answers=answers,
        log=run.log,
    )
    return Findings(run.results, facts), unchanged, run.spent


def name_of(path: Path) -> str:
    """Return a submission's name in reports and folders: its file's or folder's name, made safe."""
    name = path.resolve().name
    return safe_name(name[:-4] if name.lower().endswith(".zip") else name)


def _run(
    submission: Submission,
    plan: Plan,
    options: GradeOptions,
    means: _Means,
) -> SuiteRun:
    if not plan.checks:
        return SuiteRun(Ending.FINISHED)
    request = GradingRequest(
        submission_root=submission.root,
        submission_sha256=submission.sha256,
        course_secret=options.course_secret,
        checks=tuple(planned.check for planned in plan.checks),
        places=options.assignment.places,
        limits=options.limits or default_limits(),
        provider=options.sandbox,
        min_isolation=options.min_isolation,
        profile=options.profile,
        # Resolved here: the process starts elsewhere, and without HOME.
        data_dir=(options.data_dir or default_data_dir()).resolve(),
        device=device_of(options.device, plan),
        seed=options.seed,
        only_first_loss=options.only_first_loss,
        fast_data=options.fast_data,
        processors=options.processors,
        notebook=str(submission.notebook) if plan.uses_notebook and submission.notebook else None,
        questions=tuple(question.id for question in plan.rubric.questions),
        names=options.assignment.names,
        asks_time=options.asks_time,
    )
    folder = options.assignment.folder
    return run_suites(
        request,
        suites=folder,
        files=plan.files,
        on_event=means.on_event,
        zygote=means.zygote,
        meanwhile=means.prepare_the_end,
    )


def error_of(report: Report, findings: Findings) -> GraderError | None:
    """Return the error that explains a report without a score."""
    reason, ending = report.status_reason or "", findings.facts.ending
    if ending is Ending.REJECTED:
        return SubmissionRejected(reason)
    if ending is Ending.NO_ISOLATION:
        return SandboxUnavailable(reason)
    return GraderFault(reason) if report.status == "grader_error" else None


def _submission_report(path: Path, submission: Submission | None) -> SubmissionReport:
    from grader.reports.schema import SubmissionReport

    if submission is None:  # it could not be opened
        return SubmissionReport(name=name_of(path), sha256=None, files={})
    return SubmissionReport(
        name=submission.name,
        sha256=submission.sha256,
        files={str(file): size for file, size in submission.files.items()},
    )


def _compiled_code(submission: Submission) -> list[Flag]:
    """Tell of code that was left out, since whoever imports it finds nothing."""
    paths = [path for path in submission.left_out if is_compiled(path)]
    message = "compiled code, left out: only Python sources are graded"
    return [Flag("compiled_code", message, str(path)) for path in paths[:MOST_COMPILED]]


def _answers(submission: Submission, plan: Plan, assignment: Assignment) -> Mapping[str, Answer]:
    """Find the text of the written parts; a fault of ours in that costs the text, and not the grade."""
    parts = [part for planned in plan.questions for part in planned.written]
    if not parts:
        return {}
    from grader.notebooks.written import find_answers

    known = {question.id: question.title for question in plan.rubric.questions}
    notebook = submission.notebook
    try:
        content = None if notebook is None else (submission.root / notebook).read_bytes()
        return find_answers(content, parts, known, _starter(assignment.starter, tuple(known.items())))
    except Exception as error:  # noqa: BLE001  # as above
        note = f"the grader could not read the notebook ({type(error).__name__}); look into it yourself"
        return dict.fromkeys(parts, Answer(None, note))


@cache
def _starter(name: str | None, known: tuple[tuple[str, str], ...]) -> Starter:
    """Read the notebook that students start from, once for all submissions."""
    from grader.notebooks.written import Starter, starter_of

    return Starter() if name is None else starter_of(resource(name).read_bytes(), dict(known))


def _environment(run: SuiteRun, options: GradeOptions, plan: Plan) -> EnvironmentReport:
    from grader.reports.schema import EnvironmentReport, IsolationReport

    isolation = run.isolation
    return EnvironmentReport(
        is_grade=options.is_grade,
        note=_note(options),
        isolation=None if isolation is None else IsolationReport(**asdict(isolation)),
        python=run.versions.get("python", platform.python_version()),
        numpy=run.versions.get("numpy"),
        torch=installed_version("torch"),
        device=device_of(options.device, plan),
        platform=platform.platform(),
        seed=options.seed,
        seed_is_public=options.course_secret == PUBLIC_SECRET,
        data_profile=options.profile,
        grader_version=installed_version(INSTALLATION) or "unknown",
    )


def _note(options: GradeOptions) -> str | None:
    if options.visible_only:
        return "a self-check, not a grade"
    if options.only_first_loss:
        return "not a grade: nothing was tried after the first check that did not pass"
    if not options.is_grade:
        return (
            f"not a grade: isolation level {options.min_isolation} was accepted, "
            f"a grade needs {GRADE_MIN_ISOLATION}"
        )
    return None


def device_of(device: str, plan: Plan) -> str:
    """Return where the notebook's networks are trained; all else is NumPy, which the processor does."""
    if device != "auto":
        return device
    if not plan.uses_notebook or "+cpu" in (installed_version("torch") or "+cpu"):
        return "cpu"
    return "cuda" if has_gpu() else "cpu"


def _require_cuda() -> None:
    if not is_installed("torch"):
        raise UsageError(f"--device cuda needs PyTorch: {EXPERIMENTS_COMMAND}")
    if not import_module("torch").cuda.is_available():
        raise UsageError("--device cuda was asked for, and PyTorch finds no CUDA device here")


@cache
def installed_version(package: str) -> str | None:
    """Return a package's version, None where it is not installed; read once, since it takes a millisecond."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _is_one_of(value: str, known: Sequence[str], *, what: str) -> None:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}; known: {', '.join(known)}")


class _Clock:
    """When a grading started."""

    def __init__(self) -> None:
        self._started_at = datetime.now(UTC)
        self._started_s = time.monotonic()

    def timing(self, results: Mapping[str, CheckResult]) -> TimingReport:
        """Return the times so far."""
        from grader.reports.schema import TimingReport

        return TimingReport(
            started_at=self._started_at.isoformat(timespec="seconds"),
            wall_time_s=round(time.monotonic() - self._started_s, 3),
            checks_s=round(sum(result.duration_s for result in results.values()), 3),
        )
