"""How large a submission may be, and why."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """What one submission may hold; all of it is in memory at once while it is checked."""

    archive_bytes: int = 64 * MEBIBYTE  # a notebook full of figures is 1-60 MB, and hardly compresses
    entries: int = 5_000  # rows of a directory, ignored ones included; a stray .git has hundreds
    files: int = 2_000  # files that are kept; an honest submission has about fifteen
    total_bytes: int = 256 * MEBIBYTE  # unpacked; the whole of BloodMNIST and MNIST beside the work is 100 MB
    file_bytes: int = 64 * MEBIBYTE  # one file: the largest honest notebook
    source_bytes: int = MEBIBYTE  # one .py file; larger ones exist only to break a parser
    ratio: int = 250  # unpacked / packed of one file; text reaches 50, a bomb 1000
    ratio_free_bytes: int = 8 * MEBIBYTE  # below this size any ratio is harmless: an array of zeros is honest
    name_bytes: int = 200  # of a whole path, in UTF-8
    depth: int = 12  # parts of a path


DEFAULT_LIMITS = IntakeLimits()
