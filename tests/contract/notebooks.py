"""Small notebooks for tests, replayed by real workers."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.assignments.hw1.names import NOTEBOOK_NAMES
from grader.notebooks.replay import NotebookWork, Replay, ReplayOptions, replay_of, scratch_copy
from grader.sandbox.policy import read_policy

QUESTIONS = tuple(NOTEBOOK_NAMES)


def notebook_of(*cells: str) -> bytes:
    """Return a notebook: a text that begins with # and a number of Q is a heading, all else is code."""
    made = [_heading(cell) if cell.startswith("## Q") else _code(textwrap.dedent(cell)) for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}).encode()


def _heading(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}


@contextmanager
def replayed(
    root: Path,
    *cells: str,
    provider: str,
    data: Path | None = None,
    wanted: tuple[str, ...] = QUESTIONS,
    devices: tuple[str, ...] = (),
    **limits: float,
) -> Iterator[Replay]:
    """Replay a notebook that lies in `root`, under these limits."""
    policy = read_policy()
    policy = dataclasses.replace(policy, limits=dataclasses.replace(policy.limits, **limits))
    work = NotebookWork(
        notebook=notebook_of(*cells), root=root, questions=QUESTIONS, names=NOTEBOOK_NAMES, wanted=wanted
    )
    options = ReplayOptions(provider=provider, min_isolation=1, policy=policy, data=data, devices=devices)
    with scratch_copy(root) as scratch:
        replay = replay_of(work, options, scratch=scratch)
        try:
            yield replay
        finally:
            replay.close()
