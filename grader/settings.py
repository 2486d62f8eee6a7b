"""Settings, read once: defaults < settings file < environment < command-line flags."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from grader.distribution import NAME
from grader.errors import GraderFault, UsageError

# The student kit's seed is public on purpose; a course sets GRADER_COURSE_SECRET for grading.
PUBLIC_SECRET = "public self-check"  # noqa: S105
ENVIRONMENT_PREFIX = "GRADER_"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a course may set once instead of on every command line."""

    course_secret: str = PUBLIC_SECRET
    data_dir: Path | None = None
    profile: str = "sample"
    sandbox: str = "auto"

    @property
    def secret_is_public(self) -> bool:
        """Whether check seeds can be predicted, because no course secret was set."""
        return self.course_secret == PUBLIC_SECRET


def installation_secret() -> str:
    """Return a secret that only this user of this machine knows; the public one where none can be kept.

    It is made at its first use, beside the settings file, and stays, so that the same submission gets the
    same inputs again.
    """
    path = default_settings_file().with_name("secret")
    try:
        if not path.exists():
            _keep_new_secret(path)
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # a home that cannot be written to
        return PUBLIC_SECRET
    return kept or PUBLIC_SECRET


def _keep_new_secret(path: Path) -> None:
    """Write a new secret, whole or not at all; of several graders that start at once, one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".secret.{secrets.token_hex(8)}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 -- it is open already
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(own, path)
    finally:
        own.unlink()


def read_settings(settings_file: Path | None = None) -> Settings:
    """Read the settings file and the environment; raise UsageError on a value that cannot be used."""
    path = settings_file or default_settings_file()
    settings = Settings()
    if path.is_file():
        settings = _updated(settings, _parse(path), where=str(path))
    names = {field.name for field in fields(Settings)}
    from_environment = {
        name: os.environ[ENVIRONMENT_PREFIX + name.upper()]
        for name in names
        if ENVIRONMENT_PREFIX + name.upper() in os.environ
    }
    return _updated(settings, from_environment, where="the environment")


def default_settings_file() -> Path:
    """Return where the settings file is looked for: $GRADER_SETTINGS, or the user's configuration folder."""
    if named := os.environ.get("GRADER_SETTINGS"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(base) / "mytorch-grader" / "settings.toml"


def default_cache_dir() -> Path:
    """Return the user's folder for what can be made or fetched again."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")  # noqa: PTH111
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(base) / "mytorch-grader"


def default_data_dir() -> Path:
    """Return where full data sets are kept when nothing else was said."""
    return default_cache_dir() / "data"


def step_summary_file() -> Path | None:
    """Return the file that a step of a GitHub workflow adds its summary to; None outside of one."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named else None


def resource(name: str) -> Path:
    """Find a folder that ships beside the package: inside an installed wheel, or in the checkout."""
    package = Path(__file__).resolve().parent
    for base in (package / "_bundled", package.parent):
        if (base / name).exists():
            return base / name
    raise GraderFault(f"this installation is incomplete: {name} is missing; install {NAME} again")


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the settings file {path} cannot be read: {error}") from error


def _updated(settings: Settings, values: dict[str, Any], *, where: str) -> Settings:
    known = {field.name for field in fields(Settings)}
    if unknown := sorted(set(values) - known):
        names = ", ".join(sorted(known))
        raise UsageError(f"{where} sets {unknown[0]!r}, which is no setting; known: {names}")
    if not all(isinstance(value, str) for value in values.values()):
        raise UsageError(f"every setting in {where} must be a string in quotes")
    if "data_dir" in values:
        values = {**values, "data_dir": Path(values["data_dir"])}
    return replace(settings, **values)
