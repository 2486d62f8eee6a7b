from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from grader.datasets import load_mnist
from grader.model import Visibility
from grader.suites import read_suites
from tests.suite_runner import SUITES, Verdict, failed_checks, judge, lost_questions
from tests.unit.assignments.faulty import (
    ACTIVATION,
    CHECK,
    LINEAR,
    LOSS,
    MODULE,
    OPTIM,
    SEQUENTIAL,
    Fault,
    read_faults,
)

REPOSITORY = Path(__file__).parents[3]
REFERENCE = REPOSITORY / "reference" / "mytorch"
TEMPLATE = REPOSITORY / "student_template"

FAULTS = read_faults()
QUICK_QUESTIONS = [f"q6.{number}" for number in range(1, 6)]

Package = Callable[[dict[str, str]], Path]

MEAN_IN_LINEAR = {
    LINEAR: """
class Linear(Linear):
    def backward(self, dLdy):
        dLdx = super().backward(dLdy)
        self.dLdW, self.dLdb = self.dLdW / len(dLdy), self.dLdb / len(dLdy)
        return dLdx
""",
    LOSS: """
class MSELoss(MSELoss):
    def backward(self):
        return super().backward() * len(self.difference)
class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def backward(self):
        return super().backward() * len(self.t)
""",
}
RIGHT = {
    "as it is": {},
    "the mean in Linear": MEAN_IN_LINEAR,
    "gradients that accumulate": {
        LINEAR: """
class Linear(Linear):
    def backward(self, dLdy):
        W, b = self.dLdW, self.dLdb
        dLdx = super().backward(dLdy)
        self.dLdW, self.dLdb = W + self.dLdW, b + self.dLdb
        return dLdx
"""
    },
    "float32 parameters": {
        LINEAR: """
class Linear(Linear):
    def __init__(self, D, M):
        super().__init__(D, M)
        self.weight, self.bias = self.weight.astype(np.float32), self.bias.astype(np.float32)
"""
    },
    "float32 everywhere": {
        LINEAR: """
class Linear(Linear):
    def __init__(self, D, M):
        super().__init__(D, M)
        self.weight, self.bias = self.weight.astype(np.float32), self.bias.astype(np.float32)
    def forward(self, x):
        return super().forward(x.astype(np.float32))
    def backward(self, dLdy):
        return super().backward(dLdy.astype(np.float32))
""",
        ACTIVATION: """
class Tanh(Tanh):
    def forward(self, x):
        return super().forward(x.astype(np.float32))
""",
    },
    "parameters as properties with other names": {
        LINEAR: """
class Linear(Linear):
    @property
    def parameters(self):
        return {"W": self.weight, "b": self.bias}
    @property
    def gradients(self):
        return {"W": self.dLdW, "b": self.dLdb}
""",
        MODULE: """
class Module(Module):
    parameters = property(lambda self: {})
    gradients = property(lambda self: {})
""",
        SEQUENTIAL: """
class Sequential(Sequential):
    @property
    def parameters(self):
        return _numbered(layer.parameters for layer in self.layers)
    @property
    def gradients(self):
        return _numbered(layer.gradients for layer in self.layers)
""",
        OPTIM: """
class SGD(SGD):
    def step(self):
        for name, w in self.model.parameters.items():
            w -= self.lr * self.model.gradients[name]
    def zero_grad(self):
        for g in self.model.gradients.values():
            g[...] = 0
""",
        CHECK: """
_check_methods = gradient_check
class _Methods:
    def __init__(self, model):
        self.forward, self.backward = model.forward, model.backward
        self.parameters, self.gradients = (lambda: model.parameters), (lambda: model.gradients)
def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    return _check_methods(_Methods(model), loss_fn, x, y, epsilon)
""",
    },
    "only instances of Module in a Sequential": {
        SEQUENTIAL: """
class Sequential(Sequential):
    def __init__(self, *layers):
        if not all(isinstance(layer, Module) for layer in layers):
            raise TypeError("not a Module")
        super().__init__(*layers)
"""
    },
    "an abstract Module": {
        MODULE: """
import abc
class Module(Module, abc.ABC):
    pass
"""
    },
    "calls instead of forward": {
        MODULE: """
class Module(Module):
    def __call__(self, x):
        return self.forward(x)
""",
        SEQUENTIAL: """
class Sequential(Sequential):
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
""",
    },
    "derivative 1 at 0, a scalar array as loss, a small constant in the logarithm": {
        ACTIVATION: """
class ReLU(ReLU):
    def backward(self, dLdy):
        return dLdy * (self.x >= 0)
""",
        LOSS: """
class MSELoss(MSELoss):
    def forward(self, pred, target):
        return np.asarray(super().forward(pred, target))
class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def forward(self, logits, targets):
        super().forward(logits, targets)
        return -np.mean(np.log((self.t * np.exp(self.log_p)).sum(axis=1) + 1e-12))
""",
    },
    "a cache that backward empties": {
        LINEAR: """
class Linear(Linear):
    def backward(self, dLdy):
        dLdx = super().backward(dLdy)
        del self.x
        return dLdx
"""
    },
    "an error by the length of each gradient": {
        CHECK: """
def _relative_error(a, n):
    return float(np.linalg.norm(a - n) / max(1e-12, np.linalg.norm(a) + np.linalg.norm(n)))
"""
    },
}


def few_in_the_quick_tier(seeds: range, few: int) -> list[object]:
    """Return seeds to parametrise by; all but the first few belong to the slow tier."""
    return [*seeds[:few], *(pytest.param(seed, marks=pytest.mark.slow) for seed in seeds[few:])]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Copy the reference, with code appended to some of its files."""

    def make(patches: dict[str, str]) -> Path:
        shutil.copytree(REFERENCE, tmp_path / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        for file, code in patches.items():
            with (tmp_path / file).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{code}")
        return tmp_path

    return make


@pytest.mark.parametrize("patches", RIGHT.values(), ids=RIGHT)
def test_right_code_passes_every_check(package: Package, patches: dict[str, str]) -> None:
    verdicts = judge(package(patches))
    assert {name: verdict for name, verdict in verdicts.items() if verdict.outcome != "passed"} == {}


@pytest.mark.parametrize("seed", few_in_the_quick_tier(range(20), 4))
def test_right_code_passes_whatever_the_seed(package: Package, seed: int) -> None:
    assert lost_questions(judge(package(MEAN_IN_LINEAR if seed % 2 else {}), seed=seed + 100)) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fails_its_check_and_costs_no_quick_question(package: Package, fault: Fault) -> None:
    """Gradient checking takes more time than the others together: here only where the fault is in it."""
    verdicts = judge(package(fault.patches), questions=[*QUICK_QUESTIONS, fault.question])
    require_found(fault, verdicts)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fails_its_check_and_costs_no_other_question(package: Package, fault: Fault) -> None:
    require_found(fault, judge(package(fault.patches)))


def require_found(fault: Fault, verdicts: Mapping[str, Verdict]) -> None:
    """Fail unless the fault costs its own question, and the student reads why."""
    assert lost_questions(verdicts) == {fault.question}
    assert fault.check in failed_checks(verdicts)
    assert fault.words in verdicts[fault.check].message


@pytest.mark.parametrize("seed", few_in_the_quick_tier(range(5), 2))
@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.check == "q6.6.finds_one_entry"],
    ids=lambda fault: fault.name,
)
def test_a_checker_that_samples_is_found_whatever_the_seed(package: Package, fault: Fault, seed: int) -> None:
    assert fault.check in failed_checks(judge(package(fault.patches), questions=["q6.6"], seed=seed))


def test_a_zero_grad_that_clears_nothing_is_wrong_where_gradients_add_up(package: Package) -> None:
    nothing = {OPTIM: "class SGD(SGD):\n    def zero_grad(self):\n        pass\n"}
    verdicts = judge(package(RIGHT["gradients that accumulate"] | nothing))
    assert lost_questions(verdicts) == {"q6.5"}
    assert "still adds to earlier gradients" in verdicts["q6.5.zero_grad"].message


def test_a_layer_that_seeds_itself_is_flagged_and_loses_nothing(package: Package) -> None:
    seeds = "class Linear(Linear):\n    def __init__(self, D, M):\n        np.random.seed(0)\n"
    flags: list[tuple[str, str, str]] = []
    root = package({LINEAR: seeds + "        super().__init__(D, M)\n"})
    verdicts = judge(root, questions=["q6.1"], flags=flags)
    assert lost_questions(verdicts) == set()
    assert [(check, kind) for check, kind, _ in flags] == [("q6.1.he_variance", "same_draws")]


def test_a_mean_taken_twice_costs_the_losses_only(package: Package) -> None:
    verdicts = judge(package({LINEAR: MEAN_IN_LINEAR[LINEAR]}))
    assert lost_questions(verdicts) == {"q6.3"}
    for check in ("q6.3.mse_end_to_end", "q6.3.ce_end_to_end"):
        assert "both in the loss and in Linear.backward" in verdicts[check].message


def test_a_mean_taken_nowhere_costs_the_losses_only(package: Package) -> None:
    verdicts = judge(package({LOSS: MEAN_IN_LINEAR[LOSS]}))
    assert lost_questions(verdicts) == {"q6.3"}
    for check in ("q6.3.mse_end_to_end", "q6.3.ce_end_to_end"):
        assert "neither in the loss nor in Linear.backward" in verdicts[check].message


def test_one_loss_that_does_not_fit_its_linear_is_the_only_one_to_lose(package: Package) -> None:
    own_mean = """
class MSELoss(MSELoss):
    def backward(self):
        return super().backward() / len(self.difference)
"""
    verdicts = judge(package(MEAN_IN_LINEAR | {LOSS: MEAN_IN_LINEAR[LOSS] + own_mean}))
    assert lost_questions(verdicts) == {"q6.3"}
    assert failed_checks(verdicts) == {"q6.3.mse_end_to_end"}


BROKEN_LINEAR = "class Linear(Linear):\n    def backward(self, dLdy):\n        return None\n"


@pytest.mark.parametrize("mean", [{}, {LOSS: MEAN_IN_LINEAR[LOSS]}], ids=["in the losses", "in Linear"])
def test_either_mean_is_right_beside_a_linear_without_gradients(
    package: Package, mean: dict[str, str]
) -> None:
    assert lost_questions(judge(package(mean | {LINEAR: BROKEN_LINEAR}))) == {"q6.1"}


def test_losses_of_two_conventions_do_not_fit_any_linear(package: Package) -> None:
    mixed = """
class MSELoss(MSELoss):
    def backward(self):
        return super().backward() * len(self.difference)
"""
    verdicts = judge(package({LOSS: mixed, LINEAR: BROKEN_LINEAR}), questions=["q6.3"])
    assert "no Linear fits both" in verdicts["q6.3.mse_end_to_end"].message


@pytest.mark.parametrize(
    ("file", "body", "lost"),
    [
        (LINEAR, "class Linear:\n    pass\n", {"q6.1"}),
        (ACTIVATION, "del ReLU, Tanh, Sigmoid\n", {"q6.2"}),
        (LOSS, "class SoftmaxCrossEntropy:\n    pass\nclass MSELoss:\n    pass\n", {"q6.3"}),
        (SEQUENTIAL, "class Sequential:\n    pass\n", {"q6.4"}),
        (OPTIM, "class SGD:\n    pass\n", {"q6.5"}),
        (CHECK, "gradient_check = 5\n", {"q6.6"}),
    ],
    ids=["Linear", "activations", "losses", "Sequential", "SGD", "gradient_check"],
)
def test_a_missing_part_costs_its_own_question_only(
    package: Package, file: str, body: str, lost: set[str]
) -> None:
    root = package({file: body})
    if "del" in body:
        names = ("ReLU", "Sigmoid", "Tanh")
        init = root / "mytorch" / "nn" / "__init__.py"
        lines = init.read_text(encoding="utf-8").splitlines()
        init.write_text("\n".join(line for line in lines if not any(name in line for name in names)))
    assert lost_questions(judge(root)) == lost


def test_the_template_passes_no_check() -> None:
    verdicts = judge(TEMPLATE, dataset=load_mnist("sample", None))
    assert {name for name, verdict in verdicts.items() if verdict.outcome == "passed"} == set()


def test_every_visible_failure_tells_how_to_reproduce_it() -> None:
    visible = {
        name
        for name, declared in read_suites(SUITES).items()
        if declared.check.visibility is Visibility.VISIBLE
    }
    failed = {name: v for name, v in judge(TEMPLATE).items() if v.outcome == "failed" and name in visible}
    assert [name for name, verdict in failed.items() if verdict.reproduce is None] == []


def test_the_reference_trains_to_full_points_on_the_sample(package: Package) -> None:
    verdicts = judge(package(MEAN_IN_LINEAR), questions=["q6.7"], dataset=load_mnist("sample", None))
    assert {verdict.outcome for verdict in verdicts.values()} == {"passed"}


def test_training_in_the_wrong_direction_costs_the_training_but_not_the_start(package: Package) -> None:
    uphill = "class SGD(SGD):\n    def step(self):\n        self.lr = -abs(self.lr)\n        super().step()\n"
    dataset = load_mnist("sample", None)
    verdicts = judge(package({OPTIM: uphill}), questions=["q6.7"], dataset=dataset)
    assert verdicts["q6.7.initial_loss"].outcome == "passed"
    assert failed_checks(verdicts) == {"q6.7.overfits", "q6.7.learns"}
