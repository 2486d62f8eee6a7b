"""Does the grader judge right? It grades what has a known grade: reference, template, variants, mutants."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from grader import pipeline
from grader.model import Outcome
from grader.plan import Plan
from grader.reports.schema import CheckReport, Report
from grader.sandbox.machine import processors
from grader.sandbox.providers import Provider
from grader.selftest.contract_rows import ContractRow, read_rows, reason_for, stale_changes
from grader.selftest.judgement_records import Fate, GradedResult, Judgement, MutantResult, RepeatResult
from grader.selftest.mutants import SOURCES, Mutant, mutants_of, write_mutant
from grader.selftest.observing import Observed, Observers
from grader.selftest.right_variants import RightVariant, right_variants
from grader.selftest.run import provider_of
from grader.settings import resource

GRADINGS_AT_ONCE = processors()
# Any but the public one, as `grade` has; the same each time, so that a self-test can be repeated.
SECRET = "what no submission knows"  # noqa: S105
OTHER_SECRETS = tuple(f"{SECRET}, {number}" for number in range(1, 5))
REPEATS, QUICK_REPEATS = 10, 2
# A quick run tries this many, evenly spread over all: the same ones each time.
QUICK_MUTANTS, QUICK_RIGHT, QUICK_SECRETS = 40, 5, 1
# What may differ between two reports on the same submission: when it ran and how long it took.
_TIMES = frozenset({"duration_s", "timing"})
_JUDGED = frozenset({"graded", "partial"})
_PARTS = frozenset({"mytorch", "theory"})
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run tries; `made` are all mutants, of which `mutants` are tried, `known` all right variants.

    `left_out` are the sources of mutants that no check judges yet.
    """

    is_quick: bool
    repeats: int
    secrets: tuple[str, ...]
    mutants: tuple[Mutant, ...]
    made: tuple[Mutant, ...]
    right: tuple[RightVariant, ...]
    known: int
    left_out: tuple[str, ...]

    @property
    def steps(self) -> int:
        """How many results a run hands on."""
        return 2 + self.repeats + len(self.secrets) + len(self.right) + len(self.mutants)


def make_trial(*, quick: bool = False, repeats: int | None = None) -> Trial:
    """Make the mutants and choose what to try."""
    questions = _questions()
    judged = [source for source in SOURCES if not set(source.questions.values()).isdisjoint(questions)]
    made = tuple(mutants_of(resource("reference"), tuple(judged)))
    known = tuple(right_variants())
    return Trial(
        is_quick=quick,
        repeats=repeats or (QUICK_REPEATS if quick else REPEATS),
        secrets=OTHER_SECRETS[:QUICK_SECRETS] if quick else OTHER_SECRETS,
        mutants=_spread(made, QUICK_MUTANTS) if quick else made,
        made=made,
        right=_spread(known, QUICK_RIGHT) if quick else known,
        known=len(known),
        left_out=tuple(source.file for source in SOURCES if source not in judged),
    )


def run_judgement(
    trial: Trial, name: str = "auto", on_result: Callable[[str], None] = lambda _: None
) -> Judgement:
    """Grade everything whose grade is known, under a sandbox or the best one here ("auto").

    `on_result` takes the name of what was judged last. Raise SandboxUnavailable where the sandbox fails.
    """
    started = time.monotonic()
    provider = provider_of(name, min_isolation=1)
    rows = read_rows()
    with (
        tempfile.TemporaryDirectory(prefix="grader-judgement-") as folder,
        Observers(resource("reference"), count=GRADINGS_AT_ONCE) as observers,
        ThreadPoolExecutor(GRADINGS_AT_ONCE) as pool,
    ):
        judge = _Judge(_Engine(provider), observers, Path(folder), rows, on_result)
        reports = list(pool.map(judge.reference, [SECRET] * trial.repeats))
        return Judgement(
            provider=provider.name,
            level=provider.level,
            is_quick=trial.is_quick,
            reference=_full("the reference", "", reports[0]),
            template=judge.template(),
            repeats=RepeatResult(
                trial.repeats,
                tuple(_differences(reports)),
                tuple(pool.map(judge.reference_with, trial.secrets)),
            ),
            right=tuple(pool.map(judge.right_variant, trial.right)),
            right_known=trial.known,
            mutants=tuple(pool.map(judge.mutant, trial.mutants)),
            made=len(trial.made),
            left_out=trial.left_out,
            stale=tuple(stale_changes(rows, trial.made)),
            seconds=round(time.monotonic() - started, 1),
        )


def honest_files(root: Path) -> dict[str, bytes]:
    """Return the files of the reference that a submission has, by their path in it."""
    found = [root / "theory.py", *sorted((root / "mytorch").rglob("*.py"))]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


class _Engine:
    """The pipeline as `grade` uses it, with its plans made beforehand.

    The suites are read here, in one thread: CPython 3.11's parser is not safe in two at a time.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.questions = questions = _questions()
        wholes = [tuple(name for name, its in questions.items() if its == {part}) for part in sorted(_PARTS)]
        wanted = {tuple(questions), *wholes, *((name,) for name in questions)}
        self._plans = {names: pipeline.prepare(self._options(names)) for names in wanted if names}

    def grade(
        self, folder: Path, questions: Sequence[str], secret: str = SECRET, *, only_first_loss: bool = False
    ) -> Report:
        """Grade a submission in some questions, to the end or until points are lost."""
        names = tuple(questions)
        options = replace(self._options(names, secret), only_first_loss=only_first_loss)
        return pipeline.grade(folder, options, plan=self._plans[names]).report

    def _options(self, questions: tuple[str, ...], secret: str = SECRET) -> pipeline.GradeOptions:
        return pipeline.GradeOptions(
            questions=questions, course_secret=secret, sandbox=self._provider.name, min_isolation=1
        )


def _questions() -> dict[str, frozenset[str]]:
    """Return the questions that have checks and need mytorch or theory.py alone, with what they need."""
    plan: Plan = pipeline.prepare(pipeline.GradeOptions())
    return {
        planned.question.id: planned.question.submission_parts
        for planned in plan.questions
        if planned.checks
        and planned.not_run_reason is None
        and planned.question.submission_parts
        and planned.question.submission_parts <= _PARTS
    }


class _Judge:
    """Grades one thing after the other, in folders of its own."""

    def __init__(
        self,
        engine: _Engine,
        observers: Observers,
        folder: Path,
        rows: Sequence[ContractRow],
        on_result: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._observers = observers
        self._folder = folder
        self._rows = rows
        self._on_result = on_result
        self._honest = honest_files(resource("reference"))
        self._questions = engine.questions
        self._numbers = count()

    def reference(self, secret: str) -> Report:
        """Grade the reference, always from a folder of the same name: it is in the report."""
        folder = _write(self._honest, self._place() / "reference")
        report = self._engine.grade(folder, tuple(self._questions), secret)
        self._on_result("the reference")
        return report

    def reference_with(self, secret: str) -> GradedResult:
        """Grade the reference on other inputs."""
        return _full("the reference", f"with the secret {secret!r}", self.reference(secret))

    def template(self) -> GradedResult:
        """Grade what students start from: nothing of it may score."""
        report = self._engine.grade(resource("student_template"), tuple(self._questions))
        gained = tuple(check.id for check in _automatic(report) if check.score != 0)
        self._on_result("the template")
        return GradedResult("the template", "", gained, _problem(report))

    def right_variant(self, variant: RightVariant) -> GradedResult:
        """Grade a right solution in the parts that it holds, and show it to the other graders' criteria."""
        started = time.monotonic()
        folder = self._place() / variant.name
        variant.write(folder)
        parts = _parts_in(folder)
        questions = tuple(name for name, needs in self._questions.items() if needs <= parts)
        report = self._engine.grade(folder, questions, f"{SECRET} {variant.name}")
        peers = self._observers.look(folder).peers if "mytorch" in parts else {}
        self._on_result(variant.name)
        seconds = round(time.monotonic() - started, 3)
        return _full(variant.name, variant.title, report, peers=peers, seconds=seconds)

    def mutant(self, mutant: Mutant) -> MutantResult:
        """Find out whether a mutant does something else, and if so whether that costs points."""
        started = time.monotonic()
        folder = write_mutant(mutant, self._honest, self._place() / mutant.id)
        part = mutant.file.partition("/")[0].removesuffix(".py")
        seen = self._observers.look(folder, part)
        fate, reason = self._fate(mutant, part, seen, folder)
        self._on_result(mutant.id)
        seconds = round(time.monotonic() - started, 3)
        return MutantResult(mutant, fate, reason, seen.difference, seen.peers, seconds)

    def _fate(self, mutant: Mutant, part: str, seen: Observed, folder: Path) -> tuple[Fate, str]:
        if not seen.loads:
            return Fate.UNREADABLE, ""
        if not seen.is_different:
            return Fate.EQUIVALENT, ""
        whole = tuple(name for name, needs in self._questions.items() if needs == {part})
        # Its own question first: most end there. Those that do not are graded in all that they are part of.
        for questions in ((mutant.question,), whole):
            report = self._engine.grade(folder, questions, only_first_loss=True)
            if problem := _problem(report):
                return Fate.UNJUDGED, problem
            if lost := _lost(report):
                return Fate.KILLED, lost[0]
        reason = reason_for(mutant, self._rows)
        return (Fate.WITHIN_CONTRACT, reason) if reason else (Fate.SURVIVED, "")

    def _place(self) -> Path:
        place = self._folder / str(next(self._numbers))
        place.mkdir()
        return place


def _write(files: Mapping[str, bytes], root: Path) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _parts_in(folder: Path) -> frozenset[str]:
    """Return what a variant is about: a template's untouched theory.py is no work on Problems 1 to 3."""
    theory, template = folder / "theory.py", resource("student_template") / "theory.py"
    has_theory = theory.is_file() and theory.read_bytes() != template.read_bytes()
    found = {"mytorch": (folder / "mytorch").is_dir(), "theory": has_theory}
    return frozenset(part for part, is_there in found.items() if is_there)


def _full(
    name: str,
    title: str,
    report: Report,
    *,
    peers: Mapping[str, bool] | None = None,
    seconds: float = 0.0,
) -> GradedResult:
    return GradedResult(name, title, tuple(_lost(report)), _problem(report), peers or {}, seconds)


def _automatic(report: Report) -> Iterator[CheckReport]:
    for question in report.questions:
        yield from (check for check in question.checks if check.kind == "auto")


def _lost(report: Report) -> list[str]:
    return [check.id for check in _automatic(report) if check.score != check.max_score]


def _problem(report: Report) -> str:
    """Say what failed in us, if anything did: then the report says nothing about the submission."""
    if report.status not in _JUDGED:
        return f"the report's status is {report.status}: {report.status_reason}"
    failed = [check.id for check in _automatic(report) if check.outcome is Outcome.GRADER_ERROR]
    return f"the grader failed in {', '.join(failed)}" if failed else ""


def _differences(reports: Sequence[Report]) -> Iterator[str]:
    first = reports[0].model_dump(mode="json")
    for report in reports[1:]:
        yield from _places(first, report.model_dump(mode="json"), "report")


def _places(one: Any, other: Any, where: str) -> Iterator[str]:
    """Yield where two reports differ, times aside."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one.keys() - _TIMES:
            yield from _places(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _places(first, second, f"{where}[{number}]")
    elif one != other:
        yield f"{where}: {one!r}, then {other!r}"


def _spread(items: Sequence[_Item], wanted: int) -> tuple[_Item, ...]:
    """Return so many of the items, evenly spread from the first on; all where there are no more."""
    if len(items) <= wanted:
        return tuple(items)
    return tuple(items[place * len(items) // wanted] for place in range(wanted))
