"""Grading on other machines: a Dask cluster, through the `concurrent.futures` interface that Dask offers."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Executor
from contextlib import suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from grader.cohort.grading.tasks import Order, facts_of_this_place, let_go
from grader.errors import UsageError
from grader.plain_text import one_line

INSTALL_COMMAND = "pip install 'mytorch-grader[cluster]'"
DEFAULT_PORT = 8786
CONNECT_S = 15.0
FIRST_WORKER_S = 120.0


class DaskCluster:
    """The workers of a running scheduler: processes with this grader installed, on any machine."""

    def __init__(
        self,
        address: str,
        order: Order,
        *,
        connect_s: float = CONNECT_S,
        first_worker_s: float = FIRST_WORKER_S,
    ) -> None:
        self._client = _connected(address, connect_s)
        try:
            self._wait_for_a_worker(first_worker_s)
            self._require_same_grader(order)
        except BaseException:
            self._client.close()
            raise
        # A task whose worker dies is done again elsewhere, as often as the scheduler allows.
        self.executor: Executor = self._client.get_executor(pure=False)

    def slots(self) -> int:
        """Return how many tasks its workers run at once now."""
        threads: list[int] = list(self._client.nthreads().values())
        return max(1, sum(threads))

    def close(self, *, at_once: bool) -> None:
        """Leave the cluster; what was not started there is dropped."""
        self.executor.shutdown(wait=not at_once)
        if not at_once:
            with suppress(Exception):  # a worker that is gone holds nothing
                self._client.run(let_go, on_error="ignore")
        self._client.close()

    def _wait_for_a_worker(self, seconds: float) -> None:
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except TimeoutError as error:
            raise UsageError(
                f"no worker joined the scheduler within {seconds:g} s; start some with `dask worker`"
            ) from error

    def _require_same_grader(self, order: Order) -> None:
        """Raise UsageError where a worker would judge otherwise; later workers are taken to be like these."""
        own = facts_of_this_place(order)
        try:
            theirs = self._client.run(facts_of_this_place, order, on_error="return")
        except Exception as error:  # whatever a foreign program answers
            raise UsageError(f"the scheduler's workers cannot be asked: {one_line(str(error))}") from error
        for worker, facts in theirs.items():
            if isinstance(facts, BaseException):
                raise UsageError(
                    f"the worker {worker} cannot grade ({type(facts).__name__}: {one_line(str(facts))});"
                    " install this grader there"
                )
            for name, value in own.items():
                if facts.get(name) != value:
                    raise UsageError(
                        f"the worker {worker} has another version of {name} than this machine;"
                        " install the same on both"
                    )


def _connected(address: str, seconds: float) -> Any:
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise UsageError(f"--scheduler needs Dask: {INSTALL_COMMAND}") from error
    try:
        _try_to_reach(distributed, address, seconds)
        return distributed.Client(address, timeout=seconds, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {one_line(address)!r}; give its address as tcp://HOST:8786"
        ) from error


def _try_to_reach(distributed: Any, address: str, seconds: float) -> None:
    """Connect once; raise OSError or ValueError where no scheduler is there.

    Dask's client keeps to no time where something else answers or nothing says a word, and once it gave up
    it prints a traceback when it is collected.
    """
    scheme, _, rest = address.rpartition("://")
    if scheme in ("", "tcp", "tls"):  # a name that is none is looked up once, not for all of the time
        place = urlsplit(f"//{rest}")
        if not place.hostname:
            raise ValueError(address)
        socket.create_connection((place.hostname, place.port or DEFAULT_PORT), timeout=seconds).close()

    async def greet() -> None:
        known = distributed.Security().get_connection_args("client")
        connected = await distributed.core.connect(address, timeout=seconds, **known)
        connected.abort()

    asyncio.run(asyncio.wait_for(greet(), seconds))
