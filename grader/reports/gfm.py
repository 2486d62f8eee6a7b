"""GitHub Flavored Markdown of a report, in which no foreign text is markup.

Source: the GFM specification (github.github.com/gfm): code spans and fences take text literally, every ASCII
punctuation mark can be escaped by a backslash, a pipe inside a table has to be, in code spans too.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from grader.plain_text import one_line, quiet, scrub
from grader.reports.rows import Row
from grader.reports.schema import Report
from grader.reports.wording import (
    cut,
    environment_sentence,
    for_the_instructor,
    open_sentences,
    points,
    score_sentence,
)

_MARKUP = re.compile(r"([\\`*_\[\]<>|&~#!$]|:(?=\S))")
_LIST_OR_RULE = re.compile(r"^([0-9]*)([-+=.)])")
# What GitHub links, or tells somebody of, even where the characters are escaped.
_LINKED = re.compile(r"@|://|www\.|#[0-9]", re.IGNORECASE)
_LONGEST_CELL = 160
_LONGEST_BLOCK_BYTES = 64 << 10


def plain(text: str) -> str:
    """Return foreign text as Markdown that shows it as it is, in one line."""
    line = quiet(one_line(text))
    if _LINKED.search(line):
        return code(line)
    return _LIST_OR_RULE.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", line))


def code(text: str) -> str:
    """Return foreign text as a code span, in one line; safe inside a table too."""
    line = quiet(one_line(text))
    if not line:
        return ""
    fence = "`" * (_longest_run(line) + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|")


def block(text: str) -> str:
    """Return foreign text as a fenced code block."""
    safe = quiet(scrub(text, max_bytes=_LONGEST_BLOCK_BYTES)).replace("\t", "    ").rstrip("\n")
    fence = "`" * max(3, _longest_run(safe) + 1)
    return f"{fence}text\n{safe}\n{fence}"


def heading(report: Report) -> str:
    """Return the title, the score, and all that the score does not say."""
    lines = [f"# {plain(report.assignment.id)}: {plain(report.submission.name)}", ""]
    lines += [f"**{plain(score_sentence(report))}**"]
    told = open_sentences(report)
    if told:
        lines += ["", *(f"- {plain(sentence)}" for sentence in told)]
    return "\n".join(lines) + "\n"


def table(rows: Iterable[Row]) -> str:
    """Return a table with a line for each row."""
    lines = ["| check | verdict | points | what was found |", "| --- | --- | ---: | --- |"]
    lines += [
        f"| {code(row.id)} {plain(cut(row.title, _LONGEST_CELL))} | {plain(row.outcome)} | {_points(row)} |"
        f" {code(cut(row.message, _LONGEST_CELL)) if row.state != 'passed' else ''} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def detail(row: Row) -> str:
    """Return all that is known about a row, to be unfolded."""
    summary = html.escape(f"{row.name} ({row.verdict})")
    return f"<details><summary>{summary}</summary>\n\n{block(row.details)}\n\n</details>\n"


def details(rows: Sequence[Row]) -> str:
    """Return the details of the rows that are worth unfolding: not of what passed, was skipped, or counts."""
    shown = [row for row in rows if row.state in ("failed", "unscored") and (not row.is_count or row.comment)]
    return "\n".join(["## What did not pass", "", *map(detail, shown)]) if shown else ""


def instructors_part(report: Report) -> str:
    """Return flags, faults of ours and our log; nothing where there are none, as in the student's view."""
    text = for_the_instructor(report)
    return f"## For the instructor\n\n{block(text)}\n" if text else ""


def footer(report: Report) -> str:
    """Return how the report was made."""
    return f"{plain(environment_sentence(report))}\n"


def _points(row: Row) -> str:
    worth = points(row.max_score)
    return f"not scored ({worth})" if row.score is None else f"{points(row.score)} of {worth}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
