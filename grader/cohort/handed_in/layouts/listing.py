"""What lies in a folder, by one look at its names: nothing is opened and no link is followed."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

Kind = Literal["folder", "file", "link", "other"]

# What systems and tools leave beside the work of people. Narrower than what intake leaves out of a
# submission: here a student may be called venv.
SYSTEM_NAMES = frozenset(
    name.casefold()
    for name in (
        "__MACOSX", ".DS_Store", ".AppleDouble", ".localized", "Icon\r",
        ".Spotlight-V100", ".Trashes", ".fseventsd", ".TemporaryItems",
        "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information",
        ".directory", ".git", ".gitignore", ".gitattributes", ".gitkeep",
    )
)  # fmt: skip
_SYSTEM_PREFIXES = ("._", ".#", ".~lock.", "~$")
# A folder of one student; whoever hands in more is refused by intake, which counts all of it.
_MOST_OF_ONE_STUDENT = 10_000


@dataclass(frozen=True, slots=True)
class Thing:
    """One name in a folder. `path` was not resolved."""

    name: str
    path: Path
    kind: Kind

    @property
    def stem(self) -> str:
        """The name without the suffix that says what kind of file it is; all of a folder's name."""
        return self.name.removesuffix(self.suffix) if self.suffix else self.name

    @property
    def suffix(self) -> str:
        """The suffix as it is spelled, `.tar.gz` being one; a folder has none."""
        if self.kind == "folder":
            return ""
        last = Path(self.name).suffix
        inner = Path(self.name.removesuffix(last)).suffix if last else ""
        return inner + last if inner.lower() == ".tar" else last


def is_system_name(name: str) -> bool:
    """Tell whether a system or a tool made this, and nobody handed it in."""
    return name.casefold() in SYSTEM_NAMES or name.startswith(_SYSTEM_PREFIXES)


def things_in(folder: Path, *, without: Collection[Path] = (), most: int | None = None) -> tuple[Thing, ...]:
    """List a folder in the order of the names, without what systems leave there; raise OSError."""
    left_out = {os.path.normcase(os.path.abspath(path)) for path in without}  # noqa: PTH100 -- follows no link
    with os.scandir(folder) as scan:
        things = [Thing(each.name, Path(each.path), _kind(each)) for each in islice(scan, most)]
    kept = (each for each in things if not is_system_name(each.name))
    if left_out:
        kept = (each for each in kept if os.path.normcase(os.path.abspath(each.path)) not in left_out)  # noqa: PTH100
    return tuple(sorted(kept, key=lambda each: each.name))


def handed_in(folder: Path) -> tuple[Thing, ...]:
    """List the folder of one student; raise OSError."""
    return things_in(folder, most=_MOST_OF_ONE_STUDENT)


def _kind(entry: os.DirEntry[str]) -> Kind:
    # A junction is the link between folders that Windows has; Python tells of it from 3.12 on.
    if entry.is_symlink() or getattr(entry, "is_junction", bool)():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
