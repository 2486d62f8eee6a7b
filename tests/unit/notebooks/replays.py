"""Notebooks with stored outputs, and replays of them, made by code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from grader.notebooks.claims import find_claims
from tests.unit.notebooks.books import book


@dataclass(frozen=True)
class FakeRun:
    """A replayed cell, with what `claims` looks at."""

    source: str
    outcome: str = "ok"
    message: str = ""
    printed: str = ""
    figures: tuple[Any, ...] = ()
    notebook_outputs: list[dict[str, Any]] = field(default_factory=list)


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}


def result(text):
    return {
        "output_type": "execute_result",
        "execution_count": 1,
        "data": {"text/plain": text},
        "metadata": {},
    }


def picture():
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def code(source, *outputs, count=1):
    return {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }


def flags(*pairs, same_data=True):
    """Return the flags of (cell, run) pairs; a run that is a text is a success that printed it."""
    cells = [cell for cell, _ in pairs]
    runs = [
        run
        if isinstance(run, FakeRun)
        else FakeRun(cell["source"], notebook_outputs=[stream(run)] if run else [])
        for cell, run in pairs
    ]
    return find_claims(book(*cells), runs, same_data=same_data)


def kinds(*pairs, same_data=True):
    return [flag.kind for flag in flags(*pairs, same_data=same_data)]
