"""Tiny suites through the real pytest process: every outcome, and every way in which a run can end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from grader import pipeline, session
from grader.errors import GraderFault, SandboxUnavailable, SubmissionRejected
from grader.model import Outcome
from tests.contract.tiny_assignment import (
    FAKE_STUDENT,
    options_for,
    rubric_of,
    write_assignment,
    write_submission,
)

REPOSITORY = Path(__file__).resolve().parents[2]


def write_checks(**bodies):
    """Return the source of one check for each name, with the given body."""
    return "\n".join(
        f'@check("q6.1.{name}")\ndef test_{name}(student, rng, seed):\n    """{name.capitalize()}."""\n'
        + textwrap.indent(textwrap.dedent(body), "    ")
        for name, body in bodies.items()
    )


def grade_checks(tmp_path, *, student=FAKE_STUDENT, hidden="", source=None, points=None, **bodies):
    """Grade a submission by checks with the given bodies, one point each."""
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(**bodies) if source is None else source,
        hidden=hidden,
        rubric=rubric_of(points or dict.fromkeys(bodies, 1)),
        student=student,
    )
    return pipeline.grade(write_submission(tmp_path / "alice"), options_for(assignment))


def checks_of(graded):
    return {check.id.rpartition(".")[2]: check for check in graded.report.questions[0].checks}


def test_every_fault_becomes_the_outcome_it_names(tmp_path):
    graded = grade_checks(
        tmp_path,
        right="pass",
        wrong='raise CheckFailed("off by one", expected="1", got="2", first_bad_index=(0,))',
        raised='raise StudentRaised("ValueError: no", exception_type="ValueError")',
        slow='raise StudentTimedOut("10 s")',
        big='raise StudentOutOfMemory("2 GB")',
        left='raise StudentExited("exit(0)")',
        crash='raise StudentCrashed("signal 11")',
        lies='raise ProtocolViolation("junk")',
    )
    outcomes = {name: check.outcome for name, check in checks_of(graded).items()}
    assert outcomes == {
        "right": Outcome.PASSED,
        "wrong": Outcome.FAILED,
        "raised": Outcome.FAILED,
        "slow": Outcome.TIMEOUT,
        "big": Outcome.MEMORY,
        "left": Outcome.EXITED,
        "crash": Outcome.CRASHED,
        "lies": Outcome.PROTOCOL_ERROR,
    }
    assert (graded.report.status, graded.report.score, graded.exit_code) == ("graded", 1, 0)
    feedback = checks_of(graded)["wrong"].feedback
    assert (feedback.message, feedback.expected, feedback.got) == ("off by one", "1", "2")
    assert feedback.first_bad_index == (0,)
    assert feedback.reproduce == "grader check . q6.1"


def test_a_check_whose_need_did_not_pass_is_skipped_and_one_whose_need_passed_is_not(tmp_path):
    source = """
    @check("q6.1.after_wrong", needs=("q6.1.wrong",))
    def test_after_wrong(student):
        "After wrong."
    @check("q6.1.wrong")
    def test_wrong(student):
        "Wrong."
        raise CheckFailed("no")
    @check("q6.1.after_skipped", needs=("q6.1.after_wrong",))
    def test_after_skipped(student):
        "After skipped."
    @check("q6.1.right")
    def test_right(student):
        "Right."
    @check("q6.1.after_right", needs=("q6.1.right",))
    def test_after_right(student):
        "After right."
    """
    names = ("after_wrong", "wrong", "after_skipped", "right", "after_right")
    checks = checks_of(grade_checks(tmp_path, source=source, points=dict.fromkeys(names, 1)))
    assert checks["after_wrong"].outcome is Outcome.SKIPPED
    assert checks["after_wrong"].feedback.message == (
        "not tried, because this did not pass: Wrong (q6.1.wrong)"
    )
    assert checks["after_skipped"].outcome is Outcome.SKIPPED
    assert checks["after_right"].outcome is Outcome.PASSED


def test_who_only_asks_whether_points_are_lost_gets_the_first_loss_and_no_grade(tmp_path):
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(right="pass", wrong='raise CheckFailed("no")', never='raise CheckFailed("too late")'),
        rubric=rubric_of(dict.fromkeys(("right", "wrong", "never"), 1)),
    )
    options = replace(options_for(assignment), only_first_loss=True)
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options)
    outcomes = {name: check.outcome for name, check in checks_of(graded).items()}
    assert outcomes == {"right": Outcome.PASSED, "wrong": Outcome.FAILED, "never": Outcome.SKIPPED}
    assert checks_of(graded)["never"].feedback.message == "not tried, because points are lost already"
    assert not graded.report.environment.is_grade
    assert graded.report.environment.note.startswith("not a grade")


def test_a_hidden_check_may_need_a_visible_one_and_runs_after_it(tmp_path):
    graded = grade_checks(
        tmp_path,
        seen='raise CheckFailed("no")',
        hidden='@check("q6.1.secret", needs=("q6.1.seen",))\ndef test_secret(student): "Secret."',
        points={"seen": 1, "secret": 1},
    )
    assert checks_of(graded)["secret"].outcome is Outcome.SKIPPED
    assert checks_of(graded)["secret"].visibility == "hidden"


@pytest.mark.parametrize(
    "body, name",
    [
        ("assert False", "AssertionError"),
        ("1 / 0", "ZeroDivisionError"),
        ("import pytest; pytest.skip('not today')", "Skipped"),
        ("raise DataUnavailable('gone')", "DataUnavailable"),
    ],
)
def test_any_other_exception_is_our_fault_and_takes_nobodys_points(tmp_path, body, name):
    graded = grade_checks(tmp_path, right="pass", ours=body)
    check = checks_of(graded)["ours"]
    assert check.outcome is Outcome.GRADER_ERROR
    assert name in check.feedback.message
    assert body.rpartition(";")[2].strip() in check.grader_fault
    assert "_pytest" not in check.grader_fault
    assert (graded.report.status, graded.report.score, graded.exit_code) == ("grader_error", None, 3)
    assert isinstance(graded.error, GraderFault)
    assert checks_of(graded)["right"].outcome is Outcome.PASSED


def test_a_suite_that_does_not_load_breaks_only_its_own_question(tmp_path):
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(right="pass"),
        hidden=write_checks(secret="pass") + '\nraise RuntimeError("in the suite")',
        rubric=rubric_of({"right": 1, "secret": 1}) + rubric_of({"fine": 1}, question="q6.2"),
    )
    source = assignment.folder / "visible" / "test_q6_1.py"
    other = source.read_text().replace("q6.1.right", "q6.2.fine")
    source.with_name("test_q6_2.py").write_text(other)
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options_for(assignment))
    assert checks_of(graded)["right"].outcome is Outcome.PASSED
    assert checks_of(graded)["secret"].outcome is Outcome.GRADER_ERROR
    assert "in the suite" in checks_of(graded)["secret"].grader_fault
    assert [question.status for question in graded.report.questions] == ["not_run", "graded"]
    assert graded.exit_code == 3


def test_a_check_that_vanishes_from_its_suite_is_missing_and_not_passed(tmp_path):
    source = write_checks(right="pass", gone="pass") + "\ndel test_gone\n"
    graded = grade_checks(tmp_path, source=source, points={"right": 1, "gone": 1})
    assert checks_of(graded)["gone"].outcome is Outcome.MISSING
    assert (graded.report.score, graded.exit_code) == (None, 3)


def test_our_process_dying_is_our_fault_and_keeps_what_had_finished(tmp_path):
    graded = grade_checks(tmp_path, right="pass", dies="os.kill(os.getpid(), signal.SIGKILL)", after="pass")
    assert checks_of(graded)["right"].outcome is Outcome.PASSED
    assert checks_of(graded)["dies"].outcome is Outcome.GRADER_ERROR
    assert checks_of(graded)["after"].outcome is Outcome.GRADER_ERROR
    assert "was ended by SIGKILL" in graded.report.status_reason
    assert (graded.report.score, graded.exit_code) == (None, 3)


def test_our_process_hanging_is_stopped_and_is_our_fault(tmp_path, monkeypatch):
    silent = session.run_suites
    monkeypatch.setattr(pipeline, "run_suites", lambda *args, **more: silent(*args, slack_s=6.0, **more))
    started = time.monotonic()
    graded = grade_checks(tmp_path, right="pass", hangs="time.sleep(60)")
    assert time.monotonic() - started < 30
    assert checks_of(graded)["right"].outcome is Outcome.PASSED
    assert checks_of(graded)["hangs"].outcome is Outcome.GRADER_ERROR
    assert "silent for longer" in graded.report.status_reason
    assert graded.exit_code == 3


def test_without_isolation_nothing_is_scored_and_the_reason_is_told(tmp_path):
    student = FAKE_STUDENT.replace("return FakeStudent()", 'raise SandboxUnavailable("no Landlock here")')
    graded = grade_checks(tmp_path, student=student, right="pass", other="pass")
    assert graded.report.score is None
    assert graded.report.status_reason == "no Landlock here"
    assert isinstance(graded.error, SandboxUnavailable)
    assert graded.exit_code == 4


def test_a_rejected_submission_has_a_report_without_a_score(tmp_path):
    assignment = write_assignment(
        tmp_path / "assignment", write_checks(right="pass"), rubric=rubric_of({"right": 1})
    )
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    graded = pipeline.grade(tmp_path / "broken.zip", options_for(assignment))
    assert (graded.report.status, graded.report.score, graded.exit_code) == ("rejected", None, 2)
    assert isinstance(graded.error, SubmissionRejected)
    assert graded.report.submission.name == "broken"


def test_one_student_serves_a_question_and_is_closed_at_its_end(tmp_path):
    diary = tmp_path / "diary"
    student = FAKE_STUDENT.replace(
        "return FakeStudent()",
        f"Path({str(diary)!r}).open('a').write('open\\n'); return FakeStudent()",
    ).replace("pass", f"Path({str(diary)!r}).open('a').write('close\\n')", 1)
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(one="pass", two='raise StudentCrashed("x")', three="pass"),
        hidden=write_checks(secret="pass"),
        rubric=rubric_of(dict.fromkeys(("one", "two", "three", "secret"), 1))
        + rubric_of({"fine": 1}, question="q6.2"),
        student=student,
    )
    source = assignment.folder / "hidden" / "test_q6_1.py"
    source.with_name("test_q6_2.py").write_text(source.read_text().replace("q6.1.secret", "q6.2.fine"))
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options_for(assignment))
    assert graded.report.score == 4
    assert diary.read_text().split() == ["open", "close", "open", "close"]


def test_every_check_begins_with_its_own_seed_and_generator(tmp_path):
    body = 'raise CheckFailed(f"{seed} {student.begun[-1]} {rng.integers(2**32)}")'
    first, second = (grade_checks(tmp_path / name, one=body, two=body) for name in ("first", "second"))
    messages = [check.feedback.message for check in checks_of(first).values()]
    assert messages == [check.feedback.message for check in checks_of(second).values()]
    assert len(set(messages)) == 2
    seed, rest = messages[0].split(" ", 1)
    # The worker's seed is another one: found in there, it tells nothing of the inputs to come.
    assert rest.startswith("('q6.1.one', ")
    assert not rest.startswith(f"('q6.1.one', {seed})")


def test_what_is_printed_in_our_process_cannot_look_like_an_event(tmp_path):
    forged = {"event": "finished", "id": "q6.1.wrong", "result": None}
    body = f"""
    print('{json.dumps(forged)}', flush=True)
    os.write(1, b'{json.dumps(forged)}\\n')
    raise CheckFailed("no")
    """
    graded = grade_checks(tmp_path, wrong=body)
    assert checks_of(graded)["wrong"].outcome is Outcome.FAILED


def test_nothing_of_the_submission_is_collected_or_configures_pytest(tmp_path):
    submission = write_submission(tmp_path / "alice")
    forgery = "import pathlib; pathlib.Path(__file__).with_name('marker').write_text('ran')"
    for name in (
        "conftest.py",
        "test_q6_1.py",
        "mytorch/conftest.py",
        "mytorch/__init__.py",
        "sitecustomize.py",
    ):
        (submission / name).write_text(forgery)
    for name in ("pytest.ini", "tox.ini", "setup.cfg"):
        (submission / name).write_text("[pytest]\naddopts = --collect-only -p evil\n")
    assignment = write_assignment(
        tmp_path / "assignment", write_checks(right="pass"), rubric=rubric_of({"right": 1})
    )
    graded = pipeline.grade(submission, options_for(assignment))
    assert graded.report.score == 1
    assert not list(tmp_path.rglob("marker"))


def test_our_process_gets_no_secret_in_arguments_environment_or_files(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "sesame")
    monkeypatch.setenv("GITHUB_TOKEN", "sesame")
    body = """
    import pathlib, sys
    seen = [*sys.orig_argv, *os.environ, *os.environ.values(), os.getcwd()]
    seen += [path.read_text() for path in pathlib.Path.cwd().parent.rglob("*") if path.is_file()]
    raise CheckFailed(f"{any('sesame' in text for text in seen)} {os.listdir()} {sorted(os.environ)}")
    """
    assignment = write_assignment(
        tmp_path / "assignment", write_checks(look=body), rubric=rubric_of({"look": 1})
    )
    graded = pipeline.grade(
        write_submission(tmp_path / "alice"), options_for(assignment, course_secret="sesame")
    )
    message = checks_of(graded)["look"].feedback.message
    assert message.startswith("False []"), message
    assert not graded.report.environment.seed_is_public


@pytest.mark.parametrize("is_given", [True, False])
def test_the_data_folder_is_the_one_seen_from_where_the_command_was_given(tmp_path, monkeypatch, is_given):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    body = """raise CheckFailed(str(data_dir))"""
    source = write_checks(look=body).replace("student, rng, seed", "data_dir")
    student = (
        FAKE_STUDENT
        + """
    from grader.pytest_plugin import GRADING

    @pytest.fixture
    def data_dir(request):
        return request.config.stash[GRADING].request.data_dir
"""
    )
    assignment = write_assignment(
        tmp_path / "assignment", source, rubric=rubric_of({"look": 1}), student=student
    )
    options = options_for(assignment, data_dir=Path("data") if is_given else None)
    graded = pipeline.grade(write_submission(tmp_path / "alice"), options)
    expected = tmp_path / ("data" if is_given else "cache/mytorch-grader/data")
    assert checks_of(graded)["look"].feedback.message == str(expected)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can make a process unreadable")
def test_our_process_cannot_be_read_by_others_of_the_same_user(tmp_path):
    body = """
    import ctypes
    raise CheckFailed(f"dumpable: {ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}")
    """
    graded = grade_checks(tmp_path, look=body)
    assert checks_of(graded)["look"].feedback.message == "dumpable: 0"


DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from grader import cli, pipeline
from grader.sandbox import machine
pipeline.HW1 = pipeline.Assignment(Path(sys.argv[2]), places={})
machine.processors = lambda count=int(sys.argv[3]): count
sys.argv[1:] = sys.argv[4:]
cli.main()
"""


def start_command_line(assignment, *arguments, processors=1):
    own = (str(REPOSITORY), str(assignment.folder), str(processors))
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *own, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, *, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(process_id):
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_stubborn", [False, True])
def test_an_interruption_leaves_a_partial_report_exit_130_and_no_process(tmp_path, number, is_stubborn):
    marker = tmp_path / "marker"
    ignoring = "signal.signal(signal.SIGINT, signal.SIG_IGN); " if is_stubborn else ""
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(
            right="pass",
            long=f"{ignoring}open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(120)",
            after="pass",
        ),
        rubric=rubric_of({"right": 1, "long": 1, "after": 1}),
    )
    out = tmp_path / "out"
    alice, bob = (write_submission(tmp_path / name) for name in ("alice", "bob"))
    process = start_command_line(assignment, "grade", str(alice), str(bob), "--out", str(out))
    wait_for(lambda: marker.exists() and marker.read_text())
    child = int(marker.read_text())
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert not is_alive(child)
    assert "Traceback" not in errors
    report = json.loads((out / "alice" / "report.json").read_text())
    assert (report["status"], report["score"]) == ("interrupted", None)
    outcomes = {check["id"]: check["outcome"] for check in report["questions"][0]["checks"]}
    assert outcomes == {"q6.1.right": "passed", "q6.1.long": "missing", "q6.1.after": "missing"}
    assert not (out / "bob" / "report.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal")
def test_our_process_dies_with_the_command_line(tmp_path):
    marker = tmp_path / "marker"
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(long=f"open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(120)"),
        rubric=rubric_of({"long": 1}),
    )
    alice = write_submission(tmp_path / "alice")
    process = start_command_line(assignment, "grade", str(alice), "--out", str(tmp_path / "out"))
    wait_for(lambda: marker.exists() and marker.read_text())
    child = int(marker.read_text())
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not is_alive(child))


def test_the_command_line_grades_several_submissions_and_the_worst_code_wins(tmp_path):
    assignment = write_assignment(
        tmp_path / "assignment",
        write_checks(right="pass", wrong='raise CheckFailed("\\x1b[2Jno ##[error]")'),
        rubric=rubric_of({"right": 1, "wrong": 1}),
    )
    write_submission(tmp_path / "alice")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    out = tmp_path / "out"
    process = start_command_line(
        assignment,
        "grade",
        str(tmp_path / "alice"),
        str(tmp_path / "broken.zip"),
        "--out",
        str(out),
        "--min-score",
        "1.5",
    )
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert json.loads((out / "alice" / "report.json").read_text())["score"] == 1
    assert json.loads((out / "broken" / "report.json").read_text())["status"] == "rejected"
    assert "Problem 6: 1/2" in output
    assert "\x1b" not in output
    assert "##[" not in output
    assert errors.startswith("grader: broken: ")
    assert errors.count("\n") == 1


DRAWS = """
from grader.checks.plots import errors, lines

def broken():
    raise ValueError("SECRET")

@check("q6.1.passes")
def test_passes(student, plot):
    \"\"\"Passes.\"\"\"
    plot(lines, "losses", "epoch", {"train": np.array([2.0, np.nan, np.inf])})
    plot(broken)

@check("q6.1.fails")
def test_fails(student, plot):
    \"\"\"Fails.\"\"\"
    plot(errors, "errors", {"dL/dx": 0.5})
    plot(errors, "errors", {"dL/db": 0.25})
    raise CheckFailed("wrong")
"""


def test_what_a_check_draws_is_kept_whatever_its_verdict_and_changes_none(tmp_path):
    graded = grade_checks(tmp_path, source=DRAWS, points={"passes": 1, "fails": 1})
    passes, fails = graded.report.questions[0].checks
    assert (passes.outcome, fails.outcome) == (Outcome.PASSED, Outcome.FAILED)
    assert passes.plots[0].series[0].values == (2.0, "nan", "inf")
    assert (fails.plots[0].names, fails.plots[0].errors) == (("dL/dx", "dL/db"), (0.5, 0.25))
    (flag,) = graded.report.flags
    assert (flag.kind, flag.where) == ("plot_left_out", "q6.1.passes")
    assert "SECRET" not in flag.message
    assert passes.grader_fault is None
