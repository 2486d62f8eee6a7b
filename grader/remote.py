"""What stands on this side for the student's objects: handles, prepared calls, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from grader.errors import CheckFailed
from grader.worker.protocol import Unsupported

__all__ = ["Arrays", "Call", "Echo", "RemoteObject", "Runner", "Unsupported", "Value"]

Value = Any  # ndarray | float | int | bool | str | None | list | tuple | dict | RemoteObject | Unsupported


class Runner(Protocol):
    """Whoever carries out prepared calls: `grader.client.Student`."""

    def run(self, calls: Sequence[Call], *, seconds: float | None = None) -> list[Value]:
        """Carry out calls in order, in one round trip, and return their values."""


@dataclass(frozen=True, slots=True)
class Call:
    """One step of a request: what to do, and how to name it in a message."""

    step: Mapping[str, object]
    what: str
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Echo:
    """The value of a call, and its arguments as they were after it."""

    value: Value
    args_after: list[Value]


class Arrays(dict[str, np.ndarray]):
    """Arrays by name, of `parameters()` or `gradients()`; a name that is not there is the student's fault."""

    def __init__(self, arrays: Mapping[str, np.ndarray], what: str) -> None:
        super().__init__(arrays)
        self._what = what

    def __missing__(self, name: str) -> np.ndarray:
        names = ", ".join(repr(known[:50]) for known in list(self)[:8]) or "nothing"
        raise CheckFailed(f"{self._what}() has no {name!r}; it has {names}")


class RemoteObject:
    """An object of the student's that stays in the worker."""

    def __init__(self, runner: Runner, number: int, type_name: str, life: int) -> None:
        self._runner = runner
        self.number = number
        self.type_name = type_name
        self.life = life  # which worker it lives in

    def __repr__(self) -> str:
        return f"<remote {self.type_name}>"

    def call(self, method: str | None = None, *args: Value, **kwargs: Value) -> Value:
        """Call a method, or the object itself."""
        return self._runner.run([self.calling(method, *args, **kwargs)])[0]

    def forward(self, *args: Value, **kwargs: Value) -> Value:
        """Call `forward`."""
        return self.call("forward", *args, **kwargs)

    def backward(self, *args: Value, **kwargs: Value) -> Value:
        """Call `backward`."""
        return self.call("backward", *args, **kwargs)

    def passes(self, *inputs: Value, dLdy: np.ndarray | None = None) -> tuple[Value, Value]:
        """Call `forward`, then `backward` (of a loss without dLdy), in one round trip; return both values."""
        y, dLdx = self._runner.run(self.passing(*inputs, dLdy=dLdy))
        return y, dLdx

    def get(self, name: str) -> Value:
        """Read an attribute."""
        return self._runner.run([self.getting(name)])[0]

    def parameters(self) -> dict[str, np.ndarray]:
        """Read the parameters, whether the student made them a method or a property; copies."""
        return self._runner.run([self.reading_parameters()])[0]  # type: ignore[no-any-return]

    def gradients(self) -> dict[str, np.ndarray]:
        """Read the gradients likewise."""
        return self._runner.run([self.reading_gradients()])[0]  # type: ignore[no-any-return]

    def assign(self, name: str, value: np.ndarray) -> None:
        """Write into the live array of a parameter."""
        self._runner.run([self.assigning(name, value)])

    def calling(self, method: str | None, *args: Value, echo: bool = False, **kwargs: Value) -> Call:
        """Prepare a call for `Student.run`; with `echo`, its value is an Echo."""
        name = self.type_name if method is None else f"{self.type_name}.{method}"
        step = {"op": "call", "target": self, "method": method, "args": list(args), "kwargs": kwargs}
        return Call(step | {"echo": echo}, name, echo)

    def passing(self, *inputs: Value, dLdy: np.ndarray | None = None) -> list[Call]:
        """Prepare `forward`, then `backward` (of a loss without dLdy)."""
        upstream = () if dLdy is None else (dLdy,)
        return [self.calling("forward", *inputs), self.calling("backward", *upstream)]

    def getting(self, name: str) -> Call:
        """Prepare the reading of an attribute."""
        return Call({"op": "get", "target": self, "name": name}, f"{self.type_name}.{name}")

    def assigning(self, name: str, value: np.ndarray) -> Call:
        """Prepare the writing of a parameter."""
        step = {"op": "assign", "target": self, "name": name, "value": value}
        return Call(step, f"writing {self.type_name}.parameters()[{name[:50]!r}]")

    def reading_parameters(self) -> Call:
        """Prepare the reading of all parameters."""
        return Call({"op": "parameters", "target": self}, f"{self.type_name}.parameters")

    def reading_gradients(self) -> Call:
        """Prepare the reading of all gradients."""
        return Call({"op": "gradients", "target": self}, f"{self.type_name}.gradients")
