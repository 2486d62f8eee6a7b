"""Q4.1: the three data sets of a notebook, and how they make a network's input of an image.

The scaling is found from a few items and the images that they come from, so that images the worker never had
can be given to the network in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grader.assignments.hw1.notebook_interface import Cells, Images, Replay
from grader.assignments.hw1.notebook_values import object_named, whole_numbers
from grader.checks.closeness import describe, require_array
from grader.checks.tolerance import Array, FloatArray, as_float
from grader.errors import CheckFailed, StudentFault
from grader.remote import RemoteObject

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
NAMES = {"train": "training", "val": "validation", "test": "test"}
CHANNELS, VALUES = 3, 28 * 28 * 3
_ITEMS = 4
# float32 of numbers around 1; a colour that is off by one step of 256 is off by 4e-3.
_TOLERANCE = 2e-4


@dataclass(frozen=True, slots=True)
class Scaling:
    """Images to a network's input: `factor` x + `offset` for each channel, x between 0 and 1."""

    shape: tuple[int, ...]  # of one input
    channels_last: bool
    factor: FloatArray  # (3,)
    offset: FloatArray  # (3,)

    def apply(self, images: Images) -> Array:
        """Return inputs (N, *shape), float32."""
        scaled = images / 255.0 * self.factor + self.offset  # (N, 28, 28, 3)
        ordered = scaled if self.channels_last else scaled.transpose(0, 3, 1, 2)
        return ordered.reshape(len(images), *self.shape).astype(np.float32)

    def is_same_as(self, other: Scaling) -> bool:
        """Say whether two data sets scale alike."""
        return bool(
            np.allclose(self.factor, other.factor, atol=1e-3)
            and np.allclose(self.offset, other.offset, atol=1e-3)
        )


def usual_scalings() -> list[Scaling]:
    """Return what is tried where no data set tells: -1 to 1, and 0 to 1."""
    shape = (CHANNELS, 28, 28)
    return [
        Scaling(shape, channels_last=False, factor=np.full(3, factor), offset=np.full(3, offset))
        for factor, offset in ((2.0, -1.0), (1.0, 0.0))
    ]


def dataset_of(notebook: Replay, split: Split) -> RemoteObject:
    """Return one of the three data sets."""
    return object_named(notebook.after("q4.1"), f"{split}_dataset", kind="a data set")


def images_of(cells: Cells, split: Split) -> tuple[Images, Array]:
    """Return the images and labels that were served for a split."""
    return {
        "train": (cells.train_images, cells.train_labels),
        "val": (cells.val_images, cells.val_labels),
        "test": (cells.test_images, cells.test_labels),
    }[split]


def require_split(notebook: Replay, cells: Cells, split: Split) -> None:
    """Judge the size of a data set, and a few of its items' labels."""
    dataset, (_, labels) = dataset_of(notebook, split), images_of(cells, split)
    name = f"{split}_dataset"
    size = notebook.student.call_with_tensors(dataset, "__len__")
    if size != len(labels):
        other = next((NAMES[each] for each in SPLITS if size == len(images_of(cells, each)[1])), None)
        raise CheckFailed(
            f"{name} has {_number(size)} images; the {NAMES[split]} split has {len(labels):,} in this "
            "profile, "
            f"{cells.profile}",
            expected=f"{len(labels)}",
            got=f"{_number(size)}",
            cause=f"this is the size of the {other} split" if other else None,
        )
    for index in _rows(len(labels)):
        _, label = item(notebook, dataset, index, name)
        if label != labels[index]:
            raise CheckFailed(f"{name}[{index}] has the label {label}; it should be {int(labels[index])}")


def scaling_of(notebook: Replay, cells: Cells, split: Split) -> Scaling:
    """Return how a data set scales its images; CheckFailed where it does something else with them."""
    dataset, (images, _) = dataset_of(notebook, split), images_of(cells, split)
    name = f"{split}_dataset"
    rows = _rows(len(images))
    inputs = [item(notebook, dataset, index, name)[0] for index in rows]
    if found := _fitted(images[rows], inputs):
        return found
    raise CheckFailed(
        f"the images of {name} are not those of the {NAMES[split]} split, scaled by one factor and one "
        "offset for "
        f"each channel: {name}[0][0] has the shape {inputs[0].shape}"
    )


def _fitted(images: Images, inputs: Sequence[Array]) -> Scaling | None:
    shape = inputs[0].shape
    if any(each.shape != shape for each in inputs) or int(np.prod(shape)) != VALUES:
        return None
    flat = np.stack([as_float(each).reshape(-1) for each in inputs])
    for channels_last in (False, True):
        got = (
            flat.reshape(-1, 28 * 28, 3) if channels_last else flat.reshape(-1, 3, 28 * 28).transpose(0, 2, 1)
        )
        lines = [
            _line(images[..., channel].reshape(len(images), -1) / 255.0, got[..., channel])
            for channel in range(CHANNELS)
        ]
        if all(line is not None for line in lines):
            factor, offset = np.array([line for line in lines if line is not None]).T
            return Scaling(shape, channels_last=channels_last, factor=factor, offset=offset)
    return None


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float] | None:
    """Return factor and offset of a line through all points, or None."""
    with np.errstate(all="ignore"):
        spread = x - x.mean()
        factor = float((spread * (y - y.mean())).sum() / max(float((spread**2).sum()), 1e-12))
        offset = float(y.mean() - factor * x.mean())
        scale = max(abs(factor), float(np.abs(y).max()), 1e-6)
        is_line = np.abs(factor * x + offset - y).max() <= _TOLERANCE * scale
    return (factor, offset) if is_line else None


def model_scaling(notebook: Replay, cells: Cells) -> list[Scaling]:
    """Return how images are to be given to the model: as the test set does, or else the usual ways."""
    for split in ("test", "val"):
        try:
            return [scaling_of(notebook, cells, split)]
        except StudentFault:  # what is wrong with it costs points in Q4.1
            continue
    return usual_scalings()


def item(notebook: Replay, dataset: RemoteObject, index: int, name: str) -> tuple[Array, int]:
    """Return one image and its label."""
    value = notebook.student.call_with_tensors(dataset, "__getitem__", index)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise CheckFailed(f"{name}[{index}] should be an image and its label, but is {describe(value)}")
    image, label = value
    row = whole_numbers([label], what=f"the label of {name}[{index}]")
    if row.size != 1:
        raise CheckFailed(f"the label of {name}[{index}] should be one number, but has {row.size}")
    return require_array(image, what=f"the image of {name}[{index}]"), int(row[0])


def require_loader(notebook: Replay, cells: Cells, split: Split) -> None:
    """Judge that a loader goes through its split."""
    loader = object_named(notebook.after("q4.1"), f"{split}_loader", kind="a DataLoader")
    batches = notebook.student.call_with_tensors(loader, "__len__")
    size = len(images_of(cells, split)[1])
    if not isinstance(batches, int) or not 1 <= batches <= size:
        raise CheckFailed(
            f"{split}_loader has {_number(batches)} batches; it should go through the {size:,} "
            f"{NAMES[split]} images"
        )


def class_counts(cells: Cells) -> list[int]:
    """Return how many training images each class has."""
    return [int(count) for count in np.bincount(cells.train_labels, minlength=8)]


def _rows(size: int) -> list[int]:
    """Return a few places, the first and the last among them."""
    return [int(place) for place in np.linspace(0, size - 1, _ITEMS)]


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else describe(value)


def titled_twice(titles: Sequence[str], classes_named: Callable[[str], set[int]]) -> str | None:
    """Return what is wrong with the titles of 16 images, two of each class, or None."""
    groups: dict[object, list[str]] = {}
    for title in titles:
        named = classes_named(title)
        groups.setdefault(named.pop() if len(named) == 1 else title.lower(), []).append(title)
    if odd := [group for group in groups.values() if len(group) != 2]:
        return f"{odd[0][0][:40]!r} stands beside {len(odd[0])} of them"
    return None
