"""Rules for the text of a Python file that hold before anything parses it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from grader.intake.quoting import safe_text

# PEP 263, read generously: a false alarm is told in one sentence, a miss would let a scanner and the
# interpreter read two different programs.
COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")
UTF8_NAMES = frozenset({"utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"})
LINE_ENDING = re.compile(r"-(unix|dos|mac)$")  # Emacs writes utf-8-unix


def why_unreadable(source: bytes) -> str | None:
    """Say why a file is not plain UTF-8, with or without a byte order mark; None where it is."""
    for encoding in _declared_encodings(source):
        if LINE_ENDING.sub("", encoding.lower().replace("_", "-")) not in UTF8_NAMES:
            return f"declares the encoding '{safe_text(encoding)}'"
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        return f"is not UTF-8 text (line {line})"
    return None


def _declared_encodings(source: bytes) -> Iterator[str]:
    text = source.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n", 2)[:2]:
        if match := COOKIE.match(line):
            yield match[1].decode("ascii")
