"""Clusters: failures of many submissions that are the same one, so that one comment can reach them all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from grader.cohort.failures.diagnosis_text import diagnosis_of
from grader.model import Outcome, Visibility
from grader.plain_text import one_line
from grader.reports.schema import CheckReport, Report

# What a submission did wrong by itself: a check that was not tried failed for another one's reason.
CLUSTERED = frozenset(
    {
        Outcome.FAILED,
        Outcome.TIMEOUT,
        Outcome.MEMORY,
        Outcome.CRASHED,
        Outcome.EXITED,
        Outcome.PROTOCOL_ERROR,
    }
)
# However many different messages hostile submissions make, the memory for them ends.
MAX_CLUSTERS = 10_000
_LONGEST_BYTES = 600
_ID_LENGTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One failure of one check; `labels` are of the submissions that have it, in the order of reading."""

    id: str
    check: str
    title: str
    outcome: Outcome
    visibility: Visibility
    diagnosis: str
    example: str
    labels: tuple[str, ...]


class Clusters:
    """Gathers clusters from one report after the other."""

    def __init__(self) -> None:
        """Begin without any."""
        self._found: dict[str, Cluster] = {}
        self._labels: dict[str, list[str]] = {}
        self.left_out = 0  # failures beyond MAX_CLUSTERS different ones

    def add(self, label: str, report: Report) -> None:
        """Count the failures of one submission."""
        for check in failures(report):
            diagnosis = diagnosis_of(check)
            key = _digest(check, diagnosis)
            if key not in self._found:
                if len(self._found) >= MAX_CLUSTERS:
                    self.left_out += 1
                    continue
                self._found[key] = _cluster(key, check, diagnosis)
            self._labels.setdefault(key, []).append(label)

    def sorted(self) -> tuple[Cluster, ...]:
        """Return the clusters of most submissions first; of equal ones, in the order of their checks."""
        clusters = (replace(each, labels=tuple(self._labels[key])) for key, each in self._found.items())
        return tuple(sorted(clusters, key=lambda each: (-len(each.labels), each.check, each.id)))


def _cluster(key: str, check: CheckReport, diagnosis: str) -> Cluster:
    return Cluster(
        id=key,
        check=check.id,
        title=one_line(check.title, max_bytes=_LONGEST_BYTES),
        outcome=check.outcome,
        visibility=check.visibility,
        diagnosis=one_line(diagnosis, max_bytes=_LONGEST_BYTES),
        example=one_line(check.feedback.message, max_bytes=_LONGEST_BYTES),
        labels=(),
    )


def failures(report: Report) -> Iterator[CheckReport]:
    """Yield the checks that a submission failed by itself; what a person marked is not among them."""
    for question in report.questions:
        for check in question.checks:
            if is_failure(check):
                yield check


def is_failure(check: CheckReport) -> bool:
    """Whether a check belongs to a cluster."""
    return check.kind == "auto" and check.outcome in CLUSTERED


def cluster_id(check: CheckReport) -> str:
    """Return the id of the cluster that a failure belongs to: the same after another grading."""
    return _digest(check, diagnosis_of(check))


def _digest(check: CheckReport, diagnosis: str) -> str:
    parts = "\0".join((check.id, str(check.outcome), diagnosis))
    return hashlib.sha256(parts.encode()).hexdigest()[:_ID_LENGTH]
