"""Cells are run by nbclient, which puts their outputs together, over a kernel client of ours.

nbclient talks to a kernel client through two channels and `execute`; ours hands each cell to the worker and
fills the channels with what came back. No socket, no Jupyter kernel. The limit on a cell's time is the
worker's own deadline (see docs/decisions/0014).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from queue import Empty
from typing import Any

from grader.notebooks.kernel import Executed

# Of the whole notebook. nbclient looks at all displays of a name for each of its updates, in all cells.
MAX_NAMED_DISPLAYS = 200
MAX_UPDATES = 5000
MAX_OUTPUT_CHARACTERS = 64_000_000


class _Channel:
    """One of a kernel client's channels: messages that are there already."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()

    def put(self, message: dict[str, Any]) -> None:
        """Add a message."""
        self._waiting.append(message)

    def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message, as `jupyter_client` does."""
        del timeout  # a cell has ended before its first message is here
        if not self._waiting:
            raise Empty
        return self._waiting.popleft()


class KernelClient:
    """What nbclient asks of a kernel: run this cell, and here are its messages."""

    def __init__(self, run: Callable[[str], Executed]) -> None:
        self._run = run
        self._count = 0
        self.shell_channel = _Channel()
        self.iopub_channel = _Channel()
        self.last: Executed | None = None

    def is_alive(self) -> bool:
        """Say that the kernel lives: where a cell ends it, `execute` has raised."""
        return True

    def execute(self, source: str, **_: Any) -> str:
        """Run a cell to its end, put its messages into the channels and return its number."""
        self._count += 1
        number = str(self._count)
        self.last = executed = self._run(source)
        for message in executed.outputs:
            self.iopub_channel.put(_as_jupyter(message, number, self._count))
        self.iopub_channel.put(_jupyter(number, "status", {"execution_state": "idle"}))
        status = "ok" if executed.fault is None else "error"
        content = {"status": status, "ename": "", "evalue": "", "traceback": []}
        self.shell_channel.put(_jupyter(number, "execute_reply", content))
        return number


def _as_jupyter(message: Mapping[str, Any], number: str, count: int) -> dict[str, Any]:
    kind = message["type"]
    if kind in ("stream", "clear_output"):
        return _jupyter(number, kind, {key: value for key, value in message.items() if key != "type"})
    if kind == "error":
        content = {"ename": message["ename"], "evalue": message["evalue"], "traceback": []}
        return _jupyter(number, kind, content)
    content = {"data": message["data"], "metadata": {}}
    if kind == "execute_result":
        content["execution_count"] = count
    if message["display_id"] is not None:
        content["transient"] = {"display_id": message["display_id"]}
    return _jupyter(number, kind, content)


def _jupyter(number: str, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    header = {"msg_type": kind}
    return {"parent_header": {"msg_id": number}, "header": header, "msg_type": kind, "content": content}


class CellDriver:
    """Runs cells one by one through nbclient, which puts their outputs together."""

    def __init__(self, sources: Sequence[str], run: Callable[[str, int], Executed]) -> None:
        # Loaded here: half a second that a grading without a notebook need not wait.
        nbclient: Any = importlib.import_module("nbclient")
        nbformat: Any = importlib.import_module("nbformat.v4")
        cells = [nbformat.new_code_cell(source) for source in sources]
        self._client = nbclient.NotebookClient(
            nbformat.new_notebook(cells=cells),
            km=None,
            timeout=None,
            record_timing=False,
            # Its patterns take a square of steps on a long line: minutes for what a cell may print.
            coalesce_streams=False,
        )
        self._named_displays_left = MAX_NAMED_DISPLAYS
        self._updates_left = MAX_UPDATES
        self._characters_left = MAX_OUTPUT_CHARACTERS
        self._failed = nbclient.exceptions.CellExecutionError
        self._run = run
        self._loop = asyncio.new_event_loop()

    def __call__(self, index: int) -> tuple[Executed, list[dict[str, Any]]]:
        """Run a cell; return what came back, and its outputs as nbformat keeps them."""
        cell = self._client.nb.cells[index]
        kernel = KernelClient(lambda source: self._bounded(self._run(source, index)))
        self._client.kc = kernel
        with contextlib.suppress(self._failed):  # the fault is told in the worker's own words
            self._loop.run_until_complete(self._client.async_execute_cell(cell, index))
        if kernel.last is None:  # nothing but blanks and comments of tags that nbclient skips
            return Executed([], [], None), []
        return kernel.last, _joined([dict(output) for output in cell.outputs])

    def _bounded(self, executed: Executed) -> Executed:
        """Take what goes beyond the whole notebook's limits out of one cell's messages."""
        kept = []
        for message in executed.outputs:
            is_update = message["type"] == "update_display_data"
            self._updates_left -= is_update
            if is_update and self._updates_left < 0:
                continue
            if not is_update and message.get("display_id") is not None:
                self._named_displays_left -= 1
                if self._named_displays_left < 0:
                    message["display_id"] = None
            self._characters_left -= _size_of(message)
            if self._characters_left < 0:
                break
            kept.append(message)
        return Executed(kept, executed.figures, executed.fault)

    def close(self) -> None:
        """Let go of the event loop."""
        self._loop.close()


def _size_of(message: Mapping[str, Any]) -> int:
    texts = message.get("data", message)
    return sum(len(key) + len(text) for key, text in texts.items() if isinstance(text, str))


def _joined(outputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put each stream's pieces together where the first one is, as a terminal would show them."""
    kept: list[dict[str, Any]] = []
    streams: dict[str, list[str]] = {}
    for output in outputs:
        if output["output_type"] != "stream":
            kept.append(output)
            continue
        if output["name"] not in streams:
            streams[output["name"]] = []
            kept.append(output)
        streams[output["name"]].append(output["text"])
    for output in kept:
        if output["output_type"] == "stream":
            output["text"] = _overwritten("".join(streams[output["name"]]))
    return kept


def _overwritten(text: str) -> str:
    """Leave out of each line what a carriage return had written over, as of a progress bar."""
    if "\r" not in text:
        return text
    *lines, last = text.split("\n")
    ended = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    body = last.rstrip("\r")
    return "\n".join([*ended, body.rpartition("\r")[2] + last[len(body) :]])
