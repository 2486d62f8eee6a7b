"""Hostile bytes on the pipe: the trusted side knows a value or a fault of the student's, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import resource
import select
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import ProtocolViolation, StudentFault, StudentRaised, StudentTimedOut
from grader.sandbox.command import Command
from grader.sandbox.processes import SpawnedProcess, begin
from grader.sandbox.worker_process import WorkerGone, WorkerProcess, WorkerTimeout
from grader.selftest.frames import hostile_frames
from grader.worker import protocol
from grader.worker.protocol import FrameError
from tests.attacks.conversations import LARGEST_READ, POLICY, Scene, frame_of, play, record_scenes
from tests.attacks.mutations import Mutator
from tests.contract.submissions import write_package

# The quick tier mutates frames from one seed, the slow tier from all: 100,000 of them.
SEEDS = range(20, 30)
FRAMES_A_SEED = 10_000
MEBIBYTE = 1 << 20
# Nothing here may take long; the bound only has to tell "soon" from "never" on a busy machine.
SOON_S = 20.0


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> list[Scene]:
    return record_scenes(tmp_path_factory.mktemp("odd"))


def scene_called(name: str, scenes: list[Scene]) -> Scene:
    return next(scene for scene in scenes if scene.name == name)


# ------------------------------------------------------------------------------------ a list of frames


@pytest.mark.parametrize("frame", hostile_frames(), ids=lambda frame: frame.id)
def test_a_hostile_frame_is_a_protocol_violation_whatever_follows_it(frame, scenes):
    scene = scene_called("every value", scenes)
    for rest in ([], scene.frames):
        fault, _ = play(scene, [frame.make(scene.request_id), *rest])
        assert isinstance(fault, ProtocolViolation), fault


FAULT = {"kind": "raised", "type": "ValueError", "message": "", "where": []}


@pytest.mark.parametrize(
    "fault",
    [
        *({}, [], 0, True, "raised", {"kind": "raised"}, FAULT | {"more": 1}),
        *({name: text for name, text in FAULT.items() if name != missing} for missing in FAULT),
        *(FAULT | {"kind": kind} for kind in ("passed", "", None, 1, ["raised"])),
        *(FAULT | {name: odd} for name in ("type", "message") for odd in (None, 1, ["x"], {"$float": "nan"})),
        *(FAULT | {"where": odd} for odd in (None, "x", {}, [1], [[]], [["a", 1]], [["a", "1", "b"]])),
        *(FAULT | {"where": [place]} for place in ([1, 1, "b"], ["a", True, "b"], ["a", 1, None])),
    ],
    ids=str,
)
def test_an_exception_described_in_any_other_way_is_a_protocol_violation(fault, scenes):
    scene = scene_called("raised", scenes)
    header = {"id": scene.request_id, "fault": fault, "step": 0, "arrays": []}
    outcome, _ = play(scene, [frame_of(json.dumps(header).encode())])
    assert isinstance(outcome, ProtocolViolation)


@pytest.mark.parametrize("step", [None, -1, 2, 2**60, True, "0", [0]], ids=str)
def test_an_exception_of_no_step_is_still_a_fault_of_the_students(step, scenes):
    scene = scene_called("raised", scenes)
    header = {"id": scene.request_id, "fault": FAULT, "step": step, "arrays": []}
    outcome, _ = play(scene, [frame_of(json.dumps(header).encode())])
    assert isinstance(outcome, StudentRaised)


def test_the_frames_of_the_self_test_have_names_of_their_own():
    names = [frame.id for frame in hostile_frames()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)


# ----------------------------------------------------------------------- a worker that is ours no more

HOSTILE = """
import json, socket, sys, time

connection = socket.socket(fileno=int(sys.argv[1]))

def read(count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise SystemExit
        data += piece
    return data

def request():
    return json.loads(read(int.from_bytes(read(4), "little")))

def frame(**header):
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "little") + text

def answer(number):
    return frame(id=number, values=[None], arrays=[])

"""


@pytest.fixture
def hostile(tmp_path) -> Iterator[Callable[..., WorkerProcess]]:
    """Return a function that starts a real worker process whose program is the given text."""
    started: list[WorkerProcess] = []

    def start(program: str, **limits: int) -> WorkerProcess:
        file = tmp_path / "hostile.py"
        file.write_text(HOSTILE + textwrap.dedent(program), encoding="utf-8")
        argv = (sys.executable, "-I", "-S", str(file))
        # A deadline that does not wait for a busy machine.
        strict = dataclasses.replace(POLICY.limits, held_up_factor=0, **limits)
        started.append(
            WorkerProcess(
                begin(
                    lambda theirs: SpawnedProcess(
                        Command((*argv, str(theirs.fileno())), POLICY.environment), theirs
                    )
                ),
                dataclasses.replace(POLICY, limits=strict),
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()


def ask(process: WorkerProcess, seconds: float = SOON_S, **more):
    return process.exchange({"steps": []}, [], seconds=seconds, **more)


def tell(_question, _arrays) -> list[bytes | memoryview]:
    return protocol.pack({"told": None}, [])


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@pytest.mark.parametrize(
    "program",
    [
        "for byte in answer(request()['id']): connection.send(bytes([byte])); time.sleep(0.2)",
        "connection.send(answer(request()['id'])[:-1])\ntime.sleep(60)",
        "time.sleep(60)",
        """
        shape = {"dtype": "|u1", "shape": [1 << 25]}
        connection.send(frame(id=request()["id"], values=[{"$array": 0}], arrays=[shape]))
        while True:
            connection.send(b"x")
            time.sleep(0.01)
        """,
        """
        while True:
            connection.send(frame(id=1, ask=None, arrays=[]))
            time.sleep(0.1)
        """,
        """
        request()
        while True:
            connection.send(frame(id=1, ask=None, arrays=[]))
            read(int.from_bytes(read(4), "little"))
        """,
    ],
    ids=["byte by byte", "a byte short", "silence", "slow array", "unread questions", "endless questions"],
)
def test_one_deadline_covers_an_exchange_however_slowly_and_in_how_many_pieces_it_comes(hostile, program):
    process, before = hostile(program), peak_bytes()
    started = time.monotonic()
    with pytest.raises(WorkerTimeout):
        ask(process, 1.0, on_ask=tell)
    assert 0.9 < time.monotonic() - started < SOON_S
    assert peak_bytes() - before < 32 * MEBIBYTE


def test_a_worker_that_does_not_read_holds_nobody_up(hostile):
    process = hostile("time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(WorkerTimeout):
        process.exchange({"steps": []}, [np.zeros(MEBIBYTE)], seconds=1.0)
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize(
    "after",
    [
        "b'x'",
        "answer(number)",
        "answer(number + 1)",
        "frame(id=number + 1, ask=None, arrays=[])",
        "bytes(65536)",
    ],
    ids=["a byte", "the answer again", "the next answer", "a question", "zeros"],
)
def test_whatever_comes_after_an_answer_ends_the_next_exchange_before_it_begins(hostile, after):
    process = hostile(f"number = request()['id']\nconnection.sendall(answer(number) + {after})\nrequest()")
    assert ask(process)[0]["values"] == [None]
    with pytest.raises(FrameError, match="before anything was asked"):
        ask(process, on_ask=tell)


def test_an_answer_before_the_question_is_refused(hostile):
    process = hostile("connection.sendall(answer(1))\nrequest()")
    assert select.select([process._connection], [], [], SOON_S)[0]
    with pytest.raises(FrameError, match="before anything was asked"):
        ask(process)


def test_a_late_answer_is_not_the_answer_to_the_next_request(hostile):
    process = hostile(
        "number = request()['id']\nrequest()\nconnection.sendall(answer(number))\ntime.sleep(60)"
    )
    with pytest.raises(WorkerTimeout):
        ask(process, 0.5)
    with pytest.raises(FrameError, match="belongs to another request"):
        ask(process)


def test_a_question_is_refused_where_nothing_may_be_asked(hostile):
    process = hostile("connection.sendall(frame(id=request()['id'], ask=1, arrays=[]))\nrequest()")
    with pytest.raises(FrameError, match="nothing to ask"):
        ask(process)


def test_a_question_under_another_number_is_refused(hostile):
    process = hostile("connection.sendall(frame(id=request()['id'] + 1, ask=1, arrays=[]))\nrequest()")
    with pytest.raises(FrameError, match="belongs to another request"):
        ask(process, on_ask=tell)


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit",
        "request()",
        "connection.send(answer(request()['id'])[:7])",
        "request()\nconnection.shutdown(socket.SHUT_WR)\ntime.sleep(60)",
        "connection.shutdown(socket.SHUT_RD)\nconnection.close()\ntime.sleep(60)",
    ],
    ids=["at once", "after the question", "in the header", "half closed", "closed"],
)
def test_a_closed_pipe_is_a_worker_that_is_gone(hostile, program):
    with pytest.raises(WorkerGone):
        ask(hostile(program))


def test_what_is_announced_beyond_the_budget_is_neither_read_nor_allocated(hostile):
    program = """
        shapes = [{"dtype": "<f8", "shape": [1 << 28]}] * 4
        named = [{"$array": number} for number in range(4)]
        connection.sendall(frame(id=request()["id"], values=named, arrays=shapes))
        while True:
            connection.send(bytes(1 << 20))
        """
    process, before = hostile(program), peak_bytes()
    with pytest.raises(FrameError, match="bytes of arrays"):
        ask(process)
    assert peak_bytes() - before < 32 * MEBIBYTE


def test_answers_of_the_allowed_size_are_refused_when_they_are_too_much_together(hostile):
    program = """
        shape = {"dtype": "|u1", "shape": [1 << 20]}
        while True:
            number = request()["id"]
            connection.sendall(frame(id=number, values=[{"$array": 0}], arrays=[shape]) + bytes(1 << 20))
        """
    process = hostile(program, response_bytes=MEBIBYTE, responses_bytes=4 * MEBIBYTE)
    for _ in range(4):
        assert ask(process)[1][0].nbytes == MEBIBYTE
    with pytest.raises(FrameError, match="bytes of arrays"):
        ask(process)


# --------------------------------------------------------- student code in a real worker does the same

PIPE = """
    import os, struct, time
    import numpy as np

    def everywhere(data):
        for descriptor in range(3, 256):
            try:
                os.write(descriptor, data)
            except OSError:
                pass

    class ReLU:
        def forward(self, x):
            return x
    class Tanh:
        def forward(self, layer):
            {body}
"""
LORIS = "for byte in struct.pack('<I', 1000) + b' ' * 1000: everywhere(bytes([byte])); time.sleep(0.1)"


@pytest.mark.parametrize(
    "body, fault",
    [
        (LORIS, StudentTimedOut),
        ("while True: layer.forward(np.ones((2, 3)))", StudentTimedOut),
        ("return layer._ask(np.zeros(2), {'scale': np.ones(3)}, np.ones((2, 3)), None)", StudentFault),
        ("return layer._ask('forward', layer, layer, layer)", StudentFault),
        ("return layer._ask('backward', {'scale': np.ones(3)}, np.ones(3), np.zeros((9, 9)))", StudentFault),
        ("while True: everywhere(b'\\x02\\x00\\x00\\x00{{}}')", ProtocolViolation),
        ("everywhere(b'\\x02'); time.sleep(60)", StudentTimedOut),
    ],
    ids=["loris", "questions", "odd question", "odd values", "odd shape", "flood", "one byte"],
)
def test_student_code_that_abuses_the_pipe_loses_its_check_and_the_next_one_runs(tmp_path, body, fault):
    root = write_package(tmp_path, mytorch__nn__modules__activation=PIPE.format(body=body))
    policy = dataclasses.replace(
        POLICY, limits=dataclasses.replace(POLICY.limits, call_s=1.0, held_up_factor=5)
    )
    with open_student(root, places=PLACES, provider="separate", min_isolation=1, policy=policy) as student:
        layer = student.stand_in("scale", {"scale": np.ones(3)})
        started = time.monotonic()
        with pytest.raises(fault):
            student.new("Tanh").forward(layer)
        assert time.monotonic() - started < SOON_S
        student.begin_check("next", seed=1)
        assert student.new("ReLU").forward(np.ones(2)).tolist() == [1.0, 1.0]


# --------------------------------------------------------------------------------------------- fuzzing


@dataclasses.dataclass
class Tally:
    """What became of many frames."""

    tried: int = 0
    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    slowest_s: float = 0.0
    largest_read: int = 0

    def add(self, scene: Scene, frames: list[bytes], at: int) -> None:
        """Play the frames; count them unless the reading ended before the broken one, number `at`."""
        started = time.process_time()
        outcome, process = play(scene, frames)
        self.slowest_s = max(self.slowest_s, time.process_time() - started)
        self.largest_read = max(self.largest_read, process.largest_read)
        if process.reached >= sum(map(len, frames[:at])):
            self.tried += 1
            self.outcomes[described(outcome)] += 1


def described(outcome: list[object] | StudentFault) -> str:
    """Return the kind of an outcome: what differs in numbers only is one kind."""
    if isinstance(outcome, StudentFault):
        return f"{type(outcome).__name__}: {re.sub('[0-9]+', 'N', str(outcome))[:120]}"
    return "a value: " + " ".join(type(value).__name__ for value in outcome)


@pytest.mark.parametrize(
    "seed", [SEEDS[0], *(pytest.param(seed, marks=pytest.mark.slow) for seed in SEEDS[1:])]
)
def test_every_mutated_frame_is_a_value_or_a_fault_within_bounds(seed, scenes, capsys):
    mutator = Mutator(seed, [frame for scene in scenes for frame in scene.frames])
    # Those with questions in them have the most to break.
    weighted = [scene for scene in scenes for _ in range(1 + 4 * (len(scene.frames) > 1))]
    chooser, tally, seen = random.Random(seed), Tally(), {hash(scene.frames) for scene in scenes}
    before, started = peak_bytes(), time.process_time()
    while tally.tried < FRAMES_A_SEED:
        scene = chooser.choice(weighted)
        frames, at = mutator.mutated(scene.frames)
        if hash(tuple(frames)) not in seen:
            seen.add(hash(tuple(frames)))
            tally.add(scene, frames, at)
    values = sum(count for name, count in tally.outcomes.items() if name.startswith("a value"))
    with capsys.disabled():
        seconds = time.process_time() - started
        print(  # noqa: T201
            f"\n{tally.tried} different mutated frames in {seconds:.0f} s of processor time: {values} values,"
            f" {tally.tried - values} faults, {len(tally.outcomes)} kinds of outcomes,"
            f" the slowest took {tally.slowest_s * 1000:.0f} ms"
        )
    assert values > 500
    assert tally.tried - values > 5_000
    assert len(tally.outcomes) > 300
    assert tally.largest_read <= LARGEST_READ
    assert tally.slowest_s < 5
    assert peak_bytes() - before < 256 * MEBIBYTE


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats()
TAGGED = (
    st.builds(lambda number: {"$array": number}, st.integers(0, 3))
    | st.builds(lambda number: {"$float": number.hex()}, st.floats())
    | st.builds(lambda number, name: {"$object": number, "type": name}, st.integers(), st.text(max_size=5))
    | st.builds(lambda text: {"$unsupported": text}, st.text(max_size=5))
)
NODES = st.recursive(
    PLAIN | TAGGED,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
        | st.builds(lambda items: {"$tuple": items}, st.lists(inner, max_size=3))
        | st.builds(
            lambda pairs: {"$dict": [list(pair) for pair in pairs]},
            st.lists(st.tuples(st.text(max_size=3), inner), max_size=3),
        )
    ),
    max_leaves=12,
)
SHAPES = st.lists(st.integers(0, 3), max_size=3)
ENTRIES = st.lists(
    st.fixed_dictionaries({"dtype": st.sampled_from(sorted(protocol.DTYPES)), "shape": SHAPES}), max_size=3
)
FAULTS = NODES | st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["raised", "exited", "memory", "passed"]),
        "type": PLAIN,
        "message": PLAIN,
        "where": st.lists(st.lists(PLAIN, max_size=3), max_size=2),
    }
)
QUESTIONS = NODES | st.builds(
    lambda probe, method, *values: {
        "$dict": [["probe", probe], ["method", method], *zip(("values", "x", "dLdy"), values, strict=True)]
    },
    st.integers(-1, 3),
    st.sampled_from(["forward", "backward"]) | NODES,
    *[NODES] * 3,
)


@settings(max_examples=2_000, deadline=None, derandomize=True)
@given(
    said=st.fixed_dictionaries({"values": st.lists(NODES, max_size=3)})
    | st.fixed_dictionaries({"fault": FAULTS})
    | st.fixed_dictionaries({"ask": QUESTIONS}),
    entries=ENTRIES,
    data=st.binary(max_size=64),
)
def test_every_header_that_can_be_written_is_a_value_or_a_fault(scenes, said, entries, data):
    scene = scene_called("questions", scenes)
    header = json.dumps({"id": scene.request_id, **said, "arrays": entries})
    outcome, process = play(scene, [frame_of(header.encode(), data + bytes(1000)), *scene.frames])
    assert isinstance(outcome, StudentFault | list)
    assert process.largest_read <= LARGEST_READ


def full(item: str, before: str, after: str = "]}", count: int = protocol.MAX_NODES) -> bytes:
    """Return a header of as many items as fit, `#` in them replaced by their number."""
    room = protocol.MAX_HEADER_BYTES - len(before) - len(after)
    items: list[str] = []
    while (room := room - len(item) - 8) > 0 and len(items) < count:
        items.append(item.replace("#", str(len(items))))
    return frame_of((before + ",".join(items) + after).encode())


@pytest.mark.parametrize(
    "item", ["0", "[]", "[[]]", '{"$float":"0x1p0"}', '{"$object":#,"type":"x"}', '"xxxxxxxx"', '{"a":#}']
)
@pytest.mark.parametrize("count", [protocol.MAX_NODES // 6, protocol.MAX_NODES // 3, protocol.MAX_NODES])
def test_the_largest_headers_cost_little(scenes, item, count):
    scene = scene_called("every value", scenes)
    head = f'{{"id":{scene.request_id},"arrays":[],"values":[['
    started, before = time.process_time(), peak_bytes()
    outcome, _ = play(scene, [full(item, head, "]]}", count)])
    assert isinstance(outcome, ProtocolViolation | list)
    assert time.process_time() - started < 10
    assert peak_bytes() - before < 256 * MEBIBYTE


def test_as_many_empty_arrays_as_can_be_described_cost_little(scenes):
    scene = scene_called("every value", scenes)
    count = 15_000
    named = ",".join(f'{{"$array":{number}}}' for number in range(count))
    head = f'{{"id":{scene.request_id},"values":[[{named}]],"arrays":['
    started = time.process_time()
    outcome, _ = play(scene, [full('{"dtype":"|b1","shape":[0]}', head, count=count)])
    assert len(outcome[0]) == count
    assert time.process_time() - started < 10
