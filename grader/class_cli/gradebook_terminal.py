"""What a person sees of `grader gradebook`: tables for 80 columns, and the same as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from grader.cohort.gradebooks.records import Entered, Gradebook, LeftAlone
from grader.plain_text import one_line, quiet, scrub
from grader.reports.schema import plain_number
from grader.reports.wording import points
from grader.terminal import print_table

_NAME_CHARACTERS = 24


def print_gradebook(console: Console, filled: Gradebook) -> None:
    """Print each grade that was entered, what was left alone and why, and who handed nothing in."""
    if filled.entered:
        print_table(console, ("student", "raw", "final", "cell", ""), [_row(each) for each in filled.entered])
    _print_left(console, "Left as it was", filled.refused)
    _print_left(console, "No line in the template", filled.unmatched)
    if filled.without:
        names = "; ".join(_short(name) for name in filled.without)
        for line in textwrap.wrap(f"Nothing handed in ({len(filled.without)}): {names}", console.width):
            console.print(Text(line), soft_wrap=True)
    console.print()
    for sentence in _sentences(filled):
        console.print(Text(quiet(one_line(sentence))), soft_wrap=True)


def _row(entered: Entered) -> tuple[str, ...]:
    return (
        _short(entered.who),
        points(entered.raw),
        points(entered.final),
        entered.cell.strip(),
        one_line("; ".join((f"by {entered.by}", *entered.notes))),
    )


def _print_left(console: Console, title: str, left: Sequence[LeftAlone]) -> None:
    if not left:
        return
    console.print(Text(f"\n{title} ({len(left)}):", style="bold yellow"))
    for each in left:
        who = each.who if each.who == each.label else f"{each.who} ({each.label})"
        told = quiet(one_line(f"{who}: {each.reason}"))
        for line in textwrap.wrap(told, max(console.width - 2, 20), subsequent_indent="  "):
            console.print(Text(f"  {line}"), soft_wrap=True)


def _sentences(filled: Gradebook) -> list[str]:
    changed = sum(each.cell != each.before for each in filled.entered)
    same = len(filled.entered) - changed
    already = f", {same} held the same grade already" if same else ""
    sentences = [f"{changed} cells of {filled.title!r} filled{already}: {filled.out}"]
    if filled.comments or filled.comments_kept:
        kept = f", {filled.comments_kept} left, which hold something else" if filled.comments_kept else ""
        sentences.append(f"{filled.comments} comments written{kept}")
    if filled.feedback:
        sentences.append(f"feedback for {filled.feedback} students")
    if filled.max_score is None:
        sentences.append(f"{filled.place}'s file names no maximum: it was not compared with the rubric's")
    return sentences


def _short(name: str) -> str:
    text = quiet(one_line(name))
    return text if len(text) <= _NAME_CHARACTERS else f"{text[: _NAME_CHARACTERS - 1]}…"


def gradebook_as_json(filled: Gradebook) -> str:
    """Return the same as JSON, one record a cell; texts of others without control characters."""
    record = {
        "place": filled.place,
        "column": scrub(filled.title),
        "out": str(filled.out),
        "max_score": None if filled.max_score is None else plain_number(filled.max_score),
        "entered": [_record(each) for each in filled.entered],
        "refused": [_left(each) for each in filled.refused],
        "unmatched": [_left(each) for each in filled.unmatched],
        "without": [one_line(name) for name in filled.without],
        "comments": filled.comments,
        "comments_kept": filled.comments_kept,
        "feedback": filled.feedback,
    }
    return json.dumps(record, indent=2)


def _record(entered: Entered) -> dict[str, object]:
    return {
        "student": one_line(entered.who),
        "lms_id": entered.lms_id,
        "submission": one_line(entered.label),
        "matched_by": entered.by,
        "line": entered.line + 1,
        "raw": plain_number(entered.raw),
        "final": plain_number(entered.final),
        "worth": plain_number(entered.worth),
        "cell": entered.cell,
        "before": entered.before,
        "notes": [one_line(note) for note in entered.notes],
    }


def _left(left: LeftAlone) -> dict[str, str]:
    return {name: one_line(text) for name, text in asdict(left).items()}
