"""MNIST by profile: the embedded sample, or the full set from the data folder.

Light on purpose (NumPy and the standard library): every grading run loads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grader.datasets.catalogue import CATALOGUE, Catalogue, KnownSet, verify
from grader.datasets.idx import parse_idx, read_unpacked
from grader.distribution import NAME
from grader.errors import DataUnavailable, GraderFault, UsageError
from grader.settings import default_data_dir, resource

PROFILES = ("sample", "full")
RAW = Path("MNIST", "raw")  # torchvision's layout below its root
HOW_TO_GET_DATA = "run `grader data fetch`, or `grader data import FOLDER` if the files are on disk"


@dataclass(frozen=True, slots=True, eq=False)
class Mnist:
    """MNIST in memory; the arrays are read-only, so no check can change them for the next.

    `source` says in a report which data this is, `sha256` is over the `sha256sum` lines of the
    four unpacked files, in the order of the catalogue.
    """

    train_images: npt.NDArray[np.uint8]  # (N, 28, 28)
    train_labels: npt.NDArray[np.uint8]  # (N,)
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    profile: str
    source: str
    sha256: str


def load_mnist(profile: str, data_dir: Path | None, *, catalogue: Catalogue = CATALOGUE) -> Mnist:
    """Load and verify a profile of MNIST; raise DataUnavailable, with both ways to get it, if it is not here.

    `data_dir` None is the user's default data folder. A broken sample is our fault: GraderFault.
    """
    check_profile(profile)
    if profile == "sample":
        try:
            return load_mnist_files(sample_folder(), catalogue.mnist_sample, profile=profile)
        except DataUnavailable as error:
            raise GraderFault(f"{error}; install {NAME} again") from error
    folder = (data_dir or default_data_dir()) / RAW
    try:
        return load_mnist_files(folder, catalogue.mnist_full, profile=profile)
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}; {HOW_TO_GET_DATA}") from error


def check_profile(profile: str) -> None:
    """Raise UsageError unless there is a data profile of this name."""
    if profile not in PROFILES:
        raise UsageError(f"there is no data profile {profile!r}; known: {', '.join(PROFILES)}")


def sample_folder() -> Path:
    """Return the folder of the embedded sample."""
    return resource("fixtures/data") / "mnist_sample"


def load_mnist_files(folder: Path, known: KnownSet, *, profile: str) -> Mnist:
    """Load the four files of a folder, each with the checksums it is known by, or raise DataUnavailable."""
    contents = read_mnist_files([folder], known)
    train_images, train_labels, test_images, test_labels = (
        parse_idx(data, path=folder / name) for name, data in contents.items()
    )
    return Mnist(
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        profile=profile,
        source=known.source,
        sha256=_digest(contents),
    )


def read_mnist_files(folders: Iterable[Path], known: KnownSet) -> dict[str, bytes]:
    """Find, unpack and verify the four files, each in the first folder that has it: name -> bytes."""
    folders = tuple(folders)
    contents = {}
    for file in known.files:
        path = find_file(folders, spellings(file.name))
        if path is None:
            raise DataUnavailable(f"MNIST cannot be loaded: there is no {file.name} in {folders[0]}")
        data = read_unpacked(path, limit_bytes=file.limit_bytes)
        verify(data, [file], path=path)
        contents[file.name] = data
    return contents


def find_file(folders: Iterable[Path], names: Iterable[str]) -> Path | None:
    """Return the first regular file of these names in these folders."""
    names = tuple(names)
    candidates = (folder / name for folder in folders for name in names)
    # Not Path.is_file, which raises where a folder above may not be searched.
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def spellings(name: str) -> tuple[str, ...]:
    """Return the ways one IDX file is named in the wild: gzipped or not, a dash or a dot before `idx`."""
    dotted = name.replace("-idx", ".idx")
    return name, f"{name}.gz", dotted, f"{dotted}.gz"


def _digest(contents: dict[str, bytes]) -> str:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in contents.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
