"""Reports with one of everything, from made-up numbers, and with foreign text wherever some may stand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import numpy as np

from grader.checks.closeness import require_array, require_close
from grader.checks.excerpts import excerpt
from grader.checks.plots import errors, gallery, lines, matrix
from grader.errors import CheckFailed
from grader.feedback import feedback_of
from grader.model import (
    Answer,
    Check,
    CheckResult,
    Feedback,
    Flag,
    Outcome,
    Plot,
    Visibility,
)
from grader.plan import Plan, make_plan
from grader.reports.schema import (
    CheckReport,
    CommentReport,
    EnvironmentReport,
    IsolationReport,
    MarkReport,
    Report,
    SubmissionReport,
    TimingReport,
)
from grader.rubric import parse_rubric
from grader.scoring import Facts, marked, score
from grader.suites import DeclaredCheck

NAMES = ("basophil", "eosinophil", "immature granulocytes")
SECRET = "only hidden checks say this"
# Everything that some reader of a report might obey.
HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "</title></style></svg></pre></textarea>--><script>document.title = 'owned'</script>",
    '" autofocus onfocus="document.title = \'owned\'" x="',
    "' onmouseover='document.title=1",
    "<a href=\"javascript:document.title = 'owned'\">x</a><style>*{display:none}</style>",
    "<iframe src=https://example.org></iframe><link rel=stylesheet href=//example.org/x.css>",
    "\x1b[31mred\x1b[0m \x1b]8;;https://example.org\x07link\x1b]8;;\x07",
    "::error file=a,line=1::owned",
    '=HYPERLINK("https://example.org")',
    "\u202eright to left\u2066 \u200b\ufeff",
    "\ud800 alone \udfff",
    "{{ 7 * 7 }} {% raw %} ${7*7} &lt;b&gt; &amp;",
    "a" * 400,
)


def fault_of(expected: np.ndarray, got: np.ndarray) -> CheckFailed:
    """Return what a comparison raises."""
    try:
        require_close(got, expected, what="Tanh().backward(dLdy)")
    except CheckFailed as fault:
        fault.cause = "the derivative is written in y, but x is put in"
        fault.reproduce = "rng = np.random.default_rng(7); layer = Tanh(); print(layer.backward(x))"
        return fault
    raise AssertionError


def not_finite(got: np.ndarray) -> CheckFailed:
    try:
        require_array(got, what="Sigmoid().forward(x)")
    except CheckFailed as fault:
        fault.expected = excerpt(np.ones(got.shape), (0, 0))
        return fault
    raise AssertionError


def all_plots() -> tuple[Plot, ...]:
    rng = np.random.default_rng(1)
    epochs = np.arange(30)
    falling = np.exp(-epochs / 9) + 0.2
    methods = {"zero": np.zeros(5), "small_random": 0.1 ** np.arange(1, 6), "he": np.full(5, 0.4)}
    return (
        lines("Losses", "epoch", {"train_losses": falling, "val_losses": falling + 0.1 * rng.random(30)}),
        lines("Standard deviation of the hidden activations", "hidden layer", methods),
        matrix("Confusion matrix", NAMES, np.array([[25, 3, 0], [1, 155, 2], [0, 9, 71]])),
        gallery(
            "Wrong, with a confidence above 0.9: 2 of 100 test images",
            rng.integers(256, size=(2, 28, 28, 3), dtype=np.uint8),
            NAMES,
            [(0, 1, 0.97), (1, 2, 0.93)],
        ),
    )


def odd_plots() -> tuple[Plot, ...]:
    """Plots of what a broken submission computes."""
    return (
        lines("Empty", "epoch", {"none": np.zeros(0), "one": np.ones(1)}),
        lines("Not finite", "epoch", {"a": np.array([1.0, np.nan, np.inf, 2.0]), "b": np.full(3, -np.inf)}),
        lines("Huge", "epoch", {"a": np.array([1e308, -1e308, 5e-324]), "same": np.full(9, 1e308)}),
        errors("Errors", {"exact": 0.0, "tiny": 1e-300, "all wrong": 1.0, "inf": np.inf, "nan": np.nan}),
    )


QUESTIONS = [
    {
        "id": "q1.3",
        "title": "What the temperature does",
        "points": 3,
        "written": {"answer": Decimal(3)},
    },
    {
        "id": "q5.2",
        "title": "Activation statistics",
        "points": 4,
        "requires": ["mytorch"],
        "checks": {"stats": 2, "curves": 1},
        "written": {"analysis": Decimal(1)},
    },
    {
        "id": "q6.2",
        "title": "Activations",
        "points": 5,
        "requires": ["mytorch"],
        "checks": {"tanh_gradient": 1, "sigmoid_values": 1, "skipped": 1, "gone": 1, "secret": 1},
    },
]


def plan_of_all() -> Plan:
    rubric = {"schema": "grader/rubric/v1", "assignment": "hw1", "version": "1", "question": QUESTIONS}
    declared = {}
    for question in QUESTIONS:
        for name in question.get("checks", {}):
            visibility = Visibility.HIDDEN if name == "secret" else Visibility.VISIBLE
            title = SECRET if name == "secret" else f"{name.replace('_', ' ').capitalize()}."
            check = Check(f"{question['id']}.{name}", title, visibility)
            declared[check.id] = DeclaredCheck(check, file=None, uses_dataset=False)
    return make_plan(parse_rubric(rubric), declared, is_installed=lambda _: True)


def environment_of(text: str = "Linux") -> EnvironmentReport:
    isolation = IsolationReport(
        level=2,
        name="confined",
        provider="confined",
        covers=("files", text),
        does_not_cover=("the kernel itself", text),
        probes={"files": text},
    )
    return EnvironmentReport(
        is_grade=True,
        note=None,
        isolation=isolation,
        python="3.11.7",
        numpy=text,
        torch=None,
        device="cpu",
        platform=text,
        seed=41_234_567,
        seed_is_public=False,
        data_profile="sample",
        grader_version="0",
    )


def feedbacks() -> dict[str, tuple[Outcome, Feedback]]:
    rng = np.random.default_rng(3)
    expected = rng.normal(size=(7, 9))
    poisoned = expected.copy()
    poisoned[1, 2], poisoned[2, 3], poisoned[2, 4] = np.nan, np.inf, -np.inf
    check = Check("q6.2.tanh_gradient", "", Visibility.VISIBLE)
    return {
        "tanh_gradient": (
            Outcome.FAILED,
            feedback_of(check, fault_of(expected, expected * rng.random((7, 9))), handout="Q6.2"),
        ),
        "sigmoid_values": (Outcome.FAILED, feedback_of(check, not_finite(poisoned), handout="Q6.2")),
        "skipped": (Outcome.SKIPPED, Feedback("not tried, because this did not pass: Tanh")),
        "gone": (Outcome.TIMEOUT, Feedback("it took more than 10 s", expected="an answer", got="none")),
        "secret": (Outcome.FAILED, Feedback(SECRET, expected=SECRET, reproduce=SECRET)),
    }


def sample_report(name: str = "carol") -> Report:
    """Return a report with every kind of row and picture in it."""
    plan, told = plan_of_all(), feedbacks()
    results = {}
    plots = {"stats": all_plots(), "curves": odd_plots(), "secret": (errors(SECRET, {SECRET: 0.5}),)}
    for planned in plan.checks:
        key = planned.check.id.rpartition(".")[2]
        outcome, feedback = told.get(key, (Outcome.PASSED, Feedback("accuracy 0.97")))
        results[planned.check.id] = CheckResult(planned.check, outcome, feedback, 0.1, plots.get(key, ()))
    facts = Facts(
        submission=SubmissionReport(name=name, sha256="0" * 64, files={"mytorch/nn/linear.py": 1200}),
        environment=environment_of(),
        timing=TimingReport(started_at="2026-01-01T00:00:00+00:00", wall_time_s=61.0, checks_s=50.0),
        answers={"q1.3.answer": Answer("1. It becomes one-hot.\n2. Uniform.", "a person marks this part")},
        flags=(Flag("library", "imports torch", "linear.py:3"),),
    )
    mark = MarkReport(
        question="q1.3",
        part="answer",
        by="Ada",
        at="2026-01-02T10:00:00+00:00",
        points=Decimal("2.5"),
        comment="the second half is thin",
    )
    report = marked(score(plan, results, facts), [mark])
    return with_comments(report, {"q6.2.tanh_gradient": "slide 12\nand 13", "q6.2.secret": "ask me"})


def with_comments(report: Report, texts: Mapping[str, str]) -> Report:
    """Return the report with comments on some of its checks."""

    def with_comment(check: CheckReport) -> CheckReport:
        text = texts.get(check.id)
        said = None if text is None else CommentReport(text=text, by="Ada")
        return check.model_copy(update={"comment": said})

    questions = tuple(
        question.model_copy(update={"checks": tuple(map(with_comment, question.checks))})
        for question in report.questions
    )
    return report.model_copy(update={"questions": questions})


@cache
def hostile_report(text: str) -> Report:
    """Return the sample report with `text` wherever a text may come from somewhere else."""
    content = sample_report().model_dump(mode="json")
    ours = {"schema", "status", "outcome", "kind", "visibility", "pixels", "sha256", "answer_sha256"}
    numbers = itertools.count(1)

    def poisoned(value: object, key: str = "", *, in_values: bool = False) -> object:
        if isinstance(value, dict):
            new = {"files": {text: 1}, "probes": {text: text}}.get(key)
            return new or {name: poisoned(item, name, in_values=in_values) for name, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item, key, in_values=in_values or key == "values") for item in value]
        if not isinstance(value, str) or in_values or key in ours or key in {"errors", "max_relative_error"}:
            return value
        return f"{text}{next(numbers) if key == 'id' else ''}"

    poisoned_content = poisoned(content)
    for question in poisoned_content["questions"]:
        for check in question["checks"]:
            check["grader_fault"] = text
            if check["feedback"]["got"] is None:
                check["feedback"]["got"] = {
                    "shape": [1, 2],
                    "dtype": text,
                    "offset": [0, 0],
                    "is_whole": True,
                    "values": [[text, text]],
                }
    poisoned_content["grader_log"] = text
    poisoned_content["flags"] = [{"kind": text, "message": text, "where": text}]
    return Report.model_validate(poisoned_content)
