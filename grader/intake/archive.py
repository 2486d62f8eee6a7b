"""The bytes of a zip become files in memory; every rule holds before the first byte is inflated.

An own reader, because `zipfile` follows the writer's word where it should compare: some of its versions
extract overlapping bodies, clashing names, archives behind archives and sizes that lie.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterable

from grader.errors import SubmissionRejected
from grader.intake.contents import Contents, Found, check_names, check_sizes, megabytes
from grader.intake.limits import DEFAULT_LIMITS, IntakeLimits
from grader.intake.names import is_ignored, quoted, split_name
from grader.intake.zip_records import (
    DEFLATED,
    ENCRYPTED,
    PATCH,
    STORED,
    Entry,
    damaged,
    find_directory,
    locate_bodies,
    read_directory,
)

OTHER_KINDS = (
    (b"\x1f\x8b", "a gzip or tar.gz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"%PDF", "a PDF"),
    (b"{", "a notebook or JSON file"),
)
TAR_MAGIC = slice(257, 262)
SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


def read_archive(data: bytes, *, limits: IntakeLimits = DEFAULT_LIMITS) -> Contents:
    """Read a zip from memory; files of ignored paths and unknown kinds are never inflated."""
    _check_is_zip(data)
    directory = find_directory(data)
    entries = read_directory(data, directory, limits=limits)
    if not entries:
        raise SubmissionRejected("the zip file is empty; zip the homework folder and hand that in")
    _check_not_encrypted(entries)
    listed = [(entry, found) for entry in entries if not is_ignored((found := _found(entry)).parts)]
    for entry, found in listed:
        _check_kind(entry, found)
    check_names([found for _, found in listed], limits=limits)
    check_sizes((found for _, found in listed), limits=limits)
    _check_ratios((entry for entry, _ in listed), limits=limits)
    bodies = locate_bodies(data, entries, end=directory.offset)
    files = {
        found.path: _inflate(data[bodies[entry.offset]], entry, found)
        for entry, found in listed
        if found.is_kept
    }
    dropped = [found.path for _, found in listed if not found.is_kept and not found.is_folder]
    return Contents(files, dropped)


def _check_is_zip(data: bytes) -> None:
    if not data:
        raise SubmissionRejected("the file is empty; was the upload cut off?")
    kind = next((kind for magic, kind in OTHER_KINDS if data.startswith(magic)), None)
    if data[TAR_MAGIC] == b"ustar":
        kind = "a tar archive"
    if kind is not None:
        raise SubmissionRejected(f"the file is {kind}; hand in a zip of the homework folder")
    if not data.startswith(b"PK"):
        raise SubmissionRejected(
            "the file is not a zip, or something was put in front of it; zip the folder again"
        )


def _check_not_encrypted(entries: Iterable[Entry]) -> None:
    if any(entry.flags & ENCRYPTED for entry in entries):
        raise SubmissionRejected("the zip file is encrypted; make it again without a password")


def _found(entry: Entry) -> Found:
    """Vet the name; it must be UTF-8 where the entry says so."""
    try:
        name = entry.name
    except UnicodeDecodeError as error:
        raise damaged("a name is not the UTF-8 it claims to be") from error
    return Found(split_name(name), is_folder=entry.is_folder, size_bytes=entry.size_bytes)


def _check_kind(entry: Entry, found: Found) -> None:
    """Refuse links, devices, special modes and ways of packing that an honest zip does not use."""
    is_folder = stat.S_IFMT(entry.mode) == stat.S_IFDIR
    if stat.S_IFMT(entry.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise SubmissionRejected(
            f"{quoted(found.path)} is a link or a device; put the real file in its place"
        )
    if found.is_folder != is_folder and stat.S_IFMT(entry.mode):
        raise damaged(f"{quoted(found.path)} is both a file and a folder")
    # A group's shared folder has the set-group bit quite honestly; modes are never taken from the archive.
    if entry.mode & (stat.S_ISUID if found.is_folder else SPECIAL_BITS):
        raise SubmissionRejected(
            f"{quoted(found.path)} has a set-user, set-group or sticky bit; zip the folder again"
        )
    if entry.method not in (STORED, DEFLATED) or entry.flags & PATCH:
        raise SubmissionRejected(
            f"{quoted(found.path)} is packed in an unusual way; make a plain zip of the folder"
        )
    if found.is_folder and entry.size_bytes:
        raise damaged(f"the folder {quoted(found.path)} has content")


def _check_ratios(entries: Iterable[Entry], *, limits: IntakeLimits) -> None:
    for entry in entries:
        if entry.size_bytes > max(limits.ratio_free_bytes, limits.ratio * entry.packed_bytes):
            raise SubmissionRejected(
                f"{quoted(entry.name)} unpacks to {megabytes(entry.size_bytes)} from next to nothing; "
                "leave it out, or clear the notebook's outputs"
            )


def _inflate(packed: bytes, entry: Entry, found: Found) -> bytes:
    """Unpack one body; it must end exactly where the directory says and have the checksum it says."""
    content = packed
    complete = True
    if entry.method == DEFLATED:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = stream.decompress(packed, entry.size_bytes + 1)
        except zlib.error as error:
            raise damaged(f"{quoted(found.path)} cannot be unpacked") from error
        complete = stream.eof and not stream.unused_data
    if not complete or len(content) != entry.size_bytes:
        raise damaged(f"{quoted(found.path)} is not as long as the zip says")
    if zlib.crc32(content) != entry.checksum:
        raise damaged(f"{quoted(found.path)} does not have the checksum the zip says")
    return content
