"""Where a network runs: a CUDA device where there is one, the processor elsewhere."""

from __future__ import annotations

import torch

from grader.errors import UsageError

NAMES = ("auto", "cpu", "cuda")


def pick_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is CUDA if present. Raise UsageError for a CUDA that is not."""
    if name not in NAMES:
        raise UsageError(f"there is no device {name!r}; known: {', '.join(NAMES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is present here; use --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def name_of(device: torch.device) -> str:
    """Return the device as a record names it, a GPU with its model."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
