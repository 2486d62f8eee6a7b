"""Q4.3 Evaluation: whose predictions these are, and what is printed of them."""

from __future__ import annotations

from grader.assignments.hw1.blood_evaluation import (
    answers_of,
    require_own_predictions,
    require_pairs_named,
    require_report,
)
from grader.assignments.hw1.blood_model import asked
from grader.assignments.hw1.notebook_interface import Cells, Replay
from grader.pytest_plugin import check


@check("q4.3.own_predictions", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_own_predictions(notebook: Replay, blood: Cells) -> None:
    """all_preds is what model predicts for the test images."""
    answers = answers_of(notebook.after("q4.3"), blood)
    require_own_predictions(asked(notebook, blood, "q4.3", "q4.2"), answers, blood)


@check("q4.3.report", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_report(notebook: Replay, blood: Cells) -> None:
    """Precision, recall and F1 of each class are printed."""
    harvest = notebook.after("q4.3")
    require_report(harvest, answers_of(harvest, blood))


@check("q4.3.confused_pairs", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_confused_pairs(notebook: Replay, blood: Cells) -> None:
    """The two pairs of classes that are confused most often are named."""
    harvest = notebook.after("q4.3")
    require_pairs_named(harvest, answers_of(harvest, blood))
