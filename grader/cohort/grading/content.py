"""Which bytes were handed in: what tells an unchanged submission without opening it."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import Path

from grader.errors import SubmissionRejected
from grader.intake.folder import read_folder
from grader.intake.limits import DEFAULT_LIMITS
from grader.intake.materialise import digest

_PIECE_BYTES = 1 << 20


def content_digest(path: Path) -> str | None:
    """Return a digest of a zip's bytes, or of a folder's files that may be graded.

    None where nothing can be read, or more than may be handed in: whoever grades it will say what is wrong.
    """
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return f"folder {digest(read_folder(path).files)}"
        return _digest_of_file(path)
    except (OSError, ValueError, SubmissionRejected):
        return None


def _digest_of_file(path: Path) -> str | None:
    total, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            size += len(piece)
            if size > DEFAULT_LIMITS.archive_bytes:
                return None
            total.update(piece)
    return f"file {total.hexdigest()}"


def packed(path: Path) -> bytes:
    """Return a submission as the bytes of one zip: the zip itself, or a folder's files that may be graded.

    Raise SubmissionRejected or OSError where it cannot be read.
    """
    if not stat.S_ISDIR(path.stat().st_mode):
        with path.open("rb") as file:
            return file.read(DEFAULT_LIMITS.archive_bytes + 1)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(read_folder(path).files.items()):
            archive.writestr(str(name), content)
    return buffer.getvalue()
