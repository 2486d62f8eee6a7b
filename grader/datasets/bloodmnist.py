"""BloodMNIST by profile: cells of our own making, or the real set from the data folder.

No pixel of the real set may travel with the grader, so the sample profile is drawn on the spot by `cells`:
the same format, class names and imbalance, a quarter of the size, and about as hard for the homework's MLP.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.datasets.catalogue import CATALOGUE, Catalogue, verify
from grader.datasets.cells import draw_cells
from grader.datasets.idx import read_unpacked
from grader.datasets.mnist import HOW_TO_GET_DATA, check_profile
from grader.errors import DataUnavailable
from grader.settings import default_data_dir

BLOODMNIST = "bloodmnist.npz"  # medmnist's name for it
SPLIT_SIZES = (("train", 11_959), ("val", 1_712), ("test", 3_421))
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
# The published counts, a quarter each, rounded so that the splits hold 2,990, 428 and 855 cells.
SAMPLE_COUNTS = {
    "train": (213, 545, 271, 507, 212, 248, 583, 411),
    "val": (31, 78, 39, 72, 30, 36, 83, 59),
    "test": (61, 156, 78, 145, 61, 71, 166, 117),
}
SAMPLE_SEED = 20_260_401
SAMPLE_SOURCE = (
    "synthetic BloodMNIST, 2,990 training, 428 validation and 855 test cells drawn by the grader, "
    "none of them real"
)


@dataclass(frozen=True, slots=True, eq=False)
class BloodMnist:
    """BloodMNIST in memory; the arrays are read-only, so no check can change them for the next.

    `source` says in a report which data this is; `sha256` is of the npz file in the full profile, and of the
    six arrays' bytes in the order below in the sample.
    """

    profile: str
    source: str
    sha256: str
    train_images: npt.NDArray[np.uint8]  # (N, 28, 28, 3)
    train_labels: npt.NDArray[np.int64]  # (N,)
    val_images: npt.NDArray[np.uint8]
    val_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


def load_bloodmnist(
    profile: str, data_dir: Path | None = None, *, catalogue: Catalogue = CATALOGUE
) -> BloodMnist:
    """Draw the sample of BloodMNIST, or load and verify the full set.

    `data_dir` None is the user's default data folder. Raise DataUnavailable, with both ways to get it, where
    the full set is not here.
    """
    check_profile(profile)
    return _drawn_sample() if profile == "sample" else _loaded(find_bloodmnist(data_dir), catalogue)


def unseen_cells(
    blood: BloodMnist, rng: np.random.Generator, count: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images (count, 28, 28, 3) and labels (count,) that no worker was ever given, in any order.

    In the sample: cells drawn afresh, their classes as frequent as in the test split. In the full profile:
    test images turned by quarters or mirrored, never as they are.
    """
    if blood.profile == "sample":
        labels = _shuffled(_shares(SAMPLE_COUNTS["test"], count), rng)
        return draw_cells(labels, rng), labels
    return turned_cells(blood, rng, count)


def turned_cells(
    blood: BloodMnist, rng: np.random.Generator, count: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return test images, each turned by quarters or mirrored; none twice while there are enough."""
    rounds = max(1, -(-count // len(blood.test_labels)))
    chosen = np.concatenate([_order(len(blood.test_labels), rng) for _ in range(rounds)])[:count]
    images = blood.test_images[chosen]
    which = 1 + np.floor(rng.random(count) * 7).astype(np.int64)  # 0 would leave the image as it is
    for number in range(1, 8):
        images[which == number] = _turned(images[which == number], number)
    return images, blood.test_labels[chosen]


def npz_bytes(blood: BloodMnist) -> bytes:
    """Return the data as an uncompressed npz of medmnist's layout."""
    arrays = {}
    for split, _ in SPLIT_SIZES:
        arrays[f"{split}_images"] = getattr(blood, f"{split}_images")
        arrays[f"{split}_labels"] = getattr(blood, f"{split}_labels").astype(np.uint8)[:, None]
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def find_bloodmnist(data_dir: Path | None) -> Path:
    """Return where the full set is to be."""
    return (data_dir or default_data_dir()) / BLOODMNIST


def read_bloodmnist(path: Path, *, catalogue: Catalogue = CATALOGUE) -> tuple[bytes, str]:
    """Read and verify a `bloodmnist.npz`; return its bytes and which version it is."""
    candidates = {known.files[0]: known.source for known in catalogue.bloodmnist}
    data = read_unpacked(path, limit_bytes=max(file.limit_bytes for file in candidates))
    source = candidates[verify(data, tuple(candidates), path=path)]
    check_layout(data, path=path)
    return data, source


def _loaded(path: Path, catalogue: Catalogue) -> BloodMnist:
    try:
        data, source = read_bloodmnist(path, catalogue=catalogue)
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}; {HOW_TO_GET_DATA}") from error
    with np.load(io.BytesIO(data), allow_pickle=False) as npz:
        arrays = {
            name: npz[name] for split, _ in SPLIT_SIZES for name in (f"{split}_images", f"{split}_labels")
        }
    return _frozen(arrays, profile="full", source=source, sha256=hashlib.sha256(data).hexdigest())


@cache
def _drawn_sample() -> BloodMnist:
    """Draw the sample; once a process, since its arrays are read-only."""
    rng = np.random.Generator(np.random.PCG64(SAMPLE_SEED))
    arrays: dict[str, npt.NDArray[Any]] = {}
    digest = hashlib.sha256()
    for split, counts in SAMPLE_COUNTS.items():
        labels = _shuffled(counts, rng)
        arrays |= {f"{split}_images": draw_cells(labels, rng), f"{split}_labels": labels}
        digest.update(arrays[f"{split}_images"].tobytes() + labels.astype("<i8").tobytes())
    return _frozen(arrays, profile="sample", source=SAMPLE_SOURCE, sha256=digest.hexdigest())


def _frozen(arrays: dict[str, npt.NDArray[Any]], *, profile: str, source: str, sha256: str) -> BloodMnist:
    for name, array in arrays.items():
        arrays[name] = array.reshape(-1).astype(np.int64) if name.endswith("labels") else array
        arrays[name].flags.writeable = False
    return BloodMnist(profile=profile, source=source, sha256=sha256, **arrays)


def _shuffled(counts: Iterable[int], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return each class as often as it counts, in random order."""
    counts = tuple(counts)
    return np.repeat(np.arange(len(counts)), counts).astype(np.int64)[_order(sum(counts), rng)]


def _order(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return a random order of so many things, from uniform draws alone: NumPy keeps those as they are."""
    return np.argsort(rng.random(count), kind="stable")


def _shares(counts: tuple[int, ...], total: int) -> tuple[int, ...]:
    """Divide a total as the counts are divided: whole numbers, by the largest remainders."""
    exact = [total * count / sum(counts) for count in counts]
    shares = [int(share) for share in exact]
    by_remainder = sorted(range(len(counts)), key=lambda index: shares[index] - exact[index])
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return tuple(shares)


def _turned(images: npt.NDArray[np.uint8], number: int) -> npt.NDArray[np.uint8]:
    """Return pictures turned by `number % 4` quarters, and from 4 on mirrored as well."""
    turned = np.rot90(images, number % 4, axes=(1, 2))
    return turned[:, :, ::-1] if number >= 4 else turned


def check_layout(data: bytes, *, path: Path) -> None:
    """Raise DataUnavailable unless the npz holds the six arrays of medmnist's layout.

    Only the headers are unpacked, and nothing is ever unpickled: an object array has the wrong dtype.
    """
    found = _array_headers(data, path=path)
    expected = {name: shape for split in SPLIT_SIZES for name, shape in _members(*split)}
    if set(found) != set(expected):
        raise DataUnavailable(f"{path} holds {_listed(found)}, where {_listed(expected)} were expected")
    for name, shape in expected.items():
        found_shape, dtype = found[name]
        if (found_shape, dtype) != (shape, np.dtype(np.uint8)):
            raise DataUnavailable(f"{name} in {path} is {dtype} {found_shape}; expected uint8 {shape}")


def _members(split: str, size: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return (f"{split}_images.npy", (size, 28, 28, 3)), (f"{split}_labels.npy", (size, 1))


def _array_headers(data: bytes, *, path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[np.generic]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: _array_header(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError) as error:
        # RuntimeError is zipfile's word for an encrypted member or an unknown compression.
        raise DataUnavailable(f"{path} is not an npz file of plain arrays: {error}") from error


def _array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    with archive.open(name) as member:
        if (version := np.lib.format.read_magic(member)) != (1, 0):
            raise ValueError(f"{name} is of npy version {version[0]}.{version[1]}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        return shape, dtype


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
