"""Find a name of the homework in the submission, however much of the rest does not import.

First the package is imported as it is. If that fails (a syntax error in `loss.py` breaks `nn/__init__.py`),
each name is imported from its own file, below packages whose `__init__` is left out, so that a broken file
costs its own names and no others.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class UnresolvedName(Exception):
    """A name of the homework is not to be had; `__cause__` is the student's exception, if there was one."""


class SubmissionModules:
    """The importable part of one submission.

    `places` maps each name to the modules that may define it, the public one first
    ("Linear" -> "mytorch.nn", "mytorch.nn.modules.linear"). `by_file` leaves every `__init__` out.
    """

    def __init__(self, root: str, places: Mapping[str, Sequence[str]], *, by_file: bool) -> None:
        self._root = Path(root)
        self._places = places
        self._by_file: set[str] = set()
        self._forced = by_file
        sys.path.append(root)  # last, so that no file of the submission can stand in for a library

    def resolve(self, name: str) -> Any:
        """Return the object a name stands for; raise UnresolvedName, or what the student's code raised."""
        if name not in self._places:
            raise UnresolvedName(f"{name} is no name of this homework")
        package = self._places[name][0].partition(".")[0]
        if self._forced:
            self._leave_out_inits(package)
        if package in self._by_file:
            return self._resolve_by_file(name)
        try:
            return self._resolve_whole(name)
        except Exception as error:  # any exception of an import means: try file by file
            if not (self._root / package).is_dir():
                self._require_file(name)
                raise
            self._leave_out_inits(package)
            return self._resolve_by_file(name, first_error=error)

    def _resolve_whole(self, name: str) -> Any:
        for place in self._places[name]:
            module = importlib.import_module(place)
            if hasattr(module, name):
                return getattr(module, name)
        raise UnresolvedName(_undefined(name, self._places[name]))

    def _resolve_by_file(self, name: str, first_error: Exception | None = None) -> Any:
        """Look in the name's own file first; the packages above it run no code."""
        missing = []
        for place in reversed(self._places[name]):
            source = self._source_of(place)
            if source is None:
                missing.append(place)
                continue
            module = importlib.import_module(place)
            if name in vars(module):
                return vars(module)[name]
        own_file = self._places[name][-1]
        if own_file in missing:
            raise UnresolvedName(_not_there(own_file)) from first_error
        if isinstance(first_error, UnresolvedName):
            raise first_error
        raise UnresolvedName(_undefined(name, self._places[name])) from first_error

    def _require_file(self, name: str) -> None:
        """Say it plainly where a name's own file was not handed in."""
        own_file = self._places[name][-1]
        if self._source_of(own_file) is None:
            raise UnresolvedName(_not_there(own_file)) from None

    def _source_of(self, place: str) -> Path | None:
        """Return the file of a plain module; a package has none here, its `__init__` is left out."""
        path = self._root.joinpath(*place.split(".")).with_suffix(".py")
        return path if path.is_file() else None

    def _leave_out_inits(self, package: str) -> None:
        if package in self._by_file:
            return
        self._by_file.add(package)
        for module in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[module]
        folders = [self._root / package, *sorted((self._root / package).rglob("*"))]
        for folder in folders:
            if folder.is_dir():
                dotted = ".".join(folder.relative_to(self._root).parts)
                sys.modules[dotted] = self._bare_package(dotted, folder)

    def _bare_package(self, dotted: str, folder: Path) -> types.ModuleType:
        """Make a package that runs no code and looks a name up only when it is asked for."""
        module = types.ModuleType(dotted)
        module.__path__ = [str(folder)]
        module.__package__ = dotted

        def look_up(name: str) -> Any:
            if name in self._places:
                return self._resolve_by_file(name)
            child = f"{dotted}.{name}"
            if (folder / name).is_dir() or (folder / f"{name}.py").is_file():
                return importlib.import_module(child)
            raise AttributeError(f"{dotted} has no {name}")

        module.__dict__["__getattr__"] = look_up
        return module


def _not_there(place: str) -> str:
    return f"{place.replace('.', '/')}.py is not in the submission"


def _undefined(name: str, places: Sequence[str]) -> str:
    where = " and ".join(place.replace(".", "/") for place in places)
    return f"{name} is not defined in {where}"
