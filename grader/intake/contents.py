"""What a submission holds, before and after its files are read; the same for a zip and for a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from grader.errors import SubmissionRejected
from grader.intake.limits import IntakeLimits
from grader.intake.names import check_portable, check_side_by_side, quoted

# Sources, notebooks, the arrays and pictures they read, and what people write beside them.
KEPT_SUFFIXES = frozenset(
    {
        *(".py", ".ipynb", ".npz", ".npy", ".csv", ".tsv", ".json", ".toml", ".yaml", ".yml"),
        *(".txt", ".md", ".rst", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".svg"),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """One file or folder of a submission whose content has not been read; the size is only claimed."""

    parts: tuple[str, ...]
    is_folder: bool
    size_bytes: int

    @property
    def path(self) -> PurePosixPath:
        """The path inside the submission."""
        return PurePosixPath(*self.parts)

    @property
    def is_kept(self) -> bool:
        """Whether it is a file of a kind that may be graded."""
        return not self.is_folder and self.path.suffix.lower() in KEPT_SUFFIXES


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of a submission that may be graded, and the paths of those whose kind never is."""

    files: Mapping[PurePosixPath, bytes]
    dropped: Sequence[PurePosixPath]

    def beneath(self, folder: str) -> Contents:
        """Return the same contents one folder deeper."""
        files = {folder / path: content for path, content in self.files.items()}
        return Contents(files, [folder / path for path in self.dropped])


def check_names(found: Sequence[Found], *, limits: IntakeLimits) -> None:
    """Refuse paths that cannot be written on every system, or not side by side, and too many of them."""
    if sum(one.is_kept for one in found) > limits.files:
        raise SubmissionRejected(f"there are more than {limits.files:,} files; hand in only your own work")
    for one in found:
        check_portable(one.parts, limits=limits)
    check_side_by_side((one.parts, one.is_folder) for one in found)


def check_sizes(found: Iterable[Found], *, limits: IntakeLimits) -> None:
    """Refuse files that claim to be too large, one by one or together."""
    total_bytes = 0
    for one in found:
        limit_bytes, advice = limits.file_bytes, "leave it out, or clear its outputs"
        if one.path.suffix.lower() == ".py":
            limit_bytes, advice = limits.source_bytes, "keep data out of Python files"
        if one.size_bytes > limit_bytes:
            raise SubmissionRejected(f"{quoted(one.path)} is larger than {megabytes(limit_bytes)}; {advice}")
        total_bytes += one.size_bytes
    if total_bytes > limits.total_bytes:
        raise SubmissionRejected(
            f"the files are larger than {megabytes(limits.total_bytes)} together; leave data sets out"
        )


def megabytes(size_bytes: int) -> str:
    """Write a limit for a person: 64 MB."""
    return f"{size_bytes / (1 << 20):g} MB"
