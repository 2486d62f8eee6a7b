"""A folder on disk becomes files in memory; no link is followed and nothing but regular files is read.

Every file is opened from the top, one part at a time and never through a link, so that a folder swapped
for a link after it was listed leads nowhere. Windows has no such call and opens by path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from grader.errors import SubmissionRejected
from grader.intake.contents import Contents, Found, check_names, check_sizes
from grader.intake.limits import DEFAULT_LIMITS, IntakeLimits
from grader.intake.names import is_ignored, quoted, split_name

CAN_OPEN_BENEATH = os.open in os.supports_dir_fd and os.scandir in os.supports_fd
# O_NONBLOCK: opening a fifo that nobody writes to must not wait.
FLAGS = os.O_RDONLY + sum(
    getattr(os, flag, 0) for flag in ("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_BINARY")
)
JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT, the link between folders that Windows has

Names = tuple[str, ...]  # from the top to a file, spelled as on disk


def read_folder(folder: Path, *, limits: IntakeLimits = DEFAULT_LIMITS) -> Contents:
    """Read a folder; files of ignored paths and unknown kinds are listed at most, never opened."""
    top = folder.resolve()
    listed = list(islice(_walk(top, (), limits), limits.entries + 1))
    if len(listed) > limits.entries:
        raise _too_many(limits)
    check_names([found for _, found in listed], limits=limits)
    kept = [(names, found) for names, found in listed if found.is_kept]
    check_sizes((found for _, found in kept), limits=limits)
    files = {found.path: _read_file(top, names, found) for names, found in kept}
    return Contents(files, [found.path for _, found in listed if not found.is_kept and not found.is_folder])


def _walk(top: Path, above: Names, limits: IntakeLimits) -> Iterator[tuple[Names, Found]]:
    """List everything that is not ignored, no deeper than a path may be."""
    for name, info in _listing(top, above, limits):
        names = (*above, name)
        parts = split_name("/".join(names))
        if is_ignored(parts):
            continue
        _check_kind(parts, info)
        is_folder = stat.S_ISDIR(info.st_mode)
        yield names, Found(parts, is_folder=is_folder, size_bytes=0 if is_folder else info.st_size)
        if is_folder and len(parts) <= limits.depth:
            yield from _walk(top, names, limits)


def _listing(top: Path, names: Names, limits: IntakeLimits) -> list[tuple[str, os.stat_result]]:
    with ExitStack() as stack:
        folder = stack.enter_context(_opened(top, names)) if CAN_OPEN_BENEATH else top.joinpath(*names)
        scan = stack.enter_context(os.scandir(folder))
        entries = list(islice(scan, limits.entries + 1))
        if len(entries) > limits.entries:
            raise _too_many(limits)
        rows = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    return sorted(rows, key=lambda row: row[0])


def _check_kind(parts: Names, info: os.stat_result) -> None:
    name = quoted("/".join(parts))
    if stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) == JUNCTION:
        raise SubmissionRejected(f"{name} is a link; put the real file or folder in its place, or remove it")
    if not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
        raise SubmissionRejected(f"{name} is neither a file nor a folder; remove it")


def _read_file(top: Path, names: Names, found: Found) -> bytes:
    """Read a file that must still be a file, and as long as it was when it was listed."""
    with _opened(top, names) as descriptor:
        content = read_regular(descriptor, limit_bytes=found.size_bytes)
    if content is None or len(content) != found.size_bytes:
        raise SubmissionRejected(f"{quoted(found.path)} changed while it was read; save it and try again")
    return content


def read_regular(descriptor: int, *, limit_bytes: int) -> bytes | None:
    """Read at most one byte more than the limit; return None where it is no regular file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    with open(descriptor, "rb", closefd=False) as stream:
        return stream.read(limit_bytes + 1)


@contextmanager
def _opened(top: Path, names: Names) -> Iterator[int]:
    try:
        descriptor = _open_beneath(top, names)
    except OSError as error:
        where = quoted("/".join(names) or top.name)
        raise SubmissionRejected(f"{where} cannot be read: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_beneath(top: Path, names: Names) -> int:
    if not CAN_OPEN_BENEATH:
        return os.open(top.joinpath(*names), FLAGS)
    descriptor = os.open(top, FLAGS)
    for name in names:
        try:
            inner = os.open(name, FLAGS, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _too_many(limits: IntakeLimits) -> SubmissionRejected:
    return SubmissionRejected(
        f"the folder holds more than {limits.entries:,} files; name the homework folder, without data sets"
    )
