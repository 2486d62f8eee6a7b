"""What one grading found, before points: all that a report is made of beside the rubric, as plain JSON.

A class keeps findings, so that another rubric is another sum and no student's code runs again.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from grader.model import Answer, CheckResult, Ending, Flag
from grader.plan import Plan
from grader.records import result_from_record, result_to_record
from grader.reports.schema import EnvironmentReport, Report, SubmissionReport, TimingReport
from grader.scoring import Facts, score

LOG_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of the checks, by check, and what a report says beside scores."""

    results: Mapping[str, CheckResult]
    facts: Facts

    @property
    def will_come_again(self) -> bool:
        """Whether the same submission would be found to be the same: nothing of ours or the machine's failed.

        A limit on time is taken for the student's fault, as in the report.
        """
        facts = self.facts
        return facts.ending in (Ending.FINISHED, Ending.REJECTED) and not (facts.broken or facts.faults)

    def fit(self, plan: Plan) -> bool:
        """Whether they say all that a report by this plan holds."""
        if self.facts.ending is Ending.REJECTED:
            return True
        wanted = {planned.check.id for planned in plan.checks}
        written = {part for planned in plan.questions for part in planned.written}
        return wanted <= set(self.results) and written <= set(self.facts.answers)

    def of_submission(self, name: str) -> Findings:
        """Return what would be found of another submission with the very same files."""
        submission = self.facts.submission.model_copy(update={"name": name})
        return replace(self, facts=replace(self.facts, submission=submission))


def report_of(plan: Plan, findings: Findings) -> Report:
    """Add up points; where that fails, make do with a report that has none."""
    facts = findings.facts
    try:
        return score(plan, findings.results, facts)
    except Exception as error:  # noqa: BLE001  # whatever fails in us, there is a report that says so
        reason = f"the grader could not add up the points ({type(error).__name__})"
        bare = replace(
            facts, ending=Ending.BROKE, reason=reason, broken={}, faults={}, flags=(), log=last_lines(error)
        )
        return score(plan, {}, bare)


def last_lines(error: Exception) -> str:
    """Return the end of a traceback of ours, for the instructor."""
    return "".join(traceback.format_exception(error))[-LOG_CHARACTERS:]


def findings_to_json(findings: Findings) -> str:
    """Return findings as one line of JSON; NaN cannot appear."""
    facts = findings.facts
    record = {
        "results": [result_to_record(result) for result in findings.results.values()],
        "submission": facts.submission.model_dump(mode="json"),
        "environment": facts.environment.model_dump(mode="json"),
        "timing": facts.timing.model_dump(mode="json"),
        "ending": facts.ending,
        "reason": facts.reason,
        "broken": dict(facts.broken),
        "faults": dict(facts.faults),
        "flags": [asdict(flag) for flag in facts.flags],
        "answers": {part: asdict(answer) for part, answer in facts.answers.items()},
        "log": facts.log,
    }
    # Escaped: a student's text may hold half a pair of surrogates, which UTF-8 does not.
    return json.dumps(record, allow_nan=False, separators=(",", ":"))


def findings_from_json(text: str | bytes) -> Findings:
    """Read findings of ours back."""
    record: dict[str, Any] = json.loads(text)
    results = (result_from_record(each) for each in record["results"])
    facts = Facts(
        submission=SubmissionReport.model_validate(record["submission"]),
        environment=EnvironmentReport.model_validate(record["environment"]),
        timing=TimingReport.model_validate(record["timing"]),
        ending=Ending(record["ending"]),
        reason=record["reason"],
        broken=record["broken"],
        faults=record["faults"],
        flags=tuple(Flag(**each) for each in record["flags"]),
        answers={part: Answer(**answer) for part, answer in record["answers"].items()},
        log=record["log"],
    )
    return Findings({result.check.id: result for result in results}, facts)
