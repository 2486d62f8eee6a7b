"""Make zip files byte by byte, honest ones and ones that lie in any field."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")

STREAMED, UTF8, ENCRYPTED = 0x8, 0x800, 0x1
NO_LIES: Mapping[str, int] = {}

LINEAR = b"import numpy as np\n\n\nclass Linear:\n    pass\n"
HONEST: Mapping[str, bytes] = {
    "mytorch/__init__.py": b"",
    "mytorch/utils.py": b"def gradient_check():\n    raise NotImplementedError\n",
    "mytorch/nn/__init__.py": b"from .modules.linear import Linear\n",
    "mytorch/nn/modules/linear.py": LINEAR,
    "mytorch/nn/modules/loss.py": b"# loss\n" * 400,
    "hw1.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
    "theory.py": b"def softmax_temperature(z, tau):\n    raise NotImplementedError\n",
}


def deflated(content: bytes) -> bytes:
    """Pack as an honest zip does."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@dataclass(frozen=True)
class Member:
    """One file; `local` and `central` replace fields of its two headers, `packed` its body."""

    name: str | bytes
    content: bytes = LINEAR
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    system: int = 3
    extra: bytes = b""
    local_extra: bytes = b""
    packed: bytes | None = None
    after: bytes = b""
    local: Mapping[str, int | bytes] = field(default_factory=dict)
    central: Mapping[str, int | bytes] = field(default_factory=dict)

    @property
    def raw_name(self) -> bytes:
        """The name as it is written."""
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    @property
    def body(self) -> bytes:
        """The packed content."""
        if self.packed is not None:
            return self.packed
        return deflated(self.content) if self.method == 8 else self.content

    @property
    def facts(self) -> dict[str, Any]:
        """What both headers say where neither lies."""
        return {
            "name": self.raw_name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "packed_bytes": len(self.body),
            "size_bytes": len(self.content),
        }

    def local_header(self) -> bytes:
        """Return the header in front of the body."""
        fact = self.facts | dict(self.local)
        sizes = (fact["crc"], fact["packed_bytes"], fact["size_bytes"])
        lengths = (len(fact["name"]), len(self.local_extra))
        head = LOCAL.pack(b"PK\x03\x04", 20, fact["flags"], fact["method"], 0, 0x5821, *sizes, *lengths)
        return b"".join((head, fact["name"], self.local_extra))

    def central_row(self, offset: int) -> bytes:
        """Return the row of the directory; `offset` is that of the local header."""
        fact = self.facts | {"disk": 0, "attributes": self.mode << 16, "offset": offset} | dict(self.central)
        made_by = self.system << 8 | 20
        sizes = (fact["crc"], fact["packed_bytes"], fact["size_bytes"])
        lengths = (len(fact["name"]), len(self.extra), 0)
        head = CENTRAL.pack(
            *(b"PK\x01\x02", made_by, 20, fact["flags"], fact["method"], 0, 0x5821, *sizes, *lengths),
            *(fact["disk"], 0, fact["attributes"], fact["offset"]),
        )
        return b"".join((head, fact["name"], self.extra))


def streamed(
    name: str, content: bytes, *, signature: bool = True, wide: bool = False, **facts: Any
) -> Member:
    """Make a file as a writer to a pipe does: sizes and checksum after the body."""
    packed = deflated(content)
    values = struct.pack("<LQQ" if wide else "<LLL", zlib.crc32(content), len(packed), len(content))
    unknown = {"crc": 0, "packed_bytes": 0, "size_bytes": 0}
    flags = STREAMED | facts.pop("flags", 0)
    after = (b"PK\x07\x08" if signature else b"") + values
    return Member(name, content, flags=flags, after=after, local=unknown, **facts)


def zip_of(
    members: Sequence[Member],
    *,
    front: bytes = b"",
    comment: bytes = b"",
    behind: bytes = b"",
    shift: int = 0,
    end: Mapping[str, int] = NO_LIES,
) -> bytes:
    """Put members together; `shift` is added to every offset, `end` replaces fields of the end record."""
    body, rows = bytearray(front), bytearray()
    for member in members:
        rows += member.central_row(len(body) + shift)
        body += member.local_header() + member.body + member.after
    count = len(members)
    fact = {"disk": 0, "first_disk": 0, "here": count, "count": count, "size": len(rows)}
    fact |= {"offset": len(body) + shift, "comment": len(comment)} | dict(end)
    return bytes(body) + bytes(rows) + END.pack(b"PK\x05\x06", *fact.values()) + comment + behind


def members_of(files: Mapping[str, bytes] = HONEST, **facts: Any) -> list[Member]:
    """Make one file of each name and content."""
    return [Member(name, content, **facts) for name, content in files.items()]


def with_zip64_end(data: bytes, **lies: int) -> bytes:
    """Put the zip64 records before the end record of a zip without comment; `lies` replace their fields."""
    _, _, _, here, count, size, offset, _ = END.unpack(data[-END.size :])
    fact = {"record_size": END64.size - 12, "disk": 0, "here": here, "count": count, "size": size}
    fact |= {
        "offset": offset,
        "start": len(data) - END.size,
        "disks": 1,
        "first_disk": 0,
        "start_disk": 0,
    } | lies
    sizes = (fact["here"], fact["count"], fact["size"], fact["offset"])
    record = END64.pack(b"PK\x06\x06", fact["record_size"], 45, 45, fact["disk"], fact["first_disk"], *sizes)
    locator = LOCATOR.pack(b"PK\x06\x07", fact["start_disk"], fact["start"], fact["disks"])
    return data[: -END.size] + record + locator + data[-END.size :]


def quoted_overlap(kernel_bytes: int, count: int) -> bytes:
    """Make a zip whose files are inside each other (D. Fifield, "A better zip bomb", 2019).

    Each body starts with a stored block that quotes the next file's local header, and goes on as that
    file's body: one kernel is unpacked `count` times.
    """
    content = bytes(kernel_bytes)
    packed = deflated(content)
    chain = [Member(f"mytorch/nn/f{count}.py", content, packed=packed)]
    for number in range(count - 1, 0, -1):
        quoted = chain[0].local_header()
        content = quoted + content
        packed = struct.pack("<BHH", 0, len(quoted), len(quoted) ^ 0xFFFF) + quoted + packed
        chain.insert(0, Member(f"mytorch/nn/f{number}.py", content, packed=packed))
    body, rows = chain[0].local_header(), b""
    for member, following in zip(chain, [*chain[1:], None], strict=True):
        rows += member.central_row(len(body) - len(member.local_header()))
        body += member.body if following is None else member.body[:5] + following.local_header()
    return body + rows + END.pack(b"PK\x05\x06", 0, 0, count, count, len(rows), len(body), 0)
