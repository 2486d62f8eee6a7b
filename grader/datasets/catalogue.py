"""The one table of data that may be graded with, and the checksums it is known by.

Checksums are of the unpacked files. The MD5s of the full MNIST images and of BloodMNIST are the
published ones (medmnist 3.0.2 holds the latter); each SHA-256 beside an MD5 is of the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import DataUnavailable

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Checksums:
    """MD5 and SHA-256 in hexadecimal; None in the table where one is not known."""

    md5: str | None
    sha256: str | None

    def agree_with(self, found: Checksums) -> bool:
        """Tell whether every checksum known here equals the one found."""
        return self.md5 in (None, found.md5) and self.sha256 in (None, found.sha256)

    def __str__(self) -> str:
        """Name the checksum that people publish: the MD5, or else the SHA-256."""
        return f"MD5 {self.md5}" if self.md5 else f"SHA-256 {self.sha256}"


@dataclass(frozen=True, slots=True)
class KnownFile:
    """One file, by the name torchvision or medmnist gives it; `limit_bytes` is the most it may unpack to."""

    name: str
    limit_bytes: int
    checksums: Checksums


@dataclass(frozen=True, slots=True)
class KnownSet:
    """The files that make up one data set; `source` says in a report which data graded."""

    source: str
    files: tuple[KnownFile, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that is accepted: MNIST by profile, and each version of BloodMNIST.

    The files of MNIST stand in this order: training images, training labels, test images, test labels.
    """

    mnist_sample: KnownSet
    mnist_full: KnownSet
    bloodmnist: tuple[KnownSet, ...]


def verify(data: bytes, candidates: Sequence[KnownFile], *, path: Path) -> KnownFile:
    """Return the candidate that these unpacked bytes are; raise DataUnavailable, naming `path`, if none."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    found = Checksums(md5=md5, sha256=hashlib.sha256(data).hexdigest())
    for known in candidates:
        if known.checksums.agree_with(found):
            return known
    expected = " or ".join(str(known.checksums) for known in candidates)
    raise DataUnavailable(
        f"{path} is not the {candidates[0].name} that is known: expected {expected}, "
        f"got MD5 {found.md5} (SHA-256 {found.sha256})"
    )


def _file(name: str, limit_bytes: int, *, md5: str | None = None, sha256: str | None = None) -> KnownFile:
    return KnownFile(name, limit_bytes, Checksums(md5=md5, sha256=sha256))


CATALOGUE = Catalogue(
    mnist_sample=KnownSet(
        source="a sample of MNIST, 5,000 training and 1,000 test digits, that comes with the grader",
        files=(
            _file(
                "train-images-idx3-ubyte",
                3_920_016,
                md5="0aa792107c29691ef140a1f8bb532956",
                sha256="8a7f4b774571bda743ddbee85fc67ebfa3747fb584a68fe5486fc62fd226a985",
            ),
            _file(
                "train-labels-idx1-ubyte",
                5_008,
                md5="f648917e4f15ac308665dea8a770ce45",
                sha256="cdcb1367985ded8852b5bc1c64cef7f90695d5771929b745c59d13119dfddb39",
            ),
            _file(
                "t10k-images-idx3-ubyte",
                784_016,
                md5="e179a3655808607902fa38073cff111f",
                sha256="78faf54238e330174450fe40bcc461f151ca72523080b303d232a83f856df02a",
            ),
            _file(
                "t10k-labels-idx1-ubyte",
                1_008,
                md5="430f9702b9eeb7502c81b1f934866e08",
                sha256="4944e576da47077a98702e5d56ae54c51dae2a06f381ed1db79d61bea82b98b3",
            ),
        ),
    ),
    mnist_full=KnownSet(
        source="all of MNIST, with the published checksums",
        files=(
            _file(
                "train-images-idx3-ubyte",
                47_040_016,
                md5="6bbc9ace898e44ae57da46a324031adb",
                sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            _file(
                "train-labels-idx1-ubyte",
                60_008,
                md5="a25bea736e30d166cdddb491f175f624",
                sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            _file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                md5="2646ac647ad5339dbf082846283269ea",
                sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            _file(
                "t10k-labels-idx1-ubyte",
                10_008,
                md5="27ae3e4e09519cfbb04c329615203637",
                sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    ),
    bloodmnist=(
        KnownSet(
            source="BloodMNIST 28x28 as medmnist publishes it",
            files=(_file("bloodmnist.npz", 64 * MIB, md5="7053d0359d879ad8a5505303e11de1dc"),),
        ),
        KnownSet(
            source="BloodMNIST 28x28 rebuilt from its source images, with a split of its own",
            files=(
                _file(
                    "bloodmnist.npz",
                    64 * MIB,
                    sha256="2b6f7c08ea008af6c3b04def453984dc4aa1f7b0e3921ee7d664b561fbe6132f",
                ),
            ),
        ),
    ),
)
