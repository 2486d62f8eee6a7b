"""A small neural-network library in NumPy: every layer knows its own chain rule."""

from . import nn
from .utils import gradient_check

__all__ = ["gradient_check", "nn"]
