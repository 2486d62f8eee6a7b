"""A student whose code is right, but whose answers are now and then replaced on their way by hostile ones.

What replaces them is what the pipe lets through: plain values of any kind, arrays of any dtype and shape,
objects where a value is due and values where an object is due, and every fault of a submission.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grader.client import Arrays
from grader.errors import (
    CheckFailed,
    GraderFault,
    ProtocolViolation,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
)
from grader.worker.protocol import Unencodable, Unsupported, encode
from tests.fakes import FakeCall, FakeEcho, FakeRemoteObject, FakeStudent, FakeUnsupported

Make = Callable[[np.random.Generator], Any]

DTYPES = "?bBhHiIqQefdFD"
NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e8, 1e200, -1e200, 1.7e308, -1.7e308, np.nan, np.inf, -np.inf)
SHAPES = ((), (0,), (1,), (1, 1, 1), (3, 0), (2, 2), (5, 4), (7, 3), (64,), (1,) * 8, (2,) * 8, (9, 9, 9, 9))
WORDS = ("", "0", "0.gain", "1.", ".", "weight", "training", "\ud800", "\n\x1b[2J", "x" * 60_000)
FAULTS = (
    lambda: StudentRaised("raised ValueError: no", exception_type="ValueError"),
    lambda: StudentRaised("raised NotImplementedError", exception_type="NotImplementedError"),
    lambda: CheckFailed("f() must give a dict"),
    lambda: StudentTimedOut("too long"),
    lambda: StudentOutOfMemory("too much"),
    lambda: StudentExited("exit()"),
    lambda: StudentCrashed("signal 11"),
    lambda: ProtocolViolation("no answer"),
)
# More than this in one request can only come from handing a student's values back unseen.
MOST_BYTES_SENT = 32 << 20


def fault_of(rng: np.random.Generator) -> StudentFault:
    return pick(rng, FAULTS)()


def pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def array(rng: np.random.Generator, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return numbers of any dtype, of any shape if none is given: all the same, or normal draws."""
    shape = pick(rng, SHAPES) if shape is None else shape
    values = rng.normal(size=shape) if rng.random() < 0.4 else np.full(shape, pick(rng, NUMBERS))
    return np.asarray(values).astype(pick(rng, DTYPES) if rng.random() < 0.6 else "d")


def nested(rng: np.random.Generator) -> list[Any]:
    value: list[Any] = [pick(rng, NUMBERS)]
    for _ in range(pick(rng, (1, 7, 8, 9, 28))):
        value = [value]
    return value


def mapping(rng: np.random.Generator) -> dict[str, Any]:
    return {str(pick(rng, WORDS)): pick(rng, (None, 1.0, [1.0], array(rng))) for _ in range(3)}


PLAIN: tuple[Make, ...] = (
    lambda _: None,
    lambda rng: pick(rng, (True, False, 0, 1, -1, 2**63, 10**19 - 1, 10**400)),
    lambda rng: pick(rng, NUMBERS),
    lambda rng: pick(rng, WORDS),
    lambda rng: complex(pick(rng, NUMBERS), pick(rng, NUMBERS)),
    lambda rng: pick(rng, ([], (), {}, [[1.0], [1.0, 2.0]], ([1.0], 2), [None, "a"], [[[]]])),
    lambda rng: [pick(rng, NUMBERS)] * pick(rng, (1, 3, 150_000)),
    lambda rng: tuple(array(rng) for _ in range(3)),
    lambda _: [np.zeros(1 << 20)] * 100,
    lambda _: Unsupported("an object array"),
    nested,
    mapping,
    array,
    array,
)


def one_entry(rng: np.random.Generator, value: np.ndarray) -> np.ndarray:
    changed = np.array(value, dtype=np.float64)
    if changed.size:
        changed.flat[int(rng.integers(changed.size))] = pick(rng, NUMBERS)
    return changed


BENT: tuple[Callable[[np.random.Generator, np.ndarray], Any], ...] = (
    lambda rng, value: array(rng, value.shape),
    lambda rng, value: value.astype(pick(rng, "?bqQefFD")),
    lambda rng, value: pick(rng, (value.T, value[..., np.newaxis], value.reshape(-1))),
    lambda rng, value: value.reshape(-1)[: pick(rng, (0, 1))],
    lambda _, value: value.tolist(),
    lambda rng, value: value * pick(rng, NUMBERS),
    one_entry,
    one_entry,
)


def bent(rng: np.random.Generator, value: Any) -> Any:
    """Return an array near the right one: other numbers, entries, shape or dtype."""
    if not isinstance(value, np.ndarray):
        return array(rng, np.shape(value) if isinstance(value, float) else None)
    return pick(rng, BENT)(rng, value)


def bent_arrays(rng: np.random.Generator, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a dict of arrays with names missing, renamed or too many, and with other arrays."""
    changed = dict(found)
    for name in list(found):
        kind = int(rng.integers(4))
        if kind == 0:
            del changed[name]
        elif kind == 1:
            changed[pick(rng, WORDS)] = changed.pop(name)
        elif kind == 2:
            changed[name] = bent_array(rng, found[name])
    if rng.random() < 0.3:
        changed[pick(rng, WORDS)] = array(rng)
    if rng.random() < 0.1:
        changed |= {f"{i}" * 1000: np.zeros(1) for i in range(200)}
    if rng.random() < 0.1:
        changed["more"] = np.zeros(1 << 24, np.int8)
    return changed


def bent_sequence(rng: np.random.Generator, found: Sequence[Any]) -> Any:
    """Return a list or tuple with one item bent or replaced, too short, too long, or as one array."""
    changed = list(found)
    kind = int(rng.integers(5))
    if changed and kind < 3:
        at = int(rng.integers(len(changed)))
        changed[at] = bent(rng, changed[at]) if kind else pick(rng, PLAIN)(rng)
    elif kind == 3:
        changed = changed[1:] if rng.random() < 0.5 else [*changed, *changed[:1]]
    else:
        return bent_array(rng, np.zeros((len(changed), 4)))
    return tuple(changed) if isinstance(found, tuple) else changed


def bent_array(rng: np.random.Generator, value: np.ndarray) -> np.ndarray:
    changed = bent(rng, value)
    return changed if isinstance(changed, np.ndarray) else array(rng)


class HostileObject(FakeRemoteObject):
    """An object of which any answer may be replaced."""

    _student: HostileStudent

    def calling(self, method: str | None, *args: Any, echo: bool = False, **kwargs: Any) -> FakeCall:
        require_sendable((args, kwargs))
        call = super().calling(method, *args, echo=echo, **kwargs)
        return self._student.tampered(call)

    def getting(self, name: str) -> FakeCall:
        return self._student.tampered(super().getting(name))

    def assigning(self, name: str, value: np.ndarray) -> FakeCall:
        require_sendable(value)
        return self._student.tampered(super().assigning(name, value))

    def reading_parameters(self) -> FakeCall:
        return self._student.tampered(super().reading_parameters(), arrays=True)

    def reading_gradients(self) -> FakeCall:
        return self._student.tampered(super().reading_gradients(), arrays=True)


class HostileStudent(FakeStudent):
    """One submission; from `begin` on, each answer is replaced with this probability."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begin(0, 0.0)

    def begin(self, seed: int, probability: float) -> None:
        self.seed(seed)
        self._rng = np.random.default_rng(seed)
        self._probability = probability

    def resolve(self, name: str) -> FakeRemoteObject:
        return self._own(super().resolve(name))

    def stand_in(self, name: str, *args: Any, **kwargs: Any) -> FakeRemoteObject:
        return self._own(super().stand_in(name, *args, **kwargs))

    def crossed(self, value: Any) -> Any:
        there = super().crossed(value)
        if isinstance(there, FakeUnsupported):
            return Unsupported(there.description)
        return self._own(there) if type(there) is FakeRemoteObject else there

    def train(self, *, order: Sequence[np.ndarray], **_: Any) -> np.ndarray:
        """Train nothing: only what comes back counts here."""
        if self._rng.random() < self._probability:
            raise fault_of(self._rng)
        return array(self._rng) if self._rng.random() < self._probability else np.zeros(len(order))

    def tampered(self, call: FakeCall, *, arrays: bool = False) -> FakeCall:
        def carry_out() -> Any:
            value = call.carry_out()
            replaced = self._replaced(value) if self._rng.random() < self._probability else value
            if not arrays:
                return replaced
            if not (isinstance(replaced, dict) and all(isinstance(v, np.ndarray) for v in replaced.values())):
                raise CheckFailed("parameters() must give a dict from names to arrays")
            return Arrays(replaced, "parameters")

        return FakeCall(carry_out)

    def run(self, calls: Sequence[FakeCall]) -> list[Any]:
        """Carry out calls; a fault that one of them raised stays the fault it is."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_carried_out(call) for call in calls]

    def _replaced(self, value: Any) -> Any:
        if self._rng.random() < 0.1:
            raise fault_of(self._rng)
        if isinstance(value, FakeEcho):
            after = [
                self._replaced(argument) if self._rng.random() < 0.5 else argument
                for argument in value.args_after
            ]
            return FakeEcho(self._replaced(value.value), after)
        if isinstance(value, dict) and self._rng.random() < 0.8:
            return bent_arrays(self._rng, value)
        if isinstance(value, np.ndarray | float) and self._rng.random() < 0.6:
            return bent(self._rng, value)
        if isinstance(value, list | tuple) and self._rng.random() < 0.6:
            return bent_sequence(self._rng, value)
        if self._rng.random() < 0.1:
            return HostileObject(self, object())
        return pick(self._rng, PLAIN)(self._rng)

    def _own(self, remote: FakeRemoteObject) -> FakeRemoteObject:
        made = HostileObject(self, remote.target)
        made.type_name = remote.type_name
        return made


def require_sendable(value: Any) -> None:
    """Refuse an argument as the real client does, and one that is far too large."""
    sent: list[np.ndarray] = []
    for part in _parts(value):
        if isinstance(part, Unsupported):
            raise CheckFailed(f"cannot be given {part.description}")
        try:
            encode(part, sent, _Numbers())
        except Unencodable as error:
            raise GraderFault(f"an argument cannot be sent: {error}") from error
    if sum(buffer.nbytes for buffer in sent) > MOST_BYTES_SENT:
        raise GraderFault("far too much is sent")


def _parts(value: Any) -> list[Any]:
    args, kwargs = value if isinstance(value, tuple) and len(value) == 2 else ((value,), {})
    return [*args, *kwargs.values()]


class _Numbers:
    """Handles that know every object."""

    def to_node(self, value: object) -> Any:
        if isinstance(value, Unsupported):
            raise CheckFailed(f"cannot be given {value.description}")
        if not isinstance(value, FakeRemoteObject):
            raise Unencodable(f"a {type(value).__name__}")
        return {"$object": 1}

    def from_node(self, node: dict[str, Any]) -> object:
        raise AssertionError(node)


def _carried_out(call: FakeCall) -> Any:
    """Carry out a call; what the student's code raises is described as shortly as by the worker."""
    try:
        return call.carry_out()
    except StudentFault:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise StudentRaised(f"raised {kind}: {error}"[:500], exception_type=kind) from error
