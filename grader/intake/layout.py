"""Which of the files are the package, the notebook and theory.py, and where each of them goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from grader.errors import SubmissionRejected
from grader.intake.contents import Contents
from grader.intake.names import PACKAGE_NAME, folded, quoted
from grader.intake.sources import why_unreadable

PACKAGE = PurePosixPath(PACKAGE_NAME)
THEORY = PurePosixPath("theory.py")
PARTS = ("mytorch", "notebook", "theory")

COMPILED_SUFFIXES = frozenset({".so", ".pyd", ".dll", ".dylib", ".pyc", ".pyo"})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".tgz", ".gz", ".7z", ".rar"})

MISSING = {
    "mytorch": "no folder mytorch with Python files was found; zip the folder that holds it and the notebook",
    "notebook": "no notebook (.ipynb) was found; hand it in, or grade Problem 6 alone with --questions q6",
    "theory": "no theory.py was found; put it beside mytorch/, or leave Problems 1-3 out with --questions",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The files that are graded, re-rooted; every path is the one they get on disk.

    `left_out` are the files whose kind is never graded, by their own paths.
    """

    files: Mapping[PurePosixPath, bytes]
    package: PurePosixPath | None
    notebook: PurePosixPath | None
    theory: PurePosixPath | None
    left_out: tuple[PurePosixPath, ...]


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the parts were found."""

    package: PurePosixPath | None
    notebook: PurePosixPath | None
    theory: PurePosixPath | None


def arrange(contents: Contents, require: Collection[str]) -> Layout:
    """Find the parts at any depth and re-root them; what is required and missing is told."""
    places = _find(contents)
    _check_present(places, contents, require)
    _check_compiled(places, contents)
    files = _reroot(places, contents.files)
    _check_sources(files)
    return Layout(
        files=files,
        package=PACKAGE if places.package else None,
        notebook=PurePosixPath(places.notebook.name) if places.notebook else None,
        theory=THEORY if places.theory else None,
        left_out=tuple(contents.dropped),
    )


def _find(contents: Contents) -> _Places:
    package = _only_one("folders mytorch", _packages(contents.files))
    notebook = _only_one("notebooks", [path for path in contents.files if path.suffix.lower() == ".ipynb"])
    return _Places(package, notebook, _find_theory(contents.files, package, notebook))


def _packages(files: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """Find the folders mytorch with Python files: those with some in nn/, else those with some of their own.

    So a project folder that happens to be called mytorch is no rival of the package in it.
    """
    found: dict[PurePosixPath, bool] = {}
    for path in files:
        for folder in path.parents if path.suffix == ".py" else ():
            if folder.name == PACKAGE_NAME:
                below = path.relative_to(folder).parts
                if len(below) == 1 or below[0] == "nn":
                    found[folder] = found.get(folder, False) or len(below) > 1
    return [folder for folder in found if found[folder]] or list(found)


def _find_theory(
    files: Iterable[PurePosixPath], package: PurePosixPath | None, notebook: PurePosixPath | None
) -> PurePosixPath | None:
    """Find theory.py beside the package or the notebook, else anywhere outside the package."""
    every = [path for path in files if path.name == THEORY.name]
    homes = [part.parent for part in (package, notebook) if part is not None]
    beside = [path for path in every if path.parent in homes]
    outside = [path for path in every if package is None or not path.is_relative_to(package)]
    return _only_one("files theory.py", beside or outside)


def _only_one(what: str, candidates: Collection[PurePosixPath]) -> PurePosixPath | None:
    if len(candidates) > 1:
        first, second, *_ = sorted(candidates)
        raise SubmissionRejected(
            f"there are {len(candidates)} {what}, {quoted(first)} and {quoted(second)}; keep one"
        )
    return next(iter(candidates), None)


def _check_present(places: _Places, contents: Contents, require: Collection[str]) -> None:
    found = dict(zip(PARTS, (places.package, places.notebook, places.theory), strict=True))
    if unknown := set(require) - set(found):
        raise ValueError(f"no such part of a submission: {sorted(unknown)}")
    archive = next((path for path in contents.dropped if path.suffix.lower() in ARCHIVE_SUFFIXES), None)
    if archive is not None and not any(found.values()):
        raise SubmissionRejected(
            f"an archive inside is not opened; unpack {quoted(archive)} and hand in what is in it"
        )
    for part in PARTS:
        if part in require and found[part] is None:
            raise SubmissionRejected(_near_miss(contents.files) if part == "mytorch" else MISSING[part])
    if not any(found.values()):
        raise SubmissionRejected(
            "there is nothing to grade in it: no folder mytorch, no notebook, no theory.py"
        )


def _near_miss(files: Iterable[PurePosixPath]) -> str:
    """Say why there is no package, where that is easy to see."""
    folders = {folder for path in files for folder in path.parents}
    for folder in sorted(folders):
        if folder.name != PACKAGE_NAME and folded(folder.name) == PACKAGE_NAME:
            return f"the folder {quoted(folder)} must be called mytorch, in small letters; rename it"
    if any(folder.name == "nn" and folder.parent.name != PACKAGE_NAME for folder in folders):
        return "there is a folder nn, but no folder mytorch around it; zip mytorch itself, not what is in it"
    return MISSING["mytorch"]


def _check_compiled(places: _Places, contents: Contents) -> None:
    """Refuse compiled code inside the package; a stray __pycache__ was ignored long before."""
    for path in contents.dropped:
        inside = places.package is not None and path.is_relative_to(places.package)
        if inside and is_compiled(path):
            raise SubmissionRejected(
                f"{quoted(path)} is compiled code; mytorch is handed in as Python sources only"
            )


def is_compiled(path: PurePosixPath) -> bool:
    """Tell by its name whether a file is code that Python could import without a source."""
    return not COMPILED_SUFFIXES.isdisjoint(suffix.lower() for suffix in path.suffixes)


def _reroot(places: _Places, files: Mapping[PurePosixPath, bytes]) -> dict[PurePosixPath, bytes]:
    """Give each graded file its path on disk.

    Beside the parts go the files of the notebook's folder, for the notebook may import or read them.
    They never take the place of a part.
    """
    parts = {places.notebook: PurePosixPath(places.notebook.name)} if places.notebook else {}
    if places.theory is not None:
        parts[places.theory] = THEORY
    rerooted = {parts[path]: files[path] for path in parts}
    taken = {PACKAGE_NAME, *(folded(path.name) for path in parts.values())}
    for path in files:
        if path in parts:
            continue
        if places.package is not None and path.is_relative_to(places.package):
            rerooted[PACKAGE / path.relative_to(places.package)] = files[path]
        elif places.notebook is not None and path.is_relative_to(places.notebook.parent):
            below = path.relative_to(places.notebook.parent)
            if folded(below.parts[0]) not in taken:
                rerooted[below] = files[path]
    return rerooted


def _check_sources(files: Mapping[PurePosixPath, bytes]) -> None:
    for path, content in files.items():
        reason = why_unreadable(content) if path.suffix.lower() == ".py" else None
        if reason is not None:
            raise SubmissionRejected(f"{quoted(path)} {reason}; save it as UTF-8")
