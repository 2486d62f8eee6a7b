"""Turn what was found in a submission's sources into flags: sentences for a person, never a deduction."""

from __future__ import annotations

from grader.model import Flag
from grader.plain_text import one_line

# One row a kind that `grader.worker.source_scan` knows; {what} is the thing found.
SENTENCES = {
    "library": "imports {what}; mytorch is to be written with NumPy and Python's own library only",
    "system_access": "uses {what}, which reaches outside of Python",
    "hidden_code": "uses {what}, which can run or unpack code that does not stand in the source",
    "introspection": "uses {what}, which looks into the interpreter that runs it",
    "complex_numbers": "uses {what}; a derivative by a complex step is not a derivation",
    "shortcut": "uses {what}, which can take the place of a derivation by hand",
    "own_arithmetic": "the class {what} has arithmetic of its own, as in libraries that differentiate",
    "array_subclass": "the class {what} poses as a NumPy array",
    "patched_library": "replaces {what}, a part of NumPy",
    "large_source": "{what}: more than a homework written by hand; is it a library that was copied in?",
    "bidirectional_text": "has the character {what}: an editor shows the text in another order than it runs",
    "not_scanned": "could not be looked at: {what}",
}
MOST_FINDINGS = 100
LONGEST_WHAT, LONGEST_FILE = 120, 200


def flags_of(findings: object) -> list[Flag]:
    """Return a flag for each finding; what is not the list that a scan gives is a flag itself."""
    if not isinstance(findings, list) or len(findings) > MOST_FINDINGS:
        return [not_scanned("what came back is no list of findings")]
    return [_flag_of(finding) for finding in findings]


def not_scanned(reason: str) -> Flag:
    """Return the flag of sources that could not be looked at."""
    return Flag("not_scanned", f"the sources {SENTENCES['not_scanned'].format(what=reason)}")


def _flag_of(finding: object) -> Flag:
    match finding:
        case [str(file), int(line), str(kind), str(what)] if kind in SENTENCES:
            shown = one_line(what, max_bytes=LONGEST_WHAT)
            return Flag(kind, SENTENCES[kind].format(what=shown), _place(file, line))
        case _:
            return not_scanned("what came back is no finding")


def _place(file: str, line: int) -> str | None:
    shown = one_line(file, max_bytes=LONGEST_FILE)
    return (f"{shown}, line {line}" if line > 0 else shown) or None
