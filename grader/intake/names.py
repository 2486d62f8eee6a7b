"""Rules for paths: what is refused, what is ignored, and which paths cannot stand side by side.

The rules are the same on every system, so that no path means one file here and another one elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from grader.errors import SubmissionRejected
from grader.intake.limits import IntakeLimits
from grader.intake.quoting import safe_text

PACKAGE_NAME = "mytorch"

# Google Drive and the macOS Finder put this into folders; its carriage return is no attack.
FOLDER_ICON = "Icon\r"

IGNORED_NAMES = frozenset(
    name.casefold()
    for name in (
        "__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", FOLDER_ICON,
        ".git", ".hg", ".svn", ".idea", ".vscode",
        "__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache",
        ".venv", "venv", "site-packages", "node_modules",
        "test_visible_checks.py",  # of the template: it shows checks, and nothing of it is graded
    )
)  # fmt: skip
# The other half of a file, where macOS keeps what zip cannot; the link by which Emacs says that it edits one.
IGNORED_PREFIXES = ("._", ".#")

# Control, format (bidirectional, zero-width), surrogate, private, unassigned, line and paragraph separator.
DECEPTIVE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and symbols that leave no mark on paper: fillers of Hangul, an empty Braille cell, a joiner.
BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

# Also of an ignored path: the time that normalising takes grows with the square of a part's length,
# and no file system has longer ones.
LONGEST_NAME, LONGEST_PART = 1024, 255

DRIVE = re.compile(r"[A-Za-z]:")
RESERVED_ON_WINDOWS = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
ADVICE = "rename it and zip the folder again"


def split_name(name: str) -> tuple[str, ...]:
    """Split an untrusted path at "/"; refuse one that could leave its folder or deceive its reader."""
    if len(name) > LONGEST_NAME:
        raise _refused(name, f"is longer than {LONGEST_NAME} characters; shorten it")
    raw_parts = name.split("/")
    if any(len(part) > LONGEST_PART for part in raw_parts):
        raise _refused(name, f"has a part that is longer than {LONGEST_PART} characters; shorten it")
    parts = tuple(unicodedata.normalize("NFC", part) for part in raw_parts)
    if any(part in ("", ".", "..") for part in parts) or DRIVE.match(name):
        raise _refused(name, "leaves its folder or has an empty part; zip the homework folder itself")
    if "\\" in name:
        raise _refused(
            name, "has a backslash, as older PowerShell writes it; zip the folder in the file explorer"
        )
    if any(_is_deceptive(part) for part in parts):
        raise _refused(name, f"has a character that cannot be seen; {ADVICE}")
    return parts


def is_ignored(parts: Iterable[str]) -> bool:
    """Tell whether a path belongs to an editor, a cache or a system, at any depth."""
    return any(part.casefold() in IGNORED_NAMES or part.startswith(IGNORED_PREFIXES) for part in parts)


def check_portable(parts: tuple[str, ...], *, limits: IntakeLimits) -> None:
    """Refuse a path that some system could not hold, or would read as another one."""
    name = "/".join(parts)
    if len(name.encode()) > limits.name_bytes or len(parts) > limits.depth:
        raise _refused(
            name, f"is longer than {limits.name_bytes} bytes or deeper than {limits.depth} parts; shorten it"
        )
    if any(part[-1] in ". " for part in parts):
        raise _refused(name, f"has a part that ends in a dot or a space; {ADVICE}")
    if any(":" in part or RESERVED_ON_WINDOWS.fullmatch(part) for part in parts):
        raise _refused(name, f"cannot exist on Windows; {ADVICE}")


def check_side_by_side(paths: Iterable[tuple[tuple[str, ...], bool]]) -> None:
    """Refuse two paths that are one to some system; each comes with whether it is a folder."""
    kinds: dict[str, bool] = {}  # every path and every folder above one, and whether it is a folder
    listed: set[str] = set()
    for parts, is_folder in paths:
        name = "/".join(parts)
        if name in listed:
            raise _refused(name, "is there twice; zip the folder again")
        listed.add(name)
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        for path, kind in [*((folder, True) for folder in above), (name, is_folder)]:
            if kinds.setdefault(path, kind) != kind:
                raise _refused(path, f"is there both as a file and as a folder; {ADVICE}")
    _check_folded(kinds)


def _check_folded(names: Iterable[str]) -> None:
    spelled: dict[str, str] = {}
    for name in names:
        earlier = spelled.setdefault(folded(name), name)
        if earlier != name:
            raise SubmissionRejected(
                f"{quoted(earlier)} and {quoted(name)} are one name on some systems; rename one and zip again"
            )


def folded(text: str) -> str:
    """Return what a system that ignores case and Unicode forms compares."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def quoted(path: PurePosixPath | str) -> str:
    """Quote a path of the submission for a message."""
    return f"'{safe_text(str(path))}'"


def _is_deceptive(part: str) -> bool:
    if part == FOLDER_ICON:
        return False
    # A mark that combines with nothing sits on the slash before it.
    return unicodedata.category(part[0]).startswith("M") or any(
        character in BLANKS or unicodedata.category(character) in DECEPTIVE_CATEGORIES for character in part
    )


def _refused(name: str, reason: str) -> SubmissionRejected:
    return SubmissionRejected(f"the path {quoted(name)} {reason}")
