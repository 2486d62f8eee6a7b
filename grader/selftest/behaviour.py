"""What a submission does on fixed inputs, through the whole contract of homework.md, told and compared.

It tells mutants that change something from those that do not. It shares no code with the checks, so that what
they overlook is seen here; it runs in a process of its own (`observer.py`), on NumPy and nothing of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

RAISES = "raises"
RTOL = ATOL = 1e-12
# Differences of a loss are known to about 1e-11 / slope: below this, two gradient checks say the same.
CHECK_ATOL = 1e-6
SHAPES = ((3, 4, 5), (6, 2, 1), (1, 5, 4), (4, 4, 4))  # in_features, out_features, batch
FIELDS = ((4, 3), (5,), (2, 3, 4), (1, 1))
BATCHES = ((6, 4), (1, 3), (5, 5))
Array = np.ndarray[Any, Any]
Observations = dict[str, Any]
Experiment = Callable[[Any], Iterator[Any]]


class Near:
    """A number that is only known up to the rounding of a difference."""

    def __init__(self, value: Any) -> None:
        self.value = value


def observe(parts: Mapping[str, Any]) -> Observations:
    """Do every experiment on `mytorch` and `theory`; one that raises is observed up to there."""
    return {
        name: _observed(experiment, parts[part]) for name, part, experiment in EXPERIMENTS if part in parts
    }


def first_difference(wanted: Observations, part: str, found: Any) -> str | None:
    """Return the first experiment on a part that comes out otherwise, by more than rounding, or None.

    Where it ends in an exception, that is told too.
    """
    for name, its_part, experiment in EXPERIMENTS:
        if its_part == part:
            seen = _observed(experiment, found)
            if not agree(wanted[name], seen):
                last = seen[-1] if seen else None
                return f"{name}: {last}" if isinstance(last, str) and last.startswith(RAISES) else name
    return None


def agree(wanted: Any, seen: Any) -> bool:
    """Say whether two values are the same, to the last digits that rounding leaves."""
    if isinstance(wanted, Near):
        return isinstance(seen, Near) and _close(wanted.value, seen.value, CHECK_ATOL)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(seen, list | tuple)
            and len(wanted) == len(seen)
            and all(agree(one, other) for one, other in zip(wanted, seen, strict=True))
        )
    if isinstance(wanted, dict):
        return isinstance(seen, dict) and agree(sorted(wanted.items()), sorted(seen.items()))
    if wanted is None or isinstance(wanted, str | bool):
        return type(wanted) is type(seen) and bool(wanted == seen)
    return _close(wanted, seen, ATOL)


def _close(wanted: Any, seen: Any, atol: float) -> bool:
    try:
        one, other = np.asarray(wanted), np.asarray(seen)
        return (
            one.shape == other.shape
            and one.dtype == other.dtype
            and np.allclose(one, other, rtol=max(RTOL, atol), atol=atol, equal_nan=True)
        )
    except (TypeError, ValueError):
        return False


def _observed(experiment: Experiment, module: Any) -> list[Any]:
    values: list[Any] = []
    np.random.seed(7)  # noqa: NPY002 -- what a student's code draws from
    try:
        with np.errstate(all="ignore"):
            values.extend(_frozen(value) for value in experiment(module))
    except Exception as error:  # noqa: BLE001 -- whatever a mutant raises is what it does
        values.append(f"{RAISES} {type(error).__name__}")
    return values


def _frozen(value: Any) -> Any:
    """Copy what may still be written into; scalars of NumPy and of Python are the same."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | float | np.number):
        return float(value)
    if isinstance(value, dict):
        return {str(key): _frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(item) for item in value]
    return value if value is None or isinstance(value, str | Near) else f"a {type(value).__name__}"


def _numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


# ------------------------------------------------------------------------------------------------- layers


def _linear(mytorch: Any, D: int = 3, M: int = 4, seed: int = 1) -> Any:
    layer = mytorch.nn.Linear(D, M)
    layer.parameters()["weight"][...] = _numbers(seed, M, D)
    layer.parameters()["bias"][...] = _numbers(seed + 50, M)
    return layer


def _pass(layer: Any, x: Array, seed: int = 9) -> Iterator[Any]:
    """Run forward and backward, and look at what was given too."""
    y = layer.forward(x)
    yield y
    dLdy = _numbers(seed, *np.shape(y)).astype(x.dtype)
    yield layer.backward(dLdy)
    yield layer.gradients()
    yield from (x, dLdy, y)


def _linear_values(mytorch: Any) -> Iterator[Any]:
    for D, M, N in SHAPES:
        layer = _linear(mytorch, D, M)
        yield from _pass(layer, _numbers(2, N, D))
        yield from _pass(layer, _numbers(3, N + 2, D))
        yield layer.parameters()


def _linear_start(mytorch: Any) -> Iterator[Any]:
    for D, M, _ in SHAPES:
        layer = mytorch.nn.Linear(D, M)
        yield layer.parameters()
        yield sorted(layer.gradients())
        yield bool(layer.training)


def _linear_twice(mytorch: Any) -> Iterator[Any]:
    """Use two layers alternately, and go back twice."""
    one, other = _linear(mytorch), _linear(mytorch, seed=2)
    x, dLdy = _numbers(3, 5, 3), _numbers(4, 5, 4)
    one.forward(x)
    other.forward(2 * x[:3])
    yield one.backward(dLdy)
    yield other.backward(3 * dLdy[:3])
    yield one.gradients(), other.gradients()
    yield one.backward(dLdy)
    one.forward(-x)
    one.forward(x)
    yield one.backward(-dLdy), one.gradients(), one.parameters()


def _single_precision(mytorch: Any) -> Iterator[Any]:
    yield from _pass(_linear(mytorch), _numbers(2, 4, 3).astype(np.float32))
    for name in ("ReLU", "Tanh", "Sigmoid"):
        yield from _pass(getattr(mytorch.nn, name)(), _numbers(2, 4, 3).astype(np.float32))


def _activation(name: str) -> Experiment:
    def experiment(mytorch: Any) -> Iterator[Any]:
        layer, other = (getattr(mytorch.nn, name)() for _ in range(2))
        for shape in FIELDS:
            x = 2 * _numbers(2, *shape)
            yield from _pass(layer, x)
            other.forward(-3 * x)
            yield layer.backward(_numbers(5, *shape)), other.backward(_numbers(6, *shape))
        yield layer.parameters(), layer.gradients(), bool(layer.training)
        yield from _pass(layer, np.array([-1000.0, -30.0, 0.5, 30.0, 1000.0]))

    return experiment


def _at_zero(mytorch: Any) -> Iterator[Any]:
    for name in ("ReLU", "Tanh", "Sigmoid"):
        yield from _pass(getattr(mytorch.nn, name)(), np.array([0.0, -0.0, 1.0]))


# ------------------------------------------------------------------------------------------------- losses


def _squared_error(mytorch: Any) -> Iterator[Any]:
    loss, other = mytorch.nn.MSELoss(), mytorch.nn.MSELoss()
    for shape in (*BATCHES, (7,), (4, 1)):
        pred, target = _numbers(1, *shape), _numbers(2, *shape)
        yield loss.forward(pred, target)
        other.forward(-pred, target)
        yield loss.backward(), other.backward(), loss.backward(), pred, target


def _cross_entropy(mytorch: Any) -> Iterator[Any]:
    loss, other = mytorch.nn.SoftmaxCrossEntropy(), mytorch.nn.SoftmaxCrossEntropy()
    for N, K in BATCHES:
        logits, classes = 3 * _numbers(1, N, K), np.arange(N)[::-1] * 2 % K - 1
        classes %= K  # the last entry of all is somebody's
        for targets in (classes, classes.reshape(-1, 1), np.eye(K)[classes]):
            given = targets.copy()
            yield loss.forward(logits, targets)
            other.forward(logits[::-1], np.roll(targets, 1, axis=0))
            yield loss.backward(), other.backward(), loss.backward(), logits
            yield bool((given == targets).all())


def _large_logits(mytorch: Any) -> Iterator[Any]:
    loss = mytorch.nn.SoftmaxCrossEntropy()
    for rows in (
        [[1000.0, 0.0, -1000.0], [-1000.0, 0.0, 1000.0]],
        [[-1000.0, -999.0, -1000.0], [999.0, 1000.0, 1000.0]],
        [[50.0, 51.0, 49.0], [-50.0, 0.0, 50.0]],
    ):
        logits = np.array(rows)
        yield np.isfinite(loss.forward(logits, np.array([1, 2]))), np.isfinite(loss.backward())


def _kinds_of_losses(mytorch: Any) -> Iterator[Any]:
    given = _numbers(1, 4, 3), np.array([0, 1, 2, 0])
    yield isinstance(mytorch.nn.SoftmaxCrossEntropy().forward(*given), float)
    yield isinstance(mytorch.nn.MSELoss().forward(given[0], -given[0]), float)


# ---------------------------------------------------------------------------------------------- containers


def _net(mytorch: Any, *, activation: str = "ReLU", seed: int = 1) -> Any:
    nn = mytorch.nn
    layers = (_linear(mytorch, 3, 5, seed), getattr(nn, activation)(), _linear(mytorch, 5, 2, seed + 1))
    return nn.Sequential(*layers)


def _sequential(mytorch: Any) -> Iterator[Any]:
    for activation in ("ReLU", "Tanh", "Sigmoid"):
        model = _net(mytorch, activation=activation)
        yield from _pass(model, _numbers(2, 6, 3))
        yield from _pass(model, _numbers(3, 1, 3))
        yield model.parameters(), sorted(model.gradients())


def _nested(mytorch: Any) -> Iterator[Any]:
    nn = mytorch.nn
    model = nn.Sequential(_net(mytorch), nn.Tanh(), nn.Sequential(_linear(mytorch, 2, 4), nn.Sigmoid()))
    yield from _pass(model, _numbers(2, 6, 3))
    yield model.parameters()
    yield from _pass(nn.Sequential(), _numbers(2, 2, 2))


def _live(mytorch: Any) -> Iterator[Any]:
    x = _numbers(2, 4, 3)
    for model in (_linear(mytorch), _net(mytorch)):
        for _, w in sorted(model.parameters().items()):  # their order is nobody's business
            w[...] += 0.5
            yield model.forward(x)


def _modes(mytorch: Any) -> Iterator[Any]:
    """Switch between training and evaluation; whether a container hands it on is not scored."""
    nn = mytorch.nn
    for part in (nn.Module(), nn.ReLU(), nn.Linear(2, 2), nn.Sequential(nn.Tanh())):
        yield bool(part.training)
        for _ in range(2):
            part.eval()
            yield bool(part.training)
            part.train()
            yield bool(part.training)


def _modes_inside(mytorch: Any) -> Iterator[Any]:
    layers = mytorch.nn.Tanh(), mytorch.nn.ReLU()
    model = mytorch.nn.Sequential(*layers)
    for switch in (model.eval, model.train):
        switch()
        yield [bool(layer.training) for layer in layers]


def _base(method: str) -> Experiment:
    def experiment(mytorch: Any) -> Iterator[Any]:
        yield getattr(mytorch.nn.Module(), method)(_numbers(1, 2, 2))

    return experiment


def _base_dicts(mytorch: Any) -> Iterator[Any]:
    yield mytorch.nn.Module().parameters(), mytorch.nn.Module().gradients()


# ----------------------------------------------------------------------------------------------- optimiser


def _descent(mytorch: Any) -> Iterator[Any]:
    nn = mytorch.nn
    for options in ({"lr": 0.02}, {}, {"lr": 1.5}):
        model, other = _net(mytorch), _net(mytorch, seed=3)
        optimisers = nn.SGD(model, **options), nn.SGD(other, 0.3)
        kept = model.parameters()
        for step in range(3):
            for each, optimiser in zip((model, other), optimisers, strict=True):
                optimiser.zero_grad()
                each.forward(_numbers(step, 4, 3))
                each.backward(_numbers(step + 5, 4, 2))
                optimiser.step()
            yield model.parameters(), kept, model.gradients(), other.parameters()


def _clearing(mytorch: Any) -> Iterator[Any]:
    model = _net(mytorch)
    model.forward(_numbers(1, 4, 3))
    model.backward(_numbers(2, 4, 2))
    kept = model.gradients()
    mytorch.nn.SGD(model).zero_grad()
    yield model.gradients(), kept, model.parameters()


# ------------------------------------------------------------------------------------------ gradient check


class _Tampered:
    """A model whose backward pass is right, and whose gradients are then changed."""

    def __init__(self, model: Any, name: str, change: Callable[[Array], Array]) -> None:
        self._model, self._name, self._change = model, name, change
        self.forward, self.backward, self.parameters = model.forward, model.backward, model.parameters

    def gradients(self) -> dict[str, Array]:
        found = {name: g.copy() for name, g in self._model.gradients().items()}
        found[self._name] = self._change(found[self._name])
        return found


class _Times:
    """A loss of another size, or one that bends a lot."""

    def __init__(self, loss: Any, value: Callable[[float], float], slope: Callable[[float], float]) -> None:
        self._loss, self._value, self._slope = loss, value, slope
        self._last = 0.0

    def forward(self, pred: Array, target: Array) -> float:
        self._last = self._loss.forward(pred, target)
        return self._value(self._last)

    def backward(self) -> Any:
        return self._slope(self._last) * self._loss.backward()


def _cases(mytorch: Any) -> Iterator[tuple[Any, Any, Array, Array]]:
    """Yield right models, with losses and data that keep every unit away from its kink."""
    nn, x = mytorch.nn, _numbers(2, 4, 3)
    yield _linear(mytorch), nn.MSELoss(), x, _numbers(3, 4, 4)
    yield _net(mytorch), nn.SoftmaxCrossEntropy(), x, np.array([0, 1, 1, 0])
    yield _net(mytorch, activation="Tanh"), nn.MSELoss(), x, _numbers(3, 4, 2)


def _check(mytorch: Any, *given: Any, **options: Any) -> Near:
    error = mytorch.gradient_check(*given, **options)
    return Near(min(float(error), 1e3) if math.isfinite(error) else float(error))


def _check_right(mytorch: Any) -> Iterator[Any]:
    for model, *rest in _cases(mytorch):
        before = {name: w.copy() for name, w in model.parameters().items()}
        yield _check(mytorch, model, *rest)
        after = model.parameters()
        yield all((after[name] == w).all() for name, w in before.items())
        yield _check(mytorch, model, *rest, 1e-4)
        yield _check(mytorch, model, *rest, epsilon=0.3)


def _check_wrong(mytorch: Any) -> Iterator[Any]:
    def entry(place: int) -> Callable[[Array], Array]:
        return lambda g: np.where(np.arange(g.size).reshape(g.shape) == place % g.size, g + 0.1, g)

    changes: tuple[Callable[[Array], Array], ...] = (
        entry(0),
        entry(-1),
        lambda g: 2 * g,
        lambda g: -g,
        lambda g: 0 * g,
        lambda g: g + 1e-3,
        lambda g: g * np.nan,
        lambda g: g * np.inf,
    )
    for model, *rest in _cases(mytorch):
        # A net is slow to check: two of the faults will do.
        for change in changes if len(model.parameters()) == 2 else changes[:2]:
            for name in sorted(model.parameters()):
                yield _check(mytorch, _Tampered(model, name, change), *rest)


def _check_sizes(mytorch: Any) -> Iterator[Any]:
    """Look at losses that are tiny, large, flat or bent, and at a model without parameters."""
    for factor in (1e-9, 1e-3, 1e3, 0.0):
        for model, loss, *data in [next(_cases(mytorch))]:
            sized = _Times(loss, lambda value, f=factor: f * value, lambda _, f=factor: f)  # type: ignore[misc]
            yield _check(mytorch, model, sized, *data)
            changed = _Tampered(model, next(iter(model.parameters())), lambda g, f=factor: g + f)  # type: ignore[misc]
            yield _check(mytorch, changed, sized, *data)
    for model, loss, *data in _cases(mytorch):
        bent = _Times(loss, lambda value: value**3, lambda value: 3 * value**2)
        yield _check(mytorch, model, bent, *data)
    loss = mytorch.nn.MSELoss()
    yield _check(
        mytorch, mytorch.nn.Sequential(mytorch.nn.Tanh()), loss, _numbers(1, 3, 2), _numbers(2, 3, 2)
    )


# ------------------------------------------------------------------------------------------ Problems 1 to 3

TEMPERATURES = (1.0, 0.1, 7.0)


def _logits() -> list[Array]:
    """Make them anew for every experiment: a mutant may write into them."""
    return [_numbers(1, 5), np.array([1000.0, 0.0, -1000.0]), np.zeros(3), np.array([2.0])]


def _softmax(theory: Any) -> Iterator[Any]:
    for z in _logits():
        for tau in TEMPERATURES:
            yield theory.softmax_temperature(z, tau), theory.softmax_jacobian(z, tau), z


def _small_temperature(theory: Any) -> Iterator[Any]:
    z = _numbers(1, 5)
    yield theory.softmax_temperature(z, 1e-4), theory.softmax_jacobian(z, 1e3)


def _affine(theory: Any) -> Iterator[Any]:
    for d, n in ((4, 3), (1, 5), (3, 3), (2, 1)):
        given = _numbers(1, d, n), _numbers(2, d), _numbers(3, n), _numbers(4, d)
        yield list(theory.affine_gradients(*given)), list(given)


def _huber(theory: Any) -> Iterator[Any]:
    for n, p in ((9, 3), (1, 2), (4, 4)):
        w, X, y = _numbers(1, p), _numbers(2, n, p), 2 * _numbers(3, n)
        for delta in (1.0, 0.2, 50.0):
            yield theory.huber_gradient(w, X, y, delta)
            for lam in (0.0, 0.7):
                yield (
                    theory.huber_gradient(w, X, y, delta, lam),
                    theory.huber_gradient(w, X, y, delta, lam=lam),
                )
            yield w, X, y
    boundary = theory.huber_gradient(np.zeros(1), np.ones((4, 1)), np.array([1.0, -1.0, 0.5, 3.0]), 1.0)
    yield boundary


def _adam(theory: Any) -> Iterator[Any]:
    for size, beta1, beta2, eps in ((3, 0.9, 0.999, 1e-8), (1, 0.5, 0.7, 1e-2), (4, 0.0, 0.0, 1e-3)):
        w, grads = _numbers(1, size), [_numbers(seed, size) for seed in range(7)]
        steps = theory.adam_steps(w, grads, 0.05, beta1, beta2, eps)
        yield list(steps), w, grads
        steps[0][...] = 0
        yield steps[1], w
    yield list(theory.adam_steps(_numbers(1, 2), [], 0.1, 0.9, 0.99, 1e-8))


def _momentum(theory: Any) -> Iterator[Any]:
    for size, beta in ((3, 0.9), (1, 0.0), (4, 0.5)):
        w, grads = _numbers(1, size), [_numbers(seed, size) for seed in range(7)]
        steps = theory.momentum_steps(w, grads, 0.05, beta)
        yield list(steps), w, grads
        steps[0][...] = 0
        yield steps[1], w
    yield list(theory.momentum_steps(_numbers(1, 2), [], 0.1, 0.9))


EXPERIMENTS: tuple[tuple[str, str, Experiment], ...] = (
    ("Linear, values and gradients", "mytorch", _linear_values),
    ("Linear, as it starts", "mytorch", _linear_start),
    ("Linear, two of them", "mytorch", _linear_twice),
    ("float32 inputs", "mytorch", _single_precision),
    ("ReLU", "mytorch", _activation("ReLU")),
    ("Tanh", "mytorch", _activation("Tanh")),
    ("Sigmoid", "mytorch", _activation("Sigmoid")),
    ("activations at 0", "mytorch", _at_zero),
    ("MSELoss", "mytorch", _squared_error),
    ("SoftmaxCrossEntropy", "mytorch", _cross_entropy),
    ("large logits", "mytorch", _large_logits),
    ("a loss is a float", "mytorch", _kinds_of_losses),
    ("Sequential", "mytorch", _sequential),
    ("Sequential, nested", "mytorch", _nested),
    ("live parameters", "mytorch", _live),
    ("train and eval", "mytorch", _modes),
    ("train and eval inside a container", "mytorch", _modes_inside),
    ("Module.forward", "mytorch", _base("forward")),
    ("Module.backward", "mytorch", _base("backward")),
    ("Module, its dicts", "mytorch", _base_dicts),
    ("SGD", "mytorch", _descent),
    ("SGD.zero_grad", "mytorch", _clearing),
    ("gradient_check on right models", "mytorch", _check_right),
    ("gradient_check on wrong models", "mytorch", _check_wrong),
    ("gradient_check, other sizes", "mytorch", _check_sizes),
    ("softmax", "theory", _softmax),
    ("softmax, extreme temperatures", "theory", _small_temperature),
    ("affine map", "theory", _affine),
    ("Huber", "theory", _huber),
    ("Adam", "theory", _adam),
    ("momentum", "theory", _momentum),
)
