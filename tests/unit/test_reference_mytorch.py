"""The reference against closed forms and finite differences that are written here once more."""

import importlib.util
import json
import sys
from math import erfc, sqrt
from pathlib import Path

import numpy as np
import pytest

from grader.datasets import Mnist

REFERENCE = Path(__file__).resolve().parents[2] / "reference"


def load(name, path):
    """Import a file, or a package by its __init__, under a name of our choice."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


mytorch = load("reference_mytorch", REFERENCE / "mytorch" / "__init__.py")
theory = load("reference_theory", REFERENCE / "theory.py")
nn = mytorch.nn


@pytest.fixture
def rng():
    return np.random.default_rng(20260)


@pytest.fixture(autouse=True)
def _seeded():
    np.random.seed(20260)  # noqa: NPY002  the layers draw from the global generator


def slope(f, array, step=1e-6):
    """Return df/d(array) by central differences, for a scalar f that reads the array."""
    result = np.zeros(array.shape)
    for index, value in np.ndenumerate(array.copy()):
        array[index] = value + step
        above = f()
        array[index] = value - step
        result[index] = (above - f()) / (2 * step)
        array[index] = value
    return result


def assert_gradients_are_right(layer, x, upstream):
    """Compare dL/dx and every gradient with differences, for L = sum of upstream * layer(x)."""

    def loss():
        return float((upstream * layer.forward(x)).sum())

    loss()
    dLdx = layer.backward(upstream)
    np.testing.assert_allclose(dLdx, slope(loss, x), rtol=1e-6, atol=1e-8)
    assert layer.gradients().keys() == layer.parameters().keys()
    for name, parameter in layer.parameters().items():
        np.testing.assert_allclose(layer.gradients()[name], slope(loss, parameter), rtol=1e-6, atol=1e-8)


def away_from_zero(rng, shape):
    return rng.uniform(0.1, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


# Linear


def test_linear_is_a_sum_over_features_plus_a_bias(rng):
    layer, x = nn.Linear(3, 2), rng.normal(size=(4, 3))
    layer.bias[...] = [0.5, -1.5]
    expected = [
        [sum(row[d] * layer.weight[m, d] for d in range(3)) + layer.bias[m] for m in range(2)] for row in x
    ]
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)


@pytest.mark.parametrize(("n", "d", "m"), [(4, 3, 5), (4, 5, 3), (1, 2, 2), (6, 1, 1)])
def test_linear_gradients_agree_with_differences_for_every_shape(rng, n, d, m):
    assert_gradients_are_right(nn.Linear(d, m), rng.normal(size=(n, d)), rng.normal(size=(n, m)))


def test_linear_uses_the_batch_of_the_last_forward_pass(rng):
    layer = nn.Linear(3, 2)
    for n in (5, 1, 7):
        assert_gradients_are_right(layer, rng.normal(size=(n, 3)), rng.normal(size=(n, 2)))


@pytest.mark.parametrize(("d", "m"), [(784, 128), (50, 400)])
def test_linear_draws_its_weight_from_the_he_normal_distribution(d, m):
    layer = nn.Linear(d, m)
    z = np.sort(layer.weight.ravel()) / np.sqrt(2 / d)
    n = z.size
    assert abs(z.mean()) < 5 / np.sqrt(n)  # five standard deviations of the mean
    assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / n)  # and of the variance
    cdf = np.array([0.5 * erfc(-value / sqrt(2)) for value in z])
    assert np.abs(cdf - (np.arange(n) + 0.5) / n).max() < 2.7 / np.sqrt(n)  # Kolmogorov-Smirnov, 1e-6
    assert layer.weight.shape == (m, d)
    np.testing.assert_array_equal(layer.bias, np.zeros(m))


def test_writing_into_parameters_changes_the_layer(rng):
    layer, x = nn.Linear(3, 2), rng.normal(size=(4, 3))
    layer.parameters()["weight"][...] = 0
    layer.parameters()["bias"][...] = [1, 2]
    np.testing.assert_array_equal(layer.forward(x), np.tile([1.0, 2.0], (4, 1)))


# Activations


@pytest.mark.parametrize("shape", [(4, 3), (7,), (2, 3, 4), (1, 1)])
@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid"])
def test_activation_gradients_agree_with_differences_for_every_shape(rng, name, shape):
    assert_gradients_are_right(getattr(nn, name)(), away_from_zero(rng, shape), rng.normal(size=shape))


def test_activations_have_their_textbook_values():
    x = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(nn.ReLU().forward(x), [0, 0, 3])
    np.testing.assert_allclose(nn.Tanh().forward(x), (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1), rtol=1e-14)
    np.testing.assert_allclose(nn.Sigmoid().forward(x), 1 / (1 + np.exp(-x)), rtol=1e-14)


def test_relu_takes_its_derivative_at_zero_to_be_zero():
    relu = nn.ReLU()
    relu.forward(np.zeros(3))
    np.testing.assert_array_equal(relu.backward(np.ones(3)), np.zeros(3))


@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid"])
def test_activations_stay_finite_and_do_not_warn_at_a_thousand(name):
    layer, x = getattr(nn, name)(), np.array([-1000.0, 1000.0])
    assert np.isfinite(layer.forward(x)).all()
    assert np.isfinite(layer.backward(np.ones(2))).all()


def test_sigmoid_keeps_its_relative_precision_in_the_left_tail():
    np.testing.assert_allclose(nn.Sigmoid().forward(np.array([-100.0])), np.exp([-100.0]), rtol=1e-13)


@pytest.mark.parametrize("name", ["ReLU", "Tanh", "Sigmoid"])
def test_activations_keep_single_precision(rng, name):
    layer, x = getattr(nn, name)(), rng.normal(size=(2, 3)).astype(np.float32)
    assert layer.forward(x).dtype == np.float32
    assert layer.backward(x).dtype == np.float32


# Losses


def test_mse_is_the_mean_over_every_element():
    pred, target = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    loss = nn.MSELoss().forward(pred, target)
    assert type(loss) is float
    assert loss == pytest.approx((0 + 1 + 4 + 0 + 1 + 4) / 6)


def test_mse_gradient_agrees_with_differences(rng):
    pred, target, loss = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), nn.MSELoss()
    loss.forward(pred, target)
    np.testing.assert_allclose(loss.backward(), slope(lambda: loss.forward(pred, target), pred), atol=1e-8)


def one_hot(labels, classes):
    return (labels[:, None] == np.arange(classes)).astype(float)


def test_cross_entropy_is_the_mean_of_minus_the_log_probability(rng):
    logits, labels = rng.normal(size=(5, 4)), np.array([3, 0, 1, 1, 2])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = nn.SoftmaxCrossEntropy().forward(logits, labels)
    assert type(loss) is float
    assert loss == pytest.approx(-np.log(p[np.arange(5), labels]).mean(), rel=1e-13)


@pytest.mark.parametrize("form", ["(N,)", "(N, 1)", "(N, K)", "uint8"])
def test_cross_entropy_takes_targets_in_every_form(rng, form):
    logits, labels = rng.normal(size=(5, 4)), np.array([3, 0, 1, 1, 2])
    targets = {
        "(N,)": labels,
        "(N, 1)": labels[:, None],
        "(N, K)": one_hot(labels, 4),
        "uint8": labels.astype(np.uint8),
    }[form]
    loss, expected = nn.SoftmaxCrossEntropy(), nn.SoftmaxCrossEntropy()
    assert loss.forward(logits, targets) == expected.forward(logits, labels)
    np.testing.assert_array_equal(loss.backward(), expected.backward())
    np.testing.assert_allclose(
        loss.backward(), slope(lambda: loss.forward(logits, targets), logits), atol=1e-8
    )


def test_cross_entropy_ignores_a_shift_of_the_logits_and_its_gradient_rows_sum_to_zero(rng):
    logits, labels, loss = rng.normal(size=(5, 4)), np.array([3, 0, 1, 1, 2]), nn.SoftmaxCrossEntropy()
    value = loss.forward(logits, labels)
    np.testing.assert_allclose(loss.backward().sum(axis=1), 0, atol=1e-15)
    assert loss.forward(logits + 100, labels) == pytest.approx(value, rel=1e-12)


def test_cross_entropy_is_exact_at_logits_of_a_thousand():
    loss = nn.SoftmaxCrossEntropy()
    value = loss.forward(np.array([[1000.0, -1000.0], [-1000.0, 1000.0]]), np.array([0, 0]))
    assert value == 1000
    np.testing.assert_array_equal(loss.backward(), [[0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("name", ["MSELoss", "SoftmaxCrossEntropy"])
def test_the_mean_over_the_batch_is_taken_once_end_to_end(rng, name):
    x, t = rng.normal(size=(5, 4)), one_hot(np.array([2, 0, 1, 1, 2]), 3)
    model, loss = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), getattr(nn, name)()
    loss.forward(model.forward(x), t)
    model.backward(loss.backward())
    gradients = {key: g.copy() for key, g in model.gradients().items()}
    for key, parameter in model.parameters().items():
        numeric = slope(lambda: loss.forward(model.forward(x), t), parameter)
        np.testing.assert_allclose(gradients[key], numeric, rtol=1e-6, atol=1e-8)


def test_no_layer_and_no_loss_writes_into_its_arguments(rng):
    x, upstream, labels = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), np.array([0, 1, 2])
    kept = x.copy(), upstream.copy(), labels.copy()
    for layer in (nn.Linear(4, 4), nn.ReLU(), nn.Tanh(), nn.Sigmoid()):
        layer.forward(x)
        layer.backward(upstream)
    nn.MSELoss().forward(x, upstream)
    nn.SoftmaxCrossEntropy().forward(x, labels)
    for array, before in zip((x, upstream, labels), kept, strict=True):
        np.testing.assert_array_equal(array, before)


# Module and Sequential


def test_a_bare_module_has_no_passes_and_nothing_to_learn():
    module = nn.Module()
    for call in (module.forward, module.backward):
        with pytest.raises(NotImplementedError, match="Module has no"):
            call(np.zeros(1))
    assert module.parameters() == module.gradients() == {}


def nested():
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)), nn.Sigmoid())


def test_sequential_names_parameters_by_position_and_nests():
    keys = {"0.weight", "0.bias", "1.1.weight", "1.1.bias"}
    assert nested().parameters().keys() == nested().gradients().keys() == keys


def test_sequential_gradients_agree_with_differences(rng):
    assert_gradients_are_right(nested(), rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))


def test_train_and_eval_reach_every_layer():
    model = nested()
    inner = model.layers[1]
    parts = [model, *model.layers, *inner.layers]
    assert all(part.training for part in parts)
    model.eval()
    assert not any(part.training for part in parts)
    model.train()
    assert all(part.training for part in parts)


# SGD


def test_sgd_follows_its_closed_form_over_several_steps():
    layer = nn.Linear(1, 1)
    w = layer.weight[0, 0]
    array = layer.weight
    optimiser, loss = nn.SGD(layer, lr=0.1), nn.MSELoss()
    for _ in range(5):  # x = 1, target 0, so that w and b move together: w' = w - 0.2 (w + b)
        loss.forward(layer.forward(np.ones((1, 1))), np.zeros((1, 1)))
        optimiser.zero_grad()
        layer.backward(loss.backward())
        optimiser.step()
    assert layer.weight is array
    assert layer.weight[0, 0] + layer.bias[0] == pytest.approx(w * 0.6**5)


def test_sgd_has_a_default_learning_rate_of_a_tenth_and_forgets_gradients():
    layer = nn.Linear(2, 2)
    before = layer.weight.copy()
    layer.forward(np.ones((1, 2)))
    layer.backward(np.ones((1, 2)))
    optimiser = nn.SGD(layer)
    optimiser.step()
    np.testing.assert_array_equal(layer.weight, before - 0.1)
    optimiser.zero_grad()
    assert all((g == 0).all() for g in layer.gradients().values())


# gradient_check


@pytest.mark.parametrize("loss_name", ["MSELoss", "SoftmaxCrossEntropy"])
@pytest.mark.parametrize("activation", ["ReLU", "Tanh", "Sigmoid"])
def test_gradient_check_passes_right_models(rng, activation, loss_name):
    model = nn.Sequential(nn.Linear(5, 10), getattr(nn, activation)(), nn.Linear(10, 3))
    targets = one_hot(np.array([0, 1, 2, 0]), 3)
    error = mytorch.gradient_check(model, getattr(nn, loss_name)(), rng.normal(size=(4, 5)), targets)
    assert type(error) is float
    assert error < 1e-5


def one_weight_wrong(layer):
    layer.dLdW[1, 2] *= 1.01


def one_bias_wrong(layer):
    layer.dLdb[0] += 1e-3


def sign_flipped(layer):
    layer.dLdW *= -1


def mean_taken_twice(layer):
    layer.dLdW /= len(layer.x)
    layer.dLdb /= len(layer.x)


def gradient_forgotten(layer):
    layer.dLdb[...] = 0


def gradient_not_a_number(layer):
    layer.dLdW[0, 0] = np.nan


FAULTS = [
    one_weight_wrong,
    one_bias_wrong,
    sign_flipped,
    mean_taken_twice,
    gradient_forgotten,
    gradient_not_a_number,
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("position", [0, 2])
def test_gradient_check_finds_planted_faults(rng, fault, position):
    class Faulty(nn.Linear):
        def backward(self, dLdy):
            dLdx = super().backward(dLdy)
            fault(self)
            return dLdx

    layers = [nn.Linear(5, 10), nn.Tanh(), nn.Linear(10, 3)]
    layers[position] = Faulty(5, 10) if position == 0 else Faulty(10, 3)
    model, x, y = nn.Sequential(*layers), rng.normal(size=(4, 5)), np.array([0, 1, 2, 0])
    assert mytorch.gradient_check(model, nn.SoftmaxCrossEntropy(), x, y) > 1e-3


def test_gradient_check_leaves_parameters_as_they_were_bit_for_bit(rng):
    model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 3))
    before = {name: w.tobytes() for name, w in model.parameters().items()}
    mytorch.gradient_check(model, nn.SoftmaxCrossEntropy(), rng.normal(size=(4, 5)), np.array([0, 1, 2, 0]))
    assert {name: w.tobytes() for name, w in model.parameters().items()} == before


def test_gradient_check_restores_parameters_when_the_loss_raises(rng):
    class Failing(nn.MSELoss):
        calls = 0

        def forward(self, pred, target):
            self.calls += 1
            if self.calls == 3:
                raise ZeroDivisionError
            return super().forward(pred, target)

    layer = nn.Linear(2, 2)
    before = layer.weight.tobytes()
    with pytest.raises(ZeroDivisionError):
        mytorch.gradient_check(layer, Failing(), rng.normal(size=(3, 2)), np.zeros((3, 2)))
    assert layer.weight.tobytes() == before


def test_gradient_check_of_a_model_without_parameters_is_zero(rng):
    assert mytorch.gradient_check(nn.ReLU(), nn.MSELoss(), rng.normal(size=(2, 2)), np.zeros((2, 2))) == 0.0


# theory.py


@pytest.mark.parametrize("tau", [0.3, 1.0, 5.0])
def test_softmax_jacobian_agrees_with_differences(rng, tau):
    z = rng.normal(size=4)
    rows = [slope(lambda i=i: theory.softmax_temperature(z, tau)[i], z) for i in range(4)]
    np.testing.assert_allclose(theory.softmax_jacobian(z, tau), rows, rtol=1e-6, atol=1e-8)


def test_softmax_with_temperature_is_softmax_of_the_quotient():
    z = np.array([0.0, np.log(2.0) * 3, np.log(5.0) * 3])
    np.testing.assert_allclose(theory.softmax_temperature(z, 3.0), [1 / 8, 2 / 8, 5 / 8], rtol=1e-14)


@pytest.mark.parametrize("tau", [1e-300, 1e-3, 1.0])
def test_softmax_survives_large_entries_and_tiny_temperatures(tau):
    z = np.array([1000.0, -1000.0, 999.0])
    y, jacobian = theory.softmax_temperature(z, tau), theory.softmax_jacobian(z, tau)
    assert np.isfinite(jacobian).all()
    assert y.sum() == pytest.approx(1)
    if tau < 1:
        np.testing.assert_array_equal(y, [1, 0, 0])
        np.testing.assert_array_equal(jacobian, np.zeros((3, 3)))


def test_affine_gradients_agree_with_differences(rng):
    A, b, x, t = rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=2), rng.normal(size=3)

    def f():
        return 0.5 * sum((A @ x + b - t) ** 2)

    dA, db = theory.affine_gradients(A, b, x, t)
    np.testing.assert_allclose(dA, slope(f, A), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(db, slope(f, b), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("lam", [0.0, 0.7])
@pytest.mark.parametrize("delta", [0.1, 1.0, 100.0])
def test_huber_gradient_agrees_with_differences(rng, delta, lam):
    w, X, y = rng.normal(size=3), rng.normal(size=(20, 3)), 2 * rng.normal(size=20)

    def objective():
        r = abs(y - X @ w)
        return np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)).sum() + lam / 2 * (w @ w)

    np.testing.assert_allclose(
        theory.huber_gradient(w, X, y, delta, lam), slope(objective, w), rtol=1e-6, atol=1e-7
    )


@pytest.mark.parametrize(("residual", "expected"), [(0.5, -0.5), (-0.5, 0.5), (0.0, 0.0), (4.0, -0.5)])
def test_huber_gradient_is_exact_on_the_boundary_and_beyond(residual, expected):
    gradient = theory.huber_gradient(np.zeros(1), np.ones((1, 1)), np.array([residual]), 0.5)
    np.testing.assert_array_equal(gradient, [expected])


def test_adam_moves_by_the_learning_rate_under_a_constant_gradient():
    g = np.array([3.0, -0.01])
    steps = theory.adam_steps(np.zeros(2), [g] * 6, 0.1, 0.9, 0.999, 0.0)
    np.testing.assert_allclose(steps, [-0.1 * k * np.sign(g) for k in range(1, 7)], rtol=1e-12)


def test_adam_agrees_with_its_weighted_sums(rng):
    grads, w0 = rng.normal(size=(7, 2, 3)), rng.normal(size=(2, 3))
    w, expected = w0, []
    for t in range(1, 8):
        first, second = 0.8 ** np.arange(t)[::-1], 0.95 ** np.arange(t)[::-1]
        mean = np.tensordot(first / first.sum(), grads[:t], axes=1)
        square = np.tensordot(second / second.sum(), grads[:t] ** 2, axes=1)
        w = w - 0.01 * mean / (square**0.5 + 1e-3)
        expected.append(w)
    np.testing.assert_allclose(theory.adam_steps(w0, grads, 0.01, 0.8, 0.95, 1e-3), expected, rtol=1e-12)


def test_momentum_agrees_with_its_geometric_sum():
    steps = theory.momentum_steps(np.array([1.0]), [np.array([2.0])] * 5, 0.1, 0.5)
    velocity = [2 * (1 - 0.5**k) / 0.5 for k in range(1, 6)]
    np.testing.assert_allclose(np.ravel(steps), 1 - 0.1 * np.cumsum(velocity), rtol=1e-13)


def test_optimisers_leave_their_arguments_alone_and_take_no_step_without_gradients(rng):
    w, grads = rng.normal(size=3), [rng.normal(size=3) for _ in range(4)]
    kept = w.copy(), [g.copy() for g in grads]
    momentum = theory.momentum_steps(w, grads, 0.1, 0.9)
    adam = theory.adam_steps(w, grads, 0.1, 0.9, 0.999, 1e-8)
    assert len({array.tobytes() for array in momentum}) == len({array.tobytes() for array in adam}) == 4
    np.testing.assert_array_equal(w, kept[0])
    np.testing.assert_array_equal(grads, kept[1])
    assert theory.momentum_steps(w, [], 0.1, 0.9) == theory.adam_steps(w, [], 0.1, 0.9, 0.999, 1e-8) == []


# experiments/train_mnist.py


@pytest.fixture
def train_mnist(monkeypatch):
    """Import the experiment, and take its `mytorch` and its path away again afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    ours = {name for name in sys.modules if name.partition(".")[0] == "mytorch"}
    yield load("reference_train_mnist", REFERENCE / "experiments" / "train_mnist.py")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mytorch" and name not in ours]:
        del sys.modules[name]


@pytest.fixture
def tiny(rng):
    images = rng.integers(0, 256, (32, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 32, dtype=np.uint8)
    return Mnist(images, labels, images, labels, profile="sample", source="random", sha256="0")


def test_training_overfits_a_tiny_set_of_random_images(train_mnist, tiny):
    record = train_mnist.train(tiny, seed=1, epochs=150, batch_size=8, learning_rate=0.05)
    assert record.losses[0] > 1.5
    assert record.losses[-1] < 0.05
    assert record.test_accuracy == 1.0


def test_training_is_the_same_under_the_same_seed(train_mnist, tiny):
    runs = [train_mnist.train(tiny, seed=seed, epochs=2) for seed in (1, 1, 2)]
    assert runs[0].losses == runs[1].losses
    assert runs[0].losses != runs[2].losses


def test_training_reports_every_batch(train_mnist, tiny):
    seen = []
    train_mnist.train(tiny, seed=1, epochs=2, batch_size=20, on_batch=lambda epoch, _: seen.append(epoch))
    assert seen == [0, 0, 1, 1]


def test_the_command_writes_its_record_as_json(train_mnist, tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(train_mnist, "load_mnist", lambda *_: tiny)
    assert train_mnist.main(["--seed", "3", "--epochs", "2", "--out", str(tmp_path / "result.json")]) == 0
    record = json.loads((tmp_path / "result.json").read_text())
    assert (record["seed"], record["epochs"], len(record["losses"])) == (3, 2, 2)
    assert 0 <= record["test_accuracy"] <= 1
    assert record["wall_time_s"] > 0


def test_the_command_says_in_one_sentence_that_data_are_missing(train_mnist, tmp_path, capsys):
    assert train_mnist.main(["--profile", "full", "--data-dir", str(tmp_path / "nowhere")]) == 2
    assert "grader data" in capsys.readouterr().err


def test_the_command_says_in_one_sentence_that_the_result_cannot_be_written(
    train_mnist, tiny, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(train_mnist, "load_mnist", lambda *_: tiny)
    assert train_mnist.main(["--epochs", "1", "--out", str(tmp_path / "nowhere" / "result.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err
