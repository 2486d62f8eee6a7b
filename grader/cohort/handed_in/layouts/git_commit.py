"""When the commit was made that a clone has checked out, read from its files by this program alone.

git is not run: it obeys what a repository brings (hooks, filters, fsmonitor, aliases and includes of
.git/config, alternates, a .git that points elsewhere). Nothing of that is read here: only HEAD, the
reference it names, and the one commit, loose or in a pack. No link is followed; sizes and steps are
bounded. Whatever is unusual means "not told".

Source: gitrepository-layout(5), gitformat-pack(5), gitformat-commit: git's own documentation.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from grader.intake.folder import FLAGS

_HASH = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"refs/[A-Za-z0-9._/-]{1,200}")
_COMMITTER = re.compile(rb"^committer [^\n]*> (?P<seconds>[0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_MOST_TEXT = 4 << 20  # of packed-refs
_MOST_COMMIT = 1 << 20
_MOST_PACKS = 64
_LONGEST_CHAIN = 64  # of deltas: git's own default is 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_INDEX_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_COMMIT, _OFFSET_DELTA, _REFERENCE_DELTA = 1, 6, 7


class _UnusualError(Exception):
    """Not as git writes it by itself, or larger than such a thing is."""


def committed_at(repository: Path) -> datetime | None:
    """Return when HEAD's commit was made, as it says itself; None where that cannot be told."""
    try:
        git = repository / ".git"
        if not stat.S_ISDIR(git.lstat().st_mode):
            return None
        return _time_of(_commit(git, _head(git)))
    except (OSError, _UnusualError, zlib.error, struct.error, ValueError, OverflowError):
        return None


def _time_of(commit: bytes) -> datetime | None:
    header = commit.partition(b"\n\n")[0]
    found = _COMMITTER.search(header)
    return _EPOCH + timedelta(seconds=int(found["seconds"])) if found else None


def _head(git: Path) -> str:
    written = _small(git / "HEAD", 1024).decode("ascii").strip()
    if not written.startswith("ref: "):
        return _hash(written)
    name = written.removeprefix("ref: ")
    if not _REFERENCE.fullmatch(name) or ".." in name:
        raise _UnusualError
    if _is_beneath(git, name):
        return _hash(_small(git / name, 1024).decode("ascii").strip())
    for line in _small(git / "packed-refs", _MOST_TEXT).decode("utf-8", "replace").splitlines():
        number, _, packed = line.partition(" ")
        if packed == name:
            return _hash(number)
    raise _UnusualError


def _hash(written: str) -> str:
    if not _HASH.fullmatch(written):
        raise _UnusualError
    return written


def _is_beneath(git: Path, name: str) -> bool:
    """Tell whether a file is there; a folder on the way that is a link leads nowhere."""
    folder = git
    *above, last = name.split("/")
    for part in above:
        folder /= part
        if not os.path.lexists(folder):
            return False
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise _UnusualError
    return os.path.lexists(folder / last)


def _commit(git: Path, number: str) -> bytes:
    name = f"objects/{number[:2]}/{number[2:]}"
    if _is_beneath(git, name):
        return _loose(git / name)
    for index in _indexes(git):
        with _opened(index) as stream:
            offset = _offset_in(stream, bytes.fromhex(number))
        if offset is not None:
            with _opened(index.with_suffix(".pack")) as pack, _opened(index) as stream:
                kind, data = _packed(pack, stream, offset, _LONGEST_CHAIN)
            if kind == _COMMIT:
                return data
            break
    raise _UnusualError


def _indexes(git: Path) -> list[Path]:
    folder = git / "objects" / "pack"
    if not all(stat.S_ISDIR(each.lstat().st_mode) for each in (folder.parent, folder)):
        raise _UnusualError
    with os.scandir(folder) as scan:
        found = sorted(each.path for each in scan if each.name.endswith(".idx"))
    return [Path(each) for each in found[:_MOST_PACKS]]


def _loose(path: Path) -> bytes:
    with _opened(path) as stream:
        data = _inflated(stream, _MOST_COMMIT)
    header, _, body = data.partition(b"\0")
    if not header.startswith(b"commit "):
        raise _UnusualError
    return body


def _offset_in(index: BinaryIO, number: bytes) -> int | None:
    """Return where an object lies in a pack, by the pack's index of version 2."""
    if index.read(8) != _INDEX_MAGIC:
        raise _UnusualError
    counts = struct.unpack(">256L", _exactly(index, 1024))
    total, low, high = counts[255], counts[number[0] - 1] if number[0] else 0, counts[number[0]]
    names, offsets = 8 + 1024, 8 + 1024 + 24 * total
    while low < high:
        middle = (low + high) // 2
        index.seek(names + 20 * middle)
        found = _exactly(index, 20)
        if found == number:
            index.seek(offsets + 4 * middle)
            (offset,) = struct.unpack(">L", _exactly(index, 4))
            if offset & 0x80000000:
                index.seek(offsets + 4 * total + 8 * (offset & 0x7FFFFFFF))
                (offset,) = struct.unpack(">Q", _exactly(index, 8))
            return int(offset)
        low, high = (middle + 1, high) if found < number else (low, middle)
    return None


def _packed(pack: BinaryIO, index: BinaryIO, offset: int, steps: int) -> tuple[int, bytes]:
    """Return kind and content of the object at an offset; one that is kept as differences is put together."""
    if steps == 0:
        raise _UnusualError
    pack.seek(offset)
    kind, size = _kind_and_size(pack)
    if size > _MOST_COMMIT:
        raise _UnusualError
    if kind == _OFFSET_DELTA:
        base_offset = offset - _distance(pack)
    elif kind == _REFERENCE_DELTA:
        base = _exactly(pack, 20)
        place = pack.tell()
        index.seek(0)
        found = _offset_in(index, base)
        if found is None:
            raise _UnusualError
        base_offset = found
        pack.seek(place)
    else:
        return kind, _inflated(pack, size)
    delta = _inflated(pack, size)
    base_kind, content = _packed(pack, index, base_offset, steps - 1)
    return base_kind, _patched(content, delta)


def _kind_and_size(pack: BinaryIO) -> tuple[int, int]:
    byte = _exactly(pack, 1)[0]
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 128:
        byte = _exactly(pack, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if shift > 40:
            raise _UnusualError
    return kind, size


def _distance(pack: BinaryIO) -> int:
    byte = _exactly(pack, 1)[0]
    distance = byte & 127
    for _ in range(8):
        if not byte & 128:
            return distance
        byte = _exactly(pack, 1)[0]
        distance = ((distance + 1) << 7) | (byte & 127)
    raise _UnusualError


def _patched(base: bytes, delta: bytes) -> bytes:
    """Apply a delta: pieces of the base and bytes of its own, one after the other."""
    steps = iter(delta)
    if _delta_size(steps) != len(base):
        raise _UnusualError
    size = _delta_size(steps)
    result = bytearray()
    for order in steps:
        if order & 128:
            start = sum(_next(steps) << 8 * place for place in range(4) if order & 1 << place)
            count = sum(_next(steps) << 8 * place for place in range(3) if order & 16 << place) or 0x10000
            result += base[start : start + count]
        else:
            result += bytes(_next(steps) for _ in range(order))
        if len(result) > _MOST_COMMIT or not order:
            raise _UnusualError
    if len(result) != size:
        raise _UnusualError
    return bytes(result)


def _delta_size(steps: Iterator[int]) -> int:
    size = 0
    for shift in range(0, 42, 7):
        byte = _next(steps)
        size |= (byte & 127) << shift
        if not byte & 128:
            return size
    raise _UnusualError


def _next(steps: Iterator[int]) -> int:
    byte = next(steps, None)
    if byte is None:
        raise _UnusualError
    return byte


def _inflated(stream: BinaryIO, most: int) -> bytes:
    """Inflate what begins here, at most so many bytes; what is longer is unusual."""
    inflating = zlib.decompressobj()
    data = b""
    while not inflating.eof:
        packed = inflating.unconsumed_tail or stream.read(65536)
        if not packed:
            raise _UnusualError
        data += inflating.decompress(packed, most + 1 - len(data) or 1)
        if len(data) > most:
            raise _UnusualError
    return data


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise _UnusualError
    return data


def _small(path: Path, most: int) -> bytes:
    with _opened(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise _UnusualError
    return data


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is no link; a pipe that nobody writes to is not waited for."""
    descriptor = os.open(path, FLAGS)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _UnusualError
        yield stream
