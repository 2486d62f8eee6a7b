"""Q4.1 Data and exploration: the scaling of the pixels."""

from __future__ import annotations

from grader.assignments.hw1.blood_pixels import scaling_of
from grader.assignments.hw1.notebook_interface import Cells, Replay
from grader.errors import CheckFailed, StudentFault
from grader.pytest_plugin import check


@check("q4.1.same_scaling", needs=("q4.1.splits",))
def test_same_scaling(notebook: Replay, blood: Cells) -> None:
    """The pixels of all three splits are scaled in the same way."""
    test, val = scaling_of(notebook, blood, "test"), scaling_of(notebook, blood, "val")
    if not test.is_same_as(val):
        raise CheckFailed("val_dataset and test_dataset scale their pixels differently")
    try:
        train = scaling_of(notebook, blood, "train")
    except StudentFault:  # augmented, which is nobody's mistake
        return
    if not test.is_same_as(train):
        raise CheckFailed("train_dataset and test_dataset scale their pixels differently")
