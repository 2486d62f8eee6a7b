"""Reports of every kind, for tests of the formats: each ending, hostile text everywhere, planted secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache

from grader.model import Answer, ArrayExcerpt, CheckResult, Ending, Feedback, Flag, Isolation, Outcome
from grader.reports.schema import IsolationReport, MarkReport, Report, SubmissionReport
from grader.reports.to_json import read_report, render
from grader.scoring import marked, score
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import ENVIRONMENT, facts

RUNNER = {
    "CLASSROOM": "dl",
    "ASSIGNMENT": "hw1",
    "SUBMISSION_TAG": "submit/2026-01-01T00-00-00Z",
    "COMMIT_URL": "https://example.org/commit",
    "RELEASE_URL": "https://example.org/release",
    "REVIEW_URL": "https://example.org/review",
}
PLACE = "mytorch/nn/modules/linear.py"
SECRET = "PLANTED-SECRET"
HOSTILE = "\n".join(
    (
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
        "::error::forged",
        "  ::stop-commands::token",
        "##[error]forged ##vso[task.complete]",
        '=HYPERLINK("https://evil.example";"click")',
        "+1+1",
        "-2",
        "@SUM(A1)",
        "]]></failure><testcase name='forged'/>",
        "\u202egnp.exe\u2066",
        "a\x00b\ud800c",
        "` `` ``` ```` | \\| & &lt; %0A::error::forged %25",
        "[click](https://evil.example) ![i](https://evil.example/i.png)",
        "https://evil.example www.evil.example http://evil.example",
        "mailto:x@evil.example x@evil.example @everyone #1 :smile: $x$",
        "</details></summary><a href='https://evil.example'>a</a>",
        "```\n# heading\n- item\n| a | b |\n| - | - |\n~~~\n<b>bold</b>",
        '{"scores": {"q6.1": 100}}',
        "result=forged\n",
        "w" * 100_000,
    )
)
# Every line by itself too, since a text may be cut, or joined into one line.
HOSTILE_LINES = [line for line in HOSTILE.split("\n") if len(line) < 1000]


def graded() -> Report:
    """Return a whole report: a visible check failed, at a line of the student's; a hidden one too."""
    plan = plan_of("q6.1")
    results = results_of(plan, secret=Outcome.FAILED)
    check = plan.checks[0].check
    message = f"Linear.forward raised ValueError: no ({PLACE}, line 12: raise ValueError('no'))"
    results[check.id] = CheckResult(
        check, Outcome.FAILED, Feedback(message, reproduce="Linear(2, 3)", handout="Q6.1"), 0.5
    )
    return score(plan, results, own_facts())


def partial() -> Report:
    """Return a report with a question that could not run, and parts that wait for a person."""
    plan = plan_of()
    return score(plan, results_of(plan, b=Outcome.SKIPPED), own_facts())


def marked_by_hand() -> Report:
    """Return a report of which a person has marked a part with less than all points."""
    report = partial()
    mark = MarkReport(
        question="q1.3", part="proof", by="A. Tutor", at="2026-01-02T00:00:00+00:00", points=Decimal("1.5")
    )
    return marked(report, (mark,))


def without_result() -> Report:
    """Return a report in which one check of ours failed: nothing is scored."""
    plan = plan_of("q6.1")
    results = {name: found for name, found in results_of(plan).items() if not name.endswith(".b")}
    return score(plan, results, own_facts())


def ended(ending: Ending) -> Report:
    """Return the report of a run that ended so, before anything was found."""
    return score(plan_of(), {}, replace(own_facts(), ending=ending, reason=f"the reason of {ending}"))


def not_a_grade() -> Report:
    """Return a report that says that it is no grade."""
    environment = ENVIRONMENT.model_copy(update={"is_grade": False, "note": "not a grade: isolation level 1"})
    return graded().model_copy(update={"environment": environment})


def own_facts():
    submission = SubmissionReport(name="alice", sha256="0" * 64, files={PLACE: 100})
    return replace(facts(), submission=submission)


SCORED = {
    "graded": graded,
    "partial": partial,
    "marked": marked_by_hand,
    "not a grade": not_a_grade,
}
UNSCORED = {
    "no verdict": without_result,
    "rejected": lambda: ended(Ending.REJECTED),
    "interrupted": lambda: ended(Ending.INTERRUPTED),
    "broke": lambda: ended(Ending.BROKE),
    "no isolation": lambda: ended(Ending.NO_ISOLATION),
}
EVERY_KIND = SCORED | UNSCORED


@cache
def hostile(text: str = HOSTILE) -> Report:
    """Return a report in which every text that a student, or who edits the file, may choose is hostile."""
    plan = plan_of()
    names = [planned.check.id for planned in plan.checks]
    results = {}
    for planned, outcome in zip(plan.checks, (Outcome.FAILED, Outcome.CRASHED, Outcome.FAILED), strict=True):
        excerpt = ArrayExcerpt((1,), text, (0,), [text], is_whole=False)
        told = f"{text} (mytorch/{text[:40]}.py, line 3: {text})"
        feedback = Feedback(told, text, excerpt, (0,), float("nan"), text, text, text)
        results[planned.check.id] = CheckResult(planned.check, outcome, feedback, 0.1)
    submission = SubmissionReport(name=text, sha256=text, files={text: 1, PLACE: 2})
    seen = replace(
        own_facts(),
        submission=submission,
        reason=text,
        faults=dict.fromkeys(names, text),
        flags=[Flag(text, text, text)],
        answers={"q1.3.proof": Answer(text, text), "q4.1.balanced": Answer(text, text)},
        log=text,
        environment=ENVIRONMENT.model_copy(update={"note": text, "isolation": isolation(text)}),
    )
    report = score(plan, results, seen)
    content = json.loads(render(report))
    clean = text.encode("utf-8", "replace").decode()
    for question in content["questions"]:
        question |= {"title": clean, "not_run_reason": question["not_run_reason"] and clean}
        for check in question["checks"]:
            check["title"] = clean
    content["assignment"] |= {"id": clean, "version": clean, "rubric_digest": clean}
    content["environment"] |= {"device": clean, "data_profile": clean, "grader_version": clean, "note": clean}
    return read_report(json.dumps(content))


@cache
def hostile_ids(text: str) -> Report:
    """Return a report whose ids are hostile as well, as only an edited file can have them."""
    content = json.loads(render(hostile()))
    for number, question in enumerate(content["questions"]):
        question["id"] = f"{text}{number}"
        for position, check in enumerate(question["checks"]):
            check["id"] = f"{text}{number}.{position}"
    return read_report(json.dumps(content))


def planted() -> Report:
    """Return a report that holds SECRET wherever a student must not read it, and nowhere else."""
    plan = plan_of("q6.1")
    results = results_of(plan)
    secret = next(each.check for each in plan.checks if each.check.id.endswith("secret"))
    excerpt = ArrayExcerpt((1,), SECRET, (0,), [SECRET], is_whole=True)
    feedback = Feedback(
        f"{SECRET} ({PLACE}, line 99: {SECRET})", excerpt, SECRET, (7,), 0.123456789, SECRET, SECRET, SECRET
    )
    check = replace(secret, title=SECRET)
    results[secret.id] = CheckResult(check, Outcome.FAILED, feedback, 0.777)
    seen = replace(
        own_facts(),
        faults={secret.id: SECRET, "q6.1.a": SECRET},
        flags=[Flag("library", SECRET, SECRET)],
        log=SECRET,
        environment=ENVIRONMENT.model_copy(update={"seed": 987654321, "isolation": isolation("fine")}),
    )
    report = score(plan, results, seen)
    content = json.loads(render(report))
    row = next(each for each in content["questions"][0]["checks"] if each["id"] == secret.id)
    row |= {"id": f"q6.1.{SECRET}", "title": SECRET}
    return read_report(json.dumps(content))


def isolation(text: str) -> IsolationReport:
    held = Isolation(2, text, text, (text,), (text,), {"probe": SECRET})
    return IsolationReport(
        level=held.level,
        name=held.name,
        provider=held.provider,
        covers=held.covers,
        does_not_cover=held.does_not_cover,
        probes=dict(held.probes),
    )


def many(checks: int, text: str = "x" * 4000) -> Report:
    """Return a report of one question with so many failed checks, each with a long text."""
    content = json.loads(render(graded()))
    question = content["questions"][0]
    first = question["checks"][0]
    question["checks"] = [
        first
        | {"id": f"q6.1.c{number}", "max_score": 1 + number % 3, "score": 0}
        | {"feedback": first["feedback"] | {"message": f"{number} {text}"}}
        for number in range(checks)
    ]
    total = sum(check["max_score"] for check in question["checks"])
    question |= {"score": 0, "max_score": total}
    content |= {"score": 0, "max_score": total, "rubric_max_score": total}
    return read_report(json.dumps(content))
