"""Files as one zip or as one folder, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError
from grader.reports import write_atomically
from grader.stable_zip import READ_BY_ALL, RUN_BY_ALL, stable_row


@dataclass(frozen=True, slots=True)
class BundledFile:
    """A file of a bundle."""

    content: bytes
    is_executable: bool = False

    @property
    def mode(self) -> int:
        """The file's permissions."""
        return RUN_BY_ALL if self.is_executable else READ_BY_ALL


def zipped(files: Mapping[str, BundledFile]) -> bytes:
    """Return a zip of files by their paths in it, sorted, with fixed dates and permissions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, file in sorted(files.items()):
            archive.writestr(stable_row(path, file.mode), file.content)
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
