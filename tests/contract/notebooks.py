"""Small notebooks for tests, replayed by real workers."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.assignments.hw1.names import NOTEBOOK_NAMES
from grader.client import Student
from grader.notebooks.replay import NotebookWork, Replay, ReplayOptions, replay_of, scratch_copy
from grader.sandbox.forked import ForkedProcess, ZygoteClient
from grader.sandbox.policy import read_policy
from grader.sandbox.zygote import Zygote

QUESTIONS = tuple(NOTEBOOK_NAMES)
# A right answer to Q5.1.
RIGHT_Q5_1 = """
    import torch
    def initialize_weights(shape, method):
        n_in, n_out = shape
        spreads = {"zero": 0, "small_random": 0.01, "xavier": (2 / (n_in + n_out)) ** 0.5}
        spreads["he"] = (2 / n_in) ** 0.5
        if method not in spreads:
            raise ValueError(method)
        return torch.randn(shape) * spreads[method]
"""


def notebook_of(*cells: str) -> bytes:
    """Return a notebook: a text that begins with # and a number of Q is a heading, all else is code."""
    made = [_heading(cell) if cell.startswith("## Q") else _code(textwrap.dedent(cell)) for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}).encode()


def _heading(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str) -> dict[str, object]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}


@contextmanager
def lent_zygote(provider: str, **more: Any) -> Iterator[ZygoteClient]:
    """Have a zygote, and a line to it as the run of the checks has one."""
    with (
        Zygote(provider=provider, min_isolation=1, policy=read_policy(), **more) as zygote,
        zygote.lent() as offer,
    ):
        assert offer is not None
        with ZygoteClient(offer) as client:
            yield client


def was_forked(student: Student) -> bool:
    """Say whether a student's worker came from a zygote."""
    assert student._worker is not None
    return isinstance(student._worker.process._process, ForkedProcess)


@contextmanager
def replayed(
    root: Path,
    *cells: str,
    provider: str,
    data: Path | None = None,
    wanted: tuple[str, ...] = QUESTIONS,
    devices: tuple[str, ...] = (),
    zygote: ZygoteClient | None = None,
    threads: int = 1,
    **limits: float,
) -> Iterator[Replay]:
    """Replay a notebook that lies in `root`, under these limits; with `zygote` by forked workers."""
    policy = read_policy()
    policy = dataclasses.replace(policy, limits=dataclasses.replace(policy.limits, **limits))
    work = NotebookWork(
        notebook=notebook_of(*cells), root=root, questions=QUESTIONS, names=NOTEBOOK_NAMES, wanted=wanted
    )
    options = ReplayOptions(
        provider=provider,
        min_isolation=1,
        policy=policy,
        data=data,
        devices=devices,
        zygote=zygote,
        threads=threads,
    )
    with scratch_copy(root, within=None if zygote is None else zygote.offer.scratch) as scratch:
        replay = replay_of(work, options, scratch=scratch)
        try:
            yield replay
        finally:
            replay.close()
