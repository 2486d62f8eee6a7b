"""The process that runs the suites: it reads what it is told and has a worker started, and then loads pytest.

So the worker loads NumPy while this process loads pytest, NumPy and the suites. Started by `grader.session`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time
from typing import NoReturn

from grader.records import request_from_record
from grader.sandbox.early import early_worker
from grader.sandbox.trusted import adopt_orphans, die_with_parent, make_undumpable


def main() -> int:
    """Run the checks of the request on standard input; the arguments are pytest's."""
    begun_s = time.monotonic()
    gc.disable()  # until the first check: what is loaded until then stays, and looking for garbage takes long
    make_undumpable()  # before there is a secret to read
    die_with_parent()
    adopt_orphans()
    # A parent in the background may ignore SIGINT, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request = request_from_record(json.loads(sys.stdin.buffer.read()))
    events = os.dup(1)  # workers do not inherit it
    os.dup2(2, 1)  # whatever else is printed cannot look like an event
    early = early_worker(request)
    from grader.pytest_plugin import run_pytest  # noqa: PLC0415

    return run_pytest(sys.argv[1:], request, events=events, early=early, begun_s=begun_s)


def _end(status: int) -> NoReturn:
    """End at once: all that is to be kept has been written, and taking NumPy and pytest apart takes long."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
