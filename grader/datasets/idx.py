"""The IDX format that MNIST comes in, read strictly: anything odd is refused, nothing is guessed.

A file is two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
uint32, then the values. Format: Y. LeCun, http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader.errors import DataUnavailable

UINT8 = 0x08  # the only type code MNIST uses
GZIP_MAGIC = b"\x1f\x8b"


def read_unpacked(path: Path, *, limit_bytes: int) -> bytes:
    """Read a file, unpacking it if it is gzipped whatever its name says; never hold more than the limit."""
    try:
        with path.open("rb") as file:
            is_gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if is_gzipped:
                with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                    data = unpacked.read(limit_bytes + 1)
            else:
                data = file.read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error  # an OSError's own text repeats the path
        raise DataUnavailable(f"{path} cannot be read: {reason}") from error
    if len(data) > limit_bytes:
        raise DataUnavailable(f"{path} is too large: unpacked it may hold {limit_bytes:,} bytes")
    return data


def parse_idx(data: bytes, *, path: Path) -> npt.NDArray[np.uint8]:
    """View the bytes of an IDX file as a read-only array; raise DataUnavailable on any flaw."""
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataUnavailable(f"{path} is not an IDX file: it does not start with two zero bytes and a type")
    if data[2] != UINT8:
        raise DataUnavailable(
            f"{path} holds values of IDX type 0x{data[2]:02x}; only unsigned bytes are read"
        )
    dimensions = data[3]
    header_bytes = 4 + 4 * dimensions
    if dimensions == 0 or len(data) < header_bytes:
        raise DataUnavailable(f"{path} ends inside its IDX header of {dimensions} dimensions")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    if (found := len(data) - header_bytes) != (needed := math.prod(shape)):
        raise DataUnavailable(
            f"{path} holds {found:,} values, but its header says {shape}: {needed:,} values"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=header_bytes).reshape(shape)


def encode_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes of an IDX file that holds the array."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx_gz(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Write an array as gzipped IDX without a name or a time inside: equal arrays give equal files."""
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=0) as packed,
    ):
        packed.write(encode_idx(array))
