"""What a message says, without what only one submission can say: numbers, places, names of its own."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterable

from grader.errors import cause_sentence
from grader.plain_text import one_line
from grader.reports.schema import CheckReport

# As grader.faults ends a message: " (mytorch/nn/linear.py, line 3: source)".
_PLACE = re.compile(r" ?\([^(),\n]{1,300}, line [0-9]+.*", re.DOTALL)
_FILE = re.compile(r"(?<![^\s'\"(),:])[^\s'\"(),:]{0,200}\.(?:py|ipynb)\b")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")
_SHAPE = re.compile(r"\([0-9]+(?:, ?[0-9]+)*,?\)")
_WHOLE_NUMBER = re.compile("[0-9]+")
_INDEX = re.compile(r"\[-?[0-9]+(?:, ?-?[0-9]+)*\]")
# Which entry is the first, and how far off it is, is chance.
_FIRST = re.compile(
    r"; the first at .{1,200}? is \S{1,100} and should be [^;,]{1,100}"
    r"|; the largest relative error is \S{1,100}"
)
_SHARE = re.compile(r"\b([0-9]+) of ([0-9]+)\b")
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:[0-9]+(?:[.,][0-9]+)*\.?|\.[0-9]+)(?:e[-+]?[0-9]+)?(?![\w])", re.IGNORECASE
)
_QUOTED = re.compile(r"(['\"`])([^'\"`\n]{1,200})\1")
_CALLED = re.compile(r"(?<![\w.])[^\W\d][\w.<>]{0,100}(?=\(\))")
_WORD = re.compile(r"[^\W\d]\w*")
# Which numbers of a likely cause belong to one submission: sizes, indices, random offsets. Others are the
# cause itself: that the variance is 2 / M, that every entry is 3 times what it should be.
_OWN_NUMBER = re.compile(
    r"(= ?|\brow |\bcolumn |\bthe same )[-+]?[0-9][0-9.]*(?:e[-+]?[0-9]+)?", re.IGNORECASE
)
# A factor by which every entry is off, measured: its last digits are chance.
_FRACTION = re.compile(r"\b[0-9]{1,20}\.[0-9]{1,20}(?:e[-+]?[0-9]{1,3})?\b")
_MODULE = "No module named "
_END_OF_SUBJECT = re.compile(r" is wrong\b|;|\. ")
_MASKED_NAME, _MASKED_FILE, _MASKED_NUMBER = "<name>", "<file>", "#"
_KNOWN_TO_PYTHON = frozenset(dir(builtins)) | {
    "NoneType",
    "ndarray",
    "numpy",
    "np",
    "torch",
    "self",
    "module",
}


def diagnosis_of(check: CheckReport) -> str:
    """Return what is wrong in words that every submission with the same fault gets.

    Of a likely cause: what was looked at, and the cause. Else the message.
    """
    feedback = check.feedback
    cause = feedback.likely_cause
    finding = feedback.message.removesuffix(cause_sentence(cause or ""))
    known = _known_names(check, _PLACE.sub("", finding))
    found = one_line(_without_numbers(_without_names(_PLACE.sub("", finding), known)))
    if cause is None:
        return found
    subject = _END_OF_SUBJECT.split(found, maxsplit=1)[0]
    masked = _OWN_NUMBER.sub(rf"\g<1>{_MASKED_NUMBER}", _INDEX.sub("[#]", cause))
    return one_line(f"{subject}: {_FRACTION.sub(lambda match: f'{float(match[0]):.2g}', masked)}")


def _known_names(check: CheckReport, finding: str) -> frozenset[str]:
    """Return the names that are not a student's: of the homework, where we speak ourselves, and of Python."""
    feedback = check.feedback
    expected = feedback.expected if isinstance(feedback.expected, str) else ""
    ours = (
        check.id.replace(".", " "),
        check.title,
        expected,
        feedback.reproduce or "",
        _QUOTED.sub("", _ours(finding)),
    )
    return _KNOWN_TO_PYTHON | _words(ours)


def _ours(finding: str) -> str:
    """Return what stands before the message of an exception, which is the student's own."""
    return finding.partition(" raised ")[0]


def _words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in _WORD.findall(text))


def _without_names(text: str, known: frozenset[str]) -> str:
    def is_known(name: str) -> bool:
        return all(word in known for word in _WORD.findall(name))

    def quoted(match: re.Match[str]) -> str:
        is_module = text[: match.start()].endswith(_MODULE)
        return match[0] if is_module or is_known(match[2]) else _MASKED_NAME

    def called(match: re.Match[str]) -> str:
        return match[0] if is_known(match[0]) else _MASKED_NAME

    text = _FILE.sub(_MASKED_FILE, text)
    return _CALLED.sub(called, _QUOTED.sub(quoted, text))


def _without_numbers(text: str) -> str:
    """Mask numbers; of shapes it stays which sides are equal, of a count whether it is all of them."""
    text = _SHARE.sub(_share, _INDEX.sub("[#]", _FIRST.sub("", _ADDRESS.sub(_MASKED_NUMBER, text))))
    sides: dict[str, str] = {}

    def side(match: re.Match[str]) -> str:
        return sides.setdefault(match[0], f"n{len(sides) + 1}")

    text = _SHAPE.sub(lambda match: _WHOLE_NUMBER.sub(side, match[0]), text)
    return _NUMBER.sub(lambda match: "0" if match[0] == "0" else _MASKED_NUMBER, text)


def _share(match: re.Match[str]) -> str:
    return "all" if match[1] == match[2] else "some"
