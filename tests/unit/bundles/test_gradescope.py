"""Gradescope's zip: its layout, and a result that is always written."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader.bundles import gradescope_run
from grader.bundles.gradescope_run import TORCH_BYTES, Job, main, run
from grader.cli import run as run_grader


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "autograder.zip"
    assert run_grader(["bundle", "gradescope", "--out", str(out), "--minutes", "20"]) == 0
    return out


@pytest.fixture
def harness(bundle, tmp_path) -> Path:
    """Return Gradescope's folders, with a grader that does nothing."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "source")
    for name in ("submission", "results", "environment/bin"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def run_autograder(harness: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a Python that is this shell script."""
    program = harness / "environment" / "bin" / "python"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin",
        "AUTOGRADER_ROOT": str(harness),
        "GRADER_ENVIRONMENT": str(harness / "environment"),
    }
    script = harness / "source" / "run_autograder"
    return subprocess.run(
        ["bash", str(script)], env=environment, cwd=harness, capture_output=True, text=True, check=False
    )


def results_in(harness: Path) -> dict:
    return json.loads((harness / "results" / "results.json").read_text(encoding="utf-8"))


def test_the_scripts_lie_at_the_root_and_can_be_run(bundle):
    with zipfile.ZipFile(bundle) as archive:
        rows = {row.filename: row for row in archive.infolist()}
        assert archive.testzip() is None
        assert archive.read("settings.sh") == b"WITH_EXPERIMENTS=no\nMINUTES=20\n"
    assert {"setup.sh", "run_autograder"} <= set(rows)
    for name in ("setup.sh", "run_autograder"):
        assert rows[name].external_attr >> 16 & 0o777 == 0o755
        assert rows[name].create_system == 3  # unix, or the permissions mean nothing
    assert [name for name in rows if "/" in name] == []


@pytest.mark.parametrize("name", ["setup.sh", "run_autograder", "settings.sh"])
def test_the_scripts_are_bash(name, harness):
    path = harness / "source" / name
    assert b"\r" not in path.read_bytes()
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_two_zips_are_the_same_bytes(bundle, tmp_path):
    assert run_grader(["bundle", "gradescope", "--out", str(tmp_path / "again.zip"), "--minutes", "20"]) == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    "python, code", [("kill -9 $$", 137), ("exit 3", 3), ("exec no-such-program 2>/dev/null", 127)]
)
def test_a_grader_that_dies_leaves_a_result_without_a_score(python, code, harness):
    done = run_autograder(harness, python)
    assert done.returncode == 0
    results = results_in(harness)
    assert "score" not in results
    assert results["tests"] == []
    assert results["output"].startswith("The autograder did not finish. This submission was not scored")
    assert results["stdout_visibility"] == "hidden"
    assert (
        f"For the instructor: the grader was ended from outside or failed (exit code {code};" in done.stdout
    )


def test_the_result_of_a_grader_that_finishes_stays(harness):
    done = run_autograder(harness, f'echo "$@" >{harness}/seen; echo "{{}}" >{harness}/results/results.json')
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert results_in(harness) == {}
    seen = (harness / "seen").read_text()
    assert seen == f"-m grader.bundles.gradescope_run --root {harness} --seconds 1155 --experiments no\n"


GRADED = {"score": 3, "output": "graded", "tests": [], "extra_data": {"status": "graded"}}


def fake_grader(folder: Path, code: str = "") -> tuple[str, ...]:
    """Return a command that writes its arguments and a result where `--out` says, and then does as told."""
    program = folder / "fake_grader.py"
    program.write_text(
        "import json, os, pathlib, signal, sys, time\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
        f"pathlib.Path({str(folder / 'arguments')!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"result, report = {json.dumps(GRADED)!r}, '{{\"rubric_max_score\": 100}}'\n"
        "def write():\n"
        "    (out / 'results.json').write_text(result); (out / 'report.json').write_text(report)\n"
        f"{code or 'write()'}\n"
    )
    return (sys.executable, str(program))


def job(harness: Path, **changes: object) -> Job:
    facts = {"seconds": 60, "with_experiments": False, "memory_bytes": None}
    return Job(harness, **(facts | changes))


def test_what_the_grader_reports_is_the_result(harness, capfd):
    run(job(harness), fake_grader(harness))
    results = results_in(harness)
    assert (results["score"], results["output"]) == (3, "graded")
    assert results["stdout_visibility"] == "hidden"
    assert results["extra_data"] == {"status": "graded", "for_the_instructor": []}
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "memory_bytes, with_experiments, is_left_out",
    [
        (TORCH_BYTES - 1, True, True),
        (TORCH_BYTES, True, False),
        (None, True, False),
        (768 << 20, False, False),
    ],
)
def test_too_little_memory_for_torch_is_told(memory_bytes, with_experiments, is_left_out, harness, capfd):
    """The instructor learns the numbers, students that nothing is lost, and only where torch is wanted."""
    run(job(harness, memory_bytes=memory_bytes, with_experiments=with_experiments), fake_grader(harness))
    asked = (harness / "arguments").read_text()
    printed, results = capfd.readouterr().out, results_in(harness)
    assert ("--without-experiments" in asked) == is_left_out
    assert ("of memory and PyTorch needs" in printed) == is_left_out
    assert results["output"].startswith("The notebook's questions were not graded") == is_left_out
    assert "PyTorch" not in results["output"]
    assert len(results["extra_data"]["for_the_instructor"]) == int(is_left_out)


def test_a_grader_that_is_killed_is_told(harness, capfd):
    run(job(harness), fake_grader(harness, "os.kill(os.getpid(), signal.SIGKILL)"))
    assert "the grader was killed, most likely for too little memory" in capfd.readouterr().out
    results = results_in(harness)
    assert "score" not in results
    assert results["output"].startswith("The autograder did not finish")


def test_a_grader_that_takes_too_long_is_stopped_and_what_it_wrote_counts(harness, capfd):
    code = (
        "def stop(*_):\n    write(); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "while True:\n    time.sleep(0.01)\n"
    )
    run(job(harness, seconds=1), fake_grader(harness, code))
    assert "grading was stopped after 1 seconds" in capfd.readouterr().out
    assert results_in(harness)["output"] == "graded"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tests": ', "\udcff", "[" * 100_000])
def test_a_result_that_cannot_be_read_is_replaced(text, harness):
    code = f"(out / 'results.json').write_bytes({text.encode('utf-8', 'surrogateescape')!r})"
    run(job(harness), fake_grader(harness, code))
    assert results_in(harness)["output"].startswith("The autograder did not finish")


@pytest.mark.parametrize(
    "metadata, told",
    [
        ('{"assignment": {"total_points": "60.0"}}', "worth 60 points in Gradescope and 100 in the rubric"),
        ('{"assignment": {"total_points": 100}}', ""),
        ('{"assignment": {"total_points": "__import__(\'os\')"}}', ""),
        ('{"assignment": [1]}', ""),
        ("[1]", ""),
        ("{", ""),
        ("[" * 100_000, ""),
        (None, ""),
    ],
)
def test_metadata_is_data(metadata, told, harness, capfd):
    if metadata is not None:
        (harness / "submission_metadata.json").write_text(metadata)
    run(job(harness), fake_grader(harness))
    assert results_in(harness)["score"] == 3
    printed = capfd.readouterr().out
    assert told in printed
    assert bool(told) == bool(printed)


def test_the_memory_of_the_container_counts(monkeypatch, tmp_path):
    whole = gradescope_run.memory_here()
    assert whole is None or whole > 0
    (tmp_path / "none").write_text("max\n")
    (tmp_path / "limit").write_text("805306368\n")
    files = (tmp_path / "none", tmp_path / "limit", tmp_path / "missing")
    monkeypatch.setattr(gradescope_run, "_CGROUP_FILES", files)
    assert gradescope_run.memory_here() == 805306368


def test_the_program_takes_what_the_script_says(harness, monkeypatch):
    seen = []
    monkeypatch.setattr(gradescope_run, "run", lambda job, grader: seen.append((job, grader[1:])))
    told = ["--root", str(harness), "--seconds", "9", "--experiments", "yes", "--memory-bytes", "5"]
    assert main(told) == 0
    assert seen == [(Job(harness, 9, with_experiments=True, memory_bytes=5), ("-m", "grader.cli"))]
