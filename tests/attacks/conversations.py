"""Real conversations with a worker, recorded, and played again with other bytes where its answers were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.assignments.hw1.names import PLACES
from grader.client import Call, Student, open_student
from grader.errors import StudentFault
from grader.sandbox.deadline import Deadline
from grader.sandbox.launch import StartedWorker
from grader.sandbox.policy import Policy, read_policy
from grader.sandbox.usage import Usage
from grader.sandbox.worker_process import Death, Obituary, WorkerGone, WorkerProcess
from grader.worker import protocol
from tests.contract.submissions import write_package

REFERENCE = Path(__file__).resolve().parents[2] / "reference"
POLICY = read_policy()
# What a frame may have read at once: its header, or one of its arrays.
LARGEST_READ = max(protocol.MAX_HEADER_BYTES, POLICY.limits.response_bytes)

# A submission that answers with everything that can cross, and with every kind of fault.
ODD = """
    import numpy as np
    class ReLU:
        def forward(self, x):
            return {"array": x, "kinds": [x.astype(t) for t in ("?", "i2", "u8", "f2", "c8", "c16")],
                    "empty": np.zeros((3, 0)), "scalar": np.float32(2), "pair": (1, (True, None)),
                    "text": "µ∂😀", "numbers": [0.1, -0.0, float("nan"), float("inf"), 2**63 - 1, -2**63],
                    "objects": [self, print, (i for i in [1])], "none": {}, "complex": 1 + 2j}
        def backward(self, x):
            return [np.array([print]), "x" * 70_000, {1: 2}, 10**30, np.array(["a"])]
    class Tanh:
        def forward(self, x):
            def inner():
                raise ValueError("an odd text µ")
            inner()
        def backward(self, x):
            raise NotImplementedError
    class Sigmoid:
        def forward(self, x):
            raise SystemExit(3)
        def backward(self, x):
            raise MemoryError
"""


@dataclass(frozen=True)
class Scene:
    """One request and the frames that came back: the questions in it, if any, and then its answer."""

    name: str
    student: Student
    calls: Sequence[Call]
    frames: tuple[bytes, ...]
    request_id: int


class Replayed(WorkerProcess):
    """A worker whose every byte is known beforehand; beyond the last one it is gone."""

    sent_bytes = received_bytes = 0

    def __init__(self, data: bytes, request_id: int, policy: Policy = POLICY) -> None:
        self._policy = policy
        self._request_id = request_id - 1
        self._responses_bytes = 0
        self._worker_id = 0
        self._held_up_s = self.held_up_s = 0.0
        self._data = data
        self._position = 0
        self.reached = -1  # the last position that a read began at
        self.largest_read = 0

    def kill(self) -> int | None:
        return None

    def obituary(self) -> Obituary:
        return Obituary(Death.EXITED, None, Usage())

    def _refuse_surplus(self) -> None:
        pass

    def _send(self, buffer: memoryview, deadline: Deadline) -> None:
        pass

    def _receive(self, count: int, deadline: Deadline) -> bytearray:
        self.reached = self._position
        self.largest_read = max(self.largest_read, count)
        end = self._position + count
        if end > len(self._data):
            raise WorkerGone
        data = bytearray(self._data[self._position : end])
        self._position = end
        return data


def play(scene: Scene, frames: Sequence[bytes]) -> tuple[Any, Replayed]:
    """Return what comes of a request that is answered by `frames`: its values or a StudentFault."""
    process = Replayed(b"".join(frames), scene.request_id)
    student = scene.student
    student._worker = StartedWorker(process, student.isolation, student.versions)
    student.spent_s = 0.0
    try:
        return student.run(scene.calls), process
    except StudentFault as fault:
        return fault, process


@contextlib.contextmanager
def _tapped() -> Iterator[list[bytes]]:
    """Collect every frame that the trusted side reads, as it was on the wire."""
    frames: list[bytes] = []
    read_frame = protocol.read_frame

    def tapped(read: protocol.Reader, **limits: Any) -> Any:
        data = bytearray()

        def copied(count: int) -> bytearray:
            piece = read(count)
            data.extend(piece)
            return piece

        try:
            return read_frame(copied, **limits)
        finally:
            frames.append(bytes(data))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "read_frame", tapped)
        yield frames


class Recorder:
    """Opens students, carries out requests, and keeps what was said."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = []

    def open(self, root: Path) -> Student:
        return open_student(root, places=PLACES, provider="separate", min_isolation=1, policy=POLICY)

    def record(self, name: str, student: Student, *calls: Call) -> Any:
        process = student._living().process
        with _tapped() as frames, contextlib.suppress(StudentFault):
            student.run(calls)
        self.scenes.append(Scene(name, student, calls, tuple(frames), process._request_id))


def record_scenes(folder: Path) -> list[Scene]:
    """Return a conversation for every step that a request can hold, and every kind of answer."""
    recorder = Recorder()
    _record_reference(recorder)
    root = write_package(folder, mytorch__nn__modules__activation=ODD)
    student = recorder.open(root)
    relu, tanh, sigmoid = (student.new(name) for name in ("ReLU", "Tanh", "Sigmoid"))
    x = np.arange(6.0).reshape(2, 3)
    recorder.record("every value", student, relu.calling("forward", x))
    recorder.record("nothing that crosses", student, relu.calling("backward", x, echo=True))
    recorder.record("raised", student, relu.calling("forward", x), tanh.calling("forward", x))
    recorder.record("a stub", student, tanh.calling("backward", x))
    recorder.record("unresolved", student, Call({"op": "resolve", "name": "MSELoss"}, "MSELoss"))
    recorder.record("no memory", student, sigmoid.calling("backward", x))
    second = recorder.open(root)
    recorder.record("exited", second, second.new("Sigmoid").calling("forward", x))
    for scene in recorder.scenes:
        scene.student.close()
    return recorder.scenes


def _record_reference(recorder: Recorder) -> None:
    student = recorder.open(REFERENCE)
    x = np.arange(6.0).reshape(2, 3)
    recorder.record("scan", student, Call({"op": "scan"}, "reading the sources"))
    recorder.record("seed", student, Call({"op": "seed", "value": 7}, "seeding"))
    recorder.record("resolve", student, Call({"op": "resolve", "name": "Linear"}, "Linear"))
    linear, loss = student.new("Linear", 3, 3), student.new("SoftmaxCrossEntropy")
    recorder.record("make", student, student.resolve("Linear").calling(None, 3, 2))
    recorder.record("call", student, linear.calling("forward", x), linear.calling("backward", x, echo=True))
    recorder.record("loss", student, loss.calling("forward", x, np.array([0, 2])), loss.calling("backward"))
    recorder.record("get", student, linear.getting("training"))
    recorder.record("assign", student, linear.assigning("bias", np.ones(3)))
    recorder.record("parameters", student, linear.reading_parameters(), linear.reading_gradients())
    editor = {"op": "stand_in", "name": "editor", "args": [], "kwargs": {}}
    recorder.record("stand-in", student, Call(editor, "our editor"))
    gain = {"gain": np.ones((2, 3)), "offset": np.zeros(3)}
    recorder.record("probe", student, Call(student._probe_step("ring", gain), "our probe"))
    scale, ring = student.stand_in("scale", {"scale": np.ones(3)}), student.stand_in("curve", gain)
    model = student.new("Sequential", scale, linear, ring)
    recorder.record("questions", student, model.calling("forward", x), model.calling("backward", x))
    step = {"model": model, "loss": loss, "optimiser": student.new("SGD", model), "scale": 0.5, "inputs": x}
    step |= {"op": "train", "targets": np.array([0, 2]), "batches": [np.array([0, 1]), np.array([1])]}
    recorder.record("train", student, Call(step, "training"))


def header_of(frame: bytes) -> bytes:
    """Return the header of a whole frame, as bytes."""
    length = int.from_bytes(frame[:4], "little")
    return frame[4 : 4 + length]


def payload_of(frame: bytes) -> bytes:
    """Return the buffers of a whole frame."""
    return frame[4 + len(header_of(frame)) :]


def frame_of(header: bytes, payload: bytes = b"") -> bytes:
    """Lay out a frame with an honest length."""
    return len(header).to_bytes(4, "little") + header + payload
