"""Runs as a process of its own: says, of one submission after the other, in what it differs from the first.

`python -m grader.selftest.observer` reads from standard input, a line a submission, and answers each with a
line of JSON. The first is what the others are compared with. It may be killed where one does not end.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from types import SimpleNamespace
from typing import IO, Any

from grader.selftest.behaviour import first_difference, observe
from grader.selftest.peers import verdicts

PARTS = ("mytorch", "theory")


def load(folder: str) -> dict[str, Any]:
    """Import the parts of a submission, past those of the last one; one that does not load is not there."""
    for name in [name for name in sys.modules if name.partition(".")[0] in PARTS]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    parts: dict[str, Any] = {}
    try:
        with contextlib.suppress(Exception):
            parts["theory"] = importlib.import_module("theory")
        with contextlib.suppress(Exception):
            # A submission need not import one from the other.
            nn, utils = (importlib.import_module(f"mytorch.{name}") for name in ("nn", "utils"))
            parts["mytorch"] = SimpleNamespace(nn=nn, gradient_check=utils.gradient_check)
    finally:
        sys.path.remove(folder)
    return parts


def serve(lines: IO[str], answers: IO[str]) -> None:
    """Answer until the other end closes. A line is a part and a folder, with a space between."""
    first = load(lines.readline().rstrip("\n"))
    wanted = observe(first)
    print(json.dumps({"ready": sorted(first)}), file=answers, flush=True)
    for line in lines:
        part, _, folder = line.rstrip("\n").partition(" ")
        found = load(folder).get(part)
        answer = {
            "loads": found is not None,
            "difference": None if found is None else first_difference(wanted, part, found),
            "peers": verdicts(found) if part == "mytorch" else {},
        }
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Keep standard output for answers; what a submission prints goes nowhere."""
    sys.dont_write_bytecode = True
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 -- starting needs no pathlib
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
