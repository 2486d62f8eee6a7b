"""Q4.3 Evaluation: every number follows from the notebook's own predictions and labels."""

from __future__ import annotations

from grader.assignments.hw1.blood_evaluation import (
    CLASS_NAMES,
    answers_of,
    labels_of,
    predictions_of,
    require_accuracy,
    require_confusion,
    require_confusion_shown,
    require_labels,
    require_lowest_recall,
    require_misclassified_shown,
)
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt, matrix
from grader.datasets import BloodMnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q4.3.all_labels")
def test_all_labels(notebook: Replay, blood: BloodMnist) -> None:
    """all_labels holds the true class of every test image."""
    with reproduced_by("print(len(all_labels), np.bincount(all_labels))"):
        require_labels(labels_of(notebook.after("q4.3"), blood), blood)


@check("q4.3.all_preds")
def test_all_preds(notebook: Replay, blood: BloodMnist) -> None:
    """all_preds holds a class for every test image."""
    with reproduced_by("print(len(all_preds), np.bincount(all_preds))"):
        predictions_of(notebook.after("q4.3"), blood)


@check("q4.3.accuracy", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_accuracy(notebook: Replay, blood: BloodMnist) -> None:
    """Accuracy is the share of test images that are predicted right, between 0 and 1."""
    with reproduced_by("print(accuracy, np.mean(np.array(all_preds) == np.array(all_labels)))"):
        harvest = notebook.after("q4.3")
        require_accuracy(harvest, answers_of(harvest, blood))


@check("q4.3.cm", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_cm(notebook: Replay, blood: BloodMnist, plot: PlotIt) -> None:
    """Cm is the confusion matrix, true classes in rows and predicted ones in columns."""
    with reproduced_by("print(cm, confusion_matrix(all_labels, all_preds))"):
        harvest = notebook.after("q4.3")
        answers = answers_of(harvest, blood)
        plot(matrix, "Confusion matrix of all_labels and all_preds", CLASS_NAMES, answers.confusion)
        require_confusion(harvest, answers)


@check("q4.3.cm_figure")
def test_cm_figure(notebook: Replay) -> None:
    """The confusion matrix is shown as a figure."""
    with reproduced_by("plt.imshow(cm)"):
        require_confusion_shown(notebook.after("q4.3"))


@check("q4.3.lowest_recall", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_lowest_recall(notebook: Replay, blood: BloodMnist) -> None:
    """lowest_recall_class is the index of the class with the lowest recall."""
    with reproduced_by("print(lowest_recall_class, cm.diagonal() / cm.sum(axis=1))"):
        harvest = notebook.after("q4.3")
        require_lowest_recall(harvest, answers_of(harvest, blood))


@check("q4.3.misclassified", needs=("q4.3.all_labels", "q4.3.all_preds"))
def test_misclassified(notebook: Replay, blood: BloodMnist) -> None:
    """Five misclassified images of the class with the lowest recall are shown."""
    with reproduced_by("plt.subplots(1, 5)"):
        harvest = notebook.after("q4.3")
        require_misclassified_shown(harvest, answers_of(harvest, blood))
