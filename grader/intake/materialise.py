"""Files in memory become a read-only copy on disk, and go away again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from grader.errors import MachineFault
from grader.scratch import remove_tree

CREATE = (
    os.O_WRONLY
    + os.O_CREAT
    + os.O_EXCL
    + sum(getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"))
)
PREFIX = "grader-submission-"
FILE_MODE, FOLDER_MODE, PRIVATE_MODE = 0o444, 0o555, 0o700


def digest(files: Mapping[PurePosixPath, bytes]) -> str:
    """Hash the files that are graded: SHA-256 over their paths and contents, sorted by path.

    The paths are those after re-rooting, and each path and content comes after its length (8 bytes,
    big-endian). So a zip, its folder and the same work in another wrapping folder hash alike.
    """
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: str(path).encode()):
        for field in (str(path).encode(), files[path]):
            total.update(len(field).to_bytes(8, "big"))
            total.update(field)
    return total.hexdigest()


@contextmanager
def materialised(files: Mapping[PurePosixPath, bytes]) -> Iterator[Path]:
    """Write the files below a new private folder (0700) and remove it at the end, whatever happened.

    What cannot be removed stays, for the verdict matters more.
    """
    try:
        root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    except OSError as error:
        raise _no_copy(error) from error
    try:
        _write_all(root, files)
        yield root
    finally:
        remove_tree(root)


def _write_all(root: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    folders = {folder for path in files for folder in path.parents} - {PurePosixPath()}
    try:
        for folder in sorted(folders):
            (root / folder).mkdir(mode=PRIVATE_MODE)
        for path, content in files.items():
            _write(root / path, content)
        for folder in folders:
            (root / folder).chmod(FOLDER_MODE)
    except OSError as error:
        raise _no_copy(error) from error


def _write(target: Path, content: bytes) -> None:
    with open(os.open(target, CREATE, FILE_MODE), "wb") as stream:  # noqa: PTH123
        stream.write(content)
    target.chmod(FILE_MODE)


def _no_copy(error: OSError) -> MachineFault:
    place = f" to {error.filename}" if error.filename else ""
    return MachineFault(f"the submission cannot be copied{place}: {error.strerror or error}")
