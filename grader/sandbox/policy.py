"""The policy file, read and typed: limits, environment and files of a worker."""

from __future__ import annotations

import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from grader import settings
from grader.model import Limits

POLICY_FILE = Path(__file__).with_name("policy.toml")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: what a worker may use and see."""

    limits: Limits
    environment: dict[str, str]
    keep_first_bytes: int
    keep_last_bytes: int
    read: tuple[str, ...]
    list_only: tuple[str, ...]
    write: tuple[str, ...]


@cache
def read_policy() -> Policy:
    """Read the policy that ships with this version, with the paths of this machine filled in."""
    raw = tomllib.loads(POLICY_FILE.read_text(encoding="utf-8"))
    passed_on = settings.environment_values(raw["environment_passed_on"]["names"])
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{sys.platform}-none"
    left_out = frozenset(raw["files"]["not_in_standard_library"])
    return Policy(
        limits=Limits(**raw["limits"]),
        environment=raw["environment"] | passed_on,
        keep_first_bytes=raw["output"]["keep_first_bytes"],
        keep_last_bytes=raw["output"]["keep_last_bytes"],
        read=(
            *(path.format(multiarch=multiarch) for path in raw["files"]["read"]),
            *_standard_library(left_out),
            *_numpy_folders(),
        ),
        list_only=tuple(str(folder) for folder in _standard_library_folders()),
        write=tuple(raw["files"]["write"]),
    )


def numpy_folder() -> Path:
    """Return the folder that NumPy was imported from on the trusted side; the worker uses the same."""
    return Path(np.__file__).resolve().parent.parent


def _numpy_folders() -> list[str]:
    return [str(path) for name in ("numpy", "numpy.libs") if (path := numpy_folder() / name).is_dir()]


def _standard_library_folders() -> set[Path]:
    return {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}


def _standard_library(left_out: frozenset[str]) -> list[str]:
    """Return its entries one by one: Landlock grants a folder with all that is below it."""
    return [
        str(entry)
        for folder in sorted(_standard_library_folders())
        for entry in sorted(folder.iterdir())
        if entry.name not in left_out
    ]
