"""The policy file, read and typed: limits, environment, files and accounts of a worker."""

from __future__ import annotations

import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grader.environment import environment_values
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
    standard_library_entries: tuple[str, ...]  # what is in them: Landlock grants a folder with all below it
    not_in_standard_library: tuple[str, ...]  # names in there that belong to others
    write: tuple[str, ...]
    accounts: range


@cache
def read_policy() -> Policy:
    """Read the policy that ships with this version, with the paths of this machine filled in."""
    raw = policy_table()
    passed_on = environment_values(raw["environment_passed_on"]["names"])
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{sys.platform}-none"
    folders = sorted({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})
    left_out = tuple(raw["files"]["not_in_standard_library"])
    return Policy(
        limits=Limits(**raw["limits"]),
        environment=raw["environment"] | passed_on,
        keep_first_bytes=raw["output"]["keep_first_bytes"],
        keep_last_bytes=raw["output"]["keep_last_bytes"],
        read=tuple(path.format(multiarch=multiarch) for path in raw["files"]["read"]),
        standard_library=tuple(map(str, folders)),
        standard_library_entries=tuple(
            str(entry)
            for folder in folders
            for entry in sorted(folder.iterdir())
            if entry.name not in left_out
        ),
        not_in_standard_library=left_out,
        write=tuple(raw["files"]["write"]),
        accounts=range(raw["accounts"]["first"], raw["accounts"]["last"] + 1),
    )


@cache
def policy_table() -> Mapping[str, Any]:
    """Return the policy file as it is written."""
    return tomllib.loads(POLICY_FILE.read_text(encoding="utf-8"))
