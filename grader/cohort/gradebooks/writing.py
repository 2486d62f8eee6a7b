"""Files that appear whole or not at all, also large ones, with one sentence where that fails."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grader.errors import MachineFault, UsageError
from grader.reports import write_atomically
from grader.scratch import new_locked_file

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_file(path: Path, data: bytes) -> None:
    """Replace a file in one step; raise UsageError where that fails, MachineFault where the disk is full."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


@contextlib.contextmanager
def large_file(path: Path) -> Iterator[IO[bytes]]:
    """Lend a stream; what was written to it replaces the file in one step, unless something was raised."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = new_locked_file(
            lambda: path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp"), mode=0o666
        )
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 -- it is open already
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise MachineFault(f"{path} cannot be written: {reason}; nothing was changed") from error
        raise UsageError(f"{path} cannot be written: {reason}; name another file") from error
