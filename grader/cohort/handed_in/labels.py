"""Short safe names for what was handed in, each from its own name alone: who else is there changes none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from grader.cohort.model import Entry
from grader.intake import safe_name
from grader.intake.names import RESERVED_ON_WINDOWS, folded

_LONGEST = 64
_DIGITS = (8, 16, 32, 54)  # of a hash, until no two labels are one


def label_of(name: str) -> str:
    """Return a label for a name; one that had to be changed ends in eight digits of the name's hash.

    So names of one safe form ("a b", "a-b") stay two labels, and a label is the same whoever else is there.
    """
    label = safe_name(name)
    return label if label == name and not RESERVED_ON_WINDOWS.fullmatch(label) else _hashed(name, 8)


def label_with_number(name: str, number: str) -> str:
    """Return a label for a name to which the place gave a number, which tells people of one name apart."""
    return f"{safe_name(name)[: _LONGEST - len(number) - 1].rstrip('-._')}-{number}"


def with_unique_labels(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries, labels that are one to a system that ignores case told apart by a hash.

    Only things of one name (a zip and a folder, "Anna" and "anna") come to that.
    """
    labelled = list(entries)
    for digits in _DIGITS:
        counts = Counter(folded(each.label) for each in labelled)
        if max(counts.values(), default=1) == 1:
            break
        labelled = [
            replace(each, label=_hashed(each.path.name, digits, shown=original.label))
            if counts[folded(each.label)] > 1
            else each
            for each, original in zip(labelled, entries, strict=True)
        ]
    return tuple(labelled)


def _hashed(name: str, digits: int, *, shown: str | None = None) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    base = safe_name(shown or name)
    if base.endswith(f"-{digest}"):
        return base
    return f"{base[: _LONGEST - digits - 1].rstrip('-._') or 'submission'}-{digest}"
