"""Make text that came from a submission safe to store and to print."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT_BYTES = 4096

# Whole terminal sequences go first, so that "\x1b[31mred" becomes "red" and not "[31mred".
_TERMINAL_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_LINE_BREAK = re.compile("\r\n|\u2028|\u2029|\x85")
# GitHub's runner drops white space before it looks for a command.
_COMMAND = re.compile(r"^([^\S\n]*)::", re.MULTILINE)
# Control, format (bidi, zero width), surrogate, private and unassigned characters.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def scrub(text: str, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    r"""Return `text` without control and format characters but \n and \t, cut to `max_bytes` of UTF-8.

    A text that was cut says so. Scrubbing twice changes nothing.
    """
    if len(text) <= max_bytes and text.isascii() and text.isprintable():
        return text  # almost every text of a report, hundreds in each
    # A text of gigabytes costs no more than a short one; the second half makes up for what is dropped.
    window = text[: 2 * max_bytes]
    broken_up = _LINE_BREAK.sub("\n", _TERMINAL_SEQUENCE.sub("", window))
    kept = "".join(character for character in broken_up if _is_printable(character))
    encoded = kept.encode()
    if len(encoded) <= max_bytes and len(text) <= len(window):
        return kept
    note = f"\n[cut: the whole text has {len(text)} characters]"
    return encoded[: max_bytes - len(note)].decode(errors="ignore") + note


def quiet(text: str) -> str:
    """Break up what makes a CI service obey a line of its log: `##[` anywhere, `::` where a line begins."""
    return _COMMAND.sub(r"\1: :", text.replace("##[", "## [").replace("##vso[", "## vso["))


def one_line(text: str, *, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return `text` scrubbed, its line breaks and tabs turned into single spaces."""
    return " ".join(scrub(text, max_bytes=max_bytes).split())


def _is_printable(character: str) -> bool:
    return character in "\n\t" or unicodedata.category(character) not in _UNSAFE_CATEGORIES
