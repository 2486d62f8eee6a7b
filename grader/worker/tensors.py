"""Tensors as arrays and arrays as tensors, and what is asked of a network: facts, predictions.

torch is looked up where it is loaded, never imported: where it is not, nothing is a tensor.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .protocol import Numbers, Pairs

MAX_MODULES = 2000
MAX_DEPTH = 6
# What is taken along in a harvest without being asked for; larger values are fetched when they are.
MAX_VALUES = 5000
MAX_BYTES = 4 << 20
LONG_LIST = 64  # a list of numbers from here on crosses as one array


class TooLarge(Exception):
    """A value holds more than is taken along unasked."""


class Converter:
    """Turns a student's values into what crosses: plain data where it is data, the object itself elsewhere.

    `max_values` bounds how many values inside containers are looked at, `max_bytes` the arrays' sizes.
    """

    def __init__(self, *, max_values: int = 150_000, max_bytes: int = 60 << 20) -> None:
        self._max_values = max_values
        self._max_bytes = max_bytes
        self.values = 0  # that were looked at so far
        self.size = 0  # of their arrays and texts, in bytes

    def convert(self, value: Any, depth: int = 0) -> object:
        """Return plain data, or the value itself for what has none; raise TooLarge."""
        self._spend(values=1)
        if isinstance(value, str):
            self._spend(values=len(value) // 8)  # the texts of an answer have little room
            return value
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if (array := as_array(value)) is not None:
            self._spend(size=array.nbytes)
            return array
        if isinstance(value, range):
            value = list(value)
        if depth < MAX_DEPTH and isinstance(value, (list, tuple, deque)):
            return self._sequence(value, depth)
        if depth < MAX_DEPTH and isinstance(value, Mapping):
            return self._mapping(value, depth)
        return value

    def _sequence(self, value: Sequence[Any] | deque[Any], depth: int) -> object:
        if (
            len(value) >= LONG_LIST
            and not isinstance(value, tuple)
            and (numbers := _numbers(value)) is not None
        ):
            self._spend(size=numbers.nbytes)
            return Numbers(numbers)
        items = [self.convert(item, depth + 1) for item in value]
        return tuple(items) if isinstance(value, tuple) else items

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> object:
        items = [(_key(key), self.convert(item, depth + 1)) for key, item in value.items()]
        if not all(map(_is_plain_key, (key for key, _ in items))):
            return value
        return dict(items) if all(type(key) is str for key, _ in items) else Pairs(items)

    def _spend(self, *, values: int = 0, size: int = 0) -> None:
        self.values += values
        self.size += size
        if self.values > self._max_values or self.size > self._max_bytes:
            raise TooLarge


def as_array(value: Any) -> np.ndarray | None:
    """Return an array, a tensor or a pandas object of numbers as a plain array; None for anything else."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return None if isinstance(value, (np.number, np.bool_)) else np.asarray(value)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _tensor_as_array(torch, value)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    return None


def _tensor_as_array(torch: Any, tensor: Any) -> np.ndarray:
    plain = tensor.detach()
    if plain.layout != torch.strided:
        plain = plain.to_dense()
    plain = plain.cpu().resolve_conj().resolve_neg()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    return np.array(plain.numpy(), copy=True, subok=False)


def _numbers(values: Sequence[Any] | deque[Any]) -> np.ndarray | None:
    """Return a list of numbers of one kind as one array; None where it holds anything else."""
    kinds = {type(value) for value in values}
    if kinds <= {float, np.float64, np.float32}:
        return np.array(values, dtype=np.float64)
    if kinds == {bool}:
        return np.array(values, dtype=np.bool_)
    if all(issubclass(kind, (int, np.integer)) and kind is not bool for kind in kinds):
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            return None
    return None


def _key(key: Any) -> Any:
    if isinstance(key, np.integer):
        return int(key)
    if isinstance(key, np.floating):
        return float(key)
    return str(key) if type(key) is np.str_ else key


def _is_plain_key(key: object) -> bool:
    if type(key) is tuple:
        return all(map(_is_plain_key, key))
    return key is None or type(key) in (bool, int, float, str)


# ------------------------------------------------------------------------------------ networks


def predict(model: Any, images: np.ndarray, batch: int) -> object:
    """Return what a network makes of images (N, ...), batch by batch, evaluating, without gradients.

    An array (N, ...), or a list of them where the network returns several.
    """
    torch = sys.modules["torch"]
    device = device_of(model)
    with evaluating(model), torch.no_grad():
        outputs = [
            model(torch.from_numpy(images[start : start + batch].copy()).to(device))
            for start in range(0, len(images), batch)
        ]
    if outputs and all(isinstance(output, (list, tuple)) for output in outputs):
        return [_joined(parts) for parts in zip(*outputs, strict=True)]
    return _joined(outputs)


def _joined(parts: Sequence[Any]) -> np.ndarray:
    arrays = [as_array(part) for part in parts]
    if any(array is None for array in arrays):
        raise TypeError(f"the network returned {type(parts[0]).__name__} where a tensor is expected")
    return np.concatenate([array for array in arrays if array is not None])


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a network and all its parts into evaluation mode, and each part back as it was."""
    parts = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, was_training in parts:
            part.training = was_training


def device_of(target: Any) -> Any:
    """Return the device of a network's first parameter; the processor for anything else."""
    torch = sys.modules["torch"]
    if isinstance(target, torch.nn.Module):
        return next((parameter.device for parameter in target.parameters()), torch.device("cpu"))
    return torch.device("cpu")


def describe_model(model: Any) -> dict[str, object]:
    """Return the class names of a network's parts in order, and the shapes of its parameters by name."""
    torch = sys.modules["torch"]
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"{type(model).__name__} is no torch.nn.Module")
    modules = [str(type(part).__name__)[:100] for part in model.modules()][:MAX_MODULES]
    named = list(model.named_parameters())[:MAX_MODULES]
    parameters = [[str(name)[:200], [int(size) for size in value.shape]] for name, value in named]
    return {"modules": modules, "parameters": parameters}


def with_tensors(value: object, device: Any) -> object:
    """Return a value with each array in it made a tensor on the device."""
    if isinstance(value, np.ndarray):
        return sys.modules["torch"].from_numpy(value.copy()).to(device)
    if isinstance(value, (list, tuple)):
        return type(value)(with_tensors(item, device) for item in value)
    if isinstance(value, dict):
        return {key: with_tensors(item, device) for key, item in value.items()}
    return value


def call_with_tensors(target: Any, method: str | None, args: Sequence[object]) -> object:
    """Call an object of the student's with arrays as tensors; what it returns goes back as data."""
    device = device_of(getattr(target, "__self__", target))
    function: Callable[..., object] = target if method is None else getattr(target, method)
    return Converter().convert(function(*(with_tensors(value, device) for value in args)))
