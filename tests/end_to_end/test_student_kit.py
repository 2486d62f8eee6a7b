"""The student's kit in a new virtual environment, by its own instructions and without this repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from grader.bundles.student import self_check_files
from grader.cli import run
from grader.pipeline import GradeOptions, prepare
from grader.terminal import hidden_sentence
from tests.fresh_environment import installed, new_environment
from tests.required import needs_experiments

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Path:
    """Return the kit's folder, unpacked and installed as START_HERE.md says."""
    base = tmp_path_factory.mktemp("kit")
    assert run(["bundle", "student", "--out", str(base / "kit.zip")]) == 0
    with zipfile.ZipFile(base / "kit.zip") as archive:
        archive.extractall(base)
    folder = base / "hw1"
    told = (folder / "START_HERE.md").read_text(encoding="utf-8")
    wheel = re.search(r"^\.venv/bin/pip install (selfcheck/\S+\.whl)$", told, re.MULTILINE)
    assert wheel is not None
    installed(new_environment(folder / ".venv"), str(folder / wheel[1]))
    return folder


def check(folder: Path, kit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(kit), "COLUMNS": "200"}
    command = [str(kit / ".venv" / "bin" / "grader"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_untouched_template_is_told_what_is_missing(kit):
    done = check(kit, kit, "check")
    assert done.returncode == 1, done.stderr
    assert re.search(r"^0 of \d\d visible checks pass\.", done.stdout, re.MULTILINE)
    assert "is not implemented yet" in done.stdout
    assert done.stderr == ""


def test_the_reference_passes_every_visible_check_and_is_told_what_is_hidden(kit, tmp_path):
    shutil.copytree(kit, tmp_path / "work", ignore=shutil.ignore_patterns(".venv"))
    shutil.copytree(ROOT / "reference" / "mytorch", tmp_path / "work" / "mytorch", dirs_exist_ok=True)
    shutil.copy(ROOT / "reference" / "theory.py", tmp_path / "work" / "theory.py")
    done = check(tmp_path / "work", kit, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    plan = prepare(GradeOptions(visible_only=True))  # where everything is installed
    count = len(plan.checks)
    assert f"{count} of {count} visible checks pass. {hidden_sentence(plan)}" in done.stdout


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("grade", "."), "withholds hidden checks"),
        (("selftest",), "No such command 'selftest'"),
        (("bundle", "student", "--out", "x"), "No such command 'bundle'"),
        (("check", ".", "q5.1"), "pip install 'mytorch-selfcheck[experiments]'"),
    ],
)
def test_what_the_kit_cannot_do_is_one_sentence(arguments, sentence, kit):
    done = check(kit, kit, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_kit_shows_the_whole_rubric(kit):
    done = check(kit, kit, "rubric")
    assert done.returncode == 0
    assert re.search(r"q6\.1 .* \d+ visible, \d+ hidden", done.stdout)


@needs_experiments
def test_the_solved_notebook_passes_every_visible_check_of_the_pruned_suites(tmp_path):
    """PyTorch comes from this environment: the kit's package is put before the installed one."""
    for path, content in self_check_files().items():
        target = tmp_path / "package" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    work = tmp_path / "work"
    shutil.copytree(ROOT / "reference", work, ignore=shutil.ignore_patterns("experiments", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "grader.cli", "check", ".", "q4", "q5"],
        cwd=work,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "COLUMNS": "200",
            "PYTHONPATH": str(tmp_path / "package"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    plan = prepare(GradeOptions(visible_only=True, questions=("q4", "q5")))
    count = len(plan.checks)
    assert f"{count} of {count} visible checks pass. {hidden_sentence(plan)}" in done.stdout
