"""A notebook's kernel as this side sees it: a worker that runs cells, and is asked what they left behind."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grader.client import Student
from grader.errors import CheckFailed, MachineFault, ProtocolViolation, StudentFault, StudentTimedOut
from grader.faults import describe_raise
from grader.notebooks.strict_values import as_list, as_size, as_text
from grader.remote import Call, RemoteObject, Value
from grader.worker.protocol import FrameError, Json, Unsupported, parse_header

PREPARE_SECONDS = 180.0  # torch is loaded; ours, whatever the submission holds
MAX_LISTED = 5000  # parts, parameters, dimensions of a network
# Of one cell. The worker keeps far below, unless somebody else speaks for it.
MAX_MESSAGES_BYTES = 8 << 20
MAX_MESSAGES = 2100
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
            found = self.run([Call(step, "starting the notebook's kernel")], seconds=PREPARE_SECONDS)[0]
        except StudentFault as fault:
            printed = bytes(process.output.last or process.output.first)[-400:].decode("utf-8", "replace")
            told = (printed.strip().splitlines() or [str(fault)])[-1]
            raise MachineFault(f"the notebook's libraries could not be loaded ({told})") from fault
        if self._notebook is not None and self._notebook.devices and not _finds_gpu(found):
            raise MachineFault(
                "PyTorch finds no GPU that it can use inside the sandbox; grade with --device cpu, or see"
                " `grader doctor`"
            )
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
            modules = tuple(map(as_text, as_list(facts["modules"], MAX_LISTED)))
            parameters = tuple(
                (as_text(name), tuple(map(as_size, as_list(shape, MAX_LISTED))))
                for name, shape in (as_list(each, 2) for each in as_list(facts["parameters"], MAX_LISTED))
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


def _finds_gpu(prepared: Value) -> bool:
    return isinstance(prepared, Mapping) and prepared.get("cuda") is True


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
