"""Your neural-network library. Inside this package: NumPy and the standard library, nothing else."""

from . import nn
from .utils import gradient_check

__all__ = ["gradient_check", "nn"]
