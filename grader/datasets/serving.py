"""Lay out what a notebook's worker is given, as torchvision and medmnist lay it out themselves."""

from __future__ import annotations

from pathlib import Path

from grader.datasets.bloodmnist import (
    BLOODMNIST,
    find_bloodmnist,
    load_bloodmnist,
    npz_bytes,
    read_bloodmnist,
)
from grader.datasets.catalogue import CATALOGUE, Catalogue
from grader.datasets.mnist import HOW_TO_GET_DATA, RAW, check_profile, read_mnist_files, sample_folder
from grader.errors import DataUnavailable
from grader.settings import default_data_dir


def serve(
    folder: Path, profile: str, data_dir: Path | None = None, *, catalogue: Catalogue = CATALOGUE
) -> None:
    """Write a profile's `MNIST/raw/*` (unpacked IDX) and `bloodmnist.npz` into an empty folder.

    What is served is what the trusted side loads: every file is verified, or drawn by the same generator.
    Raise DataUnavailable, with both ways to get it, if something of the full profile is not here.
    """
    check_profile(profile)
    digits = _mnist(profile, data_dir, catalogue)
    cells = _bloodmnist(profile, data_dir, catalogue)
    (folder / RAW).mkdir(parents=True)
    for name, data in digits.items():
        (folder / RAW / name).write_bytes(data)
    (folder / BLOODMNIST).write_bytes(cells)


def _mnist(profile: str, data_dir: Path | None, catalogue: Catalogue) -> dict[str, bytes]:
    if profile == "sample":
        return read_mnist_files([sample_folder()], catalogue.mnist_sample)
    try:
        return read_mnist_files([(data_dir or default_data_dir()) / RAW], catalogue.mnist_full)
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}; {HOW_TO_GET_DATA}") from error


def _bloodmnist(profile: str, data_dir: Path | None, catalogue: Catalogue) -> bytes:
    if profile == "sample":
        return npz_bytes(load_bloodmnist(profile))
    try:
        return read_bloodmnist(find_bloodmnist(data_dir), catalogue=catalogue)[0]
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}; {HOW_TO_GET_DATA}") from error
