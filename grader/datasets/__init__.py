"""The data sets, by profile: the embedded sample or the full set."""

from grader.datasets.bloodmnist import BLOOD_CLASSES, BloodMnist, load_bloodmnist, unseen_cells
from grader.datasets.mnist import Mnist, load_mnist
from grader.datasets.serving import serve

__all__ = [
    "BLOOD_CLASSES",
    "BloodMnist",
    "Mnist",
    "load_bloodmnist",
    "load_mnist",
    "serve",
    "unseen_cells",
]
