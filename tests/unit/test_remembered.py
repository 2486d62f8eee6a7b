"""What a self-check may take from an earlier one: only what would surely come out the same."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path, PurePosixPath

import pytest

from grader import pipeline
from grader import remembered as module
from grader.model import (
    ArrayExcerpt,
    Check,
    CheckResult,
    Ending,
    Feedback,
    Isolation,
    Outcome,
    Submission,
    Visibility,
)
from grader.plan import make_plan
from grader.remembered import Earlier, Remembered
from grader.rubric import parse_rubric
from grader.session import SuiteRun
from grader.suites import DeclaredCheck

REQUIRED = {"q1.1": "theory", "q5.1": "notebook", "q6.1": "mytorch", "q6.2": "mytorch"}
FILES = {
    "theory.py": b"import numpy as np\n",
    "homework.ipynb": b"{}",
    "mytorch/__init__.py": b"",
    "mytorch/nn/linear.py": b"class Linear: ...\n",
    "README.md": b"mine",
}
EXCERPT = ArrayExcerpt((2, 9), "float64", (0, 1), [[1.5, "nan"]], is_whole=False)


def plan_of(*wanted, version="1"):
    checks = {f"{question}.{name}" for question in REQUIRED for name in ("a", "b")}
    declared = {
        name: DeclaredCheck(Check(name, name, Visibility.VISIBLE), Path("visible"), uses_dataset=False)
        for name in sorted(checks)
    }
    rows = [
        {"id": name, "title": name, "points": 2, "requires": [part], "checks": {"a": 1, "b": Decimal(1)}}
        for name, part in REQUIRED.items()
    ]
    head = {"schema": "grader/rubric/v1", "assignment": "tiny", "version": version, "question": rows}
    names = wanted or tuple(REQUIRED)
    return make_plan(
        parse_rubric(head), declared, wanted=names, visible_only=True, is_installed=lambda _: True
    )


def run_of(plan, outcome=Outcome.PASSED, **more):
    feedback = Feedback("so it is", expected=EXCERPT, max_relative_error=float("inf"), first_bad_index=(0, 1))
    results = {
        each.check.id: CheckResult(each.check, Outcome.PASSED, Feedback("fine"), 0.25) for each in plan.checks
    }
    first = plan.checks[0].check
    results[first.id] = CheckResult(first, outcome, feedback, 0.5)
    isolation = Isolation(2, "confined", "confined", ("files",), ("kernel",), {"probe": "held"})
    return SuiteRun(
        **{
            "ending": Ending.FINISHED,
            "results": results,
            "isolation": isolation,
            "versions": {"numpy": "9"},
            **more,
        }
    )


@pytest.fixture
def work(tmp_path):
    """Return a function that writes a submission, with some files changed (None: removed)."""

    def write(**changed):
        files = {**FILES, **{name.replace("__", "/"): body for name, body in changed.items()}}
        files = {name: body for name, body in files.items() if body is not None}
        for name, body in files.items():
            path = tmp_path / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return Submission(
            name="work",
            root=tmp_path / "work",
            sha256="whatever",
            files={PurePosixPath(name): len(body) for name, body in files.items()},
            package=PurePosixPath("mytorch"),
            notebook=PurePosixPath("homework.ipynb"),
            theory=PurePosixPath("theory.py"),
        )

    return write


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def memory(folder):
    return Remembered(folder, {"profile": "sample"})


def changed_to(name, body):
    return {name.replace("/", "__"): body}


def test_what_was_found_comes_back_exactly_as_it_was(memory, work):
    plan = plan_of("q6")
    run = run_of(plan, Outcome.FAILED)
    memory.keep(work(), plan, run)
    earlier = memory.recall(work(), plan)
    assert earlier == Earlier(("q6.1", "q6.2"), run.results, run.isolation, run.versions)


def test_what_is_recalled_completes_a_run_of_the_rest(memory, work):
    whole, part = plan_of(), plan_of("q6")
    memory.keep(work(), part, run_of(part))
    earlier = memory.recall(work(), whole)
    rest = whole.without(earlier.questions)
    assert [planned.question.id for planned in rest.questions] == ["q1.1", "q5.1"]
    nothing_ran = SuiteRun(Ending.FINISHED)
    assert earlier.completed_by(nothing_ran).isolation.name == "confined"
    done = earlier.completed_by(run_of(rest, Outcome.FAILED))
    assert set(done.results) == {planned.check.id for planned in whole.checks}
    assert done.results["q1.1.a"].outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("name", "body", "unchanged"),
    [
        ("mytorch/nn/linear.py", b"class Linear: pass\n", {"q1.1"}),
        ("mytorch/new.py", b"", {"q1.1"}),
        ("theory.py", b"import numpy\n", {"q6.1", "q6.2"}),
        ("homework.ipynb", b"{ }", {"q1.1", "q6.1", "q6.2"}),
        ("helper.py", b"x = 1\n", set()),
        ("README.md", b"more", set()),
        ("README.md", b"mine", {"q1.1", "q5.1", "q6.1", "q6.2"}),
    ],
)
def test_only_what_a_question_can_read_counts_as_its_change(memory, work, name, body, unchanged):
    plan = plan_of()
    memory.keep(work(), plan, run_of(plan))
    assert set(memory.recall(work(**changed_to(name, body)), plan).questions) == unchanged


def test_a_theory_that_names_mytorch_depends_on_it_and_the_other_way_round(memory, work):
    plan = plan_of("q1", "q6")
    theory = {"theory.py": b"from mytorch import nn\n"}
    memory.keep(work(**theory), plan, run_of(plan))
    edited = changed_to("mytorch/nn/linear.py", b"class Linear: pass\n")
    assert memory.recall(work(**theory, **edited), plan).questions == ()
    package = changed_to("mytorch/nn/linear.py", b"from theory import softmax\n")
    memory.keep(work(**package), plan, run_of(plan))
    assert memory.recall(work(**package, **{"theory.py": b"x = 2\n"}), plan).questions == ()


def test_another_selection_of_the_same_part_runs_again_since_checks_may_ask_what_else_passed(memory, work):
    memory.keep(work(), plan_of("q6"), run_of(plan_of("q6")))
    assert memory.recall(work(), plan_of("q6.1")).questions == ()


def test_other_circumstances_another_rubric_and_another_grader_judge_anew(memory, folder, work, monkeypatch):
    plan = plan_of("q6")
    memory.keep(work(), plan, run_of(plan))
    assert Remembered(folder, {"profile": "full"}).recall(work(), plan).questions == ()
    assert memory.recall(work(), plan_of("q6", version="2")).questions == ()
    monkeypatch.setattr(module, "own_digest", lambda: "another")
    assert memory.recall(work(), plan).questions == ()


@pytest.mark.parametrize("outcome", sorted(set(Outcome)))
def test_only_outcomes_that_no_machine_decides_are_kept(memory, work, outcome):
    plan = plan_of("q6")
    memory.keep(work(), plan, run_of(plan, outcome))
    is_kept = outcome in {Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.EXITED}
    assert bool(memory.recall(work(), plan).questions) == is_kept


@pytest.mark.parametrize(
    "more",
    [
        {"ending": Ending.INTERRUPTED},
        {"ending": Ending.BROKE},
        {"ending": Ending.NO_ISOLATION},
        {"faults": {"q6.1.a": "Traceback"}},
        {"broken": {"q6.1": "SyntaxError"}},
    ],
)
def test_a_run_that_was_interrupted_or_in_which_we_failed_is_not_kept(memory, work, folder, more):
    plan = plan_of("q6")
    memory.keep(work(), plan, run_of(plan, **more))
    assert not folder.exists() or not list(folder.iterdir())


def test_a_check_without_a_result_is_not_taken_for_one_with(memory, work):
    plan = plan_of("q6")
    run = run_of(plan)
    memory.keep(work(), plan, replace(run, results={"q6.1.a": run.results["q6.1.a"]}))
    assert memory.recall(work(), plan).questions == ()


def spoiled(whole):
    record = json.loads(whole.partition(b"\n")[2])
    yield b""
    yield whole[: len(whole) // 2]
    yield whole.replace(b'"passed"', b'"failed"')
    yield b"\xff\xfe" + whole
    yield json.dumps(record).encode()
    yield b"[" * 100_000
    for other in (
        [],
        {"results": []},
        {**record, "results": [{}]},
        {**record, "results": record["results"][:1]},
    ):
        body = json.dumps(other).encode()
        yield module.hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    yield whole + b" " * module.MOST_ENTRY_BYTES


def test_a_file_that_was_cut_changed_or_is_somebody_elses_is_as_if_it_were_not_there(memory, work, folder):
    plan = plan_of("q6")
    memory.keep(work(), plan, run_of(plan))
    (path,) = folder.glob("*.json")
    for content in list(spoiled(path.read_bytes())):
        path.write_bytes(content)
        assert memory.recall(work(), plan).questions == (), content[:80]
    memory.keep(work(), plan, run_of(plan))
    assert memory.recall(work(), plan).questions == ("q6.1", "q6.2")


def test_the_folder_stays_bounded_and_holds_no_unfinished_file(memory, work, folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    plan = plan_of("q6")
    for number in range(6):
        memory.keep(work(**changed_to("mytorch/nn/linear.py", b"%d" % number)), plan, run_of(plan))
    (folder / ".x.json.abcd.tmp").write_text("a killed writer's")
    memory.keep(work(), plan, run_of(plan))
    assert len(list(folder.iterdir())) == 3
    assert memory.recall(work(), plan).questions
    monkeypatch.setattr(module, "MOST_ENTRY_BYTES", 100)
    memory.keep(work(**changed_to("mytorch/nn/linear.py", b"large")), plan, run_of(plan))
    assert len(list(folder.iterdir())) == 3


def test_a_folder_that_cannot_be_used_costs_nothing_but_time(work, tmp_path):
    (tmp_path / "file").write_text("")
    memory = Remembered(tmp_path / "file" / "cache", {})
    plan = plan_of("q6")
    memory.keep(work(), plan, run_of(plan))
    assert memory.recall(work(), plan) == Earlier()


def test_a_grading_never_takes_anything_from_a_self_check(memory, tmp_path):
    with pytest.raises(ValueError, match="only a self-check"):
        pipeline.grade(tmp_path, pipeline.GradeOptions(), remembered=memory)


def test_who_wants_everything_run_again_gets_that_and_keeps_what_is_found(memory, folder, work):
    plan = plan_of("q6")
    fresh = Remembered(folder, {"profile": "sample"}, recalls=False)
    fresh.keep(work(), plan, run_of(plan))
    assert fresh.recall(work(), plan) == Earlier()
    assert memory.recall(work(), plan).questions == ("q6.1", "q6.2")
