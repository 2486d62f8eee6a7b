"""Runs as a process of its own: holds a secret in its memory and says, when asked, what became of it.

`python companion.py DESCRIPTOR_TARGET` reads the secret as one line from standard input, prints the address
where it keeps it and the descriptor on which it holds the target open, and then answers every further line
with what stands in that memory now.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from typing import IO

_CAPABILITY_VERSION_3 = 0x20080522


def serve(target: str, lines: IO[str], answers: IO[str]) -> None:
    """Keep the secret until the other end closes; without rights of root's that would guard it."""
    ctypes.CDLL(None).capset(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    secret = lines.readline().rstrip("\n").encode()
    kept = ctypes.create_string_buffer(secret, len(secret))
    with open(target, "rb") as held:  # noqa: PTH123 -- starting needs no pathlib
        print(ctypes.addressof(kept), held.fileno(), file=answers, flush=True)
        for _ in lines:
            print(kept.raw.hex(), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin, sys.stdout)
