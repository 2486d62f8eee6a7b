"""One pass over a split of images, with learning and without: the loop that the experiments share.

A split is on the device as a whole, so that an epoch is arithmetic alone: no image is decoded or
scaled twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Images (N, channels, 28, 28) to logits (N, classes)."""

AT_ONCE = 1024  # images in a batch where nothing is learned


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images (N, channels, 28, 28), float32, and labels (N,), int64, on one device."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Pass:
    """What a pass over a split came to: means over its images."""

    loss: float
    accuracy: float


def to_split(images: np.ndarray, labels: np.ndarray, device: torch.device, *, centred: bool = False) -> Split:
    """Scale images, uint8 (N, 28, 28) or (N, 28, 28, 3), to 0..1, or to -1..1 where centred."""
    channels_last = torch.from_numpy(np.array(images).reshape(len(images), 28, 28, -1))
    pixels = channels_last.permute(0, 3, 1, 2).to(device).float() / 255
    return Split(
        (pixels - 0.5) / 0.5 if centred else pixels, torch.from_numpy(labels.astype(np.int64)).to(device)
    )


def train_epoch(
    logits: Logits,
    split: Split,
    optimiser: torch.optim.Optimizer,
    *,
    batch_size: int,
    order: torch.Generator,
    on_batch: Callable[[float], None] = lambda _: None,
) -> Pass:
    """Learn from every image once, in an order drawn from `order`, which is on the CPU on every machine."""
    rows_in_order = torch.randperm(len(split), generator=order).to(split.labels.device)
    losses, right = 0.0, 0
    for rows in rows_in_order.split(batch_size):
        labels = split.labels[rows]
        outputs = logits(split.images[rows])
        loss = functional.cross_entropy(outputs, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses += loss.item() * len(rows)
        right += int((outputs.argmax(dim=1) == labels).sum())
        on_batch(loss.item())
    return Pass(losses / len(split), right / len(split))


def evaluate(logits: Logits, split: Split) -> Pass:
    """Return mean loss and accuracy, and learn nothing."""
    outputs = predict(logits, split)
    loss = functional.cross_entropy(outputs, split.labels)
    return Pass(loss.item(), float((outputs.argmax(dim=1) == split.labels).float().mean()))


@torch.no_grad()
def predict(logits: Logits, split: Split) -> torch.Tensor:
    """Return the logits of every image, (N, classes), in the split's order."""
    return torch.cat([logits(images) for images in split.images.split(AT_ONCE)])


def batches_in(split_size: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last one may be smaller."""
    return -(-split_size // batch_size)


def seeded(seed: int) -> torch.Generator:
    """Seed what draws weights, and return a generator of its own for the order of images."""
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def epochs_of(count: int, what: str) -> Iterator[str]:
    """Yield a name for each epoch, as a progress bar shows it."""
    return (f"{what} epoch {number} of {count}".strip() for number in range(1, count + 1))
