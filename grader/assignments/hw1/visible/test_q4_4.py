"""Q4.4 Confidence: four lists of examples, by confidence and by whether the prediction is right."""

from __future__ import annotations

from grader.assignments.hw1.blood_confidence import (
    all_examples,
    confidences_of,
    quadrant,
    require_quadrant,
    require_shown,
)
from grader.assignments.hw1.blood_model import asked
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt
from grader.datasets import BloodMnist
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q4.4.confident_correct")
def test_confident_correct(notebook: Replay, blood: BloodMnist, plot: PlotIt) -> None:
    """confident_correct holds two test images that are predicted right with a confidence above 0.9."""
    _require(notebook, blood, plot, "confident_correct")


@check("q4.4.confident_incorrect")
def test_confident_incorrect(notebook: Replay, blood: BloodMnist, plot: PlotIt) -> None:
    """confident_incorrect holds two test images that are predicted wrong with a confidence above 0.9."""
    _require(notebook, blood, plot, "confident_incorrect")


@check("q4.4.uncertain_correct")
def test_uncertain_correct(notebook: Replay, blood: BloodMnist, plot: PlotIt) -> None:
    """uncertain_correct holds two test images that are predicted right with a confidence below 0.6."""
    _require(notebook, blood, plot, "uncertain_correct")


@check("q4.4.uncertain_incorrect")
def test_uncertain_incorrect(notebook: Replay, blood: BloodMnist, plot: PlotIt) -> None:
    """uncertain_incorrect holds two test images that are predicted wrong with a confidence below 0.6."""
    _require(notebook, blood, plot, "uncertain_incorrect")


@check("q4.4.shown")
def test_shown(notebook: Replay) -> None:
    """The examples are shown."""
    with reproduced_by("plt.imshow(confident_correct[0][0])"):
        harvest = notebook.after("q4.4")
        require_shown(harvest, all_examples(harvest))


def _require(notebook: Replay, blood: BloodMnist, plot: PlotIt, name: str) -> None:
    with reproduced_by(f"print([entry[1:] for entry in {name}])"):
        harvest = notebook.after("q4.4")
        answers = confidences_of(asked(notebook, blood, "q4.4", "q4.3", "q4.2"), blood)
        plot(quadrant, name, answers[0], blood)
        require_quadrant(harvest, name, answers)
