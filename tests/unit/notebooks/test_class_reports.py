"""Class reports are found in text, and arithmetic alone says which cannot be one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebooks.class_reports import contradiction, find_reports
from tests.unit.notebooks.reports import report_text

LABELS = np.repeat(np.arange(4), [40, 30, 20, 10])
PREDICTIONS = np.where(np.arange(100) % 5 == 0, (LABELS + 1) % 4, LABELS)
HONEST = report_text(LABELS, PREDICTIONS, names=["basophil", "immature granulocytes", "c", "d e"])


def test_a_report_is_read_with_its_classes_averages_and_accuracy():
    (report,) = find_reports(f"before\n{HONEST}\nafter 0.1 0.2 0.3 5")
    assert list(report.classes) == ["basophil", "immature granulocytes", "c", "d e"]
    assert list(report.averages) == ["macro avg", "weighted avg"]
    assert (report.accuracy, report.support) == (0.8, 100)


def test_an_honest_report_has_no_contradiction():
    assert contradiction(find_reports(HONEST)[0]) is None


def edited(start, line):
    """Return the report with the line that begins so replaced."""
    lines = [line if old.strip().startswith(start) else old for old in HONEST.splitlines()]
    assert lines != HONEST.splitlines()
    return find_reports("\n".join(lines))[0]


@pytest.mark.parametrize(
    "start, line, found",
    [
        ("accuracy", "accuracy 0.9800 100", "its accuracy is 0.98, and the recalls of its classes make 0.8"),
        ("macro avg", "macro avg 0.9 0.9 0.9 100", "its macro average of f1-scores is 0.9"),
        ("weighted avg", "weighted avg 0.8136 0.8 0.8033 3421", "counts 3421 samples, and its classes 100"),
        ("basophil", "basophil 0.9900 0.9900 0.5000 40", "the f1-score of 'basophil' is 0.5"),
    ],
)
def test_an_edited_report_contradicts_itself(start, line, found):
    assert found in contradiction(edited(start, line))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(2, 8),
    size=st.integers(8, 2000),
    digits=st.integers(2, 4),
    right=st.floats(0, 1),
)
def test_no_honest_report_contradicts_itself(seed, classes, size, digits, right):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, size)
    guesses = np.where(rng.random(size) < right, labels, rng.integers(0, classes, size))
    text = report_text(labels, guesses, names=[f"class {k}" for k in range(classes)], digits=digits)
    (report,) = find_reports(text)
    assert contradiction(report) is None


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="01.acur y avgmcoweightd\n", max_size=300))
def test_any_text_behind_a_header_is_read(text):
    for report in find_reports(f"   precision    recall  f1-score   support\n{text}"):
        assert contradiction(report) is None or isinstance(contradiction(report), str)
