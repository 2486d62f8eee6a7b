"""What is available on this machine, and the one command that would help."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grader.datasets.store import status
from grader.distribution import EXPERIMENTS_COMMAND
from grader.distribution import NAME as INSTALLATION
from grader.pipeline import GRADE_MIN_ISOLATION
from grader.sandbox import Finding, survey
from grader.sandbox.providers import LEVEL_NAMES
from grader.settings import Settings

CORE = (INSTALLATION, "numpy", "pytest", "pytest-json-report", "pydantic", "typer", "rich")
EXPERIMENTS = ("torch", "torchvision", "medmnist", "ipython", "matplotlib", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found. Rows are (what, state, details); `advice` are sentences, the most useful first."""

    isolation: tuple[tuple[str, str, str], ...]
    packages: tuple[tuple[str, str, str], ...]
    data: tuple[tuple[str, str, str], ...]
    advice: tuple[str, ...]


def examine(settings: Settings, data_dir: Path | None) -> Examination:
    """Look at sandboxes, packages and data; starts one worker a sandbox, changes nothing."""
    findings = sorted(survey(), key=lambda finding: -finding.level)
    missing = tuple(name for name in EXPERIMENTS if _version(name) is None)
    data = status(data_dir)
    return Examination(
        isolation=tuple(_isolation_row(finding) for finding in findings),
        packages=(
            ("python", platform.python_version(), platform.platform()),
            *((name, _version(name) or "missing", "core") for name in CORE),
            *((name, _version(name) or "missing", "extra: experiments") for name in EXPERIMENTS),
        ),
        data=tuple(
            (
                f"{row.name} {row.profile}",
                "verified" if row.verified else "missing" if not row.present else "unusable",
                row.problem or f"{row.source}: {row.path}",
            )
            for row in data
        ),
        advice=(
            *_isolation_advice(findings),
            *((f"Problems 4 and 5 need {', '.join(missing)}: {EXPERIMENTS_COMMAND}",) if missing else ()),
            *_secret_advice(settings),
        ),
    )


def _isolation_row(finding: Finding) -> tuple[str, str, str]:
    state = "available" if finding.available else "missing"
    remedy = f"; {finding.remedy}" if finding.remedy and not finding.available else ""
    return (f"level {finding.level} {finding.name}", state, f"{finding.reason}{remedy}")


def _isolation_advice(findings: Sequence[Finding]) -> tuple[str, ...]:
    best = max((finding.level for finding in findings if finding.available), default=0)
    return (*_what_holds(best), *_what_would_help(findings, best))


def _what_holds(best: int) -> tuple[str, ...]:
    if best >= GRADE_MIN_ISOLATION:
        return (f"Isolation level {best} ({LEVEL_NAMES[best]}) holds here: `grader grade` gives grades.",)
    if best == 1:
        return (
            "Only isolation level 1 holds here, enough for `grader check`.",
            "`grader grade --min-isolation 1` works, and its reports are not a grade.",
        )
    return ("No sandbox works here: nothing can be graded.",)


def _what_would_help(findings: Sequence[Finding], best: int) -> tuple[str, ...]:
    """Name the next level that is missing, and the one thing that would give it."""
    missing = sorted(finding.level for finding in findings if finding.level > best)
    if not missing:
        return ()
    # Of several ways to the same level the table names the best one first.
    way = next(finding for finding in findings if finding.level == missing[0])
    return (f"What would give level {way.level} ({LEVEL_NAMES[way.level]}): {way.remedy}",)


def _secret_advice(settings: Settings) -> tuple[str, ...]:
    if not settings.secret_is_public:
        return ()
    sentence = (
        "No course secret is set, so inputs are drawn from one of this installation's own: set"
        " GRADER_COURSE_SECRET to draw the same ones on every machine."
    )
    return (sentence,)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
