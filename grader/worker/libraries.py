"""Import the libraries of a worker's view, and nothing that is installed beside them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib import machinery
from typing import Any


class LibraryFinder:
    """Finds a view's modules by name, without listing the folder: under the locks that is not allowed.

    `entries` are the paths of the files and folders that are importable, or describe what is.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._modules = {os.path.basename(entry).partition(".")[0]: entry for entry in entries}  # noqa: PTH119
        self._descriptions = [entry for entry in entries if entry.endswith(".dist-info")]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: Any = None
    ) -> machinery.ModuleSpec | None:
        """Find a top-level module of the view; what is inside a package is found through the package."""
        if path is not None or name not in self._modules:
            return None
        entry = self._modules[name]
        start = f"{entry}/__init__.py"
        if os.path.isfile(start):  # noqa: PTH113
            return importlib.util.spec_from_file_location(name, start, submodule_search_locations=[entry])
        if os.path.isdir(entry):  # noqa: PTH112 -- a namespace: a folder that only holds packages
            spec = machinery.ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [entry]
            return spec
        return importlib.util.spec_from_file_location(name, entry)

    def find_distributions(self, context: Any) -> Iterator[Any]:
        """Find the metadata of the view's libraries, which some of them ask for their version."""
        metadata: Any = importlib.import_module("importlib.metadata")
        wanted = context.name and metadata.Prepared(context.name).normalized
        for folder in self._descriptions:
            name = os.path.basename(folder).partition("-")[0]  # noqa: PTH119
            if wanted in (None, metadata.Prepared(name).normalized):
                yield metadata.PathDistribution(importlib.import_module("pathlib").Path(folder))

    def invalidate_caches(self) -> None:
        """Do nothing: a view does not change while a worker runs."""


def load(names: Sequence[str]) -> None:
    """Import modules, with the collector at rest: it would find nothing, and take a quarter of the time.

    What cannot be imported is passed over: whoever needs it fails there, and says so.
    """
    gc.disable()
    try:
        for name in names:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    finally:
        gc.enable()


def use_libraries(entries: Sequence[str], temporary_folder: str | None) -> None:
    """Make the libraries of a view importable, before all that a folder of the submission may hold.

    Some libraries ask where temporary files go as soon as they are imported, and fail where there is no such
    place; `temporary_folder` is the answer, which need not exist.
    """
    if temporary_folder is not None:
        tempfile: Any = importlib.import_module("tempfile")
        tempfile.tempdir = temporary_folder
    position = next(
        (index for index, finder in enumerate(sys.meta_path) if finder is machinery.PathFinder),
        len(sys.meta_path),
    )
    sys.meta_path.insert(position, LibraryFinder(entries))
