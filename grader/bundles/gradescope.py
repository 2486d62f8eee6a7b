"""Not there yet."""

from __future__ import annotations

from grader.bundles.archive import BundledFile


def gradescope_files(*, with_experiments: bool, minutes: int) -> dict[str, BundledFile]:
    """Return the files by their paths."""
    raise NotImplementedError(with_experiments, minutes)
