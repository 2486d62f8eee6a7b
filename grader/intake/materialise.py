"""Files in memory become a read-only copy on disk, and go away again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from grader.errors import GraderFault

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
    """Write the files below a new private folder (0700) and remove it at the end, whatever happened."""
    root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        _write_all(root, files)
        yield root
    finally:
        remove(root)


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
        raise GraderFault(f"the submission cannot be copied to {root}: {error.strerror}") from error


def _write(target: Path, content: bytes) -> None:
    with open(os.open(target, CREATE, FILE_MODE), "wb") as stream:  # noqa: PTH123
        stream.write(content)
    target.chmod(FILE_MODE)


def remove(root: Path) -> None:
    """Remove a read-only copy; what cannot be removed stays, for the verdict matters more.

    Only folders are made writable, and never through a link: at isolation level 1 a submission can put
    links to the grader's own files here.
    """
    with suppress(OSError):
        for folder, subfolders, files in os.walk(root):
            # Windows does not remove a read-only file; elsewhere only its folder matters.
            for path in (Path(folder, name) for name in [*subfolders, *(files if os.name == "nt" else ())]):
                if not path.is_symlink():
                    path.chmod(PRIVATE_MODE)
    shutil.rmtree(root, ignore_errors=True)
