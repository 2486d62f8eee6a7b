"""What can be said of a whole class, gathered from one report after the other.

Of a report that was counted only a few numbers stay: thousands of submissions fit into memory.
"""

from __future__ import annotations

import heapq
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from grader.cohort.failures.clusters import Cluster, Clusters
from grader.cohort.model import Row
from grader.model import Outcome, Visibility
from grader.plain_text import one_line
from grader.reports.schema import CheckReport, QuestionReport, Report

MOST_SLOW = 10
# However many reasons hostile submissions make up, the memory for them ends.
MAX_GROUPS = 2_000
_LONGEST_BYTES = 600
_LONGEST_NAME_BYTES = 200
_RUN = ("graded", "partial")
_NO_VERDICT = (Outcome.GRADER_ERROR, Outcome.MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One row of the class; `score` is None where it was not scored."""

    label: str
    names: tuple[str, ...]
    status: str
    reason: str | None
    score: Decimal | None
    max_score: Decimal | None
    pending: Decimal
    flags: int
    report: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Where the scores lie; quartiles are interpolated between scores, the lowest being 0 % (inclusive)."""

    count: int
    mean: float
    lowest: float
    lower_quartile: float
    median: float
    upper_quartile: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFacts:
    """What became of one check; `judged` are those with a verdict, which the pass rate is of."""

    id: str
    question: str
    title: str
    kind: str
    visibility: Visibility
    max_score: Decimal
    outcomes: Mapping[Outcome, int]
    judged: int
    passed: int
    mean_s: float
    longest_s: float

    @property
    def pass_rate(self) -> float | None:
        """The share that passed of those with a verdict; None where there is none."""
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFacts:
    """What became of one question; `full` of the `scored` ones have all of its points."""

    id: str
    title: str
    max_score: Decimal
    count: int
    scored: int
    full: int
    mean: float | None
    not_run: int

    @property
    def pass_rate(self) -> float | None:
        """The share with all points of those with a score; None where there is none."""
        return self.full / self.scored if self.scored else None


@dataclass(frozen=True, slots=True)
class Slow:
    """Something that took long: a submission's grading, or one check of it."""

    seconds: float
    label: str
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Submissions of which the same can be said."""

    kind: str
    where: str
    reason: str
    labels: tuple[str, ...]
    points: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """All that a class's page says."""

    submissions: tuple[Submission, ...]
    assignments: tuple[str, ...]
    statuses: Mapping[str, int]
    scores: tuple[float, ...]
    max_scores: tuple[Decimal, ...]
    distribution: Distribution | None
    questions: tuple[QuestionFacts, ...]
    checks: tuple[CheckFacts, ...]
    clusters: tuple[Cluster, ...]
    failures_left_out: int
    slow_submissions: tuple[Slow, ...]
    slow_checks: tuple[Slow, ...]
    faults: tuple[Group, ...]
    not_graded: tuple[Group, ...]
    flags: tuple[Group, ...]
    outstanding: tuple[Group, ...]
    groups_left_out: int


def gather(pairs: Iterable[tuple[Row, Report | None]]) -> ClassFacts:
    """Return what can be said of a class; of a row without a report, only what the row says."""
    gathered = _Gathered()
    for row, report in pairs:
        gathered.add(row, report)
    return gathered.facts()


def distribution(scores: Sequence[float]) -> Distribution | None:
    """Return where scores lie; None of none."""
    if not scores:
        return None
    lower, median, upper = statistics.quantiles(
        [*scores, *scores[: len(scores) == 1]], n=4, method="inclusive"
    )
    return Distribution(
        count=len(scores),
        mean=statistics.fmean(scores),
        lowest=min(scores),
        lower_quartile=lower,
        median=median,
        upper_quartile=upper,
        highest=max(scores),
    )


class _Gathered:
    """The sums so far."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.assignments: dict[str, None] = {}
        self.checks: dict[str, _CheckSums] = {}
        self.questions: dict[str, _QuestionSums] = {}
        self.clusters = Clusters()
        self.slow_submissions, self.slow_checks = _Slowest(), _Slowest()
        self.faults, self.not_graded = _Groups(), _Groups()
        self.flags, self.outstanding = _Groups(), _Groups()

    def add(self, row: Row, report: Report | None) -> None:
        self.submissions.append(_submission(row, report))
        self._add_status(self.submissions[-1])
        seconds = row.wall_time_s if report is None else report.timing.wall_time_s
        if seconds is not None:
            self.slow_submissions.add(Slow(seconds, row.entry.label))
        if report is not None:
            self._add_report(row.entry.label, report)

    def _add_status(self, submission: Submission) -> None:
        groups = self.faults if submission.status in ("grader_error", "interrupted") else self.not_graded
        if submission.status not in _RUN:
            reason = submission.reason or "no reason is known"
            groups.add((submission.status, "the whole submission", reason), submission.label)

    def _add_report(self, label: str, report: Report) -> None:
        assignment = report.assignment
        self.assignments.setdefault(one_line(f"{assignment.id} {assignment.version}"))
        self.clusters.add(label, report)
        for kind, message in {flag.kind: flag.message for flag in reversed(report.flags)}.items():
            self.flags.add((kind, "", ""), label, example=message)
        if report.status == "rejected":  # there was nothing that a check could have been tried on
            return
        for question in report.questions:
            self.questions.setdefault(question.id, _QuestionSums(question)).add(question)
            if report.status in _RUN and question.status == "not_run":
                reason = question.not_run_reason or "no reason is known"
                self.faults.add(("not run", question.id, reason), label)
            for check in question.checks:
                self.checks.setdefault(check.id, _CheckSums(question.id, check)).add(check)
                self._add_check(label, check)
                # Where a whole grading broke off, each of its checks is missing: that is told once.
                is_alone = report.status in _RUN and question.status != "not_run"
                if check.outcome is Outcome.GRADER_ERROR or (check.outcome is Outcome.MISSING and is_alone):
                    self.faults.add((str(check.outcome), check.id, check.feedback.message), label)

    def _add_check(self, label: str, check: CheckReport) -> None:
        if check.kind == "auto":
            self.slow_checks.add(Slow(check.duration_s, label, check.id))
        if check.outcome is Outcome.PENDING:
            self.outstanding.add(("pending", check.id, check.title), label, points=check.max_score)

    def facts(self) -> ClassFacts:
        scores = tuple(float(each.score) for each in self.submissions if each.score is not None)
        scored = [each for each in self.submissions if each.score is not None and each.max_score is not None]
        groups = (self.faults, self.not_graded, self.flags, self.outstanding)
        return ClassFacts(
            submissions=tuple(self.submissions),
            assignments=tuple(self.assignments),
            statuses=Counter(each.status for each in self.submissions),
            scores=scores,
            max_scores=tuple(sorted({each.max_score for each in scored if each.max_score is not None})),
            distribution=distribution(scores),
            questions=tuple(each.facts() for each in self.questions.values()),
            checks=tuple(each.facts() for each in self.checks.values()),
            clusters=self.clusters.sorted(),
            failures_left_out=self.clusters.left_out,
            slow_submissions=self.slow_submissions.sorted(),
            slow_checks=self.slow_checks.sorted(),
            faults=self.faults.sorted(),
            not_graded=self.not_graded.sorted(),
            flags=self.flags.sorted(),
            outstanding=self.outstanding.in_order(),
            groups_left_out=sum(each.left_out for each in groups),
        )


class _CheckSums:
    def __init__(self, question: str, check: CheckReport) -> None:
        self.first = (check.id, question, one_line(check.title, max_bytes=_LONGEST_BYTES))
        self.kind, self.visibility, self.max_score = check.kind, check.visibility, check.max_score
        self.outcomes: Counter[Outcome] = Counter()
        self.judged = self.passed = 0
        self.seconds = self.longest_s = 0.0

    def add(self, check: CheckReport) -> None:
        self.outcomes[check.outcome] += 1
        is_judged = check.score is not None and check.outcome not in _NO_VERDICT
        self.judged += is_judged
        self.passed += is_judged and check.outcome is Outcome.PASSED
        self.seconds += check.duration_s
        self.longest_s = max(self.longest_s, check.duration_s)

    def facts(self) -> CheckFacts:
        check, question, title = self.first
        return CheckFacts(
            id=check,
            question=question,
            title=title,
            kind=self.kind,
            visibility=self.visibility,
            max_score=self.max_score,
            outcomes=dict(self.outcomes),
            judged=self.judged,
            passed=self.passed,
            mean_s=self.seconds / self.outcomes.total(),
            longest_s=self.longest_s,
        )


class _QuestionSums:
    def __init__(self, question: QuestionReport) -> None:
        self.first = (question.id, one_line(question.title, max_bytes=_LONGEST_BYTES))
        self.max_score = question.max_score
        self.count = self.scored = self.full = self.not_run = 0
        self.points = Decimal(0)

    def add(self, question: QuestionReport) -> None:
        self.count += 1
        self.not_run += question.status == "not_run"
        if question.score is not None:
            self.scored += 1
            self.points += question.score
            self.full += question.score >= question.max_score

    def facts(self) -> QuestionFacts:
        identity, title = self.first
        return QuestionFacts(
            id=identity,
            title=title,
            max_score=self.max_score,
            count=self.count,
            scored=self.scored,
            full=self.full,
            mean=float(self.points / self.scored) if self.scored else None,
            not_run=self.not_run,
        )


class _Slowest:
    """The few that took longest; of equal ones, those that came first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Slow]] = []
        self._count = 0

    def add(self, slow: Slow) -> None:
        self._count += 1
        item = (slow.seconds, -self._count, slow)
        if len(self._heap) < MOST_SLOW:
            heapq.heappush(self._heap, item)
        else:
            heapq.heappushpop(self._heap, item)

    def sorted(self) -> tuple[Slow, ...]:
        return tuple(slow for _, _, slow in sorted(self._heap, reverse=True))


class _Groups:
    """Labels by what can be said of them."""

    def __init__(self) -> None:
        self._labels: dict[tuple[str, str, str], list[str]] = {}
        self._told: dict[tuple[str, str, str], tuple[str, Decimal | None]] = {}
        self.left_out = 0

    def add(
        self,
        key: tuple[str, str, str],
        label: str,
        *,
        example: str | None = None,
        points: Decimal | None = None,
    ) -> None:
        kind, where, reason = (one_line(part, max_bytes=_LONGEST_BYTES) for part in key)
        if (kind, where, reason) not in self._labels and len(self._labels) >= MAX_GROUPS:
            self.left_out += 1
            return
        shown = reason if example is None else one_line(example, max_bytes=_LONGEST_BYTES)
        self._told.setdefault((kind, where, reason), (shown, points))
        self._labels.setdefault((kind, where, reason), []).append(label)

    def in_order(self) -> tuple[Group, ...]:
        return tuple(self._groups())

    def sorted(self) -> tuple[Group, ...]:
        return tuple(sorted(self._groups(), key=lambda group: -len(group.labels)))

    def _groups(self) -> Iterator[Group]:
        for key, labels in self._labels.items():
            reason, points = self._told[key]
            yield Group(key[0], key[1], reason, tuple(labels), points)


def _submission(row: Row, report: Report | None) -> Submission:
    names = [student.name or student.key for student in row.entry.students]
    reason = row.reason if report is None else report.status_reason
    return Submission(
        label=row.entry.label,
        names=tuple(one_line(name, max_bytes=_LONGEST_NAME_BYTES) for name in names),
        status=row.status if report is None else report.status,
        reason=None if reason is None else one_line(reason, max_bytes=_LONGEST_BYTES),
        score=row.score if report is None else report.score,
        max_score=row.max_score if report is None else report.max_score,
        pending=row.pending if report is None else report.pending,
        flags=row.flags if report is None else len(report.flags),
        report=row.report,
    )
