"""Quote names that a stranger chose, so that a message stays one short harmless line."""

from __future__ import annotations

import hashlib
import re
import unicodedata

NAME_CHARACTERS = 64


def safe_text(text: str, *, limit: int = 60) -> str:
    """Escape what does not print, and cut the middle out of what is longer than `limit` characters."""
    shown = "".join(
        character if character.isprintable() else _escaped(character) for character in text[:4096]
    )
    # Azure Pipelines and GitHub Actions obey "##[...]" and "##vso[...]" anywhere in a line of the log.
    shown = shown.replace("##", r"#\x23")
    if len(shown) <= limit:
        return shown
    tail = limit // 2
    return f"{shown[: limit - tail - 1]}…{shown[-tail:]}"


def safe_name(text: str) -> str:
    """Turn a file's or folder's name into [A-Za-z0-9._-]{1,64}, different for names that differ.

    Accents go, everything else outside the set becomes "-". A name that loses letters that way, or is
    too long, ends in eight hexadecimal digits of its hash, so that two students in another script stay two.
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")
    loses_letters = any(character.isalnum() and not character.isascii() for character in plain)
    if name and len(name) <= NAME_CHARACTERS and not loses_letters:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: NAME_CHARACTERS - 9] or 'submission'}-{digest}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
