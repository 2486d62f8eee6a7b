"""Q4.1 Data and exploration: the three splits, their loaders, and what is drawn of them."""

from __future__ import annotations

from grader.assignments.hw1.blood_pixels import (
    SPLITS,
    class_counts,
    require_loader,
    require_split,
)
from grader.assignments.hw1.blood_words import GRID, require_titles
from grader.assignments.hw1.notebook_figures import has_bars, pictures, titles_of_pictures
from grader.checks.closeness import reproduced_by
from grader.datasets import BloodMnist
from grader.errors import CheckFailed
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check


@check("q4.1.splits")
def test_splits(notebook: Replay, blood: BloodMnist) -> None:
    """train_dataset, val_dataset and test_dataset are the three official splits."""
    for split in SPLITS:
        with reproduced_by(f"print(len({split}_dataset), {split}_dataset[0][1])"):
            require_split(notebook, blood, split)


@check("q4.1.loaders")
def test_loaders(notebook: Replay, blood: BloodMnist) -> None:
    """There is a loader for each of the three splits."""
    for split in SPLITS:
        with reproduced_by(f"print(len({split}_loader))"):
            require_loader(notebook, blood, split)


@check("q4.1.image_grid")
def test_image_grid(notebook: Replay) -> None:
    """16 images are shown, two of each class, with their class beside them."""
    with reproduced_by("plt.subplots(4, 4)"):
        harvest = notebook.after("q4.1")
        shown = pictures(harvest)
        if shown < GRID:
            raise CheckFailed(
                f"{shown} image{'s are' if shown != 1 else ' is'} shown; there should be a grid of 16",
                expected="16 images",
                got=f"{shown} images",
            )
        titles = titles_of_pictures(harvest)
        if len(titles) == GRID:  # of more pictures, or of one made of all of them, no title tells
            require_titles(titles)


@check("q4.1.class_counts")
def test_class_counts(notebook: Replay, blood: BloodMnist) -> None:
    """A bar chart shows how many training images each class has."""
    with reproduced_by("plt.bar(range(8), np.bincount(train_labels))"):
        counts = class_counts(blood)
        if not has_bars(notebook.after("q4.1"), counts):
            raise CheckFailed(
                f"no bar chart has the numbers of training images, {', '.join(map(str, counts))} in this "
                f"profile, {blood.profile}"
            )
