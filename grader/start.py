"""The `grader` command's first lines: what is surely needed starts to load before all else does."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

_COMMANDS = ("grade", "check")  # which run checks
_HELP = {"-h", "--help"}
_SELDOM = 50_000  # new objects between two looks for garbage: what is loaded stays, and there is much of it
_INTERRUPTED = 130  # as `grader.endings` has it, which is not loaded yet


def main() -> None:
    """Run the command line as `grader.cli` does, with the process of the checks on its way."""
    gc.set_threshold(_SELDOM)
    # We have none; looking for them reads the metadata of everything that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        _run()
    except KeyboardInterrupt:  # before there was anything to end, or after everything had ended
        print("grader: interrupted", file=sys.stderr)  # noqa: T201 -- nothing else is loaded
        sys.exit(_INTERRUPTED)


def _run() -> None:
    # Loaded in here, so that Ctrl-C is told in one line from the start.
    from grader.suite_start import end_early, start_early  # noqa: PLC0415

    if runs_checks(sys.argv[1:]) and _streams_are_open():
        start_early()
    try:
        from grader.cli import main as run_command  # noqa: PLC0415 -- this takes as long as that start

        run_command()
    finally:
        end_early()


def runs_checks(arguments: Sequence[str]) -> bool:
    """Say whether a command line surely runs checks, as far as that is seen at a glance."""
    return arguments[:1] != [] and arguments[0] in _COMMANDS and _HELP.isdisjoint(arguments)


def _streams_are_open() -> bool:
    """Whether no standard stream was closed by the parent: our pipes would take their numbers."""
    try:
        return all(os.fstat(stream) for stream in range(3))
    except OSError:
        return False


if __name__ == "__main__":
    main()
