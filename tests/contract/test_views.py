"""A worker imports the libraries of its view and no others, whatever else is installed."""

from __future__ import annotations

import dataclasses

import pytest

from grader.client import open_student
from grader.errors import StudentRaised, UsageError
from grader.sandbox.policy import read_policy
from grader.sandbox.views import read_view
from tests.contract.submissions import write_package
from tests.required import needs_experiments

IMPORTER = """
    import importlib
    class Linear:
        def forward(self, name):
            return importlib.import_module(name).__name__
        def backward(self, seed):
            import torch
            torch.manual_seed(seed)
            model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
            optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
            x, t = torch.randn(64, 4), torch.randint(0, 3, (64,))
            losses = []
            for _ in range(20):
                optimiser.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(x), t)
                loss.backward()
                optimiser.step()
                losses.append(float(loss))
            return losses
        def gradients(self):
            import torch
            kernels = torch.backends.cpu.get_cpu_capability()
            return {"kernels": torch.tensor([ord(letter) for letter in kernels]).numpy()}
"""
NOT_IMPORTABLE = r"ModuleNotFoundError|PermissionError"
PLACES = {"Linear": ["mytorch.nn.modules.linear"]}


@pytest.fixture
def student(folder, provider, request):
    root = write_package(folder, linear=IMPORTER)
    limits = dataclasses.replace(read_policy().limits, call_s=60.0)
    policy = dataclasses.replace(read_policy(), limits=limits)
    with open_student(
        root, places=PLACES, provider=provider, min_isolation=1, policy=policy, view=request.param
    ) as opened:
        opened.begin_check("test", seed=1)
        yield opened


@pytest.mark.parametrize("student", ["numpy"], indirect=True)
def test_the_numpy_view_has_numpy_and_nothing_that_is_installed_beside_it(student):
    layer = student.new("Linear")
    for name in ("numpy.linalg", "numpy.testing", "json"):
        assert layer.forward(name) == name
    for name in ("torch", "scipy", "sklearn", "pytest", "pip", "grader", "hypothesis", "pydantic", "_pytest"):
        with pytest.raises(StudentRaised, match=NOT_IMPORTABLE):
            layer.forward(name)


@needs_experiments
@pytest.mark.parametrize("student", ["experiments"], indirect=True)
def test_the_experiments_view_trains_with_torch_and_still_has_no_grader(student):
    layer = student.new("Linear")
    for name in ("torchvision", "medmnist", "sklearn.metrics", "IPython"):
        assert layer.forward(name) == name
    losses = layer.backward(0)
    assert losses[-1] < losses[0]
    for name in ("pytest", "pip", "grader", "hypothesis", "_pytest"):
        with pytest.raises(StudentRaised, match=NOT_IMPORTABLE):
            layer.forward(name)


@needs_experiments
@pytest.mark.parametrize("student", ["experiments"], indirect=True)
def test_torch_computes_in_a_worker_as_it_does_outside(student):
    """Where it cannot see what processor it has, it takes the slowest arithmetic, and says nothing."""
    torch = pytest.importorskip("torch")

    kernels = student.new("Linear").gradients()["kernels"]
    assert "".join(map(chr, kernels)) == torch.backends.cpu.get_cpu_capability()


def test_a_view_lists_what_its_libraries_require_and_not_the_grader():
    names = {entry.rpartition("/")[2] for entry in read_view("numpy").entries}
    assert "numpy" in names
    assert not names & {"grader", "pytest", "torch", "pydantic"}


def test_an_unknown_view_is_a_usage_error():
    with pytest.raises(UsageError, match="known: numpy, experiments"):
        read_view("everything")
