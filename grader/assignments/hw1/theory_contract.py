"""What Problems 1-3 ask for: the functions to derive from, and how a call of theory.py is made and named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grader.checks.closeness import describe, reproduced_by, require_unchanged
from grader.checks.gradients import central_differences
from grader.checks.tolerance import Array, FloatArray
from grader.client import Call, Student, Value
from grader.errors import CheckFailed

# However a closed form is written, rounding leaves far less, and so does a small constant in a denominator.
CLOSED_FORM_RTOL = 1e-7
_LONGEST_LITERAL = 48


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a function of theory.py: its arguments by name, in order."""

    name: str
    arguments: Mapping[str, Value]

    @property
    def call(self) -> str:
        """The call alone, like `huber_gradient(w, X, y, 0.5)`; arrays go by their names."""
        shown = (
            name if isinstance(value, np.ndarray | list) else f"{value:g}"
            for name, value in self.arguments.items()
        )
        return f"{self.name}({', '.join(shown)})"

    @property
    def what(self) -> str:
        """The call with the shapes of its arrays, as it stands in a message."""
        shapes = ", ".join(_size(name, value) for name, value in self.arguments.items() if np.ndim(value))
        return f"{self.call} with {shapes}"

    @property
    def line(self) -> str:
        """Return a line of Python that makes such a call."""
        made = (f"{name} = {_made(value)}" for name, value in self.arguments.items() if np.ndim(value))
        return f"{'; '.join(made)}; print({self.call})"

    def calling(self, student: Student, *, echo: bool = False) -> Call:
        """Prepare the call for `Student.run`."""
        return student.resolve(self.name).calling(None, *self.arguments.values(), echo=echo)


def softmax(z: Array, tau: float) -> FloatArray:
    """Return the softmax of z / tau, (K,)."""
    powers = np.exp((z - z.max()) / tau)
    shares: FloatArray = powers / powers.sum()
    return shares


def half_squared_norm(A: Array, b: Array, x: Array, t: Array) -> float:
    """Return ½ ‖A x + b - t‖²."""
    return float(0.5 * ((A @ x + b - t) ** 2).sum())


def huber_objective(w: Array, X: Array, y: Array, delta: float) -> float:
    """Return the sum of the Huber losses of y - X w."""
    size = np.abs(y - X @ w)
    return float(np.where(size <= delta, 0.5 * size**2, delta * (size - 0.5 * delta)).sum())


def slope(function: Callable[[FloatArray], float], at: Array) -> FloatArray:
    """Return the gradient of a function of one array, by differences."""
    return central_differences(lambda points: [function(point) for point in points], at).values


def answers(student: Student, asked: Sequence[Asked]) -> list[Value]:
    """Return what the student's functions give for these calls, in one round trip."""
    with reproduced_by(asked[0].line):
        return student.run([each.calling(student) for each in asked])


def require_arguments_unmodified(
    student: Student, calls: Mapping[str, Asked], *, passed: Collection[str]
) -> None:
    """Judge that calls leave their arguments alone; those count whose check, the key, has passed.

    What code did to its arguments is only its own word, so it counts beside right values alone.
    """
    judged = [asked for needed, asked in calls.items() if needed in passed]
    if not judged:
        with reproduced_by(next(iter(calls.values())).line):
            raise CheckFailed("not judged, because no value that comes back is right yet")
    for asked in judged:
        with reproduced_by(asked.line):
            echo = student.run([asked.calling(student, echo=True)])[0]
            for (name, before), after in zip(asked.arguments.items(), echo.args_after, strict=True):
                _require_unmodified(after, before, what=f"the {name} given to {asked.name}")


def _require_unmodified(after: Value, before: Value, *, what: str) -> None:
    if isinstance(before, np.ndarray):
        require_unchanged(after, before, what=what)
    elif isinstance(before, list):
        if not isinstance(after, list) or len(after) != len(before):
            raise CheckFailed(f"{what} was changed: it is now {describe(after)}")
        for index, (new, old) in enumerate(zip(after, before, strict=True)):
            require_unchanged(new, old, what=f"entry {index} of {what}")


def _size(name: str, value: Value) -> str:
    return f"{name} of length {len(value)}" if isinstance(value, list) else f"{name} of shape {value.shape}"


def _made(value: Value) -> str:
    if isinstance(value, list):
        return f"[{_made(value[0])} for _ in range({len(value)})]" if value else "[]"
    literal = f"np.array({value.tolist()})"
    if len(literal) <= _LONGEST_LITERAL:
        return literal
    return f"np.random.randn({', '.join(map(str, value.shape))})"
