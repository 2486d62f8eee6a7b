"""Questions that run several at a time give the report that they give one by one, however they end."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from grader import pipeline
from grader.errors import GraderFault, SandboxUnavailable
from grader.lanes import Lanes, in_order
from grader.model import Check, CheckResult, Feedback, Outcome, Visibility
from grader.sandbox.providers import PROVIDERS
from grader.sandbox.usage import is_running
from grader.session import Event, Patience
from tests.contract.test_pytest_plugin import start_command_line, wait_for
from tests.contract.tiny_assignment import FAKE_STUDENT, HEADER, options_for, rubric_of, write_submission
from tests.end_to_end.test_determinism import SUBMISSIONS, timeless
from tests.required import if_here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only there are workers forked")
FORKING = [provider.name for provider in PROVIDERS if provider.can_fork]
PROBLEM_6 = ("q6.1", "q6.2", "q6.3", "q6.4", "q6.5", "q6.6")
# One of another style, and faults that another question's checks must make do with, or that end workers.
TRIED = (
    "right_mean_in_loss",
    "linear_changes_the_upstream_gradient",
    "half_init_imports_torch",
    "sgd_changes_one_parameter_only",
)


@pytest.fixture(params=FORKING)
def forking(request, available) -> str:
    return if_here(available[request.param])


def write_questions(folder: Path, *, student: str = FAKE_STUDENT, **bodies: str) -> pipeline.Assignment:
    """Write one question for each argument, q6_1 and so on, with one check of that body."""
    (folder / "visible").mkdir(parents=True)
    rubric = ['schema = "grader/rubric/v1"\nassignment = "tiny"\nversion = "1"\n']
    for name, body in bodies.items():
        question = name.replace("_", ".")
        fixtures = "student, passed" if "passed" in body else "student"
        source = f'@check("{question}.it")\ndef test_it({fixtures}):\n    """It."""\n'
        source = HEADER + source + textwrap.indent(textwrap.dedent(body), "    ")
        (folder / "visible" / f"test_{name}.py").write_text(source + "\n", encoding="utf-8")
        rubric.append(rubric_of({"it": 1}, question=question))
    (folder / "conftest.py").write_text(textwrap.dedent(student), encoding="utf-8")
    (folder / "rubric.toml").write_text("\n".join(rubric), encoding="utf-8")
    return pipeline.Assignment(folder, places={})


def grade_questions(
    tmp_path: Path,
    *,
    processors: int = 2,
    student: str = FAKE_STUDENT,
    sandbox: str = "auto",
    broken: tuple[str, ...] = (),
    **bodies: str,
):
    assignment = write_questions(tmp_path / "assignment", student=student, **bodies)
    for name in broken:
        with (assignment.folder / "visible" / f"test_{name}.py").open("a") as suite:
            suite.write("raise RuntimeError\n")
    options = options_for(assignment, processors=processors, sandbox=sandbox, min_isolation=1)
    return pipeline.grade(write_submission(tmp_path / "alice"), options)


def outcomes_of(graded) -> dict[str, str]:
    return {each.id: each.outcome.value for row in graded.report.questions for each in row.checks}


# ------------------------------------------------------------------------------- the same report


@pytest.mark.parametrize("name", TRIED)
def test_the_report_of_lanes_is_that_of_one_question_after_the_other(name, forking):
    options = {"questions": PROBLEM_6, "sandbox": forking}
    one, several = (
        pipeline.grade(SUBMISSIONS / name, pipeline.GradeOptions(**options, processors=processors))
        for processors in (1, 3)
    )
    assert timeless(one.report.model_dump(mode="json")) == timeless(several.report.model_dump(mode="json"))
    assert one.spent.lanes_s == pytest.approx(one.spent.checks_s)
    assert several.spent.lanes_s > several.spent.checks_s
    assert several.spent.workers == one.spent.workers
    assert several.spent.round_trips == one.spent.round_trips


# --------------------------------------------------------------------------- really at one time

MEETS = """
    Path({mine!r}).touch()
    give_up = time.monotonic() + {seconds}
    while not Path({other!r}).exists():
        assert time.monotonic() < give_up
        time.sleep(0.01)
"""


@pytest.mark.parametrize(("processors", "meet"), [(2, True), (1, False)])
def test_two_questions_run_at_a_time_where_they_may(tmp_path, processors, meet):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    seconds = 20 if meet else 0.5
    graded = grade_questions(
        tmp_path,
        processors=processors,
        q6_1=MEETS.format(mine=a, other=b, seconds=seconds),
        q6_2=MEETS.format(mine=b, other=a, seconds=seconds),
    )
    assert set(outcomes_of(graded).values()) == ({"passed"} if meet else {"passed", "grader_error"})


def test_a_check_knows_what_has_passed_in_the_questions_before_it_and_in_no_others(tmp_path):
    """The third question looks back at the first, which ends only after the fourth has passed."""
    done = str(tmp_path / "done")
    graded = grade_questions(
        tmp_path,
        processors=3,
        q6_1=MEETS.format(mine=f"{done}1", other=done, seconds=20) + "    time.sleep(0.5)",
        q6_2='raise CheckFailed("no")',
        q6_3='assert passed == {"q6.1.it"}, passed',
        q6_4=f"Path({done!r}).touch()",
        q6_5='assert passed == {"q6.1.it", "q6.3.it", "q6.4.it"}, passed',
    )
    assert set(outcomes_of(graded).values()) == {"passed", "failed"}
    assert outcomes_of(graded)["q6.2.it"] == "failed"


@pytest.mark.parametrize(("lanes", "order"), [(1, "12345"), (2, "51234"), (3, "54123"), (5, "54321")])
def test_all_lanes_but_one_begin_with_the_last_questions(lanes, order):
    assert "".join(in_order("12345", lanes)) == order


NO_FORKS = (
    FAKE_STUDENT
    + """
    def cannot():
        raise BlockingIOError("no more processes")

    os.fork = cannot
"""
)


@pytest.mark.parametrize("student", [FAKE_STUDENT, NO_FORKS], ids=["lanes", "no forks"])
@pytest.mark.parametrize("sandbox", ["auto", "separate"])
def test_questions_that_wait_for_each_other_all_get_on(tmp_path, student, sandbox):
    """Whichever lane has which question: each looks at all before it, at once. Some places have one lane."""
    graded = grade_questions(
        tmp_path,
        processors=3,
        student=student,
        sandbox=sandbox,
        **{
            f"q6_{n}": f'assert passed == {{f"q6.{{k}}.it" for k in range(1, {n})}}, passed'
            for n in range(1, 9)
        },
    )
    assert set(outcomes_of(graded).values()) == {"passed"}


# --------------------------------------------------------------------------- however they end


def test_what_fails_in_us_in_any_lane_is_told(tmp_path):
    graded = grade_questions(tmp_path, **{f"q6_{n}": f"raise KeyError('fault {n}')" for n in (1, 2, 3)})
    assert set(outcomes_of(graded).values()) == {"grader_error"}
    log = json.dumps(graded.report.model_dump(mode="json"))
    assert all(f"fault {number}" in log for number in (1, 2, 3))
    assert graded.exit_code == 3


@pytest.mark.parametrize("ends", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)", "os._exit(5)"])
@pytest.mark.parametrize("who", ["first", "other"])
def test_a_lane_that_dies_is_our_fault_and_keeps_what_had_finished(tmp_path, ends, who):
    met = tmp_path / "met"
    body = f"""
        is_first = os.getppid() == {os.getpid()}
        other = Path({str(met)!r} + str(not is_first))
        Path({str(met)!r} + str(is_first)).touch()
        give_up = time.monotonic() + 20
        while not other.exists():
            assert time.monotonic() < give_up
            time.sleep(0.01)
        if is_first == {who == "first"}:
            time.sleep(1.5)
            {ends}
    """
    graded = grade_questions(tmp_path, q6_1=body, q6_2=body)
    assert sorted(outcomes_of(graded).values()) == ["grader_error", "passed"]
    assert (graded.report.status, graded.report.score, graded.exit_code) == ("grader_error", None, 3)
    assert isinstance(graded.error, GraderFault)


IN_ANOTHER_LANE = """
    from grader.lanes import Lanes

    FIRST = os.getpid()

    def pytest_grader_open_student(grading_request):
        if os.getpid() != FIRST:
            {does}
        return FakeStudent()
"""


def test_without_isolation_in_any_lane_nothing_is_scored(tmp_path):
    student = FAKE_STUDENT + IN_ANOTHER_LANE.format(does='raise SandboxUnavailable("there is none here")')
    wait = "time.sleep(1)"
    graded = grade_questions(tmp_path, student=student, q6_1=wait, q6_2=wait)
    assert isinstance(graded.error, SandboxUnavailable)
    assert (graded.report.score, graded.exit_code) == (None, 4)


@pytest.mark.parametrize("looks_back", [False, True])
@pytest.mark.parametrize("processors", [2, 3])
def test_a_lane_that_meets_a_fault_of_ours_tells_it_and_nobody_waits_for_it(tmp_path, looks_back, processors):
    broken = IN_ANOTHER_LANE.format(does="Lanes.finish = lambda *_: 1 / 0")
    wait = "time.sleep(1)"
    looks = "'q6.1.it' in passed" if looks_back else wait
    bodies = {"q6_1": wait, "q6_2": wait if processors == 2 else looks, "q6_3": looks}
    graded = grade_questions(tmp_path, student=FAKE_STUDENT + broken, processors=processors, **bodies)
    assert (graded.report.status, graded.report.score, graded.exit_code) == ("grader_error", None, 3)
    assert "ZeroDivisionError" in graded.report.grader_log
    assert outcomes_of(graded)["q6.1.it"] == "passed"


def test_nobody_waits_for_a_question_whose_suite_does_not_load(tmp_path):
    graded = grade_questions(
        tmp_path,
        q6_1="time.sleep(0.5)",
        q6_2="pass",
        q6_3='assert "q6.1.it" in passed\nassert "q6.2.it" not in passed',
        broken=("q6_2",),
    )
    assert outcomes_of(graded) == {"q6.1.it": "passed", "q6.2.it": "grader_error", "q6.3.it": "passed"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_reaches_all_lanes_and_keeps_what_they_had_finished(tmp_path, number):
    markers = [tmp_path / str(lane) for lane in (1, 2)]
    long = "open({!r}, 'w').write(str(os.getpid())); time.sleep(120)"
    assignment = write_questions(
        tmp_path / "assignment",
        q6_1="pass",
        q6_2=long.format(str(markers[0])),
        q6_3="pass",
        q6_4="pass",
        q6_5=long.format(str(markers[1])),
    )
    alice = write_submission(tmp_path / "alice")
    process = start_command_line(
        assignment, "grade", str(alice), "--out", str(tmp_path / "out"), processors=2
    )
    wait_for(lambda: all(marker.exists() and marker.read_text() for marker in markers))
    lanes = [int(marker.read_text()) for marker in markers]
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(set(lanes)) == 2
    assert not any(map(is_running, lanes))
    assert "Traceback" not in errors
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    found = {check["id"]: check["outcome"] for row in report["questions"] for check in row["checks"]}
    assert found == {
        "q6.1.it": "passed",
        "q6.2.it": "missing",
        "q6.3.it": "missing",  # nobody came to take it
        "q6.4.it": "missing",
        "q6.5.it": "missing",
    }


def test_lanes_end_with_the_command_line(tmp_path):
    markers = [tmp_path / str(lane) for lane in (1, 2)]
    long = "open({!r}, 'w').write(str(os.getpid())); time.sleep(120)"
    bodies = {f"q6_{lane}": long.format(str(marker)) for lane, marker in enumerate(markers, 1)}
    assignment = write_questions(tmp_path / "assignment", **bodies)
    alice = write_submission(tmp_path / "alice")
    process = start_command_line(
        assignment, "grade", str(alice), "--out", str(tmp_path / "out"), processors=2
    )
    wait_for(lambda: all(marker.exists() and marker.read_text() for marker in markers))
    lanes = [int(marker.read_text()) for marker in markers]
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not any(map(is_running, lanes)))


def test_long_results_of_several_lanes_arrive_whole(tmp_path):
    bodies = {f"q6_{n}": f'raise CheckFailed("{n}" * 50_000, got="{n}" * 50_000)' for n in range(1, 9)}
    graded = grade_questions(tmp_path, processors=4, **bodies)
    assert set(outcomes_of(graded).values()) == {"failed"}
    for number, row in enumerate(graded.report.questions, 1):
        assert row.checks[0].feedback.message.startswith(str(number) * 100)


# ------------------------------------------------------------------------------- its parts


def check_of(question: str) -> Check:
    return Check(id=f"{question}.it", title="", visibility=Visibility.VISIBLE)


def test_what_calls_have_spent_is_one_allowance_for_all_lanes():
    lanes = Lanes([check_of("q1"), check_of("q2")])
    lanes.prepare(["q1", "q2"])
    lanes.add_spent(1.5)

    def work():
        assert lanes.take() == "q1"
        lanes.add_spent(2.25)
        return {"is_first": lanes.is_first, "spent_s": lanes.spent_s}

    lanes.fork(work)
    assert lanes.offer() == "q2"
    assert lanes.join() == [{"is_first": False, "spent_s": 3.75}]
    assert (lanes.spent_s, lanes.is_first, lanes.take()) == (3.75, True, None)


def test_each_check_that_runs_has_its_own_patience(monkeypatch):
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    patience = Patience({None: 10.0, "long": 300.0, "short": 20.0})
    assert patience.left_s() == 10.0
    patience.hear(Event("long"))
    patience.hear(Event("short"))
    assert patience.left_s() == 20.0
    result = CheckResult(check_of("q1"), Outcome.PASSED, Feedback(""), 0.0)
    now_s += 5.0
    patience.hear(Event("short", result))
    assert patience.left_s() == 295.0  # the other one has just begun
    now_s += 290.0
    patience.hear(Event("long", note="cell 3"))
    assert patience.left_s() == 300.0
    patience.hear(Event("long", result))
    assert patience.left_s() == 10.0
    now_s += 11.0
    assert patience.left_s() == 0.0
