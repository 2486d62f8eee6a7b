"""Start the process of the checks: it loads what every run needs, and is told on its input what to run.

So it can be started before that is known, by a command's first lines: nothing here may take long to load.
"""

from __future__ import annotations

import contextlib
import os
import site
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from grader.environment import own_process_environment


class SuiteStart:
    """The process, and the file that takes its error output."""

    def __init__(self, descriptors: Sequence[int] = ()) -> None:
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- as long as the process
        self.process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            cwd=os.path.abspath(os.sep),  # noqa: PTH100 -- it is told where to go
            env={**own_process_environment(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            start_new_session=True,  # Ctrl-C reaches it through us only
            pass_fds=tuple(descriptors),
        )

    def end(self) -> None:
        """End it before it was told anything."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream is not None:
                stream.close()


_early: list[SuiteStart] = []  # one, until somebody takes it


def start_early() -> None:
    """Start the process for whoever will need one first; where that cannot be, he starts his own."""
    with contextlib.suppress(OSError):
        _early.append(SuiteStart())


def started(descriptors: Sequence[int] = ()) -> SuiteStart:
    """Return the process that was started early, if it lives and need not inherit anything, or start one."""
    while _early:
        start = _early.pop()
        if start.process.poll() is None and not descriptors:
            return start
        start.end()
    return SuiteStart(descriptors)


def end_early() -> None:
    """End what nobody came for."""
    while _early:
        _early.pop().end()


def command() -> list[str]:
    """Return the command that starts the process."""
    return [sys.executable, *_isolated_mode(), "-X", "utf8", "-m", "grader.suite_process"]


def _isolated_mode() -> tuple[str, ...]:
    # -I also hides the user's own site-packages; where we are installed there, that is all it must not do.
    user_site = Path(site.getusersitepackages())
    return ("-E", "-P") if user_site in Path(__file__).parents else ("-I",)
