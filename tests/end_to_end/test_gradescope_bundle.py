"""Gradescope's zip in the folders of Gradescope's harness, with a new virtual environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fixtures.build import write_folder
from grader.cli import run
from tests.required import if_here

pytestmark = pytest.mark.slow

METADATA = {
    "id": 123456,
    "created_at": "2018-07-01T14:22:32.365935-07:00",
    "assignment": {"id": 25828, "title": "hw1", "total_points": "60.0"},
    "submission_method": "upload",
    "users": [{"email": "student@example.com", "id": 1234, "name": "::error::<script>"}],
    "previous_submissions": [],
}


@pytest.fixture(scope="module")
def autograder(tmp_path_factory) -> Path:
    """Return Gradescope's folder, after its harness has unpacked the zip and run setup.sh."""
    base = tmp_path_factory.mktemp("gradescope")
    assert run(["bundle", "gradescope", "--out", str(base / "autograder.zip")]) == 0
    root = base / "autograder"
    for name in ("source", "results"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(base / "autograder.zip") as archive:
        archive.extractall(root / "source")
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    write_folder("right_mean_in_loss", root / "submission")
    (root / "submission_metadata.json").write_text(json.dumps(METADATA))
    done = harness(root, "source/setup.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "isolation" in done.stdout  # `grader doctor` goes into the log of the image
    return root


def harness(root: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name.startswith("PIP_")} | {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "AUTOGRADER_ROOT": str(root),
        "GRADER_ENVIRONMENT": str(root / "environment"),
        "GRADER_PYTHON": sys.executable,
    }
    return subprocess.run(
        ["bash", str(root / script)],
        cwd=root,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )


def results_of(root: Path, **more: str) -> tuple[dict, str]:
    done = harness(root, "run_autograder", **more)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8")), done.stdout


def test_a_shipped_submission_is_graded_there(autograder, available):
    if_here(next(finding for finding in available.values() if finding.level >= 2))
    results, printed = results_of(autograder)
    tests = [test for test in results["tests"] if "max_score" in test]
    assert results["score"] == sum(test["score"] for test in tests) > 20
    assert {test["tags"][0] for test in tests} >= {"q6.1", "q6.7"}
    assert all(test["score"] == test["max_score"] for test in tests if test["tags"][0].startswith("q6"))
    assert "worth 60 points in Gradescope and 100 in the rubric" in printed
    assert "::error::" not in printed
    assert not [test for test in results["tests"] if test.get("visibility") == "hidden"]


def test_the_same_submission_gets_the_same_inputs_again(autograder):
    secret = autograder / "environment" / "configuration" / "mytorch-grader" / "secret"
    assert len(secret.read_text()) == 64
    assert secret.stat().st_mode & 0o077 == 0


def test_a_submission_that_cannot_be_opened_is_no_zero(autograder):
    moved = autograder / "submission"
    moved.rename(autograder / "kept")
    moved.mkdir()
    try:
        results, _ = results_of(autograder)
    finally:
        moved.rmdir()
        (autograder / "kept").rename(moved)
    assert "score" not in results
    assert results["stdout_visibility"] == "hidden"


def test_an_installed_wheel_makes_the_same_bundles_as_the_checkout(autograder, tmp_path):
    program = autograder / "environment" / "bin" / "grader"
    for name in ("student", "gradescope"):
        subprocess.run(
            [str(program), "bundle", name, "--out", str(tmp_path / f"{name}-there.zip")], check=True
        )
        assert run(["bundle", name, "--out", str(tmp_path / f"{name}-here.zip")]) == 0
        there, here = (tmp_path / f"{name}-{place}.zip" for place in ("there", "here"))
        assert there.read_bytes() == here.read_bytes()


def test_too_little_memory_leaves_the_notebook_not_run(autograder, available):
    if_here(next(finding for finding in available.values() if finding.level >= 2))
    (autograder / "source" / "settings.sh").write_text("WITH_EXPERIMENTS=yes\nMINUTES=10\n")
    results, printed = results_of(autograder, GRADER_MEMORY_BYTES=str(768 << 20))
    assert "this container has 768 MiB of memory and PyTorch needs 2560 MiB" in printed
    assert "768" not in results["output"]
    assert "was left out: graded without PyTorch" in json.dumps(results["tests"])
    assert results["score"] > 20
