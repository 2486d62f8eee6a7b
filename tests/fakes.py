"""A Student without a process: the contract of grader.client on a mytorch package in this process.

Only for tests of the suites, which are about verdicts; that values cross a boundary is tested elsewhere.
"""

from __future__ import annotations

import copy
import importlib
import random
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grader.assignments.hw1.names import PLACES
from grader.errors import CheckFailed, StudentRaised
from grader.probe_layers import PROBE_KINDS, AskedWrongly, ProbeLayer
from grader.worker import training
from grader.worker.stand_ins import STAND_INS, Probe

PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class FakeCall:
    """A deferred call."""

    carry_out: Callable[[], Any]


@dataclass(frozen=True)
class FakeEcho:
    """What a call with echo gives."""

    value: Any
    args_after: list[Any]


@dataclass(frozen=True)
class FakeUnsupported:
    """A value that cannot cross."""

    description: str


class FakeRemoteObject:
    """An object that would stay in the worker."""

    def __init__(self, student: FakeStudent, target: Any) -> None:
        self._student = student
        self.target = target
        self.type_name = type(target).__name__

    def call(self, method: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return self._student.run([self.calling(method, *args, **kwargs)])[0]

    def forward(self, *args: Any) -> Any:
        return self.call("forward", *args)

    def backward(self, *args: Any) -> Any:
        return self.call("backward", *args)

    def passes(self, *inputs: Any, dLdy: np.ndarray | None = None) -> tuple[Any, Any]:
        y, dLdx = self._student.run(self.passing(*inputs, dLdy=dLdy))
        return y, dLdx

    def passing(self, *inputs: Any, dLdy: np.ndarray | None = None) -> list[FakeCall]:
        upstream = () if dLdy is None else (dLdy,)
        return [self.calling("forward", *inputs), self.calling("backward", *upstream)]

    def get(self, name: str) -> Any:
        return self._student.run([self.getting(name)])[0]

    def parameters(self) -> dict[str, np.ndarray]:
        return self._student.run([self.reading_parameters()])[0]

    def gradients(self) -> dict[str, np.ndarray]:
        return self._student.run([self.reading_gradients()])[0]

    def assign(self, name: str, value: np.ndarray) -> None:
        self._student.run([self.assigning(name, value)])

    def calling(self, method: str | None, *args: Any, echo: bool = False, **kwargs: Any) -> FakeCall:
        def carry_out() -> Any:
            sent, named = [unwrap(arg) for arg in args], {key: unwrap(arg) for key, arg in kwargs.items()}
            function = self.target if method is None else getattr(self.target, method)
            value = self._student.crossed(function(*sent, **named))
            return FakeEcho(value, [self._student.crossed(arg) for arg in sent]) if echo else value

        return FakeCall(carry_out)

    def getting(self, name: str) -> FakeCall:
        return FakeCall(lambda: self._student.crossed(getattr(self.target, name)))

    def assigning(self, name: str, value: np.ndarray) -> FakeCall:
        def carry_out() -> None:
            live = getattr(self.target, name, None)
            if not isinstance(live, np.ndarray):
                live = mapping_of(self.target, "parameters")[name]
            live[...] = value

        return FakeCall(carry_out)

    def reading_parameters(self) -> FakeCall:
        return FakeCall(lambda: self._arrays("parameters"))

    def reading_gradients(self) -> FakeCall:
        return FakeCall(lambda: self._arrays("gradients"))

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        found = {key: self._student.crossed(value) for key, value in mapping_of(self.target, name).items()}
        if wrong := [key for key, value in found.items() if not isinstance(value, np.ndarray)]:
            raise CheckFailed(f"{name}()[{wrong[0]!r}] must be an array")
        return found


def local_probe(kind: str, values=None, *, faults=None, base: type | None = None) -> Probe:
    """Make a probe whose arithmetic is beside it instead of on the other side of a pipe."""
    values = values or {}
    layer = ProbeLayer(kind, {name: value.shape for name, value in values.items()}, faults or {})

    def ask(values, x, dLdy):
        try:
            return layer.answer(dict(values), x, dLdy)
        except AskedWrongly as error:
            raise ValueError(str(error)) from error

    return Probe(values, kind=kind, ask=ask, base=base)


class FakeStudent:
    """One submission, imported into this process under its own modules."""

    def __init__(self, root: Path) -> None:
        with warnings.catch_warnings(), _only_modules_of(root):
            warnings.simplefilter("ignore")
            places = {place for places in PLACES.values() for place in places}
            self._modules = {place: _imported(place) for place in sorted(places) if _is_in(root, place)}

    def resolve(self, name: str) -> FakeRemoteObject:
        for place in PLACES[name]:
            if hasattr(self._modules.get(place), name):
                made = FakeRemoteObject(self, getattr(self._modules[place], name))
                made.type_name = name
                return made
        raise StudentRaised(f"{name} is not defined", exception_type="UnresolvedName")

    def new(self, name: str, *args: Any, **kwargs: Any) -> FakeRemoteObject:
        made = self.resolve(name).call(None, *args, **kwargs)
        if not isinstance(made, FakeRemoteObject):
            raise CheckFailed(f"{name}(…) gave no object")
        return made

    def new_then(self, name: str, *args: Any, then: Any) -> tuple[Any, ...]:
        made = self.new(name, *args)
        return made, *self.run(then(made))

    new_at_once = new_then

    def stand_in(self, name: str, *args: Any, **kwargs: Any) -> FakeRemoteObject:
        made = local_probe if name in PROBE_KINDS else STAND_INS[name]
        kind = (name,) if name in PROBE_KINDS else ()
        return FakeRemoteObject(self, made(*kind, *unwrap(args), **unwrap(kwargs)))

    def seed(self, value: int) -> None:
        random.seed(value)
        np.random.seed(value % 2**32)  # noqa: NPY002 -- what a submission draws from

    def run(self, calls: Sequence[FakeCall]) -> list[Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [_carried_out(call) for call in calls]

    def train(self, *, model, loss, optimiser, images, labels, order, scale) -> np.ndarray:
        def carry_out() -> np.ndarray:
            return training.train(
                model=model.target,
                loss=loss.target,
                optimiser=optimiser.target,
                inputs=images,
                targets=labels,
                batches=list(order),
                scale=scale,
            )

        return self.run([FakeCall(carry_out)])[0]

    def crossed(self, value: Any) -> Any:
        """Return a value as it would arrive: a copy, plain, or a remote object."""
        if isinstance(value, np.ndarray):
            is_numeric = value.dtype.kind in "biufc"
            return np.array(value) if is_numeric else FakeUnsupported(f"an array of dtype {value.dtype}")
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, list | tuple):
            return type(value)(self.crossed(item) for item in value)
        if isinstance(value, Mapping):
            return {key: self.crossed(item) for key, item in value.items()}
        return FakeRemoteObject(self, value)


def unwrap(value: Any) -> Any:
    """Return an argument as it arrives in the worker: a copy of its own."""
    if isinstance(value, FakeRemoteObject):
        return value.target
    if isinstance(value, list | tuple):
        return type(value)(unwrap(item) for item in value)
    if isinstance(value, Mapping):
        return {key: unwrap(item) for key, item in value.items()}
    return copy.deepcopy(value)


def mapping_of(target: Any, name: str) -> Mapping[str, Any]:
    found = getattr(target, name)
    return found() if callable(found) else found


def _carried_out(call: FakeCall) -> Any:
    try:
        return call.carry_out()
    except CheckFailed:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise StudentRaised(f"raised {kind}: {error}", exception_type=kind) from error


def _is_in(root: Path, place: str) -> bool:
    """Say whether a submission holds the package, or the single module, of a place."""
    package = place.partition(".")[0]
    return (root / package).is_dir() or (root / f"{package}.py").is_file()


def _imported(place: str) -> Any:
    return importlib.import_module(place)


@contextmanager
def _only_modules_of(root: Path):
    """Import a submission's own modules from `root`, and leave no trace of them for the next one."""
    kept = {name: module for name, module in sys.modules.items() if _is_own(name)}
    for name in kept:
        del sys.modules[name]
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if _is_own(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] in {"mytorch", "theory"}
