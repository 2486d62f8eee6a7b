"""Downloads, left to torchvision and medmnist; what they bring is verified like any other file."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from grader.datasets.catalogue import CATALOGUE, Catalogue
from grader.datasets.store import DatasetStatus, import_folder, status
from grader.distribution import NAME
from grader.errors import DataUnavailable

PIP_COMMAND = f'python -m pip install "{NAME}[experiments]"'

ImportModule = Callable[[str], Any]


def fetch(
    data_dir: Path | None,
    *,
    catalogue: Catalogue = CATALOGUE,
    import_module: ImportModule = importlib.import_module,
) -> list[DatasetStatus]:
    """Download the data sets that are not yet here and verified, and return the ones that were added.

    Each set is imported as soon as it is there, so a failure at the second keeps the first.
    Raise DataUnavailable without torchvision or medmnist, or if the download fails.
    """
    here = {
        row.name for row in status(data_dir, catalogue=catalogue) if row.verified and row.profile == "full"
    }
    added: list[DatasetStatus] = []
    for name, download in (("mnist", _download_mnist), ("bloodmnist", _download_bloodmnist)):
        if name in here:
            continue
        with _explained(name), tempfile.TemporaryDirectory(prefix="grader-data-") as folder:
            download(Path(folder), import_module)
            added += import_folder(Path(folder), data_dir, catalogue=catalogue)
    return added


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what a download may raise into one sentence; errors of this package pass as they are."""
    try:
        yield
    except ImportError as error:
        raise DataUnavailable(
            f"`grader data fetch` needs torchvision and medmnist ({error}): {PIP_COMMAND}"
        ) from error
    except (OSError, RuntimeError, HTTPException) as error:
        # Both libraries wrap a network failure in a RuntimeError of several lines.
        reason = " ".join(str(error).split())
        raise DataUnavailable(
            f"{name} could not be downloaded: {reason}; "
            "if the files are on disk, run `grader data import FOLDER`"
        ) from error


def _download_mnist(folder: Path, import_module: ImportModule) -> None:
    """Let torchvision put the four files into `MNIST/raw` below the folder."""
    import_module("torchvision.datasets").MNIST(root=str(folder), download=True)


def _download_bloodmnist(folder: Path, import_module: ImportModule) -> None:
    """Let medmnist put `bloodmnist.npz` into the folder."""
    import_module("medmnist").BloodMNIST(split="train", root=str(folder), download=True)
