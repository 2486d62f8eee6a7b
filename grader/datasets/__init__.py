"""The data sets, by profile: the embedded sample or the full set."""

from grader.datasets.mnist import Mnist, load_mnist

__all__ = ["Mnist", "load_mnist"]
