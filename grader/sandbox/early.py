"""A worker that is started before anybody needs it: it loads NumPy in the time in which we do.

It has been told nothing yet. It is locked, probed and given a submission by `launch`, exactly as any other.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from grader.errors import GraderError
from grader.records import GradingRequest
from grader.sandbox.command import worker_of
from grader.sandbox.policy import Policy, read_policy
from grader.sandbox.processes import Begun, SpawnedProcess, begin, end_whole
from grader.sandbox.providers import Provider, candidates
from grader.sandbox.views import View, read_view


@dataclass(frozen=True, slots=True)
class EarlyWorker:
    """A started process, and for what it was started."""

    provider: Provider
    policy: Policy
    root: Path
    view: View
    begun: Begun

    def is_for(self, provider: Provider, policy: Policy, root: Path, view: View) -> bool:
        """Whether a worker that is started for these would be started in just this way."""
        return (self.provider, self.policy, self.root, self.view) == (provider, policy, root, view)

    def end(self) -> None:
        """End it where nobody came for it."""
        process = self.begun.process
        self.begun.connection.close()
        end_whole(process)
        if process.output is not None:
            process.output.close()


def early_worker(request: GradingRequest) -> EarlyWorker | None:
    """Start a worker under the provider that will be tried first; None where that cannot be.

    Whoever then needs one starts it as ever, and learns what is wrong. A replay begins with a worker of
    another kind, and there is one worker at a time.
    """
    if request.notebook is not None or not request.checks:
        return None
    with contextlib.suppress(GraderError, OSError):
        wanted = candidates(request.provider, request.min_isolation)
        provider = next((each for each in wanted if each.missing() is None), None)
        if provider is not None:
            return started_early(provider, request)
    return None


def policy_for(request: GradingRequest) -> Policy:
    """Return the policy of this machine, with the limits that were asked for."""
    return replace(read_policy(), limits=request.limits)


def started_early(provider: Provider, request: GradingRequest) -> EarlyWorker:
    """Start a process for a worker to come; raise OSError or a GraderError where none can be started."""
    policy, root, view = policy_for(request), request.submission_root, read_view("numpy")

    def start(theirs: socket.socket) -> SpawnedProcess:
        return SpawnedProcess(provider.wrap(worker_of(policy, root, view, None, theirs)), theirs)

    return EarlyWorker(provider, policy, root, view, begin(start))
