"""Judge mytorch submissions by the homework's text alone: python tests/second_opinion.py FOLDER...

Nothing here is shared with the grader, and everything is written the other way round: derivatives in closed
form, submissions imported into this very process, plain tolerances. So where both agree that a fixture is
right, or which question it gets wrong, that is not the grader's own idea. It shields nothing and is for
fixtures only. Q6.7, a training, is left out. Prints one JSON object: folder -> question -> what is wrong.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Check = Callable[[Any], None]
NAMES = ("Module", "Linear", "ReLU", "Tanh", "Sigmoid", "MSELoss", "SoftmaxCrossEntropy", "Sequential", "SGD")
CLOSE = 1e-4  # float32 layers are right


def same(got: Any, truth: Any, what: str, *, rtol: float = CLOSE) -> None:
    """Assert that two arrays have one shape and nearly the same values."""
    got, truth = np.asarray(got), np.asarray(truth)
    assert got.shape == truth.shape, f"{what}: shape {got.shape} instead of {truth.shape}"
    scale = max(float(np.abs(truth).max(initial=0.0)), 1e-12)
    assert np.abs(got - truth).max(initial=0.0) <= rtol * scale, f"{what}: other values"


def arrays(model: Any, method: str) -> dict[str, np.ndarray]:
    """Return `parameters()` or `gradients()`, which may be a property."""
    found = getattr(model, method)
    return found() if callable(found) else found


def is_number(value: Any) -> bool:
    """Say whether a loss is one real number."""
    return isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.shape == ())


# ----------------------------------------------------------------------------------------- Q6.1 Linear


def filled(nn: Any, rng: np.random.Generator, D: int, M: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Make a Linear(D, M), write random numbers into its live arrays, and return them."""
    layer = nn.Linear(D, M)
    for name, shape in (("weight", (M, D)), ("bias", (M,))):
        arrays(layer, "parameters")[name][...] = rng.normal(size=shape)
    return layer, *(np.array(arrays(layer, "parameters")[name], dtype=float) for name in ("weight", "bias"))


def linear_factor(layer: Any, x: np.ndarray, dLdy: np.ndarray) -> float:
    """Return 1 if the layer's gradients are sums over the batch, 1/N if means; assert one of both."""
    got = arrays(layer, "gradients")
    for factor in (1.0, 1.0 / len(x)):
        with contextlib.suppress(AssertionError):
            same(got["weight"], factor * dLdy.T @ x, "dL/dW")
            same(got["bias"], factor * dLdy.sum(axis=0), "dL/db")
            return factor
    raise AssertionError("gradients of weight and bias")


def linear_passes(nn: Any) -> None:
    """Both passes, for several sizes, by two layers in turn that are used again."""
    rng = np.random.default_rng(1)
    kinds = set()
    for D, M in ((5, 3), (3, 8), (1, 2), (4, 4)):
        pair = [filled(nn, rng, D, M) for _ in range(2)]
        for N in (6, 1, 9):
            calls = []
            for layer, W, b in pair:
                x, dLdy = rng.normal(size=(N, D)), rng.normal(size=(N, M))
                kept = x.copy(), dLdy.copy()
                same(layer.forward(x), x @ W.T + b, "forward")
                calls.append((layer, W, x, dLdy, kept))
            for layer, W, x, dLdy, kept in calls:
                if hasattr(layer, "zero_grad"):
                    layer.zero_grad()
                for gradient in arrays(layer, "gradients").values():
                    gradient[...] = 0.0  # they may add up
                same(layer.backward(dLdy), kept[1] @ W, "dL/dx")
                same(x, kept[0], "x was changed", rtol=0)
                same(dLdy, kept[1], "dLdy was changed", rtol=0)
            for layer, _, x, dLdy, _ in calls:
                kinds.add(N == 1 or linear_factor(layer, x, dLdy) == 1.0 or "mean")
    assert kinds in ({True}, {True, "mean"}), "sums and means"


def linear_arrays(nn: Any) -> None:
    """Names, shapes, liveness and the start."""
    rng = np.random.default_rng(2)
    layer, _, _ = filled(nn, rng, 5, 3)
    found = arrays(layer, "parameters")
    shapes = {"weight": (3, 5), "bias": (3,)}
    assert {name: array.shape for name, array in found.items()} == shapes, "parameters"
    before = layer.forward(np.ones((2, 5)))
    found["weight"][...] += 1.0
    same(layer.forward(np.ones((2, 5))) - before, np.full((2, 3), 5.0), "parameters() is not live", rtol=1e-3)
    layer.backward(np.ones((2, 3)))
    grown = arrays(layer, "gradients")
    assert {name: array.shape for name, array in grown.items()} == {"weight": (3, 5), "bias": (3,)}, (
        "gradients"
    )
    assert not np.any(arrays(nn.Linear(4, 6), "parameters")["bias"]), "bias starts at 0"


def linear_start(nn: Any) -> None:
    """He: mean 0, variance 2 / D, normal; 120,000 draws each, so a deviation of 6 % is no chance."""
    for D, M in ((40, 3000), (400, 300), (10, 12000)):
        z = np.ravel(arrays(nn.Linear(D, M), "parameters")["weight"]) * np.sqrt(D / 2)
        assert abs(z.mean()) < 0.03, "mean of the weights"
        assert abs(z.var() - 1.0) < 0.06, f"variance of the weights for D = {D}"
        assert abs((z**4).mean() / z.var() ** 2 - 3.0) < 0.2, "the weights are not normal"
        first, second = (arrays(nn.Linear(D, 5), "parameters")["weight"] for _ in range(2))
        assert not np.array_equal(first, second), "every layer starts the same"


# ------------------------------------------------------------------------------------ Q6.2 activations

FORMULAS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "ReLU": (lambda x: x * (x > 0), lambda x: 1.0 * (x > 0)),
    "Tanh": (np.tanh, lambda x: 1.0 / np.cosh(x) ** 2),
    "Sigmoid": (lambda x: 1.0 / (1.0 + np.exp(-x)), lambda x: np.exp(-x) / (1.0 + np.exp(-x)) ** 2),
}


def activation(name: str) -> Check:
    """Return the check of one activation: any shape, two layers in turn, the ends of the number line."""

    def passes(nn: Any) -> None:
        f, slope = FORMULAS[name]
        rng = np.random.default_rng(3)
        layer, other = getattr(nn, name)(), getattr(nn, name)()
        for shape in ((4, 3), (7,), (2, 3, 2), (1, 5), (6, 1)):
            x, dLdy = 2 * rng.normal(size=shape), rng.normal(size=shape)
            kept = x.copy(), dLdy.copy()
            same(layer.forward(x), f(x), f"{name}.forward")
            other.forward(x - 1.0)
            same(layer.backward(dLdy), dLdy * slope(x), f"{name}.backward")
            same(x, kept[0], "x was changed", rtol=0)
            same(dLdy, kept[1], "dLdy was changed", rtol=0)
        x = np.array([[-1000.0, 1000.0, 0.0]])
        assert np.isfinite(layer.forward(x)).all(), f"{name}.forward at 1000"
        slopes = layer.backward(np.ones((1, 3)))
        assert np.isfinite(slopes).all(), f"{name}.backward at 1000"
        assert 0.0 <= slopes[0, 2] <= 1.0, f"{name}: derivative at 0"

    return passes


# ----------------------------------------------------------------------------------------- Q6.3 losses


def softmax(z: np.ndarray) -> np.ndarray:
    """Return the softmax of each row; for small logits."""
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def squared_error(pred: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean squared error and its gradient."""
    return float(((pred - target) ** 2).mean()), 2 * (pred - target) / pred.size


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the cross-entropy and its gradient."""
    p, rows = softmax(logits), np.arange(len(logits))
    gradient = p.copy()
    gradient[rows, labels] -= 1.0
    return float(-np.log(p[rows, labels]).mean()), gradient / len(logits)


def loss_case(name: str, rng: np.random.Generator, N: int, K: int) -> tuple[Any, ...]:
    """Return predictions, targets, and the right value and gradient."""
    pred = rng.normal(size=(N, K))
    target = rng.normal(size=(N, K)) if name == "MSELoss" else rng.integers(K, size=N)
    return pred, target, *(squared_error if name == "MSELoss" else cross_entropy)(pred, target)


def loss_factor(loss: Any, gradient: np.ndarray, N: int) -> float:
    """Return 1 if backward() is the gradient of the mean, N if the mean is left to the layers."""
    got = loss.backward()
    for factor in (1.0, float(N)):
        with contextlib.suppress(AssertionError):
            same(got, factor * gradient, "gradient")
            return factor
    raise AssertionError("the loss's gradient")


def loss_passes(name: str) -> Check:
    """Return the check of one loss alone: value and gradient, used again and again."""

    def passes(nn: Any) -> None:
        rng = np.random.default_rng(4)
        loss, other = getattr(nn, name)(), getattr(nn, name)()
        for N, K in ((6, 3), (4, 9), (1, 3), (11, 2)):
            pred, target, value, gradient = loss_case(name, rng, N, K)
            kept = pred.copy(), target.copy()
            got = loss.forward(pred, target)
            assert is_number(got), f"{name}.forward is {type(got).__name__}"
            same(got, value, f"{name}.forward")
            other.forward(pred + rng.normal(size=pred.shape), target)
            loss_factor(loss, gradient, N)
            same(pred, kept[0], "the input was changed", rtol=0)
            same(target, kept[1], "the target was changed", rtol=0)

    return passes


def loss_targets(nn: Any) -> None:
    """Try indices (N,) and (N, 1), one-hot rows, and large logits."""
    rng = np.random.default_rng(5)
    logits, labels, value, _ = loss_case("SoftmaxCrossEntropy", rng, 7, 4)
    results = []
    for targets in (labels, labels[:, None], np.eye(4)[labels]):
        loss = nn.SoftmaxCrossEntropy()
        same(loss.forward(logits, targets), value, f"cross-entropy for targets {targets.shape}")
        results.append(loss.backward())
    same(results[1], results[0], "gradient for targets (N, 1)")
    same(results[2], results[0], "gradient for one-hot targets")
    wide = np.array([[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -1000.0]])
    for labels in (np.array([0, 1]), np.array([2, 2])):
        loss = nn.SoftmaxCrossEntropy()
        assert np.isfinite(loss.forward(wide, labels)), "cross-entropy at 1000"
        assert np.isfinite(loss.backward()).all(), "its gradient at 1000"


def loss_end_to_end(nn: Any) -> None:
    """See that the mean is taken exactly once; beside a broken Linear, by both losses or by none."""
    rng = np.random.default_rng(6)
    N, factors = 6, []
    for name in ("MSELoss", "SoftmaxCrossEntropy"):
        pred, target, _, gradient = loss_case(name, rng, N, 4)
        loss = getattr(nn, name)()
        loss.forward(pred, target)
        factors.append(loss_factor(loss, gradient, N))
    try:
        layer, _, _ = filled(nn, rng, 3, 4)
        x, dLdy = rng.normal(size=(N, 3)), rng.normal(size=(N, 4))
        layer.forward(x)
        layer.backward(dLdy.copy())
        own = linear_factor(layer, x, dLdy)
    except Exception:  # noqa: BLE001 -- Linear is judged in its own question
        own = 1.0 / factors[0]
    assert np.allclose([own * factor for factor in factors], 1.0), "the mean is taken twice or nowhere"


# ------------------------------------------------------------ layers of our own, for what takes layers


def layer_class(nn: Any) -> type:
    """Return a layer y = a₀ x + a₁ x³ + b with two parameters, below the submission's Module."""

    class Bent(nn.Module):  # type: ignore[misc]
        def __init__(self, rng: np.random.Generator, F: int, fault: Any = None) -> None:
            self.__dict__.update(a=rng.uniform(0.3, 0.9, (2, F)), b=rng.uniform(0.3, 0.9, F))
            self.__dict__.update(slopes={"a": np.zeros((2, F)), "b": np.zeros(F)}, fault=fault, training=True)

        @property
        def parameters(self) -> Any:
            return Callables(a=self.a, b=self.b)

        @property
        def gradients(self) -> Any:
            return Callables(self.slopes)

        def forward(self, x: np.ndarray) -> np.ndarray:
            self.__dict__["x"] = x.copy()
            return self.a[0] * x + self.a[1] * x**3 + self.b

        def backward(self, dLdy: np.ndarray) -> np.ndarray:
            self.slopes["a"][...] = (dLdy * self.x).sum(axis=0), (dLdy * self.x**3).sum(axis=0)
            self.slopes["b"][...] = dLdy.sum(axis=0)
            if self.fault is not None:
                self.fault(self.slopes)
            return dLdy * (self.a[0] + 3 * self.a[1] * self.x**2)

        def zero_grad(self) -> None:
            for slope in self.slopes.values():
                slope[...] = 0.0

    return Bent


class Callables(dict):
    """A dict for those who call parameters, and for those who read it."""

    def __call__(self) -> Callables:
        """Return itself."""
        return self


class HalfSquares:
    """The mean over the batch of half the squares: a loss for a gradient_check that is judged."""

    def forward(self, pred: np.ndarray, target: np.ndarray) -> float:
        """Return the loss."""
        self.gap = pred - target
        return float((self.gap**2).sum() / (2 * len(pred)))

    def backward(self) -> np.ndarray:
        """Return dL/dpred."""
        return self.gap / len(self.gap)


# ------------------------------------------------------------------------------------- Q6.4 Sequential


def sequential_passes(nn: Any) -> None:
    """Order of both passes twice, keys, live arrays, nesting."""
    rng = np.random.default_rng(7)
    make = layer_class(nn)
    layers = [make(rng, 3) for _ in range(3)]
    model = nn.Sequential(nn.Sequential(*layers[:2]), layers[2])
    for _ in range(2):
        x, dLdy = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
        y, slopes = x, []
        for layer in layers:
            slopes.append(layer.a[0] + 3 * layer.a[1] * y**2)
            y = layer.a[0] * y + layer.a[1] * y**3 + layer.b
        same(model.forward(x), y, "Sequential.forward")
        same(model.backward(dLdy), dLdy * np.prod(slopes, axis=0), "Sequential.backward")
        same(layers[2].slopes["b"], dLdy.sum(axis=0), "gradient of the last layer")
        wanted = {f"{key}.{name}": (at, name) for at, key in enumerate(("0.0", "0.1", "1")) for name in "ab"}
        for method, store in (
            ("parameters", lambda layer: layer.parameters),
            ("gradients", lambda layer: layer.slopes),
        ):
            found = arrays(model, method)
            assert set(found) == set(wanted), f"keys of {method}(): {sorted(found)}"
            for key, (at, name) in wanted.items():
                same(found[key], store(layers[at])[name], f"{method}()[{key}]")
    arrays(model, "parameters")["0.1.a"][...] = 7.0
    assert (layers[1].a == 7.0).all(), "parameters() is not live"


def module_base(nn: Any) -> None:
    """See that the base class raises, has nothing to learn, and switches `training`."""
    base = nn.Module()
    for method in (base.forward, base.backward):
        try:
            method(np.zeros((1, 1)))
        except NotImplementedError:
            continue
        raise AssertionError(f"Module.{method.__name__} does not raise NotImplementedError")
    for module in (base, nn.Sequential(nn.ReLU())):
        module.eval()
        assert not module.training, "eval()"
        module.train()
        assert module.training, "train()"
    assert not arrays(base, "parameters"), "a Module has nothing to learn"
    assert not arrays(base, "gradients"), "a Module has nothing to learn"


# ------------------------------------------------------------------------------------------ Q6.5, Q6.6


def sgd_steps(nn: Any) -> None:
    """Follow the closed form over several steps, with zero_grad() and the default learning rate."""
    rng = np.random.default_rng(8)
    for options, lr in (({"lr": 0.03}, 0.03), ({}, 0.1), ({"lr": 0.9}, 0.9)):
        model = layer_class(nn)(rng, 4)
        optimiser = nn.SGD(model, **options)
        for _ in range(4):
            before = {name: array.copy() for name, array in model.parameters.items()}
            optimiser.zero_grad()
            for name, array in model.parameters.items():
                same(array, before[name], "zero_grad() changed a parameter", rtol=0)
            model.forward(rng.normal(size=(5, 4)))
            model.backward(rng.normal(size=(5, 4)))
            slopes = {name: array.copy() for name, array in model.slopes.items()}
            optimiser.step()
            for name, array in model.parameters.items():
                same(array, before[name] - lr * slopes[name], f"step() with lr = {lr}", rtol=1e-9)


def sgd_clears(nn: Any) -> None:
    """See that zero_grad() before each backward leaves only that batch's gradients, in its own Linear too."""
    rng = np.random.default_rng(11)
    seen = []
    try:
        layer = nn.Linear(3, 2)
        x, dLdy = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
        for _ in range(2):
            nn.SGD(layer).zero_grad()
            layer.forward(x.copy())
            layer.backward(dLdy.copy())
            seen.append({name: np.array(value) for name, value in arrays(layer, "gradients").items()})
    except Exception:  # noqa: BLE001 -- Linear is judged in its own question
        return
    for name, value in seen[0].items():
        same(seen[1][name], value, "gradients after zero_grad()")


def planted(name: str, at: int, factor: float) -> Callable[[dict[str, np.ndarray]], None]:
    """Return what multiplies one entry of one gradient."""

    def fault(slopes: dict[str, np.ndarray]) -> None:
        slopes[name].flat[at] *= factor

    return fault


def one_percent(slopes: dict[str, np.ndarray]) -> None:
    """Make every entry a little too large."""
    for slope in slopes.values():
        slope[...] = 1.01 * slope


PLACES = [*(("a", at) for at in range(6)), *(("b", at) for at in range(3))]
FAULTS = [None, one_percent, *(planted(*place, factor) for place in PLACES for factor in (2.0, -1.0, 0.0))]


def single_faults(nn: Any) -> None:
    """One fault at a time, in one layer and in two: gradient_check is large; without, small."""
    check, make, rng = nn.gradient_check, layer_class(nn), np.random.default_rng(9)
    for deep in (False, True):
        for fault in FAULTS:
            layer = make(rng, 3, fault)
            model = Chain(make(rng, 3), layer) if deep else layer
            before = np.vstack([layer.a, layer.b])
            error = check(model, HalfSquares(), rng.uniform(0.5, 1.5, (4, 3)), np.zeros((4, 3)))
            assert is_number(error), f"gradient_check gives {type(error).__name__}"
            assert not isinstance(error, bool | np.bool_), "gradient_check gives a bool"
            seen = f"gradient_check is {error:.2g} for a {'right' if fault is None else 'wrong'} model"
            assert error < 1e-5 if fault is None else error > 1e-4, seen
            same(np.vstack([layer.a, layer.b]), before, "parameters after gradient_check", rtol=0)


def sizes_of_gradients(nn: Any) -> None:
    """Gradients of 0, large ones, small ones, and one wrong sign among many."""
    check, make, rng = nn.gradient_check, layer_class(nn), np.random.default_rng(10)
    ones, loss = np.ones((4, 3)), HalfSquares()
    assert check(make(rng, 3), loss, ones * (1, 0, 1), 0 * ones) < 1e-5, "gradients that are 0"
    assert check(make(rng, 3), loss, 30 * ones, 0 * ones) < 1e-5, "a right model with large gradients"
    small = make(rng, 3, planted("a", 0, 2.0))
    assert check(small, loss, 1e-3 * ones, small.forward(1e-3 * ones) - 1e-3) > 1e-2, "it is not relative"
    wide = make(rng, 60, planted("a", 7, -1.0))
    error = check(wide, loss, np.ones((2, 60)), np.zeros((2, 60)))
    assert error > 0.02, "one wrong sign among 180 entries hardly shows: is it the mean, not the largest?"


class Chain:
    """Two layers of our own, as a model for gradient_check: no Sequential of the submission's needed."""

    def __init__(self, *layers: Any) -> None:
        self.layers = layers

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Run the layers."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dLdy: np.ndarray) -> np.ndarray:
        """Run them backwards."""
        for layer in self.layers[::-1]:
            dLdy = layer.backward(dLdy)
        return dLdy

    @property
    def parameters(self) -> Callables:
        """The live arrays."""
        return Callables(
            {f"{i}.{k}": v for i, part in enumerate(self.layers) for k, v in part.parameters.items()}
        )

    @property
    def gradients(self) -> Callables:
        """The gradients."""
        return Callables(
            {f"{i}.{k}": v for i, part in enumerate(self.layers) for k, v in part.slopes.items()}
        )

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for layer in self.layers:
            layer.zero_grad()


# --------------------------------------------------------------------------------------------- running

CHECKS: dict[str, tuple[Check, ...]] = {
    "q6.1": (linear_passes, linear_arrays, linear_start),
    "q6.2": tuple(map(activation, FORMULAS)),
    "q6.3": (loss_passes("MSELoss"), loss_passes("SoftmaxCrossEntropy"), loss_targets, loss_end_to_end),
    "q6.4": (sequential_passes, module_base),
    "q6.5": (sgd_steps, sgd_clears),
    "q6.6": (single_faults, sizes_of_gradients),
}


def judge(folder: Path) -> dict[str, str]:
    """Return what is wrong with a submission, by question; only the first thing of each."""
    wrong = {}
    with imported(folder) as nn:
        for question, checks in CHECKS.items():
            for check in checks:
                try:
                    check(nn)
                except Exception as error:  # noqa: BLE001 -- student code raises what it likes
                    wrong.setdefault(question, f"{type(error).__name__}: {error}"[:200])
    return wrong


@contextlib.contextmanager
def imported(folder: Path) -> Iterator[Any]:
    """Lend the submission's mytorch.nn, with what it prints and warns kept away."""
    sys.path.insert(0, str(folder))
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            nn = importlib.import_module("mytorch.nn")
            check = importlib.import_module("mytorch.utils").gradient_check
            yield types.SimpleNamespace(**{name: getattr(nn, name) for name in NAMES}, gradient_check=check)
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "mytorch"]:
            del sys.modules[name]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.stdout.write(json.dumps({argument: judge(Path(argument)) for argument in sys.argv[1:]}, indent=1))
