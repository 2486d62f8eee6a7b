"""The process that runs the suites: it loads pytest, and reads what it is told and has a worker started.

The worker loads NumPy while this process loads what is left: all of it, where it was told at once. It may
have been started before anybody knew what to run (`grader.suite_start`): by then it has loaded most of it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import tempfile
import time
from importlib import import_module
from typing import NoReturn

from grader.records import request_from_record
from grader.sandbox.early import early_worker
from grader.sandbox.trusted import adopt_orphans, die_with_parent, make_undumpable


def main() -> int:
    """Run what the order on standard input says; without a word there, nothing."""
    begun_s = time.monotonic()
    gc.disable()  # until the first check: what is loaded until then stays, and looking for garbage takes long
    make_undumpable()  # before there is a secret to read
    die_with_parent()
    adopt_orphans()
    # A parent in the background may ignore SIGINT, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not _is_told():
        import_module("grader.pytest_plugin")
    told = sys.stdin.buffer.read()
    if not told:  # nobody came
        return 0
    order = json.loads(told)
    _go_to(order["folder"], temporary=order["temporary"])
    request = request_from_record(order["request"])
    events = os.dup(1)  # workers do not inherit it
    os.dup2(2, 1)  # whatever else is printed cannot look like an event
    early = early_worker(request)
    from grader.pytest_plugin import run_pytest  # noqa: PLC0415

    begun_s = max(begun_s, order["asked_s"])
    return run_pytest(order["arguments"], request, events=events, early=early, begun_s=begun_s)


def _is_told() -> bool:
    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # not every system looks into a pipe
        return True


def _go_to(folder: str, *, temporary: str) -> None:
    """Work in an empty folder, and have all temporary files made in another one, by libraries too."""
    os.chdir(folder)
    for name in ("TMPDIR", "TEMP", "TMP"):
        os.environ[name] = temporary
    tempfile.tempdir = None  # what was found to be usable before


def _end(status: int) -> NoReturn:
    """End at once: all that is to be kept has been written, and taking NumPy and pytest apart takes long."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
