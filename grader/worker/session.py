"""Carry out requests: each is a list of steps, each answer a list of values.

Nothing here decides anything. A step makes an object, calls it, reads or writes a parameter; its value goes
back as plain data. Objects stay here and are known outside by a number.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from . import protocol, seeding, source_scan, training
from .loader import SubmissionModules, UnresolvedName
from .protocol import FrameError, Json, Unencodable
from .stand_ins import STAND_INS, Probe

Converse = Callable[[Sequence[bytes | memoryview]], tuple[dict[str, Json], list[np.ndarray]]]

MAX_MESSAGE = 4096
MAX_FRAMES = 8


class Objects:
    """The objects that stay in the worker, by number."""

    def __init__(self) -> None:
        self._objects: dict[int, object] = {}
        self._next = 1

    def to_node(self, value: object) -> Json:
        """Keep an object and return the node that stands for it."""
        number, self._next = self._next, self._next + 1
        self._objects[number] = value
        return {"$object": number, "type": str(type(value).__name__)[:100]}

    def keep(self, number: int, value: object) -> None:
        """Keep an object under a number that the other end chose: a negative one, which is nobody else's."""
        self._objects[number] = value

    def from_node(self, node: dict[str, Json]) -> object:
        """Return a kept object."""
        number = node.get("$object")
        if number not in self._objects:
            raise FrameError("an object is named that is not kept here")
        return self._objects[number]


class Echoed:
    """The result of a call, and its arguments as the call left them."""

    def __init__(self, result: object, arguments: Sequence[object]) -> None:
        self.result = result
        self.arguments = arguments


class Separately(dict[str, object]):
    """Values by name, of which one that cannot cross keeps no other from crossing."""


class Session:
    """One submission, loaded on demand, and the objects made of it."""

    def __init__(
        self, root: str, places: Mapping[str, Sequence[str]], *, by_file: bool, converse: Converse
    ) -> None:
        self._root = root
        self._packages = {module.partition(".")[0] for modules in places.values() for module in modules}
        self._converse = converse
        self._request_id = 0
        self._modules = SubmissionModules(root, places, by_file=by_file)
        self._resolved: dict[str, object] = {}
        self._objects = Objects()
        self._seed = 0
        self._steps: dict[str, Callable[..., object]] = {
            "seed": self._set_seed,
            "resolve": self._resolve,
            "stand_in": self._stand_in,
            "probe": self._probe,
            "call": self._call,
            "get": self._get,
            "assign": self._assign,
            "parameters": lambda target: arrays_of(target, "parameters"),
            "gradients": lambda target: arrays_of(target, "gradients"),
            "train": training.train,
            "scan": self._scan,
        }

    @property
    def objects(self) -> Objects:
        """The objects that stay here, by number."""
        return self._objects

    def add_steps(self, steps: Mapping[str, Callable[..., object]]) -> None:
        """Let requests name these steps, too; one of the same name is replaced."""
        self._steps |= steps

    def answer(self, request: dict[str, Json], arrays: list[np.ndarray]) -> list[bytes | memoryview]:
        """Carry out a request's steps in order and return the frame of its answer."""
        sent: list[np.ndarray] = []
        values: list[Json] = []
        self._request_id = request["id"]
        started_s = perf_counter()
        try:
            for step in request["steps"]:
                # One by one: the number of values tells which step raised.
                values.append(self._encoded(self._carry_out(step, arrays), sent))  # noqa: PERF401
            # For people who ask where time goes; whoever lies here gains nothing.
            took = {"took_us": round(1e6 * (perf_counter() - started_s))} if "clock" in request else {}
            return protocol.pack({"id": request["id"], "values": values, **took}, sent)
        except FrameError as error:
            fault = {"kind": "raised", "type": "FrameError", "message": str(error)[:MAX_MESSAGE], "where": []}
        except BaseException as error:  # noqa: BLE001 -- the one catch-all: student code raises what it likes
            fault = describe_fault(error, self._root)
        return protocol.pack({"id": request["id"], "fault": fault, "step": len(values)}, [])

    def _carry_out(self, step: dict[str, Json], arrays: list[np.ndarray]) -> object:
        arguments = {
            key: protocol.decode(node, arrays, self._objects) for key, node in step.items() if key != "op"
        }
        # NumPy hands out read-only views of the frame; a student may do as he likes with what he is given.
        return self._steps[step["op"]](**{key: _own_copy(value) for key, value in arguments.items()})

    def _encoded(self, value: object, sent: list[np.ndarray]) -> Json:
        if isinstance(value, Echoed):  # a result that cannot cross does not take the arguments with it
            parts = [self._encoded(part, sent) for part in (value.result, *value.arguments)]
            return {"$tuple": [parts[0], parts[1:]]}
        if isinstance(value, Separately):
            return {"$dict": [[name, self._encoded(part, sent)] for name, part in value.items()]}
        before = len(sent)
        try:
            return protocol.encode(value, sent, self._objects)
        except Unencodable as error:
            del sent[before:]
            return {"$unsupported": str(error)[:200]}

    def _set_seed(self, value: int) -> None:
        self._seed = value
        seeding.seed_everything(value)

    def _resolve(self, name: str) -> object:
        if name not in self._resolved:
            seeding.seed_everything(seeding.IMPORT_SEED)
            self._resolved[name] = self._modules.resolve(name)
            seeding.seed_everything(self._seed)
        return self._resolved[name]

    def _stand_in(self, keep: int, name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        self._objects.keep(keep, STAND_INS[name](*args, **kwargs))

    def _probe(
        self, keep: int, number: int, kind: str, values: Mapping[str, np.ndarray], base: type | None
    ) -> None:
        def ask(values: Mapping[str, np.ndarray], x: object, dLdy: object) -> object:
            return self._ask({"probe": number, "values": values, "x": x, "dLdy": dLdy})

        self._objects.keep(keep, Probe(values, kind=kind, ask=ask, base=base))

    def _ask(self, question: dict[str, object]) -> object:
        """Have the other end compute something in the middle of a request."""
        sent: list[np.ndarray] = []
        node = protocol.encode(question, sent, self._objects)
        header, arrays = self._converse(protocol.pack({"id": self._request_id, "ask": node}, sent))
        if "refused" in header:
            raise ValueError(header["refused"])
        return _own_copy(protocol.decode(header["told"], arrays, self._objects))

    def _scan(self) -> list[source_scan.Finding]:
        return source_scan.scan(self._root, numpy_only=self._packages)

    def _call(
        self,
        target: Any,
        method: str | None,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        *,
        echo: bool = False,
        keep: int | None = None,
    ) -> object:
        function = target if method is None else getattr(target, method)
        result = function(*args, **kwargs)
        if keep is not None:  # for the next steps
            self._objects.keep(keep, result)
        return Echoed(result, args) if echo else result

    def _get(self, target: object, name: str) -> object:
        return getattr(target, name)

    def _assign(self, target: object, name: str, value: np.ndarray) -> None:
        live = getattr(target, name, None)
        if not isinstance(live, np.ndarray):
            live = mapping_of(target, "parameters")[name]
        live[...] = value


def mapping_of(target: Any, name: str) -> Mapping[str, Any]:
    """Return a layer's `parameters` or `gradients`, whether that is a method or a property."""
    found = getattr(target, name)
    return found() if callable(found) else found  # type: ignore[no-any-return]


def arrays_of(target: Any, name: str) -> object:
    """Return that mapping as a plain dict, or whatever it is instead."""
    found = mapping_of(target, name)
    return dict(found) if isinstance(found, Mapping) else found


def _own_copy(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else value.copy()
    if isinstance(value, list):
        return [_own_copy(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_own_copy(item) for item in value)
    if isinstance(value, dict):
        return {key: _own_copy(item) for key, item in value.items()}
    return value


# ---------------------------------------------------------------------------------------- faults


def describe_fault(error: BaseException, root: str) -> dict[str, Json]:
    """Describe an exception of the student's in plain data; whatever it does while we ask is survived."""
    try:
        return _described(error, root)
    except BaseException:  # noqa: BLE001 -- its class, and that class's class, are the student's too
        return {"kind": "raised", "type": "an exception", "message": "(it cannot be described)", "where": []}


def _described(error: BaseException, root: str) -> dict[str, Json]:
    kind = "raised"
    if isinstance(error, SystemExit):
        kind = "exited"
    elif isinstance(error, MemoryError):
        kind = "memory"
    cause = error.__cause__ if isinstance(error, UnresolvedName) and error.__cause__ else error
    return {
        "kind": kind,
        "type": "" if isinstance(error, UnresolvedName) else type(error).__name__[:100],
        "message": _safe_text(error, root) if cause is error else _with_cause(error, cause, root),
        "where": _own_frames(cause, root),
    }


def _with_cause(error: BaseException, cause: BaseException, root: str) -> str:
    return f"{_safe_text(error, root)} ({type(cause).__name__}: {_safe_text(cause, root)})"


def _safe_text(error: BaseException, root: str) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.msg} ({_relative(str(error.filename), root)}, line {error.lineno})"[:MAX_MESSAGE]
    try:
        text = str(error)[:MAX_MESSAGE]
    except BaseException:  # noqa: BLE001 -- __str__ is the student's too
        text = "(its text could not be read)"
    return text.replace(root + os.sep, "").encode("utf-8", "replace").decode("utf-8")


def _own_frames(error: BaseException, root: str) -> list[Json]:
    """Return [file, line, source] of the frames in the submission, innermost last."""
    frames: list[Json] = []
    with contextlib.suppress(Exception):
        for frame, line in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            if name.startswith(root + os.sep):
                frames.append([_relative(name, root), line, linecache.getline(name, line).strip()[:200]])
    return frames[-MAX_FRAMES:]


def _relative(name: str, root: str) -> str:
    return name.removeprefix(root + os.sep)[:200]


def flush_output() -> None:
    """Push out what the student printed, so that it is seen before the answer."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
