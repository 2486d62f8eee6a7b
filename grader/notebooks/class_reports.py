"""Classification reports in printed text, in scikit-learn's layout, and whether their numbers fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_RATE = r"(\d(?:\.\d{1,6})?)"
_ROW = re.compile(rf"\s*(?P<name>\S.{{0,80}}?)\s+{_RATE}\s+{_RATE}\s+{_RATE}\s+(\d{{1,9}})\s*")
_ACCURACY = re.compile(rf"\s*accuracy\s+{_RATE}\s+(\d{{1,9}})\s*")
_HEADER = re.compile(r"\s*precision\s+recall\s+f1-score\s+support\s*")
_AVERAGES = ("macro avg", "weighted avg", "micro avg", "samples avg")
_LAST = "weighted avg"
_LINE_CHARACTERS = 200
MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One class of a report, or an average over them; `unit` is one in the last digit printed."""

    precision: float
    recall: float
    f1: float
    support: int
    unit: float


@dataclass(frozen=True, slots=True)
class ClassReport:
    """A report: its classes, its averages, its accuracy."""

    classes: Mapping[str, Row]
    averages: Mapping[str, Row]
    accuracy: float | None

    @property
    def support(self) -> int:
        """How many samples it reports on."""
        return sum(row.support for row in self.classes.values())


def find_reports(text: str) -> list[ClassReport]:
    """Return the reports in a text, each from its header to the first line that is no row of it."""
    lines = iter(text.splitlines())
    found = (_read(lines) for line in lines if _HEADER.fullmatch(line[:_LINE_CHARACTERS]))
    return [report for report in found if report.classes]


def is_row(line: str) -> bool:
    """Say whether a line reads like one of a report: its numbers are compared as such."""
    start = line[:_LINE_CHARACTERS]
    return _ACCURACY.fullmatch(start) is not None or _ROW.fullmatch(start) is not None


def contradiction(report: ClassReport) -> str | None:
    """Return what cannot be in a report, as a clause; None where its numbers fit together.

    Only arithmetic, each to within what rounding explains: no data and no seed can break it.
    """
    return next(_contradictions(report), None)


def _read(lines: Iterator[str]) -> ClassReport:
    classes: dict[str, Row] = {}
    averages: dict[str, Row] = {}
    accuracy = None
    for line in lines:
        if not line.strip():
            continue
        if match := _ACCURACY.fullmatch(line[:_LINE_CHARACTERS]):
            accuracy = float(match[1])
            continue
        match = _ROW.fullmatch(line[:_LINE_CHARACTERS])
        if match is None or len(classes) >= MAX_ROWS:
            break
        (averages if match["name"] in _AVERAGES else classes)[match["name"]] = _row(match)
        if match["name"] == _LAST:
            break
    return ClassReport(classes, averages, accuracy)


def _row(match: re.Match[str]) -> Row:
    _, precision, recall, f1, support = match.groups()
    digits = len(precision.partition(".")[2])
    return Row(float(precision), float(recall), float(f1), int(support), 10.0**-digits)


def _contradictions(report: ClassReport) -> Iterator[str]:
    for name, row in report.classes.items():
        sum_of_both = row.precision + row.recall
        harmonic = 2 * row.precision * row.recall / sum_of_both if sum_of_both else 0.0
        # Precision and recall are rounded, and their harmonic mean moves at most twice as far as they do.
        if abs(row.f1 - harmonic) > 2.01 * row.unit:
            yield f"the f1-score of {name!r} is {row.f1:g}, and its precision and recall make {harmonic:.3g}"
    total = report.support
    if total == 0:
        return
    weighted = sum(row.recall * row.support for row in report.classes.values()) / total
    unit = max(row.unit for row in report.classes.values())
    if report.accuracy is not None and abs(report.accuracy - weighted) > 1.01 * unit:
        yield f"its accuracy is {report.accuracy:g}, and the recalls of its classes make {weighted:.3g}"
    for name, average in report.averages.items():
        if name in _AVERAGES[:2] and average.support != total:
            yield f"its {name!r} counts {average.support} samples, and its classes {total}"
    macro = report.averages.get("macro avg")
    if macro is not None:
        mean = sum(row.f1 for row in report.classes.values()) / len(report.classes)
        if abs(macro.f1 - mean) > 1.01 * unit:
            yield f"its macro average of f1-scores is {macro.f1:g}, and those of its classes make {mean:.3g}"
