"""One comment for all who failed in the same way: kept in the class's folder, put into each report.

Comments are kept by the cluster's id, so that they are there again after the next grading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from grader.cohort.failures.clusters import Cluster, Clusters, cluster_id, failures, is_failure
from grader.cohort.rows import read_rows
from grader.errors import MachineFault, UsageError
from grader.plain_text import MAX_TEXT_BYTES, one_line, scrub
from grader.reports import folder_held, write_again, write_atomically
from grader.reports.schema import CheckReport, CommentReport, Name, Record, Report, Text
from grader.reports.to_json import read_report_file

FILE_NAME = "comments.json"
MAX_NAME_BYTES = 200
_MAX_FILE_BYTES = 64 << 20
_CLUSTER = re.compile("[0-9a-f]{10}")


class Comment(Record):
    """What a person told a cluster, and what that cluster was."""

    cluster: Name
    check: Name
    diagnosis: Text
    text: Text
    by: Text
    at: Name = Field(description="When, in UTC (ISO 8601).")


class _CommentsFile(Record):
    schema_: Literal["grader/comments/v1"] = Field(default="grader/comments/v1", alias="schema")
    comments: tuple[Comment, ...] = ()


Comments = Mapping[str, Comment]


@dataclass(frozen=True, slots=True)
class Applied:
    """How many reports were written anew, how many hold each comment, and what could not be done."""

    changed: int
    holders: Mapping[str, int]
    stale: tuple[Comment, ...]
    problems: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the person who comments has to know."""
        return (*map(stale_sentence, self.stale), *self.problems)


def read_comments(folder: Path) -> dict[str, Comment]:
    """Return the comments of a class by the ids of their clusters; raise UsageError where that fails."""
    path = folder / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise UsageError(f"{path} is larger than comments are")
    try:
        kept = _CommentsFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = one_line(".".join(str(part) for part in first["loc"]) or "the top level")
        raise UsageError(
            f"{path} holds no comments of this version: {where}: {one_line(first['msg'])}"
        ) from error
    return {each.cluster: each for each in kept.comments}


def commented(report: Report, comments: Comments) -> Report:
    """Return a report with the comments of its failures, and without those that are there no more.

    It is the report itself where nothing changes.
    """
    changed = False
    questions = []
    for question in report.questions:
        checks = tuple(_commented_check(check, comments) for check in question.checks)
        if any(new is not old for new, old in zip(checks, question.checks, strict=True)):
            question, changed = question.model_copy(update={"checks": checks}), True  # noqa: PLW2901
        questions.append(question)
    return report.model_copy(update={"questions": tuple(questions)}) if changed else report


def comment(folder: Path, cluster: str, text: str, *, by: str) -> Applied:
    """Record what a person tells a cluster, and put it into the reports; an empty text takes it back.

    Raise UsageError where nobody has that failure, MachineFault where it cannot be written.
    """
    key, name = _known(cluster), one_line(by, max_bytes=MAX_NAME_BYTES)
    if not name:
        raise UsageError("--by takes the name of the person who comments")
    if len(text.encode(errors="replace")) > MAX_TEXT_BYTES:
        raise UsageError(f"a comment has at most {MAX_TEXT_BYTES} bytes; say it shorter, or link to a page")
    words = scrub(text).strip()
    found = _about(folder, key)
    with folder_held(folder):
        comments = read_comments(folder)
        if words:
            comments[key] = Comment(
                cluster=key, check=found[0], diagnosis=found[1], text=words, by=name, at=_now()
            )
        elif comments.pop(key, None) is None:
            raise UsageError(f"{key} has no comment that could be taken back")
        _write(folder, comments)
    return apply_comments(folder)


def apply_comments(folder: Path) -> Applied:
    """Put the comments of a class into the reports in its folder; those that hold them stay as they are.

    Every file of a report appears whole or not at all; marks stay.
    """
    if not (folder / FILE_NAME).exists():  # nobody has ever commented
        return Applied(0, {}, (), ())
    comments = read_comments(folder)
    changed, holders, problems = 0, dict.fromkeys(comments, 0), []
    for row in read_rows(folder):
        if row.report is None:
            continue
        try:
            report = read_report_file(row.report)
            if commented(report, comments) is not report:
                report = _rewrite(row.report, comments)
                changed += 1
        except UsageError as error:
            problems.append(f"{one_line(row.entry.label)}: {error}")
            continue
        for key in {cluster_id(check) for check in failures(report)} & holders.keys() if holders else ():
            holders[key] += 1
    stale = tuple(each for key, each in comments.items() if not holders[key])
    return Applied(changed, holders, stale, tuple(problems))


def stale_sentence(comment: Comment) -> str:
    """Say that nobody has the failure that a comment is about."""
    return (
        f"nobody has the failure {comment.cluster} of {comment.check} now;"
        f" the comment by {comment.by} is kept, and told to nobody"
    )


def _commented_check(check: CheckReport, comments: Comments) -> CheckReport:
    found = comments.get(cluster_id(check)) if comments and is_failure(check) else None
    wanted = None if found is None else CommentReport(text=found.text, by=found.by)
    return check if check.comment == wanted else check.model_copy(update={"comment": wanted})


def _rewrite(path: Path, comments: Comments) -> Report:
    """Write a report anew, and every other format that is beside it."""
    with folder_held(path.parent):
        report = commented(read_report_file(path), comments)
        try:
            write_again(report, path.parent)
        except OSError as error:
            raise MachineFault(
                f"{path} cannot be written: {error.strerror or error}; the comment is kept,"
                " and `grader batch` or the next `grader comment` puts it into the reports"
            ) from error
    return report


def _known(cluster: str) -> str:
    key = cluster.strip().lower()
    if not _CLUSTER.fullmatch(key):
        raise UsageError(f"{one_line(cluster)!r} is no cluster's id; `grader class-report DIR` lists them")
    return key


def _about(folder: Path, key: str) -> tuple[str, str]:
    """Return the check and the diagnosis of a cluster that somebody has, or that a comment was made for."""
    if (kept := read_comments(folder).get(key)) is not None:
        return kept.check, kept.diagnosis
    for row in read_rows(folder):
        if row.report is not None and (found := _cluster_in(row.report, key)) is not None:
            return found.check, found.diagnosis
    raise UsageError(f"nobody in {folder} has the failure {key}; `grader class-report DIR` lists them")


def _cluster_in(path: Path, key: str) -> Cluster | None:
    try:
        report = read_report_file(path)
    except UsageError:  # which `apply_comments` tells
        return None
    gathered = Clusters()
    gathered.add("", report)
    return next((each for each in gathered.sorted() if each.id == key), None)


def _write(folder: Path, comments: Comments) -> None:
    path = folder / FILE_NAME
    content = _CommentsFile(comments=tuple(comments[key] for key in sorted(comments)))
    try:
        write_atomically(path, content.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise MachineFault(f"{path} cannot be written: {error.strerror or error}") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
