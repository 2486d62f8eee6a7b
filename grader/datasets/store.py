"""The data folder: what is in it, and how files on disk get into it.

Layout, so that torchvision and medmnist read the same folder:
`MNIST/raw/<four IDX files>` and `bloodmnist.npz`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grader.datasets import cells
from grader.datasets.bloodmnist import BLOODMNIST, SAMPLE_SOURCE, read_bloodmnist
from grader.datasets.catalogue import CATALOGUE, Catalogue
from grader.datasets.mnist import (
    HOW_TO_GET_DATA,
    RAW,
    find_file,
    load_mnist,
    read_mnist_files,
    sample_folder,
    spellings,
)
from grader.errors import DataUnavailable, GraderError, UsageError
from grader.settings import default_data_dir

SUBFOLDERS = ("", "MNIST/raw", "raw", "mnist", "bloodmnist")  # where an import looks


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """One data set as found on this machine.

    `present`: its files are there; `verified`: they were read and have known checksums. The sample of
    BloodMNIST is drawn when it is asked for: `path` is what draws it, and there is nothing to verify.
    `source` says which data it is and is empty unless verified; `problem` is one sentence, or None.
    """

    name: str  # "mnist" | "bloodmnist"
    profile: str  # "sample" | "full"
    path: Path
    present: bool
    verified: bool
    source: str
    problem: str | None = None


def status(data_dir: Path | None, *, catalogue: Catalogue = CATALOGUE) -> list[DatasetStatus]:
    """Read and verify every data set; one that is missing or wrong is a row that names its problem."""
    folder = data_dir or default_data_dir()
    return [
        _mnist_status("sample", sample_folder(), data_dir=folder, catalogue=catalogue),
        _mnist_status("full", folder / RAW, data_dir=folder, catalogue=catalogue),
        _drawn(),
        _bloodmnist_status(folder / BLOODMNIST, catalogue=catalogue),
    ]


def import_folder(
    folder: Path, data_dir: Path | None, *, catalogue: Catalogue = CATALOGUE
) -> list[DatasetStatus]:
    """Copy the data sets that a folder holds into the data folder, and return what was imported.

    Everything is verified before anything is written. Raise DataUnavailable if a file is missing or
    not the known one, UsageError if `folder` is none or the data folder cannot be written.
    """
    if not os.path.isdir(folder):  # noqa: PTH112 (Path.is_dir raises where this says no)
        raise UsageError(f"there is no folder {folder} that can be read")
    target = data_dir or default_data_dir()
    folders = tuple(folder / name for name in SUBFOLDERS)
    imported: list[DatasetStatus] = []
    contents: dict[Path, bytes] = {}
    if _holds_some_of_mnist(folders, catalogue):
        files = read_mnist_files(folders, catalogue.mnist_full)
        contents |= {target / RAW / name: data for name, data in files.items()}
        imported.append(_verified("mnist", target / RAW, catalogue.mnist_full.source))
    if path := find_file(folders, [BLOODMNIST]):
        contents[target / BLOODMNIST], source = read_bloodmnist(path, catalogue=catalogue)
        imported.append(_verified("bloodmnist", target / BLOODMNIST, source))
    if not imported:
        raise DataUnavailable(
            f"{folder} holds neither the four IDX files of MNIST (train-images-idx3-ubyte or .gz and so on) "
            f"nor {BLOODMNIST}"
        )
    _write_all(contents)
    return imported


def _holds_some_of_mnist(folders: tuple[Path, ...], catalogue: Catalogue) -> bool:
    return any(find_file(folders, spellings(file.name)) for file in catalogue.mnist_full.files)


def _mnist_status(profile: str, path: Path, *, data_dir: Path, catalogue: Catalogue) -> DatasetStatus:
    files = (catalogue.mnist_sample if profile == "sample" else catalogue.mnist_full).files
    present = all(find_file([path], spellings(file.name)) for file in files)
    try:
        mnist = load_mnist(profile, data_dir, catalogue=catalogue)
    except GraderError as error:
        return DatasetStatus("mnist", profile, path, present, verified=False, source="", problem=str(error))
    return DatasetStatus("mnist", profile, path, present, verified=True, source=mnist.source)


def _bloodmnist_status(path: Path, *, catalogue: Catalogue) -> DatasetStatus:
    try:
        _, source = read_bloodmnist(path, catalogue=catalogue)
    except DataUnavailable as error:
        return DatasetStatus(
            "bloodmnist",
            "full",
            path,
            present=find_file([path.parent], [path.name]) is not None,
            verified=False,
            source="",
            problem=f"{error}; {HOW_TO_GET_DATA}",
        )
    return _verified("bloodmnist", path, source)


def _drawn() -> DatasetStatus:
    path = Path(cells.__file__)
    return DatasetStatus("bloodmnist", "sample", path, present=True, verified=True, source=SAMPLE_SOURCE)


def _verified(name: str, path: Path, source: str) -> DatasetStatus:
    return DatasetStatus(name, "full", path, present=True, verified=True, source=source)


def _write_all(contents: Mapping[Path, bytes]) -> None:
    """Write every file under a temporary name beside its place, then move all into place."""
    # Not tempfile: its files are readable by their owner only, and a course shares its data folder.
    parts = {path: path.with_name(f".{path.name}.{uuid.uuid4().hex}.part") for path in contents}
    try:
        for path, part in parts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(contents[path])
        for path, part in parts.items():
            os.replace(part, path)  # noqa: PTH105 (the name of the atomic call)
    except OSError as error:
        raise UsageError(f"the data folder cannot be written: {error}") from error
    finally:
        for part in parts.values():
            _remove(part)


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return  # the folder that could not be made has no such file either
