"""The worker's end of the socketpair: whole frames in, whole frames out, blocking."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

import numpy as np

from . import protocol
from .protocol import Json

# The trusted side sends data sets; it is trusted, so this only guards against a broken frame.
BUDGET_BYTES = 4 << 30


class Wire:
    """Frames over one connected socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def receive(self) -> tuple[dict[str, Json], list[np.ndarray]]:
        """Wait for the next request; end the process when the other end has closed."""
        return protocol.read_frame(self._read, budget_bytes=BUDGET_BYTES)

    def send(self, buffers: Iterable[bytes | memoryview]) -> None:
        """Write one frame."""
        for buffer in buffers:
            self._connection.sendall(buffer)

    def converse(self, buffers: Iterable[bytes | memoryview]) -> tuple[dict[str, Json], list[np.ndarray]]:
        """Write one frame and wait for its answer: a question of ours inside a request."""
        self.send(buffers)
        return self.receive()

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            received = self._connection.recv_into(view)
            if not received:
                os._exit(0)  # nobody is left to answer; atexit handlers of a student's do not run
            view = view[received:]
        return data
