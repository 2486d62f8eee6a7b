"""Run `grader` as a person would, and write down what it cost in things that do not wobble.

    python tests/watched_run.py OUT.json check FOLDER q6.2 --fresh

Both processes of ours are looked at from inside, at their end: the modules that were loaded, and the programs
that were started. The process of the checks ignores the environment, so its command is changed on the way.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

SUITE_PROCESS = "grader.suite_process"


def watch(out: Path) -> None:
    """Write down at the end of this process which modules it loaded and how many programs it started."""
    started: list[str] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            started.append(os.path.basename(os.fsdecode(arguments[0])))  # noqa: PTH119 -- in an audit hook

    def write() -> None:
        out.write_text(json.dumps({"modules": sorted(sys.modules), "started": started}), encoding="utf-8")

    def end(status: int, *, plain_end: Callable[[int], NoReturn] = os._exit) -> NoReturn:
        write()
        plain_end(status)

    sys.addaudithook(hear)
    atexit.register(write)
    os._exit = end  # type: ignore[assignment]  # a process that has no time for atexit


def as_suite_process(out: Path) -> None:
    """Be the process of the checks."""
    watch(out)
    runpy.run_module(SUITE_PROCESS, run_name="__main__", alter_sys=True)


def as_command(out: Path, arguments: list[str]) -> int:
    """Be the command line, and tell its process of the checks to be watched as well."""
    watch(out.with_suffix(".command"))
    from grader import cli, pipeline, session, suite_start  # noqa: PLC0415 -- after the watch has begun

    plain_command, plain_run = suite_start.command, pipeline.run_suites

    def watched_command() -> list[str]:
        command = plain_command()
        start = command.index("-m")
        assert command[start + 1] == SUITE_PROCESS
        own = [str(Path(__file__).resolve()), "--suites", str(out.with_suffix(".suites"))]
        return [*command[:start], *own, *command[start + 2 :]]

    def counted_run(*positional: Any, **named: Any) -> session.SuiteRun:
        run = plain_run(*positional, **named)
        assert run.spent is not None, run.reason or run.log
        out.write_text(json.dumps(asdict(run.spent)), encoding="utf-8")
        return run

    suite_start.command, pipeline.run_suites = watched_command, counted_run
    return cli.run(arguments)


if __name__ == "__main__":
    if sys.argv[1] == "--suites":
        target = Path(sys.argv[2])
        sys.argv[1:] = sys.argv[3:]
        as_suite_process(target)
    else:
        sys.exit(as_command(Path(sys.argv[1]).resolve(), sys.argv[2:]))
