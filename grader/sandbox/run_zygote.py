"""A zygote of one run of the checks: its questions' workers are forked, and NumPy is loaded once for all.

It is a worker that was started for this submission, early or not, and then told to wait: its wrapper, its
file rules and the submission within its reach are those of every worker it forks. Each of them is locked and
probed as any other. For the libraries of notebooks see zygote.py.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from grader.records import ZygoteOffer
from grader.sandbox import trusted
from grader.sandbox.early import EarlyWorker
from grader.sandbox.forked import ZygoteClient, connected
from grader.sandbox.launch import START_SECONDS, file_rules
from grader.sandbox.providers import Provider
from grader.worker import protocol

NO_HOME = "/nonexistent"


class RunZygote:
    """Owns the process until it is closed; `client` is the line to it.

    Raises OSError where the process is gone already: its workers are then started one by one.
    """

    def __init__(self, early: EarlyWorker) -> None:
        self._early = early
        self._child = early.begun.process.process_id
        control = early.begun.connection
        try:
            _tell(control, early)
            with connected(control) as line:
                self.client = ZygoteClient(_offer(line, early), fork_seconds=START_SECONDS)
        except BaseException:
            early.end()
            raise
        trusted.keep(self._child)

    def forks_under(self, provider: Provider) -> bool:
        """Whether it lives, as far as it has been heard, and forks workers of this provider."""
        return not self.client.is_lost and self._early.provider == provider

    def close(self) -> None:
        """End it, and every worker that it forked."""
        with contextlib.suppress(OSError), self.client:
            pass
        trusted.no_longer_keep(self._child)
        self._early.end()


def _tell(control: socket.socket, early: EarlyWorker) -> None:
    files = file_rules(early.policy, early.view, early.root, None)
    order = {"id": 1, "preload": [], "home": NO_HOME, "confine": early.provider.confine, "files": files}
    for buffer in protocol.pack(order, []):
        control.sendall(buffer)


def _offer(line: socket.socket, early: EarlyWorker) -> ZygoteOffer:
    root: Path = early.root
    return ZygoteOffer(
        descriptor=line.fileno(), provider=early.provider.name, view=early.view.name, scratch=root, data=root
    )
