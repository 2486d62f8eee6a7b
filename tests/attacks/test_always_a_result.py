"""Whatever a submission does, and wherever we fail: a report that is valid, whole and right."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import cli, findings, pipeline
from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import GraderFault, StudentFault
from grader.model import ArrayExcerpt, Check, CheckResult, Ending, Feedback, Outcome, Visibility
from grader.plan import Plan, make_plan
from grader.records import result_from_record, result_to_record
from grader.reports.to_json import read_report, render
from grader.rubric import parse_rubric
from grader.sandbox import default_limits
from grader.sandbox.policy import read_policy
from grader.scoring import score
from grader.session import SuiteRun
from grader.suites import DeclaredCheck
from tests.attacks.arithmetic import require_right
from tests.attacks.hostile_submissions import RAISING, write_file, write_hostile, write_replaced
from tests.contract.tiny_assignment import (
    FAKE_STUDENT,
    options_for,
    rubric_of,
    write_assignment,
    write_submission,
)
from tests.required import not_here
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts

# ---------------------------------------------------------------------------- whatever checks report

NASTY = "".join(map(chr, (0, 7, 9, 10, 13, 27, 0x85, 0x9B, 0x202E, 0x2028, 0xD800, 0xDFFF, 0xE000, 0x1F600)))
SHORT = st.text(st.sampled_from(f"a µ{NASTY}"), max_size=6)
TEXTS = SHORT | st.sampled_from(
    [
        "x" * 9_000,
        "\x1b[31m" * 2_000,
        chr(0x1F600) * 2_000,
        chr(0xD800) * 5_000,
        "::error::\r\n## passed",
        "<script>",
    ]
)
# What we write ourselves says something, whatever of the student's stands in it.
SENTENCES = TEXTS.map("it says: {}".format)
POINTS = st.sampled_from(
    [0, 1, 3, 100, *map(Decimal, ("0.1", "0.2", "0.25", "0.7", "1.1", "2.675", "0.333"))]
)
NUMBERS = st.floats()
EXCERPTS = st.builds(
    ArrayExcerpt,
    shape=st.tuples(st.integers(0, 2**40), st.integers(0, 3)),
    dtype=TEXTS,
    offset=st.tuples(st.integers(0, 2**40)),
    values=st.lists(
        st.sampled_from(["nan", "inf", "-inf", True, 2**63, -(2**63), 0.5, 1e308]) | TEXTS, max_size=3
    ),
    is_whole=st.booleans(),
)
FEEDBACK = st.builds(
    Feedback,
    message=SENTENCES,
    expected=st.none() | TEXTS | EXCERPTS,
    got=st.none() | TEXTS | EXCERPTS,
    first_bad_index=st.none() | st.lists(st.integers(0, 2**40), max_size=8).map(tuple),
    max_relative_error=st.none() | NUMBERS,
    reproduce=st.none() | TEXTS,
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plan questions with checks or without, with parts for a person, with packages that are not here."""
    rows, declared = [], {}
    for number in range(draw(st.integers(1, 3))):
        question = f"q{number}.1"
        checks = draw(st.dictionaries(st.sampled_from("abcd"), POINTS, max_size=4))
        written = draw(st.dictionaries(st.sampled_from("vw"), POINTS, max_size=2))
        surplus = 0 if checks else draw(st.sampled_from([0, 0, Decimal("1.5")]))
        rows.append(
            {
                "id": question,
                "title": f"T{draw(SHORT)}",
                "points": sum([*checks.values(), *written.values(), surplus]),
                "requires": draw(st.sampled_from([[], ["mytorch"], ["torch"]])),
                "checks": checks,
                "written": written,
            }
        )
        for name in checks:
            check = Check(f"{question}.{name}", draw(SHORT), draw(st.sampled_from(Visibility)))
            declared[check.id] = DeclaredCheck(check, Path("visible/test.py"), uses_dataset=False)
    content = {"schema": "grader/rubric/v1", "assignment": "any", "version": "1", "question": rows}
    return make_plan(parse_rubric(content), declared, is_installed=lambda _: False)


@st.composite
def results(draw: st.DrawFn, plan: Plan) -> dict[str, CheckResult]:
    """Report on some of the planned checks, and now and then on one that nobody planned."""
    planned = [each.check for each in plan.checks]
    named = draw(st.lists(st.sampled_from(planned), unique=True)) if planned else []
    unplanned = draw(st.lists(st.sampled_from(["q9.9.none", "", "q0.1", "q0.1.a.b"]), max_size=1))
    strangers = [Check(name, "", Visibility.VISIBLE) for name in unplanned]
    return {
        check.id: CheckResult(
            check,
            draw(st.sampled_from(Outcome)),
            draw(FEEDBACK),
            draw(st.floats(0, 1e9) | st.sampled_from([1e308, 5e-324])),
        )
        for check in [*named, *strangers]
    }


def through_the_pipe(result: CheckResult) -> CheckResult:
    return result_from_record(json.loads(json.dumps(result_to_record(result), allow_nan=False)))


@settings(max_examples=700, deadline=None, derandomize=True)
@given(data=st.data(), ending=st.sampled_from(Ending), reason=SENTENCES, log=st.none() | TEXTS)
def test_whatever_is_reported_the_report_is_valid_and_adds_up(data, ending, reason, log):
    plan = data.draw(plans())
    reported = data.draw(results(plan))
    names = [question.question.id for question in plan.questions]
    more = {
        "reason": None if ending is Ending.FINISHED else reason,
        "broken": data.draw(st.dictionaries(st.sampled_from([*names, "q9.9"]), TEXTS, max_size=1)),
        "faults": data.draw(st.dictionaries(st.sampled_from([*reported, "q9.9.x"]), TEXTS, max_size=1)),
        "log": log,
    }
    crossed = {name: through_the_pipe(result) for name, result in reported.items()}
    report = score(plan, crossed, facts(ending, **more))
    content = require_right(render(report), plan)
    assert read_report(render(report)) == report
    _require_nothing_given_away(content, reported, ending)


def _require_nothing_given_away(content, reported, ending: Ending) -> None:
    """No points but for what passed; no zero for a check that said nothing, or in which we failed."""
    for check in (check for question in content["questions"] for check in question["checks"]):
        result = reported.get(check["id"])
        if check["score"]:
            assert result.outcome is Outcome.PASSED
        if result is None or result.outcome is Outcome.GRADER_ERROR:
            assert check["score"] is None
            assert content["score"] is None or check["kind"] == "written"
    if ending is not Ending.FINISHED:
        assert content["score"] is None


def test_messages_of_ten_megabytes_cost_neither_the_report_nor_much_time():
    plan = plan_of("q6.1")
    many = {
        name: dataclasses.replace(
            result, feedback=Feedback("x\x1b[31m" * 2_000_000, expected="y" * 10_000_000)
        )
        for name, result in results_of(plan, a=Outcome.FAILED).items()
    }
    started = time.process_time()
    text = render(score(plan, many, facts(log="z" * 10_000_000)))
    assert time.process_time() - started < 5
    assert len(text) < 100_000
    require_right(text, plan)


# ---------------------------------------------------------------------------- wherever we fail

OURS = (
    RuntimeError("not thought of"),
    RecursionError(),
    MemoryError(),
    AssertionError("\x1b[31m"),
    KeyError("missing"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    OSError(28, "No space left on device"),
    GraderFault("we know this one"),
)


@pytest.fixture
def tiny(tmp_path) -> Callable[..., pipeline.GradeOptions]:
    """Return a function that writes an assignment of two checks that pass, with some parts replaced."""

    def write(*, first: str = "pass", student: str = FAKE_STUDENT, more: str = "") -> pipeline.GradeOptions:
        source = f"""
            @check("q6.1.first")
            def test_first(student):
                "First."
                {first}
            @check("q6.1.second")
            def test_second(student):
                "Second."
        """
        student = textwrap.dedent(student) + textwrap.dedent(more)
        rubric = rubric_of({"first": 1, "second": 2})
        return options_for(write_assignment(tmp_path / "tiny", source, rubric=rubric, student=student))

    return write


def require_ours(text: str, options: pipeline.GradeOptions) -> None:
    """Fail unless a report says that we failed: no score, and nothing that looks like a verdict of ours."""
    content = require_right(text, pipeline.prepare(options))
    assert (content["status"], content["score"]) == ("grader_error", None)
    outcomes = {check["outcome"] for question in content["questions"] for check in question["checks"]}
    assert outcomes <= {"passed", "grader_error", "missing"}


@pytest.mark.parametrize("stage", ["open_submission", "run_suites"])
@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_an_error_of_ours_at_any_stage_ends_in_a_report_that_says_so(
    tiny, tmp_path, monkeypatch, stage, error
):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(pipeline, stage, fails)
    options = tiny()
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options)
    require_ours(render(graded.report), options)
    assert graded.exit_code == 3


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), ValueError("no such outcome")], ids=repr)
def test_an_error_while_points_are_added_up_takes_the_score_and_not_the_report(
    tiny, tmp_path, monkeypatch, error
):
    real = findings.score

    def fails_once(plan, found, known):
        if found:
            raise error
        return real(plan, found, known)

    monkeypatch.setattr(findings, "score", fails_once)
    options = tiny()
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options)
    require_ours(render(graded.report), options)
    assert type(error).__name__ in graded.report.status_reason
    assert graded.exit_code == 3


@pytest.mark.parametrize(
    "odd",
    [
        {"outcome": "perfect"},
        {"feedback": Feedback("so", first_bad_index=("x",))},
        {"feedback": Feedback(12)},
    ],
    ids=str,
)
def test_a_result_that_no_report_can_hold_takes_the_score_and_not_the_report(
    tiny, tmp_path, monkeypatch, odd
):
    options = tiny()
    planned = [each.check for each in pipeline.prepare(options).checks]
    found = {each.id: CheckResult(each, Outcome.PASSED, Feedback(""), 0.0) for each in planned}
    found["q6.1.first"] = dataclasses.replace(found["q6.1.first"], **odd)
    monkeypatch.setattr(pipeline, "run_suites", lambda *_, **__: SuiteRun(Ending.FINISHED, results=found))
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options)
    require_ours(render(graded.report), options)


FAILING_CHECKS = {
    "memory": "raise MemoryError",
    "recursion": "(lambda again: again(again))(lambda again: again(again))",
    "exit": "raise SystemExit(0)",
    "pytest exit": "import pytest; pytest.exit('enough', returncode=0)",
    "interrupt": "raise KeyboardInterrupt",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "gone": "os._exit(0)",
    "crashed": "import ctypes; ctypes.string_at(0)",
    "surrogate": "raise ValueError(chr(0xD800))",
}
FAILING_PLUGINS = {
    "a hook before": "def pytest_runtest_setup(item): 1 / 0",
    "a hook after": "def pytest_runtest_teardown(item): 1 / 0",
    "the collection": "def pytest_collection_modifyitems(items): 1 / 0",
    "a check left out": "def pytest_collection_modifyitems(items): del items[:]",
    "the report": "def pytest_json_modifyreport(json_report): 1 / 0",
    "another report": "def pytest_json_modifyreport(json_report): json_report.clear()",
    "the conftest": "1 / 0",
    "no conftest": "def broken(:",
    "an exit": "raise SystemExit(0)",
    "no disk": "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "no file": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
}


@pytest.fixture
def our_failure(tmp_path, monkeypatch):
    """Return a function that grades an empty submission by its options, and holds that the fault is ours."""

    def grade(options) -> None:
        monkeypatch.setattr(pipeline, "HW1", options.assignment)
        out = tmp_path / "out"
        code = cli.run(["grade", str(write_submission(tmp_path / "alice")), "--out", str(out)])
        require_ours((out / "report.json").read_text(encoding="utf-8"), options)
        assert code == 3

    return grade


@pytest.mark.parametrize("body", FAILING_CHECKS.values(), ids=FAILING_CHECKS)
def test_a_check_of_ours_that_fails_by_itself_is_exit_code_3_and_a_report(tiny, our_failure, body):
    our_failure(tiny(first=body))


@pytest.mark.parametrize("more", FAILING_PLUGINS.values(), ids=FAILING_PLUGINS)
def test_a_plugin_that_fails_is_exit_code_3_and_a_report(tiny, our_failure, more):
    our_failure(tiny(more=more))


def test_a_student_that_cannot_be_opened_for_no_known_reason_is_our_failure(tiny, our_failure):
    our_failure(tiny(student=FAKE_STUDENT.replace("return FakeStudent()", "1 / 0")))


# ---------------------------------------------------------------------------- whatever a submission does

QUICK, MANY = range(16), range(16, 324)
# Short, so that what hangs ends soon; what is honest needs a tenth of it.
LIMITS = dataclasses.replace(
    default_limits(),
    call_s=0.5,
    import_s=1.0,
    check_s=1.0,
    submission_s=4.0,
    memory_bytes=1 << 30,
    output_bytes=1 << 22,
)


@pytest.fixture
def confinement(available) -> None:
    if not available["confined"].available:
        not_here(f"confined: {available['confined'].reason}")


def trouble_with(number: int, folder: Path) -> str | None:
    """Grade a hostile submission; return what is wrong with its report, or nothing."""
    question, deeds = write_hostile(folder / str(number), number)
    options = pipeline.GradeOptions(questions=(question,), limits=LIMITS)
    plan = pipeline.prepare(options)
    report = pipeline.grade(folder / str(number), options, plan=plan).report
    try:
        content = require_right(render(report), plan)
    except AssertionError as error:
        return f"submission {number}: {deeds}: {error}"
    if content["status"] in {"graded", "rejected"}:
        return None
    checks = [check for each in content["questions"] for check in each["checks"] if check["grader_fault"]]
    return f"submission {number}: {deeds}: {content['status_reason']} {checks[:1]} {content['grader_log']}"


def require_no_trouble(numbers: Iterable[int], folder: Path) -> None:
    pipeline.prepare(pipeline.GradeOptions())  # reads the suites, which two threads must not do at once
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = list(pool.map(lambda number: trouble_with(number, folder), numbers))
    assert not [trouble for trouble in found if trouble]


@pytest.mark.parametrize("body", RAISING, ids=range(len(RAISING)))
def test_an_exception_is_a_fault_of_the_students_whatever_it_does_while_it_is_described(tmp_path, body):
    write_replaced(tmp_path, {"Linear.forward": body})
    policy = dataclasses.replace(read_policy(), limits=dataclasses.replace(LIMITS, call_s=1.0))
    with open_student(
        tmp_path, places=PLACES, provider="separate", min_isolation=1, policy=policy
    ) as student:
        layer = student.new("Linear", 3, 2)
        with pytest.raises(StudentFault):
            layer.forward(np.ones((1, 3)))
        student.begin_check("next", seed=1)
        assert student.new("ReLU").forward(np.ones(2)).tolist() == [1.0, 1.0]


@pytest.mark.needs_confinement
def test_no_hostile_submission_keeps_its_report_from_being_right(tmp_path, confinement):
    require_no_trouble(QUICK, tmp_path)


@pytest.mark.slow
@pytest.mark.needs_confinement
def test_none_of_many_hostile_submissions_keeps_its_report_from_being_right(tmp_path, confinement):
    require_no_trouble(MANY, tmp_path)


@pytest.mark.needs_confinement
def test_hostile_submissions_on_the_command_line_leave_one_right_report_each(tmp_path, confinement):
    bodies = {"exit": "os._exit(0)", "text": "raise ValueError(chr(0x1B) * 9)", "out": "sys.stdout = None"}
    for name, body in bodies.items():
        write_replaced(tmp_path / name, {"Linear.forward": body})
    write_file(tmp_path / "empty", "nn/modules/linear.py", b"")
    names = [*bodies, "empty"]
    command = [sys.executable, "-m", "grader.cli", "grade", *names, "--questions", "q6.1", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    plan = pipeline.prepare(pipeline.GradeOptions(questions=("q6.1",)))
    for name in names:
        text = (tmp_path / "out" / name / "report.json").read_text(encoding="utf-8")
        assert require_right(text, plan)["status"] == "graded"
