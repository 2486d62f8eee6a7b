"""Q4.4 Confidence: the examples are test images, and the model's own answers for them."""

from __future__ import annotations

from grader.assignments.hw1.blood_confidence import all_examples, answers_of, require_answers, require_real
from grader.assignments.hw1.blood_model import asked
from grader.assignments.hw1.notebook_interface import Cells, Replay
from grader.pytest_plugin import check


@check("q4.4.test_images")
def test_test_images(notebook: Replay, blood: Cells) -> None:
    """The images are test images, with their own labels."""
    require_real(all_examples(notebook.after("q4.4")), blood)


@check("q4.4.confidences")
def test_confidences(notebook: Replay, blood: Cells) -> None:
    """Confidence and prediction of each example are what model gives for its image."""
    examples = all_examples(notebook.after("q4.4"))
    require_answers(examples, blood, answers_of(asked(notebook, blood, "q4.4", "q4.3", "q4.2"), blood))
