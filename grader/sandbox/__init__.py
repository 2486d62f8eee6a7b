"""Under what confinement a worker runs: one table of providers, one policy file, failing closed.

What starts workers is imported where one is started: it needs NumPy, and who asks for limits does not.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.errors import MachineFault, SandboxUnavailable
from grader.model import Limits
from grader.sandbox.policy import Policy, read_policy

if TYPE_CHECKING:
    from grader.sandbox.command import Notebook
    from grader.sandbox.early import EarlyWorker
    from grader.sandbox.forked import ZygoteClient
    from grader.sandbox.launch import StartedWorker
    from grader.sandbox.providers import Provider

__all__ = ["Finding", "default_limits", "open_worker", "survey"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one provider was found to give on this machine."""

    name: str
    level: int
    available: bool
    reason: str
    remedy: str


def default_limits() -> Limits:
    """Return the limits of the policy file."""
    return read_policy().limits


def survey() -> list[Finding]:
    """Start a worker under every provider and say which ones hold here."""
    from grader.sandbox.providers import PROVIDERS

    return [_find(provider) for provider in PROVIDERS]


def open_worker(
    root: Path,
    *,
    provider: str = "auto",
    min_isolation: int,
    policy: Policy,
    places: Mapping[str, Sequence[str]],
    view: str = "numpy",
    by_file: bool = False,
    notebook: Notebook | None = None,
    zygote: ZygoteClient | None = None,
    early: EarlyWorker | None = None,
) -> tuple[Provider, StartedWorker]:
    """Start a worker under the best provider that holds, or the named one.

    With `zygote` it is forked there, with `early` it is that one, if that gives the same. Raise
    SandboxUnavailable when none of at least `min_isolation` holds: there is no quiet fall-back.
    """
    from grader.sandbox.launch import start_worker
    from grader.sandbox.providers import candidates
    from grader.sandbox.views import read_view

    reasons = []
    for candidate in candidates(provider, min_isolation):
        try:
            return candidate, start_worker(
                candidate,
                policy,
                root,
                view=read_view(view),
                places=places,
                by_file=by_file,
                notebook=notebook,
                zygote=zygote,
                early=early,
            )
        except SandboxUnavailable as error:
            reasons.append(f"{candidate.name}: {error}; {candidate.remedy()}")
    raise SandboxUnavailable(
        f"isolation level {min_isolation} is not available here ({' | '.join(reasons)})"
        " -- `grader doctor` shows more, --min-isolation 1 gives a report that is not a grade"
    )


def _find(provider: Provider) -> Finding:
    from grader.sandbox.launch import start_worker
    from grader.sandbox.views import read_view

    with tempfile.TemporaryDirectory(prefix="grader-survey-") as root:
        try:
            started = start_worker(provider, read_policy(), Path(root), view=read_view("numpy"), places={})
        except (SandboxUnavailable, MachineFault) as error:
            return Finding(
                provider.name, provider.level, available=False, reason=str(error), remedy=provider.remedy()
            )
    started.process.kill()
    return Finding(provider.name, provider.level, available=True, reason="every probe holds", remedy="")
