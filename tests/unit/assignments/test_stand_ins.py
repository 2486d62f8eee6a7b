from __future__ import annotations

import abc
import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from grader.assignments.hw1.probes import (
    Probe,
    cubic,
    curve,
    input_gradient,
    parameter_gradient,
    ring,
    run_all,
    scale,
    weighted_loss,
)
from grader.checks.gradients import central_differences
from grader.probe_layers import RETIRED, AskedWrongly, ProbeLayer
from grader.worker import probe_formulas, stand_ins
from grader.worker.probe_formulas import FORMULAS
from grader.worker.stand_ins import STAND_INS
from tests.fakes import local_probe

COLUMNS = 4


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def probes(rng: np.random.Generator) -> list[Probe]:
    return [scale(rng, COLUMNS), cubic(), ring(rng, COLUMNS), curve(rng, COLUMNS)]


@pytest.mark.parametrize("position", range(4))
def test_a_stand_in_computes_its_formula_and_its_gradients(rng: np.random.Generator, position: int) -> None:
    probe = probes(rng)[position]
    layer = local_probe(probe.kind, probe.values)
    x, dLdy = rng.normal(size=(5, COLUMNS)), rng.normal(size=(5, COLUMNS))
    np.testing.assert_allclose(layer.forward(x), probe.formula(x), rtol=1e-13)
    np.testing.assert_allclose(layer.backward(dLdy), input_gradient([probe], x, dLdy), rtol=1e-7)
    for name in probe.values:
        truth = parameter_gradient([probe], 0, name, x, dLdy)
        np.testing.assert_allclose(layer.gradients()[name], truth, rtol=1e-7)


def test_a_tower_computes_what_its_layers_compute_one_after_the_other(rng: np.random.Generator) -> None:
    layers = [scale(rng, COLUMNS), curve(rng, COLUMNS), ring(rng, COLUMNS)]
    values = {
        f"{at}.{name}": value for at, layer in enumerate(layers) for name, value in layer.values.items()
    }
    tower = local_probe("tower", values)
    x, dLdy = rng.normal(size=(5, COLUMNS)), rng.normal(size=(5, COLUMNS))
    np.testing.assert_allclose(tower.forward(x), run_all(layers, x), rtol=1e-13)
    np.testing.assert_allclose(tower.backward(dLdy), input_gradient(layers, x, dLdy), rtol=1e-6)
    assert set(tower.gradients()) == set(values)
    for name, gradient in tower.gradients().items():
        at, _, own = name.partition(".")
        np.testing.assert_allclose(gradient, parameter_gradient(layers, int(at), own, x, dLdy), rtol=1e-6)


def test_the_loss_computes_its_formula_and_its_gradient(rng: np.random.Generator) -> None:
    weights = 0.5 + rng.random(COLUMNS)
    pred, target = rng.normal(size=(5, COLUMNS)), rng.normal(size=(5, COLUMNS))
    loss = STAND_INS["weighted_loss"](weights)
    assert loss.forward(pred, target) == pytest.approx(weighted_loss(weights, pred, target))
    truth = central_differences(lambda at: [weighted_loss(weights, p, target) for p in at], pred).values
    np.testing.assert_allclose(loss.backward(), truth, rtol=1e-7, atol=1e-11)


def test_a_planted_fault_changes_just_the_entries_it_names(rng: np.random.Generator) -> None:
    probe = ring(rng, COLUMNS)
    fault = np.ones((2, COLUMNS))
    fault[1, 2] = 0.0
    right, wrong = (local_probe("ring", probe.values, faults=faults) for faults in ({}, {"gain": fault}))
    x, dLdy = rng.normal(size=(5, COLUMNS)), rng.normal(size=(5, COLUMNS))
    for layer in (right, wrong):
        layer.forward(x)
        layer.backward(dLdy)
    np.testing.assert_array_equal(wrong.gradients["gain"], right.gradients["gain"] * fault)
    np.testing.assert_array_equal(wrong.gradients["offset"], right.gradients["offset"])


def test_parameters_and_gradients_are_live_and_work_as_methods_and_as_properties(
    rng: np.random.Generator,
) -> None:
    layer = local_probe("scale", {"scale": np.ones(COLUMNS)})
    layer.parameters()["scale"][...] = 2.0
    assert layer.forward(np.ones((1, COLUMNS))).tolist() == [[2.0] * COLUMNS]
    kept = layer.gradients["scale"]
    layer.backward(np.ones((1, COLUMNS)))
    assert kept.tolist() == [1.0] * COLUMNS
    layer.zero_grad()
    assert kept.tolist() == [0.0] * COLUMNS


def test_a_new_array_put_into_the_dict_does_not_reach_the_layer() -> None:
    layer = local_probe("scale", {"scale": np.ones(COLUMNS)})
    layer.parameters()["scale"] = np.zeros(COLUMNS)
    assert layer.parameters["scale"].tolist() == [1.0] * COLUMNS


def test_a_stand_in_is_an_instance_of_the_students_module_if_asked() -> None:
    class Module:
        def __init__(self) -> None:
            raise NotImplementedError

        def parameters(self) -> None:
            raise NotImplementedError

    layer = local_probe("scale", {"scale": np.ones(2)}, base=Module)
    assert isinstance(layer, Module)
    assert list(layer.parameters()) == ["scale"]
    assert layer.train().training is True
    assert layer.eval().training is False


def test_a_module_that_cannot_be_inherited_from_is_left_out() -> None:
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def something_else(self) -> None: ...

    for base in (Abstract, bool):
        assert local_probe("cubic", base=base).forward(np.ones((1, 2))).tolist() == [[1.25, 1.25]]


@pytest.mark.parametrize("module", [stand_ins, probe_formulas])
def test_the_module_runs_inside_the_worker_on_numpy_and_the_standard_library_alone(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    }
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize("module", [stand_ins, probe_formulas])
def test_no_stand_in_answers_a_question_of_the_homework(module) -> None:
    source = Path(module.__file__).read_text(encoding="utf-8").lower()
    assert [
        word for word in (" @ ", "matmul", "einsum", "np.exp", "tanh", "maximum", "lr") if word in source
    ] == []


def test_a_probe_knows_nothing_of_its_fault(rng: np.random.Generator) -> None:
    """Whatever can be reached from the object in the worker is the same for a right and a wrong layer."""
    probe = ring(rng, COLUMNS)
    told: list[object] = []

    def ask(values, x, dLdy):
        told.append(sorted(values))
        return dLdy, {name: np.zeros_like(v) for name, v in values.items()}

    layer = stand_ins.Probe(probe.values, kind="ring", ask=ask)
    layer.forward(np.ones((2, COLUMNS)))
    assert told == []
    layer.backward(np.ones((2, COLUMNS)))
    assert set(vars(layer)) == {"training", "_values", "_slopes", "_formula", "_ask", "_x"}
    assert told == [["gain", "offset"]]


def test_what_the_worker_has_of_the_probes_takes_no_derivative() -> None:
    """Right and wrong layers differ in their backward pass alone, and that must not be in there."""
    source = Path(probe_formulas.__file__).read_text(encoding="utf-8")
    names = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert names == {*FORMULAS, "part", "neighbours"}


@pytest.mark.parametrize(
    "question",
    [
        {"values": {}, "x": np.ones((2, 2)), "dLdy": np.ones((2, 2))},
        {"values": {"scale": np.ones(3)}, "x": np.ones((2, 2)), "dLdy": np.ones((2, 2))},
        {"values": {"scale": np.ones(2)}, "x": np.ones((2, 7)), "dLdy": np.ones((2, 7))},
        {"values": {"scale": np.ones(2)}, "x": "text", "dLdy": np.ones((2, 2))},
        {"values": {"scale": np.ones(2)}, "x": np.ones((2, 2)), "dLdy": np.ones(2)},
        {"values": {"scale": np.ones(2)}, "x": np.ones((2, 2)), "dLdy": None},
        {"values": {"scale": np.ones(2)}, "x": None, "dLdy": None},
        {"values": {"scale": np.ones(2)}, "x": np.zeros((1 << 20, 2)), "dLdy": np.zeros((1 << 20, 2))},
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_and_harms_nothing(question: dict) -> None:
    with pytest.raises(AskedWrongly):
        ProbeLayer("scale", {"scale": (2,)}).answer(**question)


def test_a_layer_whose_call_is_over_tells_nothing_any_more() -> None:
    faults = {"input": np.ones(1)}
    layer = ProbeLayer("scale", {"scale": (2,)}, faults)
    question = {"values": {"scale": np.ones(2)}, "x": np.ones((3, 2)), "dLdy": np.ones((3, 2))}
    layer.answer(**question)
    faults[RETIRED] = np.ones(1)
    with pytest.raises(AskedWrongly, match="not in use"):
        layer.answer(**question)
