"""Which libraries a worker can see: NumPy alone for `mytorch`, those of the experiments for the notebook.

A library that would do the homework is kept out by not being there: the worker's finder knows only the names
of its view, and the file rules grant only their files. Nobody looks at `sys.modules`: a student can edit it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from grader.errors import SandboxUnavailable, UsageError
from grader.sandbox.policy import policy_table

# A requirement's name stands first; those of extras are not wanted.
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)")
_EXTRA = re.compile(r"\bextra\s*==")


@dataclass(frozen=True, slots=True)
class View:
    """One set of libraries: their files and folders, and how their memory is limited."""

    name: str
    entries: tuple[str, ...]
    environment: Mapping[str, str]
    temporary_folder: str | None
    data_bytes: int | None
    address_space_bytes: int | None
    preload: tuple[str, ...] = ()  # modules that can be imported once for many workers
    machine: tuple[str, ...] = ()  # files of the system that say what machine this is

    def importable(self) -> list[str]:
        """Return the entries that the worker's finder must know."""
        return [entry for entry in self.entries if _is_importable(Path(entry))]

    def memory_limits(self, memory_bytes: int) -> dict[str, int]:
        """Return the resource limits that hold this view to `memory_bytes`, by name."""
        if self.data_bytes is None:
            return {"AS": memory_bytes}
        return {"DATA": self.data_bytes, "AS": self.address_space_bytes or self.data_bytes}

    @property
    def most_resident_bytes(self) -> int | None:
        """What a worker may be seen to hold: its data, and its libraries' files; None where AS limits all."""
        return None if self.data_bytes is None else self.data_bytes + LIBRARIES_BYTES


LIBRARIES_BYTES = 1 << 30  # torch and all that it loads have 0.5 GB of files in memory


@cache
def read_view(name: str) -> View:
    """Find a view's libraries on this machine; raise SandboxUnavailable where one is not installed."""
    views = policy_table()["views"]
    if name not in views:
        raise UsageError(f"no view is called {name!r}; known: {', '.join(views)}")
    found = {entry for each in _closure(views[name]["distributions"]) for entry in _entries(each)}
    return View(
        name=name,
        entries=tuple(sorted(map(str, found))),
        environment=views[name].get("environment", {}),
        temporary_folder=views[name].get("temporary_folder"),
        data_bytes=views[name].get("data_bytes"),
        address_space_bytes=views[name].get("address_space_bytes"),
        preload=tuple(views[name].get("preload", ())),
        machine=tuple(views[name].get("machine", ())),
    )


def _closure(names: list[str]) -> Iterator[metadata.Distribution]:
    """Yield the distributions and all that they require here."""
    waiting, seen = [(name, True) for name in names], set()
    while waiting:
        name, is_asked_for = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            if is_asked_for:
                raise SandboxUnavailable(f"the library {name} is not installed") from error
            continue  # required on other systems only
        waiting += [(required, False) for required in _requirements(found)]
        yield found


def _requirements(distribution: metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        name = _REQUIREMENT.match(requirement)
        if name and not _EXTRA.search(requirement):
            yield name[1]


def _entries(distribution: metadata.Distribution) -> set[Path]:
    """Return a distribution's files and folders at the top of where it is installed."""
    base = Path(str(distribution.locate_file(""))).resolve()
    # The record is read as text: made into paths, the 15,000 lines of torch take a second.
    record = distribution.read_text("RECORD") or distribution.read_text("top_level.txt") or ""
    tops = {line.partition(",")[0].strip('"').partition("/")[0] for line in record.splitlines()}
    tops -= {"", "..", "__pycache__"}
    return {base / top for top in tops if not top.endswith(".pth") and (base / top).exists()}


def _is_importable(entry: Path) -> bool:
    if entry.is_dir():
        return entry.name.isidentifier() or entry.suffix == ".dist-info"
    return entry.suffix in (".py", ".so", ".pyd")
