"""The grader as a wheel, made of the installed package itself: no sources, no build tool, no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from grader import distribution as installation
from grader.bundles.archive import BundledFile, zipped
from grader.errors import GraderFault
from grader.settings import resource

PACKAGE = Path(__file__).resolve().parents[1]
# What ships beside the package; pyproject.toml puts the same into the wheel that pip builds.
RESOURCES = (
    "reference",
    "student_template",
    "fixtures/data",
    "fixtures/attacks",
    "fixtures/build.py",
    "fixtures/mutants",
    "fixtures/submissions",
    "fixtures/theory",
    "fixtures/theory_fixtures.py",
)
ASSIGNMENT = "hw1"
RUBRIC = f"grader/assignments/{ASSIGNMENT}/rubric.toml"
_INSIDE = "_bundled"
_METADATA_KEYS = ("Summary", "License-Expression", "Classifier", "Requires-Python")
_REQUIRED = re.compile(r"[^a-z0-9._-]")  # what ends the name in a requirement
_FOR_DEVELOPERS = ("extra == 'dev'", 'extra == "dev"')
_WHEEL = "Wheel-Version: 1.0\nGenerator: mytorch-grader\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def package_files() -> dict[str, bytes]:
    """Return the files of the package by their paths in a wheel, without what ships beside it."""
    return {
        f"grader/{path}": content for path, content in tree(PACKAGE).items() if not path.startswith(_INSIDE)
    }


def resource_files(names: tuple[str, ...] = RESOURCES) -> dict[str, bytes]:
    """Return what ships beside the package, by its paths in a wheel."""
    found: dict[str, bytes] = {}
    for name in names:
        base = resource(name)
        content = (
            {"": base.read_bytes()}
            if base.is_file()
            else {f"/{path}": each for path, each in tree(base).items()}
        )
        found |= {f"grader/{_INSIDE}/{name}{path}": each for path, each in content.items()}
    return found


def tree(folder: Path, *, wanted: Callable[[Path], bool] = lambda _: True) -> dict[str, bytes]:
    """Return the files below a folder by their relative paths; caches and hidden files are nobody's."""
    found = {}
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        is_left_out = any(part == "__pycache__" or part.startswith(".") for part in below.parts)
        if path.is_file() and not is_left_out and wanted(below):
            found[below.as_posix()] = path.read_bytes()
    return found


def wheel_name(name: str = installation.NAME) -> str:
    """Return a wheel's file name."""
    return f"{name.replace('-', '_')}-{_installed().version}-py3-none-any.whl"


def make_wheel(
    files: Mapping[str, bytes], name: str = installation.NAME, *, without: Collection[str] = ()
) -> bytes:
    """Return a wheel of those files, with this installation's version, requirements and commands.

    `without` names requirements that these files do not have.
    """
    installed = _installed()
    folder = f"{name.replace('-', '_')}-{installed.version}.dist-info"
    about = {
        f"{folder}/METADATA": _metadata(installed, name, without).encode(),
        f"{folder}/WHEEL": _WHEEL.encode(),
        f"{folder}/entry_points.txt": (installed.read_text("entry_points.txt") or "").encode(),
        f"{folder}/licenses/LICENSE": (installed.read_text("licenses/LICENSE") or "").encode(),
    }
    content = {**files, **about}
    record = "".join(f"{path},{_digest(each)},{len(each)}\n" for path, each in sorted(content.items()))
    content[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    return zipped({path: BundledFile(each) for path, each in content.items()})


def full_wheel(rubric: Path | None = None) -> dict[str, BundledFile]:
    """Return the wheel of everything, by its file name: what grades, with hidden checks and reference.

    A rubric of the course's own stands in the place of the assignment's.
    """
    own = {} if rubric is None else {RUBRIC: rubric.read_bytes()}
    return {wheel_name(): BundledFile(make_wheel(package_files() | resource_files() | own))}


def _installed() -> Distribution:
    try:
        return distribution(installation.NAME)
    except PackageNotFoundError as error:
        raise GraderFault(
            f"this installation is incomplete: pip knows no {installation.NAME}; install it again"
        ) from error


def _metadata(installed: Distribution, name: str, without: Collection[str]) -> str:
    rows = [("Metadata-Version", "2.4"), ("Name", name), ("Version", installed.version)]
    rows += [(key, str(value)) for key in _METADATA_KEYS for value in installed.metadata.get_all(key) or ()]
    needs = [
        need
        for need in installed.requires or ()
        if not need.endswith(_FOR_DEVELOPERS) and _REQUIRED.split(need.lower())[0] not in without
    ]
    rows += [("Provides-Extra", "experiments"), *(("Requires-Dist", need) for need in needs)]
    return "".join(f"{key}: {value}\n" for key, value in (*rows, ("License-File", "LICENSE")))


def _digest(content: bytes) -> str:
    raw = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={raw.decode()}"
