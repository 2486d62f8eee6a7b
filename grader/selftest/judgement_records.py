"""The nouns of the judgement's self-test: what was graded, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grader.selftest.mutants import Mutant

OURS = "this grader"
# What a gradient check can see at all: the files of layers and losses.
_DIFFERENTIATED = "mytorch/nn/modules/"


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"  # it loses points
    WITHIN_CONTRACT = "within the contract"  # it keeps them, and a row says why it may
    SURVIVED = "survived"  # it keeps them, and should not
    EQUIVALENT = "equivalent"  # it does what the reference does
    UNREADABLE = "does not load"  # it is no program
    UNJUDGED = "unjudged"  # grading it failed in us


CHANGED = frozenset({Fate.KILLED, Fate.WITHIN_CONTRACT, Fate.SURVIVED, Fate.UNJUDGED})


@dataclass(frozen=True, slots=True)
class MutantResult:
    """What became of a mutant, and why: the check that saw it, the row that allows it, what failed in us.

    `difference` is the experiment in which it was first seen to differ, `peers` what other graders say of it.
    """

    mutant: Mutant
    fate: Fate
    reason: str = ""
    difference: str | None = None
    peers: Mapping[str, bool] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class GradedResult:
    """A submission that must get all points, or none: the checks where it did not, and what failed in us."""

    name: str
    title: str
    wrong: tuple[str, ...] = ()
    problem: str = ""
    peers: Mapping[str, bool] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_right(self) -> bool:
        """Whether it got what it must."""
        return not (self.wrong or self.problem)


@dataclass(frozen=True, slots=True)
class RepeatResult:
    """The reference, graded again and again: in how many reports what differs, all from the first.

    `others` are the gradings with other secrets, and so on other inputs.
    """

    count: int
    differing: tuple[str, ...] = ()
    others: tuple[GradedResult, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What one criterion of another grader lets through, of how many, and which right ones it fails."""

    name: str
    let_through: int
    of: int
    let_through_in_layers: int
    of_in_layers: int
    right_failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that the self-test found; `made` counts all mutants, of which a quick run tries a part."""

    provider: str
    level: int
    is_quick: bool
    reference: GradedResult
    template: GradedResult
    repeats: RepeatResult
    right: tuple[GradedResult, ...]
    right_known: int
    mutants: tuple[MutantResult, ...]
    made: int
    left_out: tuple[str, ...]
    stale: tuple[str, ...]
    seconds: float

    def with_fate(self, *fates: Fate) -> tuple[MutantResult, ...]:
        """Return the mutants that met one of these fates."""
        return tuple(result for result in self.mutants if result.fate in fates)

    @property
    def counts(self) -> Mapping[Fate, int]:
        """How many mutants met each fate."""
        found = Counter(result.fate for result in self.mutants)
        return {fate: found[fate] for fate in Fate}

    @property
    def peers(self) -> tuple[PeerResult, ...]:
        """What this grader, and then each criterion of others, makes of the same mutants of mytorch."""
        judged = [
            result for result in self.with_fate(Fate.KILLED, Fate.SURVIVED, Fate.UNJUDGED) if result.peers
        ]
        names = dict.fromkeys(name for result in judged for name in result.peers)
        lost = tuple(result.name for result in self.right if not result.is_right)
        passed = [result for result in judged if result.fate is not Fate.KILLED]
        return (
            _peer_result(OURS, passed, judged, lost),
            *(
                _peer_result(
                    name,
                    [result for result in judged if result.peers[name]],
                    judged,
                    tuple(result.name for result in self.right if not result.peers.get(name, True)),
                )
                for name in names
            ),
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not hold, a sentence each; none where the grader judges right."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        for result in (self.reference, self.template, *self.right, *self.repeats.others):
            if not result.is_right:
                yield f"{result.name}: {result.problem or ', '.join(result.wrong)}"
        for place in self.repeats.differing:
            yield f"the reference's reports differ: {place}"
        for found in self.with_fate(Fate.SURVIVED, Fate.UNJUDGED):
            mutant = found.mutant
            yield f"{mutant.file}:{mutant.line}: {found.fate}: {mutant.change} {found.reason}".rstrip()
        for row in self.stale:
            yield f"within_contract.toml allows what no mutant does: {row}"


def _peer_result(
    name: str, passed: list[MutantResult], judged: list[MutantResult], right_failed: tuple[str, ...]
) -> PeerResult:
    passed_in_layers, in_layers = (
        sum(result.mutant.file.startswith(_DIFFERENTIATED) for result in results)
        for results in (passed, judged)
    )
    return PeerResult(name, len(passed), len(judged), passed_in_layers, in_layers, right_failed)
