"""What a `bloodmnist.npz` must hold, checked from the headers of its arrays alone."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from grader.errors import DataUnavailable

SPLIT_SIZES = (("train", 11_959), ("val", 1_712), ("test", 3_421))


def check_layout(data: bytes, *, path: Path) -> None:
    """Raise DataUnavailable unless the npz holds the six arrays of medmnist's layout.

    Only the headers are unpacked, and nothing is ever unpickled: an object array has the wrong dtype.
    """
    found = _array_headers(data, path=path)
    expected = {name: shape for split in SPLIT_SIZES for name, shape in _members(*split)}
    if set(found) != set(expected):
        raise DataUnavailable(f"{path} holds {_listed(found)}, where {_listed(expected)} were expected")
    for name, shape in expected.items():
        found_shape, dtype = found[name]
        if (found_shape, dtype) != (shape, np.dtype(np.uint8)):
            raise DataUnavailable(f"{name} in {path} is {dtype} {found_shape}; expected uint8 {shape}")


def _members(split: str, size: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return (f"{split}_images.npy", (size, 28, 28, 3)), (f"{split}_labels.npy", (size, 1))


def _array_headers(data: bytes, *, path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: _array_header(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError) as error:
        # RuntimeError is zipfile's word for an encrypted member or an unknown compression.
        raise DataUnavailable(f"{path} is not an npz file of plain arrays: {error}") from error


def _array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(name) as member:
        if (version := np.lib.format.read_magic(member)) != (1, 0):
            raise ValueError(f"{name} is of npy version {version[0]}.{version[1]}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        return shape, dtype


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
