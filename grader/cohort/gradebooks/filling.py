"""Grades into a place's own file: one column of it is filled, and nothing else is changed.

What is no grade, what waits for a person, and whom nothing identifies beyond doubt is left alone and told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path

from grader.cohort.gradebooks.comments import comment_of
from grader.cohort.gradebooks.feedback_zip import write_feedback
from grader.cohort.gradebooks.lateness import Facts, Policy, chosen, judge
from grader.cohort.gradebooks.line_matching import Directory
from grader.cohort.gradebooks.records import (
    ACCEPTABLE,
    FEEDBACK_FORMATS,
    SCALES,
    Entered,
    Gradebook,
    GradebookOptions,
    LeftAlone,
)
from grader.cohort.gradebooks.template import Template, TemplateLine, number_in, number_text
from grader.cohort.gradebooks.template_file import read_template
from grader.cohort.gradebooks.writing import write_file
from grader.cohort.model import Row, Student
from grader.cohort.rows import read_rows
from grader.errors import UsageError
from grader.plain_text import one_line
from grader.reports.schema import Report
from grader.reports.to_json import read_report_file
from grader.reports.wording import points

# No assignment is worth more; a report is a file that anyone can edit.
_MOST_POINTS = Decimal(10**9)
_WIDE = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A submission as the gradebook sees it; `refusal` says why it cannot be entered."""

    label: str
    by: str
    report: Path
    facts: Facts
    refusal: str | None = None


def fill_gradebook(folder: Path, options: GradebookOptions) -> Gradebook:
    """Fill a column of the template from the reports in a folder, and write the file to `options.out`.

    Raise UsageError, with nothing written, where the template or an option cannot be used.
    """
    _require_usable(options)
    template = read_template(options.template, options.column)
    if options.comments and template.comments is None:
        raise UsageError(f"{one_line(options.template.name)} has no column of feedback comments")
    attempts, unmatched = _attempts(folder, template, options.accept)
    called = _called(template)
    found = [
        _decided(line, called[line.number], attempts[line.number], template, options)
        for line in template.lines
        if line.number in attempts
    ]
    entered = tuple(each for each in found if isinstance(each, Entered))
    comments, kept = _comments(template, entered) if options.comments else ({}, 0)
    _write(template, options, entered, comments)
    return Gradebook(
        place=template.place,
        title=template.title,
        out=options.out,
        max_score=template.max_score,
        entered=entered,
        refused=tuple(each for each in found if isinstance(each, LeftAlone)),
        unmatched=tuple(unmatched),
        without=tuple(who for number, who in called.items() if number not in attempts),
        comments=len(comments),
        comments_kept=kept,
        feedback=sum(each.lms_id is not None for each in entered) if options.feedback is not None else 0,
    )


def _require_usable(options: GradebookOptions) -> None:
    if unknown := sorted(options.accept - set(ACCEPTABLE)):
        raise UsageError(
            f"--accept takes {', '.join(ACCEPTABLE)}, not {unknown[0]!r}; what has no score is never entered"
        )
    if options.scale not in (None, *SCALES):
        raise UsageError(f"--scale is one of {', '.join(SCALES)}, not {options.scale!r}")
    if unknown := sorted(set(options.feedback_formats) - set(FEEDBACK_FORMATS)):
        raise UsageError(f"feedback is {' or '.join(FEEDBACK_FORMATS)}, not {unknown[0]!r}")
    if options.feedback is not None and options.feedback.resolve() in (
        options.out.resolve(),
        options.template.resolve(),
    ):
        raise UsageError("--feedback needs a file of its own")
    for path in (options.out, options.feedback):
        if path is not None and path.is_dir():
            raise UsageError(f"{path} is a folder; name a file")


def _attempts(
    folder: Path, template: Template, accept: frozenset[str]
) -> tuple[dict[int, list[_Attempt]], list[LeftAlone]]:
    """Return the attempts of each line of the template, and what belongs to no line."""
    directory = Directory(template.lines)
    attempts: dict[int, list[_Attempt]] = defaultdict(list)
    unmatched: list[LeftAlone] = []
    for row in read_rows(folder):
        label = row.entry.label
        lines: set[int] = set()
        for student in row.entry.students or (Student(key=label),):
            match = directory.find(student)
            if match.line is None:
                who = student.name or student.key
                unmatched.append(LeftAlone(who=who, label=label, reason=match.problem or ""))
            elif match.line.number not in lines:  # a pair whose names are one person's
                lines.add(match.line.number)
                attempts[match.line.number].append(_attempt(row, match.by or "", accept))
    return dict(attempts), unmatched


def _attempt(row: Row, by: str, accept: frozenset[str]) -> _Attempt:
    report, refusal = _report_of(row)
    if report is not None:
        refusal = refusal_of(report, accept)
    raw = report.score if report is not None else None
    facts = Facts(
        raw=raw or Decimal(0),
        max_score=report.max_score if report is not None else Decimal(0),
        attempt=row.entry.attempt,
        submitted_at=row.entry.submitted_at,
        due_at=row.entry.due_at,
        is_late=row.entry.is_late,
    )
    return _Attempt(label=row.entry.label, by=by, report=row.report or Path(), facts=facts, refusal=refusal)


def _report_of(row: Row) -> tuple[Report | None, str | None]:
    """Return a row's report, or why there is none: from its own file, since a person may mark it later."""
    if row.report is None and row.score is not None:
        return None, "its report was not written; grade the class again, which goes on from there"
    if row.report is None:
        return None, f"nothing was graded: {row.reason or row.status}"
    try:
        return read_report_file(row.report), None
    except UsageError as error:
        return None, str(error)


def refusal_of(report: Report, accept: frozenset[str]) -> str | None:
    """Say why a report is not entered; None where it is a grade, or was accepted as one."""
    if report.score is None or report.status not in ("graded", "partial"):
        return (
            f"no score ({report.status}), which is not a zero: {report.status_reason or 'nothing was scored'}"
        )
    if max(report.score, report.max_score) > _MOST_POINTS:
        return "no assignment is worth so many points"
    doubts = {name: told for name, told in _doubts(report).items() if name not in accept}
    return f"{'; '.join(doubts.values())} (--accept {','.join(doubts)})" if doubts else None


def _doubts(report: Report) -> dict[str, str]:
    """Say what speaks against entering a report, by the word with which a person accepts it."""
    doubts: dict[str, str] = {}
    if report.status == "partial":
        doubts["partial"] = report.status_reason or "not all of it was run"
    if report.pending:
        doubts["pending"] = f"{points(report.pending)} points wait for a person to mark"
    if not report.environment.is_grade:
        doubts["not-a-grade"] = (
            f"the report says that it is not a grade: {report.environment.note or 'a self-check'}"
        )
    return doubts


def _called(template: Template) -> dict[int, str]:
    """Return what each line's student is called: two of one name also by their numbers."""
    names = {line.number: line.student.name or line.student.key for line in template.lines}
    counts = Counter(names.values())
    return {
        line.number: names[line.number]
        if counts[names[line.number]] == 1
        else f"{names[line.number]} ({line.student.lms_id or line.student.key})"
        for line in template.lines
    }


def _decided(
    line: TemplateLine,
    who: str,
    attempts: Sequence[_Attempt],
    template: Template,
    options: GradebookOptions,
) -> Entered | LeftAlone:
    """Return what goes into a student's cell, or why nothing does."""
    policy = options.policy or Policy()
    usable = [each for each in attempts if each.refusal is None]
    eligible = usable if policy.attempts == "best" and usable else attempts
    label = chosen(policy, [(each.label, each.facts) for each in eligible])
    if label is None:
        names = ", ".join(each.label for each in attempts)
        return LeftAlone(who=who, label=names, reason="which of the attempts counts cannot be told")
    attempt = next(each for each in eligible if each.label == label)
    verdict = judge(policy, attempt.facts)
    reason = line.kept or attempt.refusal
    if reason is None and verdict.final is None:
        reason = verdict.note
    if reason is not None or verdict.final is None:
        return LeftAlone(who=who, label=label, reason=reason or "")
    scaled = _scaled(verdict.final, attempt, template, options)
    if template.place == "Moodle" and template.max_score is not None and scaled > template.max_score:
        reason = f"{points(scaled)} is more than {points(template.max_score)}, which Moodle would ignore"
        return LeftAlone(who=who, label=label, reason=reason)
    before = template.before(line)
    is_same = number_in(before) == scaled
    notes = (
        f"{len(attempts)} attempts: {label} counts" if len(attempts) > 1 else None,
        verdict.note,
        f"was {before.strip()}" if before.strip() and not is_same else None,
    )
    return Entered(
        line=line.number,
        who=who,
        name=line.student.name or line.student.key,
        lms_id=line.student.lms_id,
        label=label,
        by=attempt.by,
        raw=verdict.raw,
        final=verdict.final,
        worth=attempt.facts.max_score,
        cell=before if is_same else number_text(scaled, template.decimal_mark),
        before=before,
        report=attempt.report,
        notes=tuple(note for note in notes if note),
    )


def _scaled(final: Decimal, attempt: _Attempt, template: Template, options: GradebookOptions) -> Decimal:
    """Return points as the template counts them; raise UsageError where that is not decided."""
    most, worth = template.max_score, attempt.facts.max_score
    if most is None or most == worth or options.scale == "none":
        return final
    if options.scale is None:
        raise UsageError(
            f"{template.place} counts {points(most)} points for {one_line(template.title)!r}, and the reports"
            f" {points(worth)}: choose --scale proportional, or --scale none to enter the points as they are"
        )
    if not worth:
        raise UsageError(f"{attempt.label} is worth no points: nothing is proportional to that")
    return _WIDE.divide(_WIDE.multiply(final, most), worth)


def _write(
    template: Template,
    options: GradebookOptions,
    entered: Sequence[Entered],
    comments: Mapping[tuple[int, int], str],
) -> None:
    """Write both files; what can fail for what is in them fails before the first."""
    cells = {(each.line, template.column): each.cell for each in entered if each.cell != each.before}
    data = template.table.with_values({**cells, **comments}).encoded()
    if options.feedback is not None:
        write_feedback(options.feedback, entered, options.feedback_formats)
    write_file(options.out, data)


def _comments(template: Template, entered: Sequence[Entered]) -> tuple[dict[tuple[int, int], str], int]:
    """Return the comments for empty cells, and how many cells hold something else, which stays."""
    comments: dict[tuple[int, int], str] = {}
    kept = 0
    column = template.comments or 0
    for each in entered:
        line = template.table.lines[each.line]
        text = comment_of(read_report_file(each.report), each)
        if column >= len(line.cells) or line.value(column).strip() not in ("", text):
            kept += 1
        elif line.value(column) != text:
            comments[each.line, column] = text
    return comments, kept
