"""The workflow and the composite action: valid, with no more rights than they need, and deaf to students."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from grader.bundles.actions import ACTION_FOLDER, WORKFLOW
from grader.cli import run
from tests.places import recipe_of_gitlab


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("actions") / "repository"
    assert run(["bundle", "actions", "--out", str(out), "--minutes", "20"]) == 0
    return out


def parsed(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def action_of(repository: Path) -> Any:
    return parsed(repository / ACTION_FOLDER / "action.yml")


def step(repository: Path, name: str) -> Any:
    return next(each for each in action_of(repository)["runs"]["steps"] if each.get("name") == name)


def schema_accepts(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Hold a file against the schema that check-jsonschema brings along, without network."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "schema, file",
    [
        ("vendor.github-workflows", WORKFLOW),
        ("vendor.github-actions", f"{ACTION_FOLDER}/action.yml"),
    ],
)
def test_the_published_schema_accepts_it(schema, file, repository):
    done = schema_accepts(schema, repository / file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_published_schema_accepts_the_recipe_for_gitlab(tmp_path):
    (tmp_path / ".gitlab-ci.yml").write_text(recipe_of_gitlab(), encoding="utf-8")
    done = schema_accepts("vendor.gitlab-ci", tmp_path / ".gitlab-ci.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_would_refuse_a_mistake(repository, tmp_path):
    text = (repository / WORKFLOW).read_text(encoding="utf-8").replace("runs-on", "run-on")
    (tmp_path / "grade.yml").write_text(text, encoding="utf-8")
    assert schema_accepts("vendor.github-workflows", tmp_path / "grade.yml").returncode == 1


def test_the_workflow_may_read_contents_and_nothing_else(repository):
    workflow = parsed(repository / WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    assert job["timeout-minutes"] == 30
    checkouts = [each for each in job["steps"] if each.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 2
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


def test_actions_of_others_are_pinned_to_a_major_version(repository):
    (job,) = parsed(repository / WORKFLOW)["jobs"].values()
    used = [
        each["uses"] for each in (*job["steps"], *action_of(repository)["runs"]["steps"]) if "uses" in each
    ]
    ours = f"./course/{ACTION_FOLDER}"
    assert ours in used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used if name != ours)


def test_no_expression_stands_in_a_script(repository):
    """What a student or a caller chose would become part of the program."""
    scripts = [each["run"] for each in action_of(repository)["runs"]["steps"] if "run" in each]
    assert len(scripts) == 3
    for script in scripts:
        assert "${{" not in script
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


FAKE = """#!/bin/sh
if [ "$1" = grade ]; then
  echo "::error::from a student"
  env >"$SEEN"
  mkdir -p "$6"
  echo '{}' >"$6/report.json"
  exit CODE
fi
echo "shown $*"
"""


def run_step(repository: Path, name: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script as the runner does: bash -eo pipefail, with the step's environment."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "RUNNER_TEMP": str(folder),
        "GITHUB_OUTPUT": str(folder / "output"),
        "SEEN": str(folder / "seen"),
    }
    script = folder / "step.sh"
    script.write_text(step(repository, name)["run"], encoding="utf-8")
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        env=environment | more,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", [0, 3])
def test_what_students_print_is_no_command_and_the_exit_code_stays(code, repository, tmp_path):
    (tmp_path / "grader" / "bin").mkdir(parents=True)
    (tmp_path / "grader" / "bin" / "grader").write_text(FAKE.replace("CODE", str(code)))
    (tmp_path / "grader" / "bin" / "grader").chmod(0o755)
    done = run_step(repository, "Grade", tmp_path, SUBMISSION="a b.zip", QUESTIONS="", COURSE_SECRET="")
    assert done.returncode == code, done.stderr
    first, *between, last = done.stdout.splitlines()
    assert first.startswith("::stop-commands::")
    token = first.removeprefix("::stop-commands::")
    assert re.fullmatch(r"[0-9a-f]{32}", token)
    assert between == ["::error::from a student", ""]
    assert last == f"::{token}::"
    assert "GRADER_COURSE_SECRET" not in (tmp_path / "seen").read_text()
    out = (tmp_path / "output").read_text().removeprefix("report=").strip()
    shown = run_step(repository, "Show the result", tmp_path, REPORT=out)
    assert shown.stdout == f"shown report {out}/report.json --to actions\n"


def test_a_grader_that_leaves_no_report_is_an_annotation(repository, tmp_path):
    shown = run_step(repository, "Show the result", tmp_path, REPORT=str(tmp_path / "nothing"))
    assert shown.returncode == 0
    assert shown.stdout.startswith("::error title=not graded::")


def test_pytorch_is_installed_only_where_it_was_asked_for(repository, tmp_path):
    assert "experiments" not in step(repository, "Install the grader")["run"]
    assert run(["bundle", "actions", "--out", str(tmp_path / "with"), "--with-experiments"]) == 0
    assert 'mytorch_grader-*.whl)[experiments]"' in step(tmp_path / "with", "Install the grader")["run"]


def test_two_folders_hold_the_same_bytes(repository, tmp_path):
    assert run(["bundle", "actions", "--out", str(tmp_path / "again"), "--minutes", "20"]) == 0
    files = sorted(path for path in repository.rglob("*") if path.is_file())
    assert len(files) == 3
    for path in files:
        assert (tmp_path / "again" / path.relative_to(repository)).read_bytes() == path.read_bytes()
        assert os.access(path, os.R_OK)
