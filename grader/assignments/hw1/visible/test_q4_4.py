"""Q4.4 Confidence: four lists of examples, by confidence and by whether the prediction is right."""

from __future__ import annotations

from grader.assignments.hw1.blood_confidence import all_examples, answers_of, require_quadrant, require_shown
from grader.assignments.hw1.blood_model import asked
from grader.assignments.hw1.notebook_interface import Cells, Replay
from grader.checks.closeness import reproduced_by
from grader.pytest_plugin import check


@check("q4.4.confident_correct")
def test_confident_correct(notebook: Replay, blood: Cells) -> None:
    """confident_correct holds two test images that are predicted right with a confidence above 0.9."""
    _require(notebook, blood, "confident_correct")


@check("q4.4.confident_incorrect")
def test_confident_incorrect(notebook: Replay, blood: Cells) -> None:
    """confident_incorrect holds two test images that are predicted wrong with a confidence above 0.9."""
    _require(notebook, blood, "confident_incorrect")


@check("q4.4.uncertain_correct")
def test_uncertain_correct(notebook: Replay, blood: Cells) -> None:
    """uncertain_correct holds two test images that are predicted right with a confidence below 0.6."""
    _require(notebook, blood, "uncertain_correct")


@check("q4.4.uncertain_incorrect")
def test_uncertain_incorrect(notebook: Replay, blood: Cells) -> None:
    """uncertain_incorrect holds two test images that are predicted wrong with a confidence below 0.6."""
    _require(notebook, blood, "uncertain_incorrect")


@check("q4.4.shown")
def test_shown(notebook: Replay) -> None:
    """The examples are shown."""
    with reproduced_by("plt.imshow(confident_correct[0][0])"):
        harvest = notebook.after("q4.4")
        require_shown(harvest, all_examples(harvest))


def _require(notebook: Replay, blood: Cells, name: str) -> None:
    with reproduced_by(f"print([entry[1:] for entry in {name}])"):
        harvest = notebook.after("q4.4")
        require_quadrant(harvest, name, answers_of(asked(notebook, blood, "q4.4", "q4.3", "q4.2"), blood))
