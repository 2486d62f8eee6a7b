"""Files as one zip or as one folder, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError
from grader.reports import write_atomically

# Nothing in a bundle says when or where it was made.
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_FILE = 3, 0o100000
_READ_BY_ALL, _RUN_BY_ALL = 0o644, 0o755


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file of a bundle."""

    content: bytes
    is_executable: bool = False

    @property
    def mode(self) -> int:
        """The file's permissions."""
        return _RUN_BY_ALL if self.is_executable else _READ_BY_ALL


def zipped(files: Mapping[str, BundledFile]) -> bytes:
    """Return a zip of files by their paths in it, sorted, with fixed dates and permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, file in sorted(files.items()):
            row = zipfile.ZipInfo(path, _DATE)
            row.create_system = _UNIX
            row.external_attr = (_REGULAR_FILE | file.mode) << 16
            row.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(row, file.content)
    return buffer.getvalue()


def write_bundle(out: Path, files: Mapping[str, BundledFile], *, folder: str) -> None:
    """Write files to a new zip, in `folder` there, or to a new folder; raise UsageError where that fails."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".zip":
            write_atomically(out, zipped({folder + path: file for path, file in files.items()}))
        else:
            _write_folder(out, files)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another --out") from error


def _write_folder(out: Path, files: Mapping[str, BundledFile]) -> None:
    out.mkdir()
    for path, file in sorted(files.items()):
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
