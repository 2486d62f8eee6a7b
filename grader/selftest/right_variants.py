"""The right solutions in many styles that ship as fixtures, composed as fixtures/build.py composes them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from grader.errors import GraderFault
from grader.settings import resource

_PREFIX = "right_"
# Each has names(), expectation(name) with `title` and `loses`, and write_folder(name, folder).
BUILDERS = ("fixtures/build.py", "fixtures/theory_fixtures.py")


@dataclass(frozen=True, slots=True)
class RightVariant:
    """A right solution; `write(folder)` writes it into a folder that does not exist yet."""

    name: str
    title: str
    write: Callable[[Path], None]


def right_variants() -> list[RightVariant]:
    """Return every fixture that is right and loses nothing, in alphabetical order."""
    return [variant for file in BUILDERS for variant in _variants(_loaded(file))]


def _variants(builder: ModuleType) -> Iterator[RightVariant]:
    for name in builder.names():
        expected = builder.expectation(name)
        if name.startswith(_PREFIX) and not expected.loses:
            yield RightVariant(name, expected.title, partial(builder.write_folder, name))


def _loaded(file: str) -> ModuleType:
    """Import a module that is in no package, by its path."""
    name = f"grader_{Path(file).stem}"
    spec = importlib.util.spec_from_file_location(name, resource(file))
    if spec is None or spec.loader is None:
        raise GraderFault(f"{file} cannot be read")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module
