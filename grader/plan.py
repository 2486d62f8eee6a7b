"""What one grading will do: the questions asked for, their checks in order, and what cannot run here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

from grader.distribution import EXPERIMENTS_COMMAND
from grader.errors import UsageError
from grader.model import Check, Visibility
from grader.rubric import Question, Rubric, Withheld, select
from grader.suites import DeclaredCheck

# What a notebook's worker must be able to import, whatever its cells do.
NOTEBOOK_PACKAGES = ("torch", "torchvision", "medmnist", "matplotlib", "sklearn", "IPython")


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """A check that will run, and its points."""

    declared: DeclaredCheck
    points: Decimal

    @property
    def check(self) -> Check:
        """The check itself."""
        return self.declared.check


@dataclass(frozen=True, slots=True)
class PlannedQuestion:
    """A question that was asked for; `not_run_reason` says why its checks cannot run here."""

    question: Question
    checks: tuple[PlannedCheck, ...]
    written: Mapping[str, Decimal]
    max_score: Decimal
    not_run_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The selection from the rubric for one grading.

    `hidden` are the checks left out of a self-check, `withheld` those that are not even here; `on_request`
    are the questions that it leaves out unless they are asked for, since they replay a notebook for minutes.
    """

    rubric: Rubric
    questions: tuple[PlannedQuestion, ...]
    hidden: tuple[PlannedCheck, ...] = ()
    on_request: tuple[str, ...] = ()
    withheld: tuple[Withheld, ...] = ()

    @property
    def hidden_count(self) -> int:
        """How many checks of its questions a self-check does not show, whether they are here or not."""
        return len(self.hidden) + sum(each.checks for each in self.withheld)

    @property
    def hidden_points(self) -> Decimal:
        """What those checks are worth."""
        withheld = sum((each.points for each in self.withheld), Decimal(0))
        return sum((planned.points for planned in self.hidden), withheld)

    @property
    def checks(self) -> tuple[PlannedCheck, ...]:
        """The checks that will run, in order."""
        return tuple(
            planned
            for question in self.questions
            if question.not_run_reason is None
            for planned in question.checks
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """The suites to collect."""
        return tuple(dict.fromkeys(planned.declared.file for planned in self.checks))

    @property
    def required_parts(self) -> frozenset[str]:
        """What the submission must hold for the checks to make sense; the rest is optional to hand in."""
        parts: frozenset[str] = frozenset()
        for planned in self.questions:
            if planned.checks and planned.not_run_reason is None:
                parts |= planned.question.submission_parts
        return parts - {"theory", "notebook"}

    @property
    def uses_notebook(self) -> bool:
        """Whether a check looks at what the notebook left behind."""
        return any(
            planned.question.needs_notebook
            for planned in self.questions
            if planned.checks and planned.not_run_reason is None
        )

    @property
    def uses_dataset(self) -> bool:
        """Whether a check reads MNIST."""
        return any(planned.declared.uses_dataset for planned in self.checks)

    def without(self, questions: Collection[str]) -> Plan:
        """Return the same plan less some of its questions."""
        kept = tuple(planned for planned in self.questions if planned.question.id not in questions)
        return replace(self, questions=kept)


def is_installed(package: str) -> bool:
    """Say whether a package could be imported here, without importing it."""
    return find_spec(package) is not None


def make_plan(
    rubric: Rubric,
    declared: Mapping[str, DeclaredCheck],
    *,
    wanted: Iterable[str] = (),
    visible_only: bool = False,
    without_experiments: bool = False,
    is_whole: bool = True,
    is_installed: Callable[[str], bool] = is_installed,
) -> Plan:
    """Select questions and pair their checks with points.

    `visible_only` is the student's own run: no hidden checks, no written parts, no questions
    without checks, and none that replay the notebook unless they are asked for. `without_experiments` leaves
    questions that need further packages not run. Where `declared` holds the checks of the wanted questions
    alone, it is not `is_whole`, and the rest of the rubric is taken at its word. Raise UsageError for unknown
    questions and for a rubric that does not fit the suites.
    """
    names = tuple(wanted)
    if is_whole:
        agree(rubric.questions, declared)
    selected = select(rubric, names)
    if not is_whole:
        agree(selected, declared)
    questions = tuple(_planned(question, declared, is_installed) for question in selected)
    if without_experiments:
        questions = tuple(map(_left_out, questions))
    if not visible_only:
        return Plan(rubric, questions)
    on_request: tuple[str, ...] = ()
    if not names:
        on_request = tuple(planned.question.id for planned in questions if _replays(planned))
        questions = tuple(planned for planned in questions if not _replays(planned))
    hidden = tuple(planned for question in questions for planned in question.checks if _is_hidden(planned))
    withheld = tuple(planned.question.withheld for planned in questions)
    visible = (_visible_part(question) for question in questions)
    kept = tuple(question for question in visible if question.checks)
    return Plan(rubric, kept, hidden, on_request, withheld)


def agree(questions: Iterable[Question], declared: Mapping[str, DeclaredCheck]) -> None:
    """Raise UsageError unless a rubric's questions give points to exactly the checks that they have."""
    for question in questions:
        there = {name for name, entry in declared.items() if entry.check.question == question.id}
        if unknown := sorted(set(question.checks) - there):
            known = ", ".join(sorted(there)) or "none"
            raise UsageError(f"the rubric names the check {unknown[0]}, which does not exist; known: {known}")
        if question.checks and (left_out := sorted(there - set(question.checks))):
            raise UsageError(f"the rubric leaves out the check {left_out[0]}; give it 0 points instead")


def require_all_checks(rubric: Rubric) -> None:
    """Raise UsageError where hidden checks are not installed: what is here could only give a wrong grade."""
    if any(question.withheld.checks for question in rubric.questions):
        raise UsageError(
            "this rubric withholds hidden checks, as that of a student's kit does, so nothing can be graded;"
            " `grader check` checks your own work"
        )


def _planned(
    question: Question, declared: Mapping[str, DeclaredCheck], installed: Callable[[str], bool]
) -> PlannedQuestion:
    checks = tuple(
        PlannedCheck(entry, question.checks[name])
        for name, entry in declared.items()
        if name in question.checks
    )
    return PlannedQuestion(
        question,
        checks,
        question.written,
        question.points,
        _not_run_reason(question, installed),
    )


def _left_out(planned: PlannedQuestion) -> PlannedQuestion:
    if not (planned.question.packages and planned.checks):
        return planned
    return replace(planned, not_run_reason="was left out: graded without PyTorch, as was asked for")


def _not_run_reason(question: Question, installed: Callable[[str], bool]) -> str | None:
    wanted = question.packages
    if question.checks and question.needs_notebook and all(map(installed, wanted)):
        wanted = NOTEBOOK_PACKAGES
    missing = ", ".join(package for package in wanted if not installed(package))
    if question.checks:
        return f"needs {missing}: {EXPERIMENTS_COMMAND}" if missing else None
    if sum(question.written.values(), Decimal(0)) == question.points:
        return None  # a person marks all of it
    reason = f"this version has no automatic checks for {question.id} yet"
    return f"{reason} (they will need {missing}: {EXPERIMENTS_COMMAND})" if missing else reason


def _replays(planned: PlannedQuestion) -> bool:
    return planned.question.needs_notebook and bool(planned.checks)


def _is_hidden(planned: PlannedCheck) -> bool:
    return planned.check.visibility is not Visibility.VISIBLE


def _visible_part(question: PlannedQuestion) -> PlannedQuestion:
    checks = tuple(planned for planned in question.checks if not _is_hidden(planned))
    points = sum((planned.points for planned in checks), Decimal(0))
    return PlannedQuestion(question.question, checks, {}, points, question.not_run_reason)
