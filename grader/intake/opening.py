"""The stages of intake in order: bytes -> files in memory -> layout -> a read-only copy on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.errors import SubmissionRejected
from grader.intake.archive import read_archive
from grader.intake.contents import Contents, megabytes
from grader.intake.folder import FLAGS, read_folder, read_regular
from grader.intake.layout import arrange
from grader.intake.limits import DEFAULT_LIMITS, IntakeLimits
from grader.intake.materialise import digest, materialised
from grader.intake.names import PACKAGE_NAME
from grader.intake.quoting import safe_name, safe_text
from grader.model import Submission


@contextmanager
def open_submission(
    path: Path,
    *,
    require: frozenset[str] = frozenset({"mytorch"}),
    limits: IntakeLimits = DEFAULT_LIMITS,
) -> Iterator[Submission]:
    """Vet a zip or a folder, and lend a read-only copy of what is graded until the block ends.

    `require` names the parts that must be there: "mytorch", "notebook", "theory"; the others may be None.
    `sha256` is `grader.intake.materialise.digest` of the files in the copy: a zip and its unpacked folder
    hash alike. Everything is checked in memory, from bytes that are read once, before the copy is written.
    Raises SubmissionRejected with one sentence for the person who made the submission.
    """
    layout = arrange(_read(path, limits), require)
    with materialised(layout.files) as root:
        yield Submission(
            name=_name_of(path),
            root=root,
            sha256=digest(layout.files),
            files={path: len(layout.files[path]) for path in sorted(layout.files)},
            package=layout.package,
            notebook=layout.notebook,
            theory=layout.theory,
            left_out=layout.left_out,
        )


def _read(path: Path, limits: IntakeLimits) -> Contents:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            contents = read_folder(path, limits=limits)
            # The package itself may be named, without the folder around it.
            return contents.beneath(PACKAGE_NAME) if path.resolve().name == PACKAGE_NAME else contents
        data = _read_once(path, limits) if stat.S_ISREG(mode) else None
    except FileNotFoundError as error:
        raise SubmissionRejected(f"there is no file or folder {_shown(path)}; check the path") from error
    except OSError as error:
        raise SubmissionRejected(f"{_shown(path)} cannot be read: {error.strerror or 'error'}") from error
    except ValueError as error:  # a path with a NUL in it
        raise SubmissionRejected(f"{_shown(path)} is no path; check its spelling") from error
    if data is None:
        raise SubmissionRejected(f"{_shown(path)} is neither a zip file nor a folder")
    return read_archive(data, limits=limits)


def _read_once(path: Path, limits: IntakeLimits) -> bytes | None:
    """Read a whole file, once: what is hashed and graded is what was checked."""
    descriptor = os.open(path.resolve(), FLAGS)
    try:
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes > limits.archive_bytes:
            raise SubmissionRejected(
                f"the file is larger than {megabytes(limits.archive_bytes)}; leave data and large outputs out"
            )
        return read_regular(descriptor, limit_bytes=size_bytes)
    finally:
        os.close(descriptor)


def _name_of(path: Path) -> str:
    name = path.resolve().name
    return safe_name(name[:-4] if name.lower().endswith(".zip") else name)


def _shown(path: Path) -> str:
    return f"'{safe_text(str(path), limit=120)}'"
