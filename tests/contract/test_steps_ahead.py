"""Steps that travel with the next request, and objects that are used in the request that makes them."""

from __future__ import annotations

import numpy as np
import pytest

from grader.assignments.hw1.linear_probe import LinearProbe
from grader.assignments.hw1.names import PLACES
from grader.client import open_student
from grader.errors import CheckFailed, ProtocolViolation, StudentFault, StudentRaised
from tests.contract.submissions import write_package

ODD = """
    import random
    import sys
    import numpy as np

    class Module:
        pass

    class Sealed:
        def __init_subclass__(cls):
            raise TypeError("nobody inherits from this")

    class Trap:
        def __init_subclass__(cls):
            raise KeyError("and this one says so oddly")

    class Tanh:
        def forward(self, x):
            return random.random(), float(np.random.rand())

    class ReLU:
        made = 0
        def __init__(self):
            ReLU.made += 1
        def forward(self, x):
            raise KeyError("no forward today")
        def backward(self, dLdy):
            return ReLU.made

    def Sigmoid():
        return None

    class MSELoss:
        def __init__(self):
            raise ValueError("made of nothing")

    class SoftmaxCrossEntropy:  # answers for others: whoever has nothing to say says 5
        def __init__(self):
            protocol = next(m for name, m in sys.modules.items() if name.endswith("_grader_worker.protocol"))
            encode = protocol.encode
            protocol.encode = lambda value, *args: 5 if value is None else encode(value, *args)
"""


ODD_LINEAR = """
    import numpy as np

    class Linear:
        copies = False
        def __init__(self, D, M):
            {}
        def parameters(self):
            found = {{"weight": self.weight, "bias": self.bias}}
            return {{name: value.copy() for name, value in found.items()}} if self.copies else found
"""


@pytest.fixture
def student(tmp_path):
    names = ["Module", "Sealed", "Trap", "Tanh", "ReLU", "Sigmoid", "MSELoss", "SoftmaxCrossEntropy"]
    root = write_package(tmp_path, mytorch__nn__odd=ODD)
    places = PLACES | dict.fromkeys(names, ("mytorch.nn.odd",))
    with open_student(root, places=places, provider="separate", min_isolation=1) as opened:
        opened.begin_check("test", seed=1)
        opened.resolve("Linear")
        yield opened


def trips(student, act):
    before = student.round_trips
    act()
    return student.round_trips - before


class TestStandIns:
    def test_cost_no_round_trip_of_their_own(self, student):
        def use():
            layer = student.stand_in("scale", {"scale": np.full(3, 2.0)})
            editor = student.stand_in("editor")
            editor.call("write", layer, "scale", np.full(3, 5.0))
            assert layer.forward(np.ones((1, 3))).tolist() == [[5.0, 5.0, 5.0]]

        assert trips(student, use) == 2

    def test_are_made_of_what_was_given_even_if_that_changes(self, student):
        values = np.full(3, 2.0)
        layer = student.stand_in("scale", {"scale": values})
        values[:] = 7.0
        assert layer.forward(np.ones((1, 3))).tolist() == [[2.0, 2.0, 2.0]]

    def test_are_lost_with_the_worker_that_was_to_make_them(self, student):
        layer = student.stand_in("cubic")
        student.close()
        with pytest.raises(StudentFault, match="was lost when the worker"):
            layer.forward(np.ones((1, 2)))
        assert student.stand_in("cubic").forward(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]

    def test_do_without_a_class_of_the_students_that_nobody_may_inherit_from(self, student):
        made = student.stand_in("cubic", base=student.resolve("Sealed"))
        assert made.forward(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]

    def test_of_a_class_that_raises_otherwise_say_so_in_the_next_call(self, student):
        made = student.stand_in("cubic", base=student.resolve("Trap"))
        with pytest.raises(StudentRaised, match=r"our stand-in cubic raised KeyError: .*says so oddly"):
            made.forward(np.zeros((1, 2)))

    def test_have_the_names_of_their_classes(self, student):
        assert student.stand_in("weighted_loss", np.ones(2)).type_name == "WeightedLoss"
        assert student.stand_in("ring", {"gain": np.ones((2, 2)), "offset": np.ones(2)}).type_name == "Ring"


def test_a_seed_is_set_before_the_next_call_and_costs_no_round_trip(student):
    layer = student.new("Tanh")
    drawn = []

    def draw():
        student.seed(3)
        drawn.append(layer.forward(0))

    assert [trips(student, draw) for _ in range(2)] == [1, 1]
    assert drawn[0] == drawn[1]
    assert layer.forward(0) != drawn[0]


def test_a_new_worker_is_seeded_as_the_lost_one_was(student):
    student.seed(3)
    first = student.new("Tanh").forward(0)
    student.close()
    assert student.new("Tanh").forward(0) == first


def test_a_value_where_none_was_asked_for_is_no_answer(student):
    student.new("SoftmaxCrossEntropy")
    student.seed(3)
    with pytest.raises(ProtocolViolation, match="seeding: what came back is no answer"):
        student.new("Linear", 3, 2)


class TestALayerThatHoldsWhatWasWritten:
    W, b = np.arange(6.0).reshape(2, 3) + 1.0, np.array([7.0, 8.0])

    def test_costs_one_round_trip(self, student):
        found = []
        assert trips(student, lambda: found.extend(LinearProbe.holding(student, self.W, self.b))) == 1
        probe, *held = found
        for value, expected in zip((*held, *probe.read()), (self.W, self.b) * 2, strict=True):
            np.testing.assert_array_equal(value, expected)

    @pytest.mark.parametrize(
        "linear",
        [
            "self.weight, self.bias = np.ones((M, D)), np.ones((1, M))",
            "self.weight, self.bias = np.ones((D, M)), np.ones(M)",
            "self.weight, self.bias = np.ones((M, D), np.float32), np.ones(M, np.float32)",
            "self.bias, self.weight = np.ones((M, D)), np.ones(M)",
            "self.weight, self.bias = np.ones((M, D)), None",
            "self.weight, self.bias = np.random.normal(size=(M, D)), np.zeros(M); self.copies = True",
            "self.weight, self.bias = np.ones((M, D)), np.zeros(M); self.copies = True",
            "self.weight, self.bias = np.ones((M, D)), np.zeros(M); self.weight.flags.writeable = False",
            "raise ValueError('not today')",
        ],
    )
    def test_is_what_making_and_then_writing_it_gives(self, tmp_path, linear):
        def told(act):
            with open_student(root, places=PLACES, provider="separate", min_isolation=1) as opened:
                opened.begin_check("test", seed=1)
                try:
                    return [np.array(part).tolist() for part in act(opened)]
                except StudentFault as fault:
                    return str(fault)

        def one_by_one(opened):
            return LinearProbe.make(opened, 3, 2).set(self.W, self.b)

        root = write_package(tmp_path, linear=ODD_LINEAR.format(linear))
        assert told(lambda opened: LinearProbe.holding(opened, self.W, self.b)[1:]) == told(one_by_one)


class TestNewThen:
    def test_makes_and_calls_in_one_round_trip(self, student):
        found = []
        count = trips(
            student,
            lambda: found.extend(
                student.new_then("Linear", 3, 2, then=lambda layer: [layer.reading_parameters()])
            ),
        )
        layer, parameters = found
        assert (count, parameters["weight"].shape, layer.type_name) == (1, (2, 3), "Linear")
        np.testing.assert_array_equal(layer.parameters()["weight"], parameters["weight"])

    def test_says_of_what_is_no_object_what_new_says(self, student):
        with pytest.raises(CheckFailed, match=r"Sigmoid.* gave None, not an object"):
            student.new_then("Sigmoid", then=lambda layer: [layer.calling("forward", 1)])

    def test_says_which_call_raised(self, student):
        with pytest.raises(StudentRaised, match=r"ReLU\.forward raised KeyError: .*no forward today"):
            student.new_then("ReLU", then=lambda layer: layer.passing(1, dLdy=np.ones(1)))
        with pytest.raises(StudentRaised, match=r"MSELoss raised ValueError: made of nothing"):
            student.new_then("MSELoss", then=lambda loss: loss.passing(1, 2))

    def test_tells_what_is_missing_in_the_same_words(self, tmp_path):
        said = []
        for number, make in enumerate(("new", "new_then")):
            root = write_package(tmp_path / str(number))
            (root / "mytorch/nn/modules/linear.py").unlink()
            with open_student(root, places=PLACES, provider="separate", min_isolation=1) as opened:
                options = {"then": lambda layer: [layer.reading_parameters()]} if make == "new_then" else {}
                with pytest.raises(StudentFault) as raised:
                    getattr(opened, make)("Linear", 3, 2, **options)
                said.append(str(raised.value))
        assert said[0] == said[1]
        assert "ModuleNotFoundError" in said[0]  # which is known the first time only
