"""What a folder holds, to compare before and after."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def everything_in(folder: Path) -> dict[str, tuple[int, str]]:
    """Return mode and content of everything below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = ""
        if path.is_symlink():
            content = os.readlink(path)  # noqa: PTH115
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, content)
    return found
