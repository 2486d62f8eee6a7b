"""Minutes of arithmetic, in turns: Q6.7 beside its bare loop; the notebook beside nbclient and bare loops."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.measuring import (
    REPOSITORY,
    Command,
    Failed,
    Numbers,
    in_turns,
    last_line,
    ratios,
    run,
    summary,
)
from benchmarks.peers.contenders import GRADER, write_submissions
from grader.datasets import serve

LIMIT_S = 3600.0
# A worker computes with one thread; so must what it is compared with.
_BASE = "bare loops, one thread"
_ONE_THREAD = dict.fromkeys(("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_SECRET = {"GRADER_COURSE_SECRET": "of the course that is measured here"}
_TRAINING_CHECK = "q6.7.learns"  # the one check that trains, where right code is right at once
_NOTEBOOK_QUESTIONS = "q4.1,q4.2,q4.3,q4.4,q5.1,q5.2,q5.3,q5.4"
_NBCLIENT = "import sys; from nbclient.cli import main; sys.exit(main())"
# Data sets as in the worker, by the libraries' own code, image by image.
_SERVED = "from grader.worker.served import install; install({folder!r}, fast=False)"


def training(work: Path, options: argparse.Namespace) -> Numbers:
    """Compare the check that trains with the same loop over the same data in one process."""
    right, _ = write_submissions(work)
    out = work / "training-out"

    def check() -> float:
        report = _graded(right, out, "q6.7", options)
        checks = [each for question in report["questions"] for each in question["checks"]]
        found = next(each for each in checks if each["id"] == _TRAINING_CHECK)
        if found["outcome"] != "passed":
            raise Failed(f"{_TRAINING_CHECK}: {found['outcome']}")
        return float(found["duration_s"])

    contenders = _bare_loops("training", options) | {f"the check {_TRAINING_CHECK}": check}
    return _told(f"Q6.7, {options.profile} data", in_turns(contenders, options.repeat or 3))


def notebook(work: Path, options: argparse.Namespace) -> Numbers:
    """Compare the grading of Problems 4 and 5 with nbclient on the same cells, and with the bare loops."""
    submission = _homework(work)
    data = work / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    serve(data, options.profile, options.data_dir)
    plain = _plain_notebook(submission, data, work / "plain")

    def nbclient() -> float:
        command = [sys.executable, "-c", _NBCLIENT, "--timeout=-1", plain.name]
        return _ended(command, plain.parent, {"PYTHONPATH": str(REPOSITORY)}).seconds

    def grade() -> float:
        return float(_graded(submission, work / "notebook-out", _NOTEBOOK_QUESTIONS, options)["seconds"])

    contenders = _bare_loops("notebook", options) | {
        "grader grade, Q4.1 to Q5.4": grade,
        "nbclient, the same cells": nbclient,
    }
    return _told(f"Problems 4 and 5, {options.profile} data", in_turns(contenders, options.repeat or 1))


def _bare_loops(loops: str, options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    ways = {_BASE: _ONE_THREAD}
    if options.all_threads:
        ways["bare loops, all threads"] = {}
    return {name: lambda own=own: sum(_bare(loops, options, own).values()) for name, own in ways.items()}


def _told(what: str, times: dict[str, list[float]]) -> Numbers:
    over_base = ratios(times, _BASE)
    rows: Numbers = {name: {**summary(found), "ratio": over_base[name]} for name, found in times.items()}
    print(f"{what}: seconds, median (least) of {len(times[_BASE])}, and over {_BASE!r}")
    for name, row in rows.items():
        print(f"  {name:32} {row['median']:7.2f}  ({row['least']:.2f}) {row['ratio']:6.2f} x")
    return rows


def _bare(loops: str, options: argparse.Namespace, environment: dict[str, str]) -> dict[str, float]:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.bare_loops", loops]
    command += _data_options(options)
    found: dict[str, float] = json.loads(last_line(_ended(command, REPOSITORY, environment).output))
    return found


def _graded(submission: Path, out: Path, questions: str, options: argparse.Namespace) -> dict[str, Any]:
    """Grade; return the report, with the seconds that the whole command took."""
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [*GRADER, "grade", submission, "--questions", questions, "--out", out]
    ran = _ended([*command, *_data_options(options)], REPOSITORY, _SECRET)
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    if report["status"] not in ("graded", "partial"):
        raise Failed(f"the reference was not graded: {last_line(ran.output)}")
    return {**report, "seconds": ran.seconds}


def _ended(arguments: list[str | Path], folder: Path, environment: dict[str, str]) -> Any:
    ran = run(Command(arguments=arguments, folder=folder, environment=environment, seconds=LIMIT_S))
    if ran.exit_code:
        raise Failed(f"{Path(arguments[0]).name} ended with {ran.exit_code}: {last_line(ran.output)}")
    return ran


def _data_options(options: argparse.Namespace) -> list[str | Path]:
    given: list[str | Path] = ["--profile", options.profile]
    return given if options.data_dir is None else [*given, "--data-dir", options.data_dir.resolve()]


# ------------------------------------------------------------------------------- the notebook


def _homework(work: Path) -> Path:
    """Write the reference as a student hands it in."""
    root = work / "homework"
    shutil.rmtree(root, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "experiments")
    return Path(shutil.copytree(REPOSITORY / "reference", root, ignore=ignored))


def _plain_notebook(submission: Path, data: Path, folder: Path) -> Path:
    """Write the cells before Problem 6 as a notebook of their own, behind one that finds the data."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(submission, folder)
    path = next(folder.glob("*.ipynb"))
    whole = nbformat.read(path, 4)
    kept = [cell for cell in whole.cells if not cell.metadata.get("question", "").startswith("q6")]
    whole.cells = [nbformat.v4.new_code_cell(_SERVED.format(folder=str(data))), *kept]
    nbformat.write(whole, path)
    return path


MEASUREMENTS: dict[str, Callable[[Path, argparse.Namespace], Numbers]] = {
    "training": training,
    "notebook": notebook,
}
