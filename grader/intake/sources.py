"""Rules for the text of a Python file that hold before anything parses it."""

from __future__ import annotations

import re

# PEP 263, read generously: a false alarm is told in one sentence, a miss would let a scanner and the
# interpreter read two different programs.
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")

# Every byte below 128 means the same in all of these, so keywords and names read alike everywhere.
PLAIN_ENCODINGS = frozenset(
    {
        *("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii", "cp1252", "windows-1252"),
        *("latin-1", "latin1", "iso-8859-1", "iso8859-1", "iso-latin-1"),
        *("latin-9", "latin9", "iso-8859-15", "iso8859-15"),
    }
)
LINE_ENDING = re.compile(r"-(unix|dos|mac)$")  # Emacs writes utf-8-unix


def odd_encoding(source: bytes) -> str | None:
    """Return the encoding a file declares where that could hide code (utf-7, rot13), else None.

    Bytes that are wrong in the declared encoding are no matter here: that file does not import, and
    costs its own questions.
    """
    text = source.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n", 2)[:2]:
        if match := COOKIE.match(line):
            name = match[1].decode("ascii")
            if LINE_ENDING.sub("", name.lower().replace("_", "-")) not in PLAIN_ENCODINGS:
                return name
    return None
