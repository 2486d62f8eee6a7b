"""The right solutions in many styles that ship as fixtures, composed as fixtures/build.py composes them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from grader.errors import GraderFault
from grader.settings import resource

_PREFIX = "right_"
_BUILDER = "grader_fixture_builder"


@dataclass(frozen=True, slots=True)
class RightVariant:
    """A right solution; `write(folder)` writes it into a folder that does not exist yet."""

    name: str
    title: str
    write: Callable[[Path], None]


def right_variants() -> list[RightVariant]:
    """Return every fixture that is right and loses nothing, in alphabetical order."""
    builder = _builder()
    found = {name: builder.expectation(name) for name in builder.names() if name.startswith(_PREFIX)}
    return [
        RightVariant(name, expected.title, lambda folder, name=name: builder.write_folder(name, folder))  # type: ignore[misc]
        for name, expected in found.items()
        if not expected.loses
    ]


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location(_BUILDER, resource("fixtures/build.py"))
    if spec is None or spec.loader is None:
        raise GraderFault("fixtures/build.py cannot be read")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_BUILDER] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module
