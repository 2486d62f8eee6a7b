"""The tests of levels, forging and intake, and the grader itself, in containers without privileges.

Three people run them: root with the capabilities that engines leave him, as in Docker and at Gradescope; a
user without any; and a root who is nobody outside, as in rootless engines. Quick tests take crun and a
selection; `-m slow` takes all tests of those three subjects, the third person, and runc.
"""

from __future__ import annotations

import collections
import json
import re
import shutil
import sys

import pytest

from tests.containers.bundle import (
    DEFAULT_CAPABILITIES,
    MEMORY_BYTES,
    OUTPUT,
    PROCESSES,
    ROOT,
    USER,
    Person,
)
from tests.containers.engine import groups_can_limit
from tests.containers.seccomp_profile import LANDLOCK
from tests.required import EXPERIMENTS, MAY_LACK, missing_packages, not_here

TESTED = ("tests/contract/test_sandboxes.py", "tests/unit/intake", "tests/attacks")
GRADER = (sys.executable, "-m", "grader.cli")
GRADE = ("grade", "fixtures/submissions/right_mean_in_loss", "--questions", "q6.1,q6.2", "--out", OUTPUT)
NOT_ENOUGH_ISOLATION = 4
NO_DEVICES = "only root may make a device"
LEVELS = {"bubblewrap": 3, "account": 3, "confined": 2}  # what gives a grade, best first


def show(person: Person, seen: str) -> None:
    """Keep what was seen for `pytest -rP`."""
    print(f"{person.name}: {seen}")  # noqa: T201


def test_the_container_is_one_without_privileges(in_container, person):
    found = json.loads(in_container(sys.executable, "tests/containers/look_around.py").stdout)
    assert found["uid"] == person.uid
    assert found["status"]["Seccomp"].strip() == "2"
    assert found["status"]["NoNewPrivs"].strip() == "1"
    assert int(found["status"]["CapEff"], 16).bit_count() == len(person.capabilities)
    assert int(found["status"]["CapBnd"], 16).bit_count() == len(DEFAULT_CAPABILITIES)
    assert set(found["refused"].values()) == {"EPERM"}, found["refused"]
    assert found["landlock"] >= 1
    assert found["interfaces"] == ["lo"]
    assert found["processes"] == [1]
    if groups_can_limit():
        assert found["limits"] == {"memory": str(MEMORY_BYTES), "pids": str(PROCESSES)}


def test_bubblewrap_cannot_work_in_there(in_container, person):
    if not shutil.which("bwrap"):
        not_here("bubblewrap: is not installed (apt-get install bubblewrap)")
    done = in_container("bwrap", "--unshare-all", "--ro-bind", "/", "/", "true")
    assert done.returncode != 0
    assert "namespace" in done.stderr
    show(person, done.stderr.strip())


def best_provider(person: Person) -> str:
    return next(name for name in LEVELS if name not in person.lacks)


def test_doctor_says_what_holds_in_there_and_what_would_help(in_container, person):
    done = in_container(*GRADER, "doctor", environment={"COLUMNS": "1000"})
    rows = dict(re.findall(r"^level \d (\w+) +(.*)", done.stdout, re.MULTILINE))
    assert {name: rows[name].partition(" ")[0] for name in LEVELS} == {
        name: "missing" if name in person.lacks else "available" for name in LEVELS
    }
    assert not shutil.which("bwrap") or "run the grader outside the container" in rows["bubblewrap"]
    show(person, "; ".join(f"{name}: {row.rstrip()}" for name, row in rows.items()))


def test_a_submission_is_graded_at_the_best_level_of_the_place(in_container, person):
    done = in_container(*GRADER, *GRADE)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((done.output / "report.json").read_text(encoding="utf-8"))
    assert (report["status"], report["score"], report["max_score"]) == ("graded", 10, 10)
    isolation, best = report["environment"]["isolation"], best_provider(person)
    assert (isolation["provider"], isolation["level"]) == (best, LEVELS[best])
    assert report["environment"]["is_grade"]
    show(person, f"level {isolation['level']} ({isolation['provider']})")


def test_an_engine_that_refuses_landlock_gets_no_grade_and_no_lesser_one(in_container, person):
    done = in_container(*GRADER, *GRADE, also_refused=LANDLOCK)
    assert done.returncode == NOT_ENOUGH_ISOLATION, done.stdout + done.stderr
    assert "Landlock" in done.stderr
    assert json.loads((done.output / "report.json").read_text(encoding="utf-8"))["score"] is None


def run_tests(in_container, person, *arguments: str) -> collections.Counter[str]:
    """Run tests inside; see that all passed but those of what the place lawfully lacks; count them."""
    report = f"{OUTPUT}/tests.json"
    # Inside are the libraries of this side.
    lacks = (*person.lacks, *((EXPERIMENTS,) if missing_packages() else ()))
    done = in_container(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
        *("--json-report", f"--json-report-file={report}", "--json-report-omit=streams", *arguments),
        environment={"CI": "true", MAY_LACK: " ".join(lacks)},
        seconds=3600,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    tests = json.loads((done.output / "tests.json").read_text(encoding="utf-8"))["tests"]
    skipped = [reason_of(test) for test in tests if test["outcome"] == "skipped"]
    lawful = {*lacks, *(() if person is ROOT else (NO_DEVICES,))}
    assert {reason.partition(":")[0] for reason in skipped} <= lawful, skipped
    counts = collections.Counter(test["outcome"] for test in tests)
    show(person, f"{dict(counts)}, skipped for: {sorted(set(skipped))}")
    return counts


def reason_of(test: dict) -> str:
    """Return why a test was skipped, without the place where that was said."""
    phase = next(test[name] for name in ("setup", "call") if test[name]["outcome"] == "skipped")
    return phase["longrepr"].partition("Skipped: ")[2].removesuffix("')").removesuffix('")')


@pytest.mark.parametrize("person", [USER], ids=lambda person: person.name, indirect=True)
def test_intake_refuses_the_same_in_there(in_container, person):
    assert run_tests(in_container, person, "tests/unit/intake")["passed"] > 400


def test_a_locked_worker_reaches_nothing_from_in_there(in_container, person):
    locked = ("tests/contract/test_sandboxes.py", "-k", f"the_worker and {best_provider(person)}")
    assert run_tests(in_container, person, *locked)["passed"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("tests", TESTED)
def test_all_tests_of_levels_forging_and_intake_pass_in_there(in_container, person, tests):
    assert run_tests(in_container, person, tests)["passed"] > 0


@pytest.mark.slow
def test_no_attack_succeeds_in_there(in_container, person):
    done = in_container(*GRADER, "selftest", "--attacks", "--json", seconds=3600)
    assert done.returncode in {0, 1}, done.stderr
    tried = json.loads(done.stdout)
    assert tried["sandbox"] == best_provider(person)
    assert tried["tried"] > 200
    succeeded = [(result["id"], result["evidence"]) for result in tried["results"] if result["succeeded"]]
    assert succeeded == []
    show(person, f"{tried['tried']} attacks, {tried['succeeded']} succeeded, level {tried['level']}")
