"""What a place needs, as one file or folder: the student's kit, an autograder, a workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from grader.bundles.actions import actions_files
from grader.bundles.archive import BundledFile, write_bundle
from grader.bundles.gradescope import gradescope_files
from grader.bundles.student import student_files
from grader.bundles.wheel import ASSIGNMENT, PACKAGE
from grader.errors import UsageError
from grader.plan import agree
from grader.rubric import load_rubric
from grader.suites import read_suites


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """What may be chosen: PyTorch there too, how long that place lets us run, a course's own rubric."""

    with_experiments: bool = False
    minutes: int = 10
    rubric: Path | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """One of the bundles.

    `folder` is what the zip holds everything in, where that is not the zip's root; `takes` are the options
    that mean something to it.
    """

    files: Callable[[BundleOptions], Mapping[str, BundledFile]]
    folder: str = ""
    takes: frozenset[str] = frozenset()


_OF_A_MACHINE = frozenset({"with_experiments", "minutes"})

# The one list of bundles.
BUNDLES: Mapping[str, Bundle] = MappingProxyType(
    {
        "student": Bundle(lambda options: student_files(options.rubric), folder="hw1/"),
        "gradescope": Bundle(lambda options: gradescope_files(**asdict(options)), takes=_OF_A_MACHINE),
        "actions": Bundle(lambda options: actions_files(**asdict(options)), takes=_OF_A_MACHINE),
    }
)


def make_bundle(name: str, out: Path, options: BundleOptions) -> int:
    """Write a bundle: a zip where `out` ends with .zip, else a folder. Return the number of its files.

    The same grader writes the same bytes. Raise UsageError for an unknown bundle, for options that it does
    not have, for a rubric that does not fit, and where `out` is there already.
    """
    if name not in BUNDLES:
        raise UsageError(f"unknown bundle {name!r}; known: {', '.join(BUNDLES)}")
    bundle = BUNDLES[name]
    _require_taken(name, bundle, options)
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} is there already; remove it, or choose another --out")
    if options.rubric is not None:
        agree(load_rubric(options.rubric).questions, read_suites(PACKAGE / "assignments" / ASSIGNMENT))
    files = bundle.files(options)
    write_bundle(out, files, folder=bundle.folder)
    return len(files)


def _require_taken(name: str, bundle: Bundle, options: BundleOptions) -> None:
    default = BundleOptions()
    for option in ("with_experiments", "minutes"):
        if option not in bundle.takes and getattr(options, option) != getattr(default, option):
            raise UsageError(f"the bundle {name} has no --{option.replace('_', '-')}")
    if not 2 <= options.minutes <= 360:
        raise UsageError(f"--minutes is a number from 2 to 360, not {options.minutes}")
