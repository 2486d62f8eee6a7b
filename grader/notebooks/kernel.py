"""A notebook's kernel as this side sees it: a student's worker that runs cells, and a client for nbclient.

nbclient drives the cells and puts their outputs together. It talks to a kernel client through two channels
and `execute`; ours hands each cell to the worker and fills the channels with what came back. No socket, no
Jupyter kernel. The limit on a cell's time is the worker's own deadline (see docs/decisions/0014).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Any

import numpy as np

from grader.client import Student
from grader.errors import CheckFailed, MachineFault, ProtocolViolation, StudentFault, StudentTimedOut
from grader.faults import describe_raise
from grader.remote import Call, RemoteObject, Value
from grader.worker.protocol import FrameError, Json, Unsupported, parse_header

PREPARE_SECONDS = 180.0  # torch is loaded; ours, whatever the submission holds
MAX_LISTED = 5000  # parts, parameters, dimensions of a network
# Of one cell. The worker keeps far below, unless somebody else speaks for it.
MAX_MESSAGES_BYTES = 8 << 20
MAX_MESSAGES = 2100
# Of the whole notebook. nbclient looks at all displays of a name for each of its updates, in all cells.
MAX_NAMED_DISPLAYS = 200
MAX_UPDATES = 5000
MAX_OUTPUT_CHARACTERS = 64_000_000
_KINDS = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "error", "clear_output"}
)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a network is made of: class names of its parts in order, shapes of its parameters by name."""

    modules: tuple[str, ...]
    parameters: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """What came back for one cell: outputs as nbformat has them, figures as they crossed, and its fault."""

    outputs: list[dict[str, Any]]
    figures: Value
    fault: StudentFault | None


@dataclass(slots=True)
class Harvested:
    """Values by name; those named in `later` are still in the worker of that `life`.

    `bound` are the names that the question's own cells bound.
    """

    values: dict[str, Value]
    later: frozenset[str]
    bound: frozenset[str]
    life: int


class NotebookStudent(Student):
    """A student whose worker runs the cells of his notebook."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._prepared_life = 0
        self._question = ""
        super().__init__(*args, **kwargs)

    @property
    def life(self) -> int:
        """Which worker this is; 0 while none is ready to run cells."""
        return self._life if self._worker is not None and self._prepared_life == self._life else 0

    def begin_check(self, check_id: str, *, seed: int, seconds: float | None = None) -> None:
        """Start a check: generators reseeded, a new allowance of time; what the notebook made stays.

        What is called from here on finds the names bound as they were after the check's question.
        """
        self._check_id = check_id
        self._question = check_id.rpartition(".")[0]
        self._begin(seconds)
        self._seed = seed
        if self.life:
            self.seed(seed)

    def prepare(self) -> None:
        """See that there is a worker that has loaded the libraries; MachineFault where there is none.

        Nothing of the submission runs meanwhile.
        """
        if self.life:
            return
        process = self._living().process
        try:
            # A name that nothing from an earlier life of this notebook can lie in wait under.
            step = {"op": "prepare", "home": f".home-{secrets.token_hex(8)}"}
            self.run([Call(step, "starting the notebook's kernel")], seconds=PREPARE_SECONDS)
        except StudentFault as fault:
            printed = bytes(process.output.last or process.output.first)[-400:].decode("utf-8", "replace")
            told = (printed.strip().splitlines() or [str(fault)])[-1]
            raise MachineFault(f"the notebook's libraries could not be loaded ({told})") from fault
        self._prepared_life = self._life

    def read_names(self, sources: Sequence[str]) -> Sequence[tuple[Sequence[str], Sequence[str]]]:
        """Return what each source binds, and what it takes from cells before it; nothing runs.

        Where that takes the worker, no names are known.
        """
        texts = [source.encode("utf-8", "replace") for source in sources]
        step = {"op": "read_names", "sources": np.frombuffer(b"".join(texts), dtype=np.uint8)}
        step["sizes"] = np.array([len(text) for text in texts], dtype=np.int64)
        try:
            found = self.run([Call(step, "reading the cells")], seconds=self.limits.import_s)[0]
            return _names_by_cell(found, len(sources))
        except StudentFault:
            return [((), ())] * len(sources)

    def execute(
        self, source: str, *, position: int, seconds: float, questions: Sequence[str] = ()
    ) -> Executed:
        """Run one cell; raise StudentFault when that cost the worker."""
        what = f"cell {position + 1}"
        self.prepare()
        step = {"op": "execute", "source": _as_bytes(source), "position": position}
        step |= {"questions": list(questions)}
        call = Call(step, what)
        try:
            answer = self.run([call], seconds=seconds, interrupt=True)[0]
        except StudentFault as fault:
            if self.life and self.was_interrupted:
                raise _too_long(what, seconds) from fault
            raise
        executed = self._executed(answer, what)
        if self.was_interrupted:
            return Executed(executed.outputs, executed.figures, _too_long(what, seconds))
        return executed

    def lay_down(self, source: str, *, position: int, seconds: float, questions: Sequence[str] = ()) -> None:
        """Run of a cell only its imports, functions, classes and plain constants."""
        self.prepare()
        step = {"op": "lay_down", "source": _as_bytes(source), "position": position}
        step |= {"questions": list(questions)}
        self.run([Call(step, f"the definitions of cell {position + 1}")], seconds=seconds)

    def harvest(self, question: str, *, seconds: float) -> Harvested:
        """Return what is there now, after a question's last cell."""
        call = Call({"op": "harvest", "question": question}, f"reading what {question.upper()} left behind")
        found = self.run([call], seconds=seconds)[0]
        if not isinstance(found, dict) or set(found) != {"values", "later", "bound"}:
            raise ProtocolViolation(f"{call.what}: what came back holds no values by name")
        values, later, bound = found["values"], found["later"], found["bound"]
        if not isinstance(values, dict) or not all(map(_are_names, (later, bound))):
            raise ProtocolViolation(f"{call.what}: what came back holds no values by name")
        return Harvested(values, frozenset(later), frozenset(bound), self.life)

    def fetch(self, question: str, name: str) -> Value:
        """Return a value that was too large to be taken along."""
        return self.run([Call({"op": "fetch", "question": question, "name": name}, f"reading `{name}`")])[0]

    # ------------------------------------------------------------------------- for checks

    def predict(
        self, model: RemoteObject, images: np.ndarray, *, batch: int = 256
    ) -> np.ndarray | list[np.ndarray]:
        """Ask a network what it makes of images (N, ...) float32: evaluating, without gradients.

        An array (N, ...), or a list of arrays where its `forward` returns several.
        """
        what = f"{model.type_name}(images)"
        images = np.ascontiguousarray(images, dtype=np.float32)
        step = {"op": "predict", "model": model, "images": images, "batch": batch}
        found = self._asked(step, what)
        parts = found if isinstance(found, list) else [found]
        if not parts or not all(isinstance(part, np.ndarray) for part in parts):
            raise CheckFailed(f"{what} gave {_in_words(found)} where an array is expected")
        if any(part.ndim < 1 or len(part) != len(images) for part in parts):
            shapes = ", ".join(str(part.shape) for part in parts)
            raise CheckFailed(f"{what} gave {shapes} for {len(images)} images: one row for each is expected")
        return found  # type: ignore[no-any-return]

    def describe_model(self, model: RemoteObject) -> ModelFacts:
        """Return what a network is made of."""
        what = f"looking at {model.type_name}"
        facts = self._asked({"op": "describe_model", "model": model}, what)
        try:
            modules = tuple(map(_as_text, _as_list(facts["modules"])))
            parameters = tuple(
                (_as_text(name), tuple(map(_as_size, _as_list(shape))))
                for name, shape in map(_as_list, _as_list(facts["parameters"]))
            )
        except (TypeError, ValueError, LookupError) as error:
            raise ProtocolViolation(f"{what}: what came back describes no network") from error
        return ModelFacts(modules, parameters)

    def call_with_tensors(self, target: RemoteObject, method: str | None, *args: Value) -> Value:
        """Call an object with arrays as tensors on its own device; tensors come back as arrays."""
        what = target.type_name if method is None else f"{target.type_name}.{method}"
        step = {"op": "call_with_tensors", "target": target, "method": method, "args": list(args)}
        return self._asked(step, what)

    # ------------------------------------------------------------------------------ inside

    def _asked(self, step: Mapping[str, object], what: str) -> Any:
        return self.run([Call({**step, "as_of": self._question}, what)])[0]

    def _executed(self, answer: Value, what: str) -> Executed:
        if not isinstance(answer, dict) or set(answer) != {"messages", "figures", "fault"}:
            raise self._violated(what, FrameError("it tells of no cell"))
        try:
            outputs = _messages(answer["messages"])
        except FrameError as error:
            raise self._violated(what, error) from error
        fault = None
        if answer["fault"] is not None:
            fault = describe_raise(answer["fault"], what=what, limits=self.limits)
        return Executed(outputs, answer["figures"], fault)


def _too_long(what: str, seconds: float) -> StudentTimedOut:
    return StudentTimedOut(
        f"{what} did not end within {seconds:g} s and was interrupted; look for a loop that never ends"
    )


def _names_by_cell(found: Value, cells: int) -> list[tuple[list[str], list[str]]]:
    """Read the names of each cell; raise ProtocolViolation for what holds none."""
    is_text = isinstance(found, np.ndarray) and found.dtype == np.uint8 and found.ndim == 1
    try:
        names = parse_header(b'{"names":' + found.tobytes() + b"}").get("names") if is_text else None
    except FrameError as error:
        raise ProtocolViolation(f"reading the cells: what came back is no answer ({error})") from error
    if not isinstance(names, list) or len(names) != cells or not all(map(_are_two_lists, names)):
        raise ProtocolViolation("reading the cells: two lists of names did not come back for each cell")
    return [(each[0], each[1]) for each in names]


def _are_two_lists(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_are_names, value))


def _as_bytes(source: str) -> np.ndarray:
    """Return a cell's text as it crosses: one text of a request may be long, one of ours is not."""
    return np.frombuffer(source.encode("utf-8", "replace"), dtype=np.uint8)


def _are_names(value: Value) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _in_words(value: Value) -> str:
    return value.description if isinstance(value, Unsupported) else f"a value of type {type(value).__name__}"


def _as_text(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _as_list(value: Value) -> list[Value]:
    if not isinstance(value, list) or len(value) > MAX_LISTED:
        raise TypeError
    return value


def _as_size(value: Value) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


# ------------------------------------------------------------------------------------ messages


def _messages(data: Value) -> list[dict[str, Any]]:
    """Read the messages of one cell; raise FrameError for anything that is none."""
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
        raise FrameError("the messages are no bytes")
    if data.size > MAX_MESSAGES_BYTES:
        raise FrameError(f"the messages of a cell have more than {MAX_MESSAGES_BYTES} bytes")
    content = parse_header(b'{"messages":' + data.tobytes() + b"}").get("messages")
    if not isinstance(content, list):
        raise FrameError("the messages are no list")
    if len(content) > MAX_MESSAGES:
        raise FrameError(f"a cell has more than {MAX_MESSAGES} messages")
    return [_message(each) for each in content]


def _message(message: Json) -> dict[str, Any]:
    kind = message.get("type") if isinstance(message, dict) else None
    if kind not in _KINDS:
        raise FrameError("a message is of no known kind")
    if kind == "stream":
        name = message.get("name")
        if name not in ("stdout", "stderr"):
            raise FrameError("a stream has no known name")
        return {"type": kind, "name": name, "text": _text_of(message, "text")}
    if kind == "error":
        return {"type": kind, "ename": _text_of(message, "ename"), "evalue": _text_of(message, "evalue")}
    if kind == "clear_output":
        return {"type": kind, "wait": message.get("wait") is True}
    data, shown = message.get("data"), message.get("display_id")
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise FrameError("a display holds no texts by type")
    return {"type": kind, "data": data, "display_id": shown if isinstance(shown, str) else None}


def _text_of(message: Mapping[str, Json], key: str) -> str:
    text = message.get(key)
    if not isinstance(text, str):
        raise FrameError("a message lacks its text")
    return text


# ------------------------------------------------------------------------------------ nbclient


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
