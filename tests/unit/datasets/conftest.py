"""Tiny sets that stand for the real ones."""

import gzip
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grader.datasets.bloodmnist import SPLIT_SIZES
from grader.datasets.catalogue import CATALOGUE, Catalogue, Checksums, KnownFile, KnownSet
from grader.datasets.idx import encode_idx


@pytest.fixture(scope="session")
def tiny_mnist() -> dict[str, bytes]:
    """Four IDX files of 20 and 10 noisy digits: name -> unpacked bytes."""
    rng = np.random.default_rng(0)
    contents = {}
    for split, digits in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (digits, 28, 28), dtype=np.uint8)
        labels = np.arange(digits, dtype=np.uint8) % 10
        contents[f"{split}-images-idx3-ubyte"] = encode_idx(images)
        contents[f"{split}-labels-idx1-ubyte"] = encode_idx(labels)
    return contents


@pytest.fixture(scope="session")
def blank_bloodmnist() -> bytes:
    """An npz of the right layout whose every pixel is 0."""
    arrays = {}
    for split, size in SPLIT_SIZES:
        arrays[f"{split}_images"] = np.zeros((size, 28, 28, 3), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.zeros((size, 1), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.fixture(scope="session")
def known_set() -> Callable[[str, dict[str, bytes]], KnownSet]:
    """Return a function that makes the row of the catalogue by which these files are known."""

    def make(source: str, contents: dict[str, bytes]) -> KnownSet:
        files = (
            KnownFile(name, len(data), Checksums(md5=None, sha256=hashlib.sha256(data).hexdigest()))
            for name, data in contents.items()
        )
        return KnownSet(source, tuple(files))

    return make


@pytest.fixture(scope="session")
def tiny_catalogue(
    tiny_mnist: dict[str, bytes],
    blank_bloodmnist: bytes,
    known_set: Callable[[str, dict[str, bytes]], KnownSet],
) -> Catalogue:
    """A catalogue that knows the tiny files, so that imports are tested without the real ones."""
    return Catalogue(
        mnist_sample=CATALOGUE.mnist_sample,
        mnist_full=known_set("tiny MNIST", tiny_mnist),
        bloodmnist=(
            CATALOGUE.bloodmnist[0],
            known_set("blank BloodMNIST", {"bloodmnist.npz": blank_bloodmnist}),
        ),
    )


@pytest.fixture
def put() -> Callable[..., None]:
    """Return a function that writes files into a folder, gzipped where the name ends in .gz."""

    def write(folder: Path, contents: dict[str, bytes], *, suffix: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            path = folder / f"{name}{suffix}"
            path.write_bytes(gzip.compress(data, 1) if suffix == ".gz" else data)

    return write
