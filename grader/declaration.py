"""What `@check` says about a test: it becomes a check of the homework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from grader.model import Visibility

_ATTRIBUTE = "_grader_check"
_Test = TypeVar("_Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@check` says; the title is the first line of the docstring."""

    id: str
    needs: tuple[str, ...]
    visibility: Visibility | None
    handout: str
    false_alarm: float

    @property
    def place(self) -> str:
        """Where to read again in the homework's text: the question's own section, and `handout`."""
        own = self.id.rpartition(".")[0].upper()
        return f"{own}; {self.handout}" if self.handout else own


def check(
    check_id: str,
    *,
    needs: tuple[str, ...] = (),
    visibility: Visibility | None = None,
    handout: str = "",
    false_alarm: float = 0.0,
) -> Callable[[_Test], _Test]:
    """Make a function the check `check_id`; its points are in the rubric.

    The check is skipped when one that it `needs` (of the same question) did not pass. Without
    `visibility` it is visible in visible/ and hidden in hidden/. `grader.suites` reads all of this
    from the source, so write literals. `handout` names a section of the homework's text to read
    again, where that is not the question's own. `false_alarm` is the chance that right code fails by
    bad luck; it is 0 where whatever is drawn leaves right code room by construction.
    """

    def declare(function: _Test) -> _Test:
        setattr(function, _ATTRIBUTE, Declaration(check_id, needs, visibility, handout, false_alarm))
        return function

    return declare


def declaration_of(item: pytest.Item) -> Declaration | None:
    """Return what `@check` said about a test, or None where there is no `@check`."""
    return declared_by(getattr(item, "function", None))


def declared_by(function: object) -> Declaration | None:
    """Return what `@check` said about a function, or None where there is no `@check`."""
    declaration: Declaration | None = getattr(function, _ATTRIBUTE, None)
    return declaration


def place_of(item: pytest.Item) -> str:
    """Return where to read again in the homework's text; nowhere for a test without `@check`."""
    declaration = declaration_of(item)
    return "" if declaration is None else declaration.place
