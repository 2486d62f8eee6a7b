"""The page of a class: one file that needs no network and no script.

Names, messages and reasons in it are text of strangers: the template escapes whatever it is given, and a link
is a relative path whose every part is quoted.
"""

from __future__ import annotations

import itertools
import os
import random
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from grader.cohort.failures.comments import Comments, read_comments, stale_sentence
from grader.cohort.model import Row
from grader.cohort.page.facts import CheckFacts, ClassFacts, QuestionFacts, Submission, gather
from grader.cohort.page.histogram import histogram
from grader.cohort.rows import read_rows
from grader.errors import MachineFault, UsageError
from grader.model import Outcome, Visibility
from grader.plain_text import one_line
from grader.reports import write_atomically
from grader.reports.figures import Figure
from grader.reports.pages import render_page
from grader.reports.schema import Report
from grader.reports.svg import shown
from grader.reports.to_json import read_report_file
from grader.reports.wording import cut, points

FILE_NAME = "class.html"
_TEMPLATES = Path(__file__).with_name("templates")
# What a page shows of a long list; the rest is counted.
MOST_SUBMISSIONS, MOST_ROWS, MOST_CLUSTERS, MOST_PEOPLE = 2000, 300, 100, 30
_LONGEST_NAME = 80
_STATUSES = {
    "graded": "graded",
    "partial": "partly graded",
    "rejected": "rejected",
    "interrupted": "interrupted",
    "grader_error": "the grader failed",
    "odd": "nothing that could be graded",
}
_OUTCOMES = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.SKIPPED: "not tried",
    Outcome.TIMEOUT: "took too long",
    Outcome.MEMORY: "ran out of memory",
    Outcome.CRASHED: "crashed",
    Outcome.EXITED: "ended the program",
    Outcome.PROTOCOL_ERROR: "broke off",
    Outcome.MISSING: "not run",
    Outcome.PENDING: "waits for a person",
    Outcome.GRADER_ERROR: "the grader failed",
}
_NEITHER = (Outcome.SKIPPED, Outcome.MISSING, Outcome.GRADER_ERROR)


@dataclass(frozen=True, slots=True)
class Person:
    """A submission in a list: whose it is, and where its report is."""

    words: str
    page: str | None = None
    data: str | None = None
    number: int = 0  # where they have no names

    @property
    def link(self) -> str | None:
        """The page where there is one, else the data."""
        return self.page or self.data


@dataclass(frozen=True, slots=True)
class Some:
    """The head of a list, and how many more there are."""

    shown: Sequence[object]
    more: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Class, words and share of each part of a bar, as the macro `bar` draws them."""

    parts: Sequence[tuple[str, str, str]]


def write_class_report(folder: Path, out: Path | None = None, *, anonymous: bool = False) -> Path:
    """Write the page of the class that was graded into a folder; return its path.

    Raise UsageError where there is nothing graded, MachineFault where the page cannot be written.
    """
    path = folder / FILE_NAME if out is None else out
    facts = gather(with_reports(read_rows(folder)))
    comments = read_comments(folder)
    page = render(facts, comments, folder=folder, beside=path.parent, anonymous=anonymous)
    try:
        write_atomically(path, page)
    except OSError as error:
        raise MachineFault(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def with_reports(rows: Iterable[Row]) -> Iterator[tuple[Row, Report | None]]:
    """Yield each row with its report, read only now; one that cannot be read makes its row an odd one."""
    for row in rows:
        try:
            yield row, None if row.report is None else read_report_file(row.report)
        except UsageError as error:
            yield Row(entry=row.entry, status="odd", reason=one_line(str(error))), None


def render(
    facts: ClassFacts, comments: Comments, *, folder: Path, beside: Path, anonymous: bool = False
) -> str:
    """Return the page of a class that was graded into `folder`; links are relative to `beside`."""
    people = (
        _anonymous(facts) if anonymous else {each.label: _person(each, beside) for each in facts.submissions}
    )
    ids = itertools.count(1)
    clustered = {cluster.id for cluster in facts.clusters}
    stale = [stale_sentence(each) for key, each in comments.items() if key not in clustered]
    values = {
        "facts": facts,
        "shared": [cluster for cluster in facts.clusters if len(cluster.labels) > 1],
        "single": [cluster for cluster in facts.clusters if len(cluster.labels) == 1],
        "submissions": sorted(facts.submissions, key=lambda each: people[each.label].number),
        "people": lambda labels: _people(labels, people),
        "person": lambda label: people[label],
        "some": _some,
        "most": {"submissions": MOST_SUBMISSIONS, "rows": MOST_ROWS, "clusters": MOST_CLUSTERS},
        "figure": _figure(facts, ids),
        "next_table": lambda: next(ids),
        "words_for": lambda kind: _STATUSES.get(kind, kind),
        "outcome_words": _OUTCOMES,
        "bar_of": _bar_of,
        "rate": _rate,
        "outcomes": _outcomes,
        "comment": comments.get,
        "command": lambda cluster: _command(folder, cluster),
        "stale": stale,
        "is_hidden": lambda each: each.visibility is not Visibility.VISIBLE,
        "is_anonymous": anonymous,
        "points": points,
        "number": shown,
    }
    return render_page("class.html", values, folder=_TEMPLATES)


def _figure(facts: ClassFacts, ids: Iterator[int]) -> Figure | None:
    if facts.distribution is None:
        return None
    return histogram(facts.scores, facts.distribution, float(max(facts.max_scores)), ids)


def _person(submission: Submission, beside: Path) -> Person:
    names = ", ".join(submission.names)
    words = cut(one_line(names or submission.label), _LONGEST_NAME)
    if submission.report is None:
        return Person(words)
    page = submission.report.with_name("report.html")
    return Person(words, _link(page, beside), _link(submission.report, beside))


def _link(path: Path, beside: Path) -> str | None:
    """Return a relative address; `./` and the quoting keep a name from being anything else than a name."""
    if not path.exists():
        return None
    try:
        parts = Path(os.path.relpath(path, beside)).parts
    except ValueError:  # on another drive
        return None
    return "/".join((".", *(quote(part, safe="", errors="surrogateescape") for part in parts)))


def _anonymous(facts: ClassFacts) -> Mapping[str, Person]:
    """Give every submission a number by chance, which the next page does not repeat."""
    numbers = list(range(1, len(facts.submissions) + 1))
    random.SystemRandom().shuffle(numbers)
    return {
        each.label: Person(f"submission {number}", number=number)
        for each, number in zip(facts.submissions, numbers, strict=True)
    }


def _people(labels: Sequence[str], people: Mapping[str, Person]) -> Some:
    found = sorted((people[label] for label in labels), key=lambda person: person.number)
    return _some(found, MOST_PEOPLE)


def _some(items: Sequence[object], most: int) -> Some:
    return Some(items[:most], max(0, len(items) - most))


def _rate(each: CheckFacts | QuestionFacts) -> str:
    return "\u2013" if each.pass_rate is None else f"{100 * each.pass_rate:.0f} %"


def _bar_of(each: CheckFacts | QuestionFacts) -> Bar:
    if isinstance(each, QuestionFacts):
        counts = {"got": each.full, "lost": each.scored - each.full, "not": each.count - each.scored}
    else:
        neither = sum(each.outcomes.get(outcome, 0) for outcome in _NEITHER)
        waiting = each.outcomes.get(Outcome.PENDING, 0)
        lost = sum(each.outcomes.values()) - each.passed - neither - waiting
        counts = {"got": each.passed, "lost": lost, "open": waiting, "not": neither}
    total = sum(counts.values()) or 1
    return Bar([(name, "", f"{100 * count / total:.4g}%") for name, count in counts.items() if count > 0])


def _outcomes(check: CheckFacts) -> str:
    """Return how often each outcome was, in words; of what a person marks, how many are marked."""
    if check.kind == "written":
        marked = check.judged
        counts = {"marked": marked, "waiting for a person": check.outcomes.get(Outcome.PENDING, 0)}
        return ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return ", ".join(
        f"{check.outcomes[outcome]} {words}"
        for outcome, words in _OUTCOMES.items()
        if outcome in check.outcomes
    )


def _command(folder: Path, cluster: str) -> str:
    return f'grader comment {shlex.quote(str(folder))} {cluster} "TEXT" --by NAME'
