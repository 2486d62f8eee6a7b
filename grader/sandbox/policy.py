"""The policy file, read and typed: limits, environment, files and accounts of a worker."""

from __future__ import annotations

import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grader import settings
from grader.model import Limits

POLICY_FILE = Path(__file__).with_name("policy.toml")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: what a worker may use and see beside the libraries of its view."""

    limits: Limits
    environment: dict[str, str]
    keep_first_bytes: int
    keep_last_bytes: int
    read: tuple[str, ...]  # files and folders of the system
    standard_library: tuple[str, ...]  # its folders
    not_in_standard_library: tuple[str, ...]  # names in there that belong to others
    write: tuple[str, ...]
    accounts: range

    def standard_library_entries(self) -> list[str]:
        """Return what is in the standard library one by one: Landlock grants a folder with all below it."""
        return [
            str(entry)
            for folder in self.standard_library
            for entry in sorted(Path(folder).iterdir())
            if entry.name not in self.not_in_standard_library
        ]


@cache
def read_policy() -> Policy:
    """Read the policy that ships with this version, with the paths of this machine filled in."""
    raw = policy_table()
    passed_on = settings.environment_values(raw["environment_passed_on"]["names"])
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{sys.platform}-none"
    return Policy(
        limits=Limits(**raw["limits"]),
        environment=raw["environment"] | passed_on,
        keep_first_bytes=raw["output"]["keep_first_bytes"],
        keep_last_bytes=raw["output"]["keep_last_bytes"],
        read=tuple(path.format(multiarch=multiarch) for path in raw["files"]["read"]),
        standard_library=tuple(sorted(_standard_library_folders())),
        not_in_standard_library=tuple(raw["files"]["not_in_standard_library"]),
        write=tuple(raw["files"]["write"]),
        accounts=range(raw["accounts"]["first"], raw["accounts"]["last"] + 1),
    )


def policy_table() -> dict[str, Any]:
    """Return the policy file as it is written."""
    return tomllib.loads(POLICY_FILE.read_text(encoding="utf-8"))


def _standard_library_folders() -> set[str]:
    return {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib")}
