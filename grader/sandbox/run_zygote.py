"""A zygote of one run of the checks: its questions' workers are forked, and NumPy is loaded once for all.

It is a worker that was started for this submission, early or not, and then told to wait: its wrapper, its
file rules and the submission within its reach are those of every worker it forks. Each of them is locked and
probed as any other. For the libraries of notebooks see zygote.py.
"""

from __future__ import annotations

import contextlib
import socket

from grader.records import ZygoteOffer
from grader.sandbox import trusted
from grader.sandbox.early import EarlyWorker
from grader.sandbox.forked import ZygoteClient, connected, tell_to_wait
from grader.sandbox.launch import START_SECONDS, file_rules
from grader.sandbox.providers import Provider

NO_HOME = "/nonexistent"


class RunLine:
    """A line to the zygote: what is forked over it ends when it is closed."""

    def __init__(self, provider: Provider, client: ZygoteClient) -> None:
        self.provider = provider
        self.client = client

    def forks_under(self, provider: Provider) -> bool:
        """Whether it lives, as far as it has been heard, and forks workers of this provider."""
        return not self.client.is_lost and self.provider == provider

    def close(self) -> None:
        """End every worker that was forked over it."""
        with contextlib.suppress(OSError), self.client:
            pass


class RunZygote(RunLine):
    """Owns the process until it is closed, and has a first line to it.

    Raises OSError where the process is gone already: its workers are then started one by one.
    """

    def __init__(self, early: EarlyWorker) -> None:
        self._early = early
        control = early.begun.connection
        files = file_rules(early.policy, early.view, early.root, None)
        try:
            tell_to_wait(control, early.provider, files, early.view, NO_HOME)
            super().__init__(early.provider, _connected_client(early))
        except BaseException:
            early.end()
            raise
        trusted.keep(early.begun.process.process_id)

    def another_line(self) -> RunLine:
        """Return a line for a fork of this process; raise OSError if the zygote is gone."""
        return RunLine(self.provider, _connected_client(self._early))

    def close(self) -> None:
        """End it, and every worker that it forked."""
        super().close()
        trusted.no_longer_keep(self._early.begun.process.process_id)
        self._early.end()


def _connected_client(early: EarlyWorker) -> ZygoteClient:
    with connected(early.begun.connection) as line:
        return ZygoteClient(_offer(line, early), fork_seconds=START_SECONDS)


def _offer(line: socket.socket, early: EarlyWorker) -> ZygoteOffer:
    name, view, root = early.provider.name, early.view.name, early.root
    return ZygoteOffer(descriptor=line.fileno(), provider=name, view=view, scratch=root, data=root)
