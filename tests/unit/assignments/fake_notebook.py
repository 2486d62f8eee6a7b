"""A replayed notebook without a worker: what each question left is plain Python, its networks are NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any

import numpy as np

from grader.errors import CheckFailed, StudentRaised

PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True, slots=True)
class Axes:
    """One plot, as a replay describes it."""

    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    lines: tuple[np.ndarray, ...] = ()
    bars: tuple[float, ...] = ()
    images: tuple[tuple[int, ...], ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure."""

    axes: tuple[Axes, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a network is made of."""

    modules: tuple[str, ...]
    parameters: tuple[tuple[str, tuple[int, ...]], ...]


class Handle:
    """An object that would stay in the worker."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.type_name = type(target).__name__


@dataclass
class Left:
    """What one question left; the checks' Harvest."""

    question: str
    names: dict[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    printed: str = ""

    def has(self, name: str) -> bool:
        return name in self.names

    def value(self, name: str) -> Any:
        if name not in self.names or isinstance(self.names[name], EllipsisType):
            raise CheckFailed(f"after {self.question.upper()} there is no `{name}`")
        return crossed(self.names[name])


class FakeKernel:
    """Calls into objects as the replayed kernel would."""

    def predict(self, model: Handle, images: np.ndarray, *, batch: int = 256) -> Any:
        assert images.dtype == np.float32
        return crossed(called(model.target, images))

    def describe_model(self, model: Handle) -> ModelFacts:
        state = model.target.state_dict()
        return ModelFacts((), tuple((name, value.shape) for name, value in state.items()))

    def call_with_tensors(self, target: Handle, method: str | None, *args: Any) -> Any:
        function = target.target if method is None else getattr(target.target, method)
        return crossed(called(function, *args))


class FakeNotebook:
    """A Replay made by hand: what each question left, by its id."""

    def __init__(self, left: Mapping[str, Left]) -> None:
        self.left = dict(left)
        self.student = FakeKernel()

    def after(self, question: str) -> Left:
        if question not in self.left:
            raise CheckFailed(f"the notebook has no cells for {question.upper()}")
        return self.left[question]


def called(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except Exception as error:
        kind = type(error).__name__
        raise StudentRaised(f"raised {kind}: {error}", exception_type=kind) from error


def crossed(value: Any) -> Any:
    """Return a value as it would arrive."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, list | tuple):
        return type(value)(crossed(item) for item in value)
    if isinstance(value, Mapping):
        return {key: crossed(item) for key, item in value.items()}
    return Handle(value)
