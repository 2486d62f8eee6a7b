"""What the notebook's kernel answers and keeps, without a shell: commands, printed text, values as data."""

from __future__ import annotations

import json
from collections import OrderedDict, deque

import numpy as np
import pytest

from grader.worker import notebook, tensors
from grader.worker.protocol import FrameError, Numbers, Pairs, decode, encode


class NoHandles:
    def to_node(self, value):
        return {"$object": 1, "type": type(value).__name__}

    def from_node(self, node):
        return node["type"]


def crossed(value):
    arrays = []
    node = json.loads(json.dumps(encode(value, arrays, NoHandles())))
    return decode(node, arrays, NoHandles())


@pytest.mark.parametrize(
    "command", ["pip install numpy", "pip3 install -q numpy>=1.20", "python -m pip install numpy"]
)
def test_installing_what_is_there_is_fine(command):
    assert notebook.answer_command(command) == "Requirement already satisfied: numpy"


def test_installing_anything_else_is_told_in_a_sentence():
    assert "no-such-thing is not here" in notebook.answer_command("pip install no-such-thing==1.0")


@pytest.mark.parametrize("command", ["nvidia-smi", "rm -rf /", "wget x", "pip list", ""])
def test_a_program_is_not_run_and_says_so(command):
    assert "is not run here" in notebook.answer_command(command)


def test_of_a_flood_the_beginning_and_the_end_are_kept():
    record = notebook.Record()
    record.printed("stdout", "first ")
    for _ in range(50):
        record.printed("stdout", "x" * 10_000)
    record.printed("stdout", " last")
    (message,) = json.loads(record.as_json())
    assert message["text"].startswith("first ")
    assert message["text"].endswith(" last")
    assert "characters are left out here" in message["text"]
    assert len(message["text"]) < 400_000


def test_streams_take_turns_and_pictures_leave_only_that_they_were_there():
    record = notebook.Record()
    record.printed("stdout", "a")
    record.printed("stdout", "b")
    record.printed("stderr", "c")
    record.displayed("display_data", {"image/png": b"x" * 100, "text/plain": "y"}, {"display_id": "d"})
    messages = json.loads(record.as_json())
    assert [message.get("text") for message in messages] == ["ab", "c", None]
    assert messages[2] == {
        "type": "display_data",
        "data": {"image/png": "", "text/plain": "y"},
        "display_id": "d",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([0.5] * 500, [0.5] * 500),
        (list(range(500)), list(range(500))),
        ([True] * 500, [True] * 500),
        ([1, 0.5] * 300, [1, 0.5] * 300),
        ({0: "a", (1, "tanh"): [2]}, {0: "a", (1, "tanh"): [2]}),
        (OrderedDict(a=np.float32(0.5)), {"a": 0.5}),
        (deque([1, 2]), [1, 2]),
        ({np.int64(3): None}, {3: None}),
        (range(3), [0, 1, 2]),
        ((1, "x", None), (1, "x", None)),
        ({object: 1}, "dict"),
    ],
)
def test_values_cross_as_the_data_they_are(value, expected):
    if expected == "dict":
        assert tensors.Converter().convert(value) is value
    else:
        assert crossed(tensors.Converter().convert(value)) == expected


def test_what_is_too_large_is_not_taken_along():
    with pytest.raises(tensors.TooLarge):
        tensors.Converter(max_bytes=100).convert({"x": np.zeros(100)})
    with pytest.raises(tensors.TooLarge):
        tensors.Converter(max_values=10).convert([object()] * 20)


@pytest.mark.parametrize(
    "node",
    [
        {"$numbers": 3},
        {"$numbers": [1]},
        {"$pairs": 3},
        {"$pairs": [[1]]},
        {"$pairs": [[[1], 2]]},
        {"$pairs": [[1, 2], [1, 3]]},
    ],
)
def test_compact_values_are_checked_like_all_others(node):
    with pytest.raises(FrameError):
        decode(node, [], NoHandles())


def test_numbers_and_pairs_are_compact_on_the_wire():
    arrays = []
    assert encode(Numbers(np.arange(3)), arrays, NoHandles()) == {"$numbers": {"$array": 0}}
    assert encode(Pairs([(1, 2)]), arrays, NoHandles()) == {"$pairs": [[1, 2]]}
