"""Rows of a zip that are the same each time: nothing in them says when or where they were made."""

from __future__ import annotations

import zipfile

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_FILE = 3, 0o100000
READ_BY_ALL, RUN_BY_ALL = 0o644, 0o755


def stable_row(path: str, mode: int = READ_BY_ALL) -> zipfile.ZipInfo:
    """Return the row of a compressed file, by its path in the zip."""
    row = zipfile.ZipInfo(path, _DATE)
    row.create_system = _UNIX
    row.external_attr = (_REGULAR_FILE | mode) << 16
    row.compress_type = zipfile.ZIP_DEFLATED
    return row
