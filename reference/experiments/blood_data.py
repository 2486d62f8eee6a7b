"""BloodMNIST for the experiments, behind the signature of `grader.datasets.load_bloodmnist`."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grader.datasets.mnist import HOW_TO_GET_DATA, PROFILES
from grader.datasets.store import BLOODMNIST, read_bloodmnist
from grader.errors import DataUnavailable, UsageError
from grader.settings import default_data_dir

BLOOD_CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)


@dataclass(frozen=True, slots=True, eq=False)
class BloodMnist:
    """BloodMNIST in memory: images uint8 (N, 28, 28, 3), labels int64 (N,); the arrays are read-only."""

    profile: str
    source: str
    sha256: str
    train_images: np.ndarray
    train_labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_bloodmnist(profile: str, data_dir: Path | None = None) -> BloodMnist:
    """Load a profile of BloodMNIST; raise DataUnavailable, with what to do, if it is not here."""
    if profile not in PROFILES:
        raise UsageError(f"there is no data profile {profile!r}; known: {', '.join(PROFILES)}")
    if profile == "sample":
        raise DataUnavailable("there is no sample of BloodMNIST yet; use --profile full")
    path = (data_dir or default_data_dir()) / BLOODMNIST
    if not path.is_file():
        raise DataUnavailable(f"BloodMNIST cannot be loaded: there is no {path}; {HOW_TO_GET_DATA}")
    data, source = read_bloodmnist(path)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        found = {name: _read_only(arrays[name]) for name in arrays.files}
    return BloodMnist(profile=profile, source=source, sha256=hashlib.sha256(data).hexdigest(), **found)


def _read_only(array: np.ndarray) -> np.ndarray:
    """Return images as they are, and labels (N, 1) as int64 (N,)."""
    kept = array if array.ndim == 4 else array.squeeze(1).astype(np.int64)
    kept.flags.writeable = False
    return kept
