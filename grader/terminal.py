"""What a person sees: tables and sentences for 80 columns; nothing of a student's is taken literally."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from grader.endings import drop_output
from grader.model import Outcome, Visibility
from grader.plain_text import one_line, quiet, scrub
from grader.plan import Plan
from grader.reports.schema import CheckReport, QuestionReport, Report
from grader.reports.wording import comment_sentence, points, told
from grader.session import Event

Line = str | Text


def make_console(*, stderr: bool = False) -> Console:
    """Return a console that takes text as it is: no markup, no emoji codes, no guessed highlighting."""
    return _Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=False)


class _Console(Console):
    """A console whose reader may go away (`| head`): the report is on disk, and the exit code is its own."""

    def on_broken_pipe(self) -> None:
        """Say nothing from here on."""
        self.quiet = True
        drop_output()


@contextmanager
def progress(console: Console, plan: Plan, name: str) -> Iterator[Callable[[Event], None]]:
    """Show a bar while checks run, on a terminal only; lend the function that takes the events."""
    titles = {planned.check.id: planned.check.title for planned in plan.checks}
    with _bar(console) as bar:
        task = bar.add_task("starting", total=len(titles), name=name)

        def show(event: Event) -> None:
            title = titles.get(event.check_id, "")
            doing = f"{event.check_id} {title}" if event.note is None else event.note
            bar.update(task, advance=0 if event.result is None else 1, description=doing)

        yield show


def _bar(console: Console) -> Progress:
    """Return a bar for a terminal: a task has a `name`, and says what it is at as its description."""
    return Progress(
        TextColumn("{task.fields[name]}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def print_report(console: Console, report: Report, path: Path) -> None:
    """Print a grading: the table of questions, the problems' scores, what is open, where the report is."""
    console.print(Text(f"{report.submission.name}: {report.assignment.id}", style="bold"))
    shown = [
        question
        for question in report.questions
        if question.status != "not_run" or _counts(question)[1] or question.score is not None
    ]
    if shown:
        console.print(_question_table(shown))
    not_run = _not_run_lines(report) if report.score is not None else []
    for line in (*not_run, *_score_lines(report), *_environment_lines(report)):
        console.print(line)
    for line in _waiting_lines(report, path):
        console.print(line, soft_wrap=True)
    console.print(f"report: {path}", soft_wrap=True)


def print_mark(console: Console, report: Report) -> None:
    """Print the mark that was just given, the total, and what still waits for a person."""
    mark = report.marks[-1]
    worth = next(
        check.max_score for each in report.questions for check in each.checks if check.id == mark.check_id
    )
    given = f"{mark.check_id}: {points(mark.points)}/{points(worth)} by {mark.by}"
    console.print(Text(quiet(f"{report.submission.name}: {given}")))
    console.print(_total_line(report))


def print_self_check(
    console: Console, report: Report, plan: Plan, *, unchanged: Collection[str] = ()
) -> None:
    """Print a student's own run: what is wrong in each check, and how much is not shown here.

    Of the `unchanged` questions the findings are those of an earlier run of the same code.
    """
    for question in report.questions:
        verdict = own_verdict(question, is_unchanged=question.id in unchanged)
        console.print(Text(f"{question.id} {question.title}: {verdict}", style="bold"))
        for line in _problem_lines(question, width=console.width):
            console.print(line, soft_wrap=True)
    console.print()
    for sentence in closing_sentences(report, plan):
        console.print(sentence)


def closing_sentences(report: Report, plan: Plan) -> list[str]:
    """Return what is said below a student's own run: the count, what is not shown, that it is no grade."""
    counts = [_counts(question) for question in report.questions]
    passed, total = sum(count[0] for count in counts), sum(count[1] for count in counts)
    more = [on_request_sentence(plan.on_request)] if plan.on_request else []
    return [
        f"{passed} of {total} visible checks pass. {hidden_sentence(plan)}",
        *more,
        "This is a self-check, not a grade.",
    ]


def own_verdict(question: QuestionReport, *, is_unchanged: bool = False) -> str:
    """Say how many of a question's visible checks pass, and whether that is known from an earlier run."""
    verdict = _verdict(question)
    is_known = is_unchanged and question.not_run_reason is None
    return f"{verdict}, as before" if is_known else verdict


def _verdict(question: QuestionReport) -> str:
    if question.not_run_reason is not None:
        return f"not run, {question.not_run_reason}"
    passed, total = _counts(question)
    if passed == total:
        return f"all {total} visible checks pass"
    return f"{passed} of {total} visible checks pass"


def _problem_lines(question: QuestionReport, *, width: int) -> list[Text]:
    """Return the lines of each check that did not pass; those skipped for one reason share one entry."""
    lines: list[Text] = []
    for check in question.checks:
        if check.outcome not in (Outcome.PASSED, Outcome.SKIPPED):
            lines += check_lines(check, width=width)
    for heading, reason in skipped_checks(question):
        lines.append(Text(f"  {heading}", style="yellow"))
        lines += barred(reason, width)
    return lines


def skipped_checks(question: QuestionReport) -> list[tuple[str, str]]:
    """Return how many checks were skipped for each reason, and the reason, which is not made safe here."""
    counts: dict[str, int] = {}
    for check in question.checks:
        if check.outcome is Outcome.SKIPPED:
            counts[check.feedback.message] = counts.get(check.feedback.message, 0) + 1
    return [
        (f"skipped: {count} {'check' if count == 1 else 'checks'}", reason)
        for reason, count in counts.items()
    ]


def hidden_sentence(plan: Plan) -> str:
    """Say how many checks of the plan's questions stay hidden, and what they are worth."""
    if not plan.hidden_count:
        return "No hidden checks remain for these questions."
    worth = points(plan.hidden_points)
    if plan.hidden_count == 1:
        return f"1 hidden check worth {worth} points is not shown here."
    return f"{plan.hidden_count} hidden checks worth {worth} points are not shown here."


def on_request_sentence(questions: Sequence[str]) -> str:
    """Say which questions were left out of a self-check, and how to have them."""
    problems = dict.fromkeys(question.partition(".")[0] for question in questions)
    return (
        f"{questions[0].upper()} to {questions[-1].upper()} run your notebook, which takes minutes: "
        f"grader check . {' '.join(problems)}"
    )


def check_lines(check: CheckReport, *, width: int) -> list[Text]:
    """Return what is known about a check that did not pass; every line of foreign text begins with a bar.

    In this order: the verdict and the points, what was called, how far off it is, why, and where to read.
    """
    title = textwrap.wrap(check_heading(check), max(width - 2, 20), subsequent_indent="  ")
    lines = [Text(f"  {part}", style="red") for part in title]
    comment = [] if check.comment is None else [comment_sentence(check.comment)]
    for text in (*comment, *told(check.feedback)):
        lines += barred(text, width)
    return lines


def check_heading(check: CheckReport) -> str:
    """Return the verdict about one check, its points, what it asks for, and its id."""
    worth = "" if check.score is None else f", {points(check.score)} of {points(check.max_score)} points"
    return f"{check.outcome}{worth}: {check.title.rstrip('.')} ({check.id})"


def print_table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table; the last column wraps, the others do not."""
    table = _table()
    for name in columns[:-1]:
        table.add_column(name, no_wrap=True)
    table.add_column(columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(quiet(scrub(cell))) for cell in row))
    console.print(table)


def print_rubric(console: Console, plan: Plan) -> None:
    """Print the rubric: a row a question, and the total."""
    rows = []
    for planned in plan.questions:
        present = sum(each.check.visibility is not Visibility.VISIBLE for each in planned.checks)
        visible, hidden = len(planned.checks) - present, present + planned.question.withheld.checks
        written = sum(planned.written.values(), Decimal(0))
        checks = f"{visible} visible, {hidden} hidden" if visible or hidden else "none yet"
        if written == planned.max_score:
            checks = ""
        rows.append(
            (
                planned.question.id,
                points(planned.max_score),
                points(written) if written else "",
                checks,
                planned.question.title,
            )
        )
    rows.append(
        ("total", points(plan.rubric.points), "", "", f"{plan.rubric.assignment} {plan.rubric.version}")
    )
    print_table(console, ("question", "points", "by hand", "checks", "title"), rows)


@contextmanager
def steps_progress(console: Console, *, name: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar while things are tried, on a terminal only; lend the function that takes each one's name."""
    with _bar(console) as bar:
        task = bar.add_task("starting", total=total, name=name)
        yield lambda step: bar.update(task, advance=1, description=step)


def _table(*, expand: bool = False) -> Table:
    return Table(box=None, expand=expand, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def _question_table(questions: Sequence[QuestionReport]) -> Table:
    table = _table(expand=True)
    table.add_column("question", no_wrap=True, overflow="ellipsis", max_width=26)
    table.add_column("score", no_wrap=True, justify="right")
    table.add_column("checks", no_wrap=True, justify="right")
    table.add_column("what went wrong first", no_wrap=True, overflow="ellipsis", ratio=1)
    for question in questions:
        passed, total = _counts(question)
        first = _first_problem(question)
        table.add_row(
            Text(f"{question.id} {question.title}"),
            Text(_score_of(question), style="green" if question.score == question.max_score else ""),
            Text(f"{passed}/{total}" if total else "by hand"),
            Text(quiet(one_line(first)), style="red" if total != passed else "dim"),
        )
    return table


def _score_of(question: QuestionReport) -> str:
    score = "-" if question.score is None else points(question.score)
    return f"{score}/{points(question.max_score)}"


def _counts(question: QuestionReport) -> tuple[int, int]:
    automatic = [check for check in question.checks if check.kind == "auto"]
    return sum(check.outcome is Outcome.PASSED for check in automatic), len(automatic)


def _points_of_checks(question: QuestionReport) -> Decimal:
    """Return what a question is worth without its written parts, which wait for a person anyway."""
    by_hand = (check.max_score for check in question.checks if check.kind == "written")
    return question.max_score - sum(by_hand, Decimal(0))


def _first_problem(question: QuestionReport) -> str:
    if question.not_run_reason:
        return question.not_run_reason
    for check in question.checks:
        if check.outcome is not Outcome.PASSED:
            return check.feedback.message or check.title
    return ""


def _not_run_lines(report: Report) -> list[Line]:
    groups: dict[str, list[QuestionReport]] = {}
    for question in report.questions:
        if question.status == "not_run" and not _counts(question)[1]:
            # What differs from question to question is in the report: the id, and the packages to come.
            reason = (question.not_run_reason or "").partition(" (")[0]
            groups.setdefault(reason.replace(question.id, "them"), []).append(question)
    lines: list[Line] = []
    for reason, questions in groups.items():
        ids = ", ".join(question.id for question in questions)
        worth = points(sum(map(_points_of_checks, questions), Decimal(0)))
        lines.append(Text(quiet(f"Not run, {worth} points open: {ids}: {one_line(reason)}"), style="yellow"))
    return lines


def _score_lines(report: Report) -> list[Line]:
    if report.score is None:
        reason = one_line(report.status_reason or "nothing was asked for that can be graded here")
        return [Text(quiet(f"No score: {reason}"), style="bold red")]
    lines: list[Line] = []
    problems: dict[str, list[QuestionReport]] = {}
    for question in report.questions:
        problems.setdefault(question.id.partition(".")[0], []).append(question)
    for problem, questions in problems.items():
        scores = [question.score for question in questions if question.score is not None]
        if scores:
            total = sum(scores, Decimal(0))
            worth = sum((question.max_score for question in questions), Decimal(0))
            lines.append(Text(f"Problem {problem[1:]}: {points(total)}/{points(worth)}", style="bold"))
    return [*lines, _total_line(report)]


def _total_line(report: Report) -> str:
    waiting = f", {points(report.pending)} wait for a person" if report.pending else ""
    score = "-" if report.score is None else points(report.score)
    return f"Total: {score}/{points(report.max_score)} ({report.status}{waiting})"


def _waiting_lines(report: Report, path: Path) -> list[str]:
    """Say which parts wait for a person, and how that person marks them."""
    waiting = [
        check
        for question in report.questions
        for check in question.checks
        if check.outcome is Outcome.PENDING
    ]
    if not waiting:
        return []
    ids = ", ".join(f"{check.id} ({points(check.max_score)})" for check in waiting)
    command = f"grader mark {shlex.quote(str(path))} {waiting[0].id.rpartition('.')[0]} POINTS --by NAME"
    return [*textwrap.wrap(f"For a person to mark: {ids}", 80), f"Mark with: {command}"]


def _environment_lines(report: Report) -> list[Line]:
    environment = report.environment
    lines: list[Line] = []
    if environment.note:
        lines.append(Text(environment.note.upper(), style="bold yellow"))
    if environment.isolation is not None:
        isolation = environment.isolation
        lines.append(
            f"isolation: level {isolation.level} ({isolation.name}); data: {environment.data_profile}"
        )
    if environment.is_grade and environment.seed_is_public and environment.isolation is not None:
        lines.append(
            Text(
                "No course secret is set: students can predict the inputs (set GRADER_COURSE_SECRET).",
                style="dim",
            )
        )
    return lines


def barred(text: str, width: int) -> list[Text]:
    """Wrap foreign text line by line, so that rows of numbers keep their columns."""
    bar = "    | "
    return [
        Text(bar + part)
        for line in quiet(scrub(text)).splitlines()
        for part in textwrap.wrap(line, max(width - len(bar), 20)) or [""]
    ]
