"""Q4.1 Data and exploration: the three splits, their loaders, and what is drawn of them."""

from __future__ import annotations

from grader.assignments.hw1.blood_evaluation import classes_named
from grader.assignments.hw1.blood_pixels import (
    SPLITS,
    class_counts,
    require_loader,
    require_split,
    titled_twice,
)
from grader.assignments.hw1.notebook_figures import has_bars, pictures, titles_of_pictures
from grader.assignments.hw1.notebook_interface import Cells, Replay
from grader.checks.closeness import reproduced_by
from grader.errors import CheckFailed
from grader.pytest_plugin import check

GRID = 16


@check("q4.1.splits")
def test_splits(notebook: Replay, blood: Cells) -> None:
    """train_dataset, val_dataset and test_dataset are the three official splits."""
    for split in SPLITS:
        with reproduced_by(f"print(len({split}_dataset), {split}_dataset[0][1])"):
            require_split(notebook, blood, split)


@check("q4.1.loaders")
def test_loaders(notebook: Replay, blood: Cells) -> None:
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
        if len(titles) < GRID:
            return  # one image made of all of them: no title tells
        if sum(map(bool, titles)) < GRID:
            raise CheckFailed(
                f"{titles.count('')} of the {len(titles)} images have no title; give each its class"
            )
        if len(titles) == GRID and (odd := titled_twice(titles, classes_named)):
            raise CheckFailed(f"the 16 images are not two of each class: {odd}")


@check("q4.1.class_counts")
def test_class_counts(notebook: Replay, blood: Cells) -> None:
    """A bar chart shows how many training images each class has."""
    with reproduced_by("plt.bar(range(8), np.bincount(train_labels))"):
        counts = class_counts(blood)
        if not has_bars(notebook.after("q4.1"), counts):
            raise CheckFailed(
                f"no bar chart has the numbers of training images, {', '.join(map(str, counts))} in "
                "this profile, "
                f"{blood.profile}"
            )
