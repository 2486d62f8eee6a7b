"""The records of a zip file (APPNOTE.TXT 6.3.10): end record, central directory, local headers.

Only what an honest writer produces is read. Wherever two readers could come to different files, the
archive is refused: records that contradict each other, bytes that belong to none, spans that overlap.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grader.errors import SubmissionRejected
from grader.intake.limits import IntakeLimits

END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\x05\x06"
END64 = struct.Struct("<4sQ2H2L4Q")
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR = struct.Struct("<4sLQL")
LOCATOR_SIGNATURE = b"PK\x06\x07"
CENTRAL = struct.Struct("<4s6H3L5H2L")
CENTRAL_SIGNATURE = b"PK\x01\x02"
LOCAL = struct.Struct("<4s5H3L2H")
LOCAL_SIGNATURE = b"PK\x03\x04"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
# A data descriptor is known by its length: with or without signature, sizes of 4 or of 8 bytes.
DESCRIPTORS = {
    12: struct.Struct("<3L"),
    16: struct.Struct("<4s3L"),
    20: struct.Struct("<L2Q"),
    24: struct.Struct("<4sL2Q"),
}

ENCRYPTED = 0x2041  # bits 0 (traditional), 6 (strong), 13 (masked headers)
STREAMED = 0x0008  # sizes and checksum follow the body
PATCH = 0x0020
UTF8 = 0x0800
STORED, DEFLATED = 0, 8
ZIP64_FIELD, UNICODE_PATH_FIELD = 0x0001, 0x7075
MOST_EXTRA_FIELDS = 64  # an honest entry has three; each costs time
UNICODE_PATH = struct.Struct("<BL")  # version and the other name's checksum, before the UTF-8
ESCAPED = re.compile(
    rb"#U([0-9A-Fa-f]{4})|#L((?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})"
)  # what Info-ZIP puts for a letter
UNSET_16, UNSET_32 = 0xFFFF, 0xFFFFFFFF
COMMENT_BYTES = 0xFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the central directory, zip64 values put in."""

    raw_name: bytes
    flags: int
    method: int
    checksum: int
    packed_bytes: int
    size_bytes: int
    mode: int  # Unix st_mode, 0 where the writer knew none
    offset: int  # of the local header
    unicode_path: bytes | None = None  # the name in UTF-8, where an extra field holds it too

    @property
    def is_folder(self) -> bool:
        """Whether the name says so."""
        return self.raw_name.endswith(b"/")

    @property
    def name(self) -> str:
        """The path, without the "/" that ends a folder's."""
        raw = (self.unicode_path or self.raw_name).removesuffix(b"/")
        if self.flags & UTF8 or self.unicode_path:
            return raw.decode("utf-8")
        # Old macOS and many libraries write UTF-8 without saying so; code page 437 reads every byte.
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("cp437")


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies, and how many rows it claims to have."""

    count: int
    offset: int
    end: int


def damaged(what: str) -> SubmissionRejected:
    """Say that the archive contradicts itself."""
    return SubmissionRejected(
        f"the zip file is damaged or made to deceive: {what}; make it again and hand that in"
    )


def find_directory(data: bytes) -> Directory:
    """Read the end record, which must be the last thing in the file, and the zip64 records before it."""
    positions = _end_records(data)
    if not positions:
        raise damaged("its end is missing")
    position = positions[-1]
    if any(_ends_with(data, earlier) for earlier in positions[:-1]):
        raise damaged("it has two ends")
    _, disk, first_disk, here, count, size, offset, comment = _read(END, END_SIGNATURE, data, position)
    if position + END.size + comment != len(data):
        raise damaged("something follows its end")
    if disk or first_disk or here != count:
        raise damaged("it is one part of several, or miscounts its files")
    directory = Directory(count, offset, offset + size)
    end = position
    if data[max(0, position - LOCATOR.size) : position].startswith(LOCATOR_SIGNATURE):
        end, directory = _find_directory64(data, position, claimed=directory)
    if directory.end != end:
        raise damaged("its directory is not where it says, or something was put in front")
    return directory


def _end_records(data: bytes) -> list[int]:
    """Return where an end record may begin: its signature, with a comment no longer than one may be."""
    start = max(0, len(data) - END.size - COMMENT_BYTES)
    return [start + match.start() for match in re.finditer(re.escape(END_SIGNATURE), data[start:])]


def _ends_with(data: bytes, position: int) -> bool:
    """Tell whether an end record and its comment there would be the last thing in the file."""
    record = data[position : position + END.size]
    return len(record) == END.size and position + END.size + END.unpack(record)[-1] == len(data)


def _find_directory64(data: bytes, position: int, *, claimed: Directory) -> tuple[int, Directory]:
    """Read the zip64 end record; each value of the old record must be the same or left unset."""
    locator = position - LOCATOR.size
    _, disk, start, disks = _read(LOCATOR, LOCATOR_SIGNATURE, data, locator)
    record = _read(END64, END64_SIGNATURE, data, start)
    record_size, disk_here, first_disk, here, count, size, offset = record[1], *record[4:]
    if start + 12 + record_size != locator or record_size < END64.size - 12:
        raise damaged("its zip64 end record has a wrong size")
    if disk or disk_here or first_disk or disks > 1 or here != count:
        raise damaged("it is one part of several, or miscounts its files")
    old_size = claimed.end - claimed.offset
    if not (
        claimed.count in (count, UNSET_16)
        and old_size in (size, UNSET_32)
        and claimed.offset in (offset, UNSET_32)
    ):
        raise damaged("its two end records contradict each other")
    return start, Directory(count, offset, offset + size)


def read_directory(data: bytes, directory: Directory, *, limits: IntakeLimits) -> list[Entry]:
    """Read every row of the central directory, which must fill its space to the byte."""
    if directory.count > limits.entries:
        raise SubmissionRejected(
            f"the zip file holds more than {limits.entries:,} files; leave data and virtual environments out"
        )
    if directory.count * CENTRAL.size > directory.end - directory.offset:
        raise damaged("it miscounts its files")
    entries = []
    position = directory.offset
    for _ in range(directory.count):
        entry, position = _read_row(data, position, end=directory.end)
        entries.append(entry)
    if position != directory.end:
        raise damaged("it miscounts its files")
    return entries


def _read_row(data: bytes, position: int, *, end: int) -> tuple[Entry, int]:
    row = _read(CENTRAL, CENTRAL_SIGNATURE, data, position)
    flags, method = row[3:5]
    checksum, packed_bytes, size_bytes, name_length, extra_length, comment_length, disk = row[7:14]
    attributes, offset = row[15:]
    name_start = position + CENTRAL.size
    extra_start = name_start + name_length
    next_row = extra_start + extra_length + comment_length
    if next_row > end:
        raise damaged("a row of its directory is cut off")
    extra = data[extra_start : extra_start + extra_length]
    size_bytes, packed_bytes, offset, disk = _with_zip64(
        extra, longs=(size_bytes, packed_bytes, offset), disk=disk
    )
    if disk:
        raise damaged("it is one part of several")
    raw_name = data[name_start:extra_start]
    entry = Entry(
        raw_name=raw_name,
        flags=flags,
        method=method,
        checksum=checksum,
        packed_bytes=packed_bytes,
        size_bytes=size_bytes,
        mode=attributes >> 16,
        offset=offset,
        unicode_path=_unicode_path(extra, raw_name, flags=flags),
    )
    return entry, next_row


def locate_bodies(data: bytes, entries: Sequence[Entry], *, end: int) -> dict[int, slice]:
    """Find each entry's packed bytes, keyed by the offset of its local header.

    Local header, body and data descriptor of all entries must fill the file from its first byte to the
    central directory at `end`, without a gap or an overlap: nothing hides, and no body is used twice.
    """
    in_order = sorted(entries, key=lambda entry: entry.offset)
    starts = [entry.offset for entry in in_order] + [end]
    if starts[0] != 0:
        raise damaged("something was put in front of its first file")
    if len(set(starts)) != len(starts):
        raise damaged("its files overlap")
    return {
        entry.offset: _locate_body(data, entry, next_start=next_start)
        for entry, next_start in zip(in_order, starts[1:], strict=True)
    }


def _locate_body(data: bytes, entry: Entry, *, next_start: int) -> slice:
    header = _read(LOCAL, LOCAL_SIGNATURE, data, entry.offset)
    flags, method = header[2:4]
    checksum, packed_bytes, size_bytes, name_length, extra_length = header[6:]
    name_start = entry.offset + LOCAL.size
    start = name_start + name_length + extra_length
    if data[name_start : name_start + name_length] != entry.raw_name or method != entry.method:
        raise damaged("a file has two names or two methods")
    if (flags ^ entry.flags) & (ENCRYPTED | STREAMED | PATCH | UTF8):
        raise damaged("a file has two sets of flags")
    end = start + entry.packed_bytes
    if end > next_start:
        raise damaged("its files overlap")
    extra = data[name_start + name_length : start]
    size_bytes, packed_bytes, *_ = _with_zip64(extra, longs=(size_bytes, packed_bytes), disk=0)
    if _unicode_path(extra, entry.raw_name, flags=flags) not in (None, entry.unicode_path):
        raise damaged("a file has two names or two methods")
    _check_claims(
        entry,
        (checksum, packed_bytes, size_bytes),
        after=data[end:next_start] if next_start - end <= 24 else None,
    )
    return slice(start, end)


def _check_claims(entry: Entry, local: tuple[int, int, int], *, after: bytes | None) -> None:
    """Compare the directory's checksum and sizes with the local header and the data descriptor."""
    claims = (entry.checksum, entry.packed_bytes, entry.size_bytes)
    if after == b"":
        agrees = local == claims
    elif entry.flags & STREAMED and after is not None:
        agrees = all(value in (0, claim) for value, claim in zip(local, claims, strict=True))
        agrees = agrees and _descriptor(after) == claims
    else:
        raise damaged("there are bytes between its files")
    if not agrees:
        raise damaged("a file has two sizes or two checksums")


def _descriptor(after: bytes) -> tuple[int, ...]:
    """Read checksum, packed size and size; return nothing where that is no data descriptor."""
    layout = DESCRIPTORS.get(len(after))
    if layout is None:
        return ()
    values = layout.unpack(after)
    if len(values) == 3:
        return values
    return values[1:] if values[0] == DESCRIPTOR_SIGNATURE else ()


def _with_zip64(extra: bytes, *, longs: tuple[int, ...], disk: int) -> tuple[int, ...]:
    """Replace each value left unset by its 64-bit one, in the order the zip64 field keeps them."""
    if UNSET_32 not in longs and disk != UNSET_16:
        return (*longs, disk)
    field = _extra_field(extra, ZIP64_FIELD)
    unset = longs.count(UNSET_32)
    layout = struct.Struct(f"<{unset}Q{'L' if disk == UNSET_16 else ''}")
    if field is None or len(field) < layout.size:
        raise damaged("a zip64 size is missing")
    values = list(layout.unpack_from(field))
    filled = [values.pop(0) if value == UNSET_32 else value for value in longs]
    return (*filled, values.pop() if disk == UNSET_16 else disk)


def _unicode_path(extra: bytes, raw_name: bytes, *, flags: int) -> bytes | None:
    """Return the name that an extra field holds in UTF-8, which must be another spelling of the same name.

    Writers put it beside a name in an old code page or with escapes; some readers go by it, others do not.
    """
    field = _extra_field(extra, UNICODE_PATH_FIELD)
    if field is None:
        return None
    path = field[UNICODE_PATH.size :]
    if path and field[: UNICODE_PATH.size] == UNICODE_PATH.pack(1, zlib.crc32(raw_name)):
        is_old_spelling = not (flags & UTF8 or raw_name.isascii())
        if path in (raw_name, _unescaped(raw_name)) or (
            is_old_spelling and path.endswith(b"/") == raw_name.endswith(b"/")
        ):
            return path
    raise damaged("a file has two names or two methods")


def _unescaped(raw_name: bytes) -> bytes:
    """Put letters in for Info-ZIP's escapes; a name without any stays as it is."""
    return ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)).encode("utf-8", "replace"), raw_name)


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    """Return the one extra field of that kind, if it is there."""
    bodies = [body for kind, body in _extra_fields(extra) if kind == wanted]
    if len(bodies) > 1:
        raise damaged("an extra field is there twice")
    return bodies[0] if bodies else None


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of each extra field; alignment leaves up to three bytes at the end."""
    position = 0
    for _ in range(MOST_EXTRA_FIELDS + 1):
        if position + 4 > len(extra):
            return
        kind, size = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + size]
        if len(body) != size:
            raise damaged("an extra field is cut off")
        yield kind, body
        position += 4 + size
    raise damaged("a file has too many extra fields")


def _read(layout: struct.Struct, signature: bytes, data: bytes, position: int) -> tuple[int, ...]:
    """Unpack one record; its first item, the signature, is checked and stays in the tuple."""
    if position < 0 or position + layout.size > len(data) or data[position : position + 4] != signature:
        raise damaged("a record is not where it should be")
    return layout.unpack_from(data, position)
