"""What the checks of Problems 4 and 5 see of a replayed notebook and of the data, and nothing more of either.

`grader.notebooks.replay` and `grader.datasets` have these; the tests' own notebook has them too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from grader.checks.tolerance import Array
from grader.remote import RemoteObject, Value

Images = npt.NDArray[np.uint8]  # (N, 28, 28, 3), or (N, 28, 28) of digits
Unseen = Callable[[int], tuple[Images, Array]]  # a number -> images and labels that no worker ever had


class Axes(Protocol):
    """One plot."""

    @property
    def title(self) -> str:
        """The text above it."""

    @property
    def xlabel(self) -> str:
        """The text below it."""

    @property
    def ylabel(self) -> str:
        """The text beside it."""

    @property
    def lines(self) -> Sequence[Array]:
        """The heights of each line, (n,)."""

    @property
    def bars(self) -> Sequence[float]:
        """The lengths of the bars."""

    @property
    def images(self) -> Sequence[tuple[int, ...]]:
        """The shapes of the images."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts that stand in it."""


class Figure(Protocol):
    """What one call of `show` drew."""

    @property
    def axes(self) -> Sequence[Axes]:
        """Its plots."""


class Harvest(Protocol):
    """What the cells of one question left behind."""

    @property
    def figures(self) -> Sequence[Figure]:
        """What they drew."""

    @property
    def printed(self) -> str:
        """What they printed."""

    def has(self, name: str) -> bool:
        """Say whether a name is defined after them."""

    def value(self, name: str) -> Value:
        """Return what it stands for; CheckFailed where it is not defined, or is still `...`."""


class ModelFacts(Protocol):
    """What a network is made of."""

    @property
    def parameters(self) -> Sequence[tuple[str, tuple[int, ...]]]:
        """The name and the shape of each parameter, in order."""


class Worker(Protocol):
    """The replayed kernel, which still holds the notebook's objects."""

    def predict(self, model: RemoteObject, images: Array, *, batch: int = 256) -> Value:
        """Return what a network gives for images, float32."""

    def describe_model(self, model: RemoteObject) -> ModelFacts:
        """Return what a network is made of."""

    def call_with_tensors(self, target: RemoteObject, method: str | None, *args: Value) -> Value:
        """Call an object, or a method of it: arrays become tensors, tensors come back as arrays."""


class Replay(Protocol):
    """A notebook that has run from top to bottom."""

    @property
    def student(self) -> Worker:
        """The kernel it ran in."""

    def after(self, question: str) -> Harvest:
        """Return what a question left; StudentFault where it has no cells, or they left nothing."""


class Cells(Protocol):
    """BloodMNIST in one profile: images (N, 28, 28, 3) uint8, labels (N,)."""

    @property
    def profile(self) -> str:
        """Its profile, sample or full."""

    @property
    def sha256(self) -> str:
        """Of its bytes."""

    @property
    def train_images(self) -> Images:
        """The training images."""

    @property
    def train_labels(self) -> Array:
        """Their classes."""

    @property
    def val_images(self) -> Images:
        """The validation images."""

    @property
    def val_labels(self) -> Array:
        """Their classes."""

    @property
    def test_images(self) -> Images:
        """The test images."""

    @property
    def test_labels(self) -> Array:
        """Their classes."""
