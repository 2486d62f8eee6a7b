"""The experiments of Problems 4, 5 and Q6.7 on a few images, and the form of the solved notebooks."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from grader.datasets import Mnist

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ROOT / "reference" / "experiments"
STARTER = ROOT / "student_template" / "hw1_s26_p4_5_6_starter.ipynb"
SOLVED = ROOT / "reference" / "hw1_solved.ipynb"
NOTEBOOKS = [SOLVED, ROOT / "fixtures" / "notebooks" / "other_style.ipynb"]
NAMES = {
    "train_dataset", "val_dataset", "test_dataset", "train_loader", "val_loader", "test_loader",
    "BloodMLP", "model", "train_losses", "val_losses", "train_accs", "val_accs", "all_preds",
    "all_labels", "accuracy", "cm", "lowest_recall_class", "confident_correct", "confident_incorrect",
    "uncertain_correct", "uncertain_incorrect", "initialize_weights", "InitMLP", "stats",
    "training_losses", "final_accuracies", "stats_relu", "training_losses_relu", "final_accuracies_relu",
    "losses", "preds_test",
}  # fmt: skip


@pytest.fixture
def at_hand(monkeypatch, experiments):
    """Return the experiments, imported as their command lines do it, and take them away again afterwards."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "reference"), *sys.path])
    import torch  # noqa: PLC0415 -- it may be missing
    from experiments import (  # noqa: PLC0415
        blood_cells,
        command_line,
        devices,
        evaluation,
        initialisation,
        training,
    )

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield SimpleNamespace(
        torch=torch,
        cpu=torch.device("cpu"),
        blood_cells=blood_cells,
        command_line=command_line,
        devices=devices,
        evaluation=evaluation,
        initialisation=initialisation,
        training=training,
    )
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("experiments", "mytorch")]:
        del sys.modules[name]


@pytest.fixture
def rng():
    return np.random.default_rng(20261)


@pytest.fixture
def cells(rng):
    """A BloodMNIST of 40 + 16 + 24 images of noise, each with a bright band where its class says."""

    def split(count):
        labels = np.arange(count) % 8
        images = rng.integers(0, 128, (count, 28, 28, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[3 * label : 3 * label + 3] += 127
        return images, labels

    train, val, test = split(40), split(16), split(24)
    return SimpleNamespace(
        profile="sample", source="noise", sha256="0",
        train_images=train[0], train_labels=train[1],
        val_images=val[0], val_labels=val[1],
        test_images=test[0], test_labels=test[1],
    )  # fmt: skip


@pytest.fixture
def digits(rng):
    images = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, 300, dtype=np.uint8)
    return Mnist(images, labels, images[:50], labels[:50], profile="sample", source="noise", sha256="0")


# Blood cells


def test_the_blood_network_has_the_layers_that_the_question_names(at_hand):
    network = at_hand.blood_cells.BloodMLP()
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    assert shapes == [(256, 2352), (256,), (128, 256), (128,), (8, 128), (8,)]
    assert network(at_hand.torch.zeros(5, 3, 28, 28)).shape == (5, 8)


def test_a_run_on_blood_cells_records_what_went_in_and_what_came_out(at_hand, cells):
    told = []
    record, network = at_hand.blood_cells.run(
        cells, seed=3, device=at_hand.cpu, epochs=2, on_batch=lambda what, loss: told.append((what, loss))
    )
    assert (record.seed, record.epochs, record.device, record.source) == (3, 2, "cpu", "noise")
    assert record.split_sizes == {"train": 40, "val": 16, "test": 24}
    assert set(record.class_counts.values()) == {5}
    curves = record.curves
    for curve in (curves.train_losses, curves.val_losses, curves.train_accs, curves.val_accs):
        assert len(curve) == 2
        assert np.isfinite(curve).all()
    assert [what for what, _ in told] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert np.sum(record.evaluation.confusion) == 24
    assert record.wall_time_s > 0
    assert not network.training


def test_the_blood_network_learns_what_can_be_learned(at_hand, cells):
    record, _ = at_hand.blood_cells.run(cells, seed=0, device=at_hand.cpu, epochs=20)
    assert record.curves.train_losses[0] == pytest.approx(np.log(8), abs=0.5)
    assert record.curves.train_accs[-1] > 0.9
    assert record.evaluation.accuracy > 0.7


def test_a_run_on_blood_cells_is_the_same_under_the_same_seed(at_hand, cells):
    runs = [
        at_hand.blood_cells.run(cells, seed=seed, device=at_hand.cpu, epochs=1)[0].curves
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_pixels_are_scaled_as_totensor_and_normalize_do_it(at_hand, cells):
    split = at_hand.training.to_split(cells.val_images, cells.val_labels, at_hand.cpu, centred=True)
    expected = (cells.val_images.transpose(0, 3, 1, 2).astype(np.float32) / 255 - 0.5) / 0.5
    np.testing.assert_array_equal(split.images.numpy(), expected)
    assert split.labels.dtype == at_hand.torch.int64


def test_every_image_is_learned_from_once_an_epoch(at_hand, digits):
    split = at_hand.training.to_split(digits.train_images, digits.train_labels, at_hand.cpu)
    assert split.images.shape == (300, 1, 28, 28)
    layer, seen = at_hand.torch.nn.Linear(784, 10), []

    def logits(images):
        seen.append(images)
        return layer(images.flatten(1))

    optimiser = at_hand.torch.optim.SGD(layer.parameters(), lr=0.0)
    order = at_hand.training.seeded(1)
    before = at_hand.training.evaluate(lambda images: layer(images.flatten(1)), split)
    passed = at_hand.training.train_epoch(logits, split, optimiser, batch_size=64, order=order)
    assert [len(images) for images in seen] == [64, 64, 64, 64, 44]
    assert len(at_hand.torch.cat(seen).unique(dim=0)) == 300
    assert passed.loss == pytest.approx(before.loss, rel=1e-5)
    assert passed.accuracy == pytest.approx(before.accuracy)


# Evaluation

PREDICTIONS = np.array([0, 0, 1, 1, 1, 2, 0, 2, 2, 2])
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])


def test_the_evaluation_counts_true_classes_in_rows(at_hand):
    found = at_hand.evaluation.evaluate_answers(PREDICTIONS, LABELS, ("a", "b", "c"))
    assert found.confusion == ((2, 1, 0), (0, 2, 1), (1, 0, 3))
    assert found.accuracy == pytest.approx(0.7)
    assert [row.recall for row in found.report] == pytest.approx([2 / 3, 2 / 3, 3 / 4])
    assert [row.precision for row in found.report] == pytest.approx([2 / 3, 2 / 3, 3 / 4])
    assert [row.support for row in found.report] == [3, 3, 4]
    assert found.lowest_recall_class == 0
    assert found.misclassified == (at_hand.evaluation.Mistake(index=2, prediction=1, label=0),)


def test_the_report_agrees_with_scikit_learn(at_hand, rng):
    metrics = import_module("sklearn.metrics")
    labels, predictions = rng.integers(0, 8, 400), rng.integers(0, 8, 400)
    found = at_hand.evaluation.evaluate_answers(predictions, labels, tuple("abcdefgh"))
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, predictions))
    expected = metrics.precision_recall_fscore_support(labels, predictions)
    ours = [(row.precision, row.recall, row.f1, row.support) for row in found.report]
    np.testing.assert_allclose(np.transpose(ours), expected)


def test_a_class_that_is_never_predicted_or_never_there_counts_as_zero(at_hand):
    found = at_hand.evaluation.evaluate_answers(np.array([0, 0]), np.array([0, 1]), ("a", "b", "c"))
    assert [(row.precision, row.recall, row.f1) for row in found.report] == [
        (0.5, 1, pytest.approx(2 / 3)), (0, 0, 0), (0, 0, 0),
    ]  # fmt: skip


def test_confused_pairs_are_counted_in_both_directions(at_hand):
    confusion = np.array([[9, 3, 0], [2, 9, 4], [0, 0, 9]])
    first, second, third = at_hand.evaluation.most_confused(confusion, ("a", "b", "c"))
    assert (first.names, first.count) == (("a", "b"), 5)
    assert (second.names, second.count) == (("b", "c"), 4)
    assert third.count == 0


def test_the_quadrants_hold_two_examples_at_most_and_leave_the_middle_out(at_hand):
    confidences = np.array([0.95, 0.99, 0.97, 0.92, 0.75, 0.9, 0.6, 0.55])
    probabilities = np.column_stack([confidences, 1 - confidences])
    labels = np.array([0, 0, 0, 1, 0, 0, 0, 1])
    found = at_hand.evaluation.quadrants(probabilities, labels)
    assert found.confident_correct.count == 3
    assert [example.index for example in found.confident_correct.examples] == [0, 1]
    assert [example.index for example in found.confident_incorrect.examples] == [3]
    assert found.uncertain_correct == at_hand.evaluation.Quadrant(0, ())
    (example,) = found.uncertain_incorrect.examples
    assert (example.index, example.confidence, example.prediction, example.label) == (7, 0.55, 0, 1)


# Initialisation


@pytest.mark.parametrize(
    ("method", "std"), [("zero", 0), ("small_random", 0.01), ("xavier", 500**-0.5), ("he", 300**-0.5)]
)
def test_initial_weights_have_the_shape_and_the_spread_of_their_method(at_hand, method, std):
    at_hand.torch.manual_seed(4)
    weights = at_hand.initialisation.initialize_weights((600, 400), method)
    assert weights.shape == (600, 400)
    assert float(weights.std()) == pytest.approx(std, rel=0.02)
    assert abs(float(weights.mean())) <= 5 * std / 600**0.5 / 400**0.5


def test_an_unknown_initialisation_or_activation_is_refused(at_hand):
    with pytest.raises(ValueError, match="no initialisation 'lecun'"):
        at_hand.initialisation.initialize_weights((2, 2), "lecun")
    with pytest.raises(ValueError, match="no activation 'gelu'"):
        at_hand.initialisation.InitMLP("he", "gelu")


def test_the_deep_network_returns_its_five_hidden_activations(at_hand):
    network = at_hand.initialisation.InitMLP("xavier", "relu")
    assert [tuple(layer.weight.shape) for layer in network.layers] == [
        (256, 784),
        *[(256, 256)] * 4,
        (10, 256),
    ]
    assert all(not layer.bias.any() for layer in network.layers)
    images = at_hand.torch.rand(3, 1, 28, 28)
    hidden = network(images)
    assert [tuple(activation.shape) for activation in hidden] == [(3, 256)] * 5
    assert all((activation >= 0).all() for activation in hidden)
    assert network.logits(images).shape == (3, 10)


def test_untrained_networks_show_what_initialisation_does_to_depth(at_hand, digits):
    images = at_hand.training.to_split(digits.train_images, digits.train_labels, at_hand.cpu).images
    at_hand.torch.manual_seed(0)
    spread = {}
    for method in at_hand.initialisation.METHODS:
        network = at_hand.initialisation.InitMLP(method, "relu")
        spread[method] = at_hand.initialisation.activation_statistics(network, images).stds
    assert spread["zero"] == (0,) * 5
    assert spread["small_random"][4] < 1e-3 * spread["small_random"][0]
    assert spread["xavier"][4] < 0.5 * spread["xavier"][0]
    assert 0.4 < spread["he"][4] / spread["he"][0] < 2.5


def test_a_run_of_the_study_records_each_activation_and_method(at_hand, digits):
    record = at_hand.initialisation.run(digits, seed=2, device=at_hand.cpu, epochs=2)
    assert list(record.outcomes) == ["tanh", "relu"]
    for outcome in record.outcomes.values():
        assert tuple(outcome.statistics) == at_hand.initialisation.METHODS
        assert all(len(losses) == 2 for losses in outcome.training_losses.values())
        assert all(0 <= accuracy <= 1 for accuracy in outcome.final_accuracies.values())
        assert outcome.training_losses["zero"][0] == pytest.approx(np.log(10), abs=0.02)


def test_a_network_comes_to_the_same_whichever_others_were_trained(at_hand, digits):
    whole, again, other = (
        at_hand.initialisation.run(digits, seed=seed, device=at_hand.cpu, epochs=1, activations=activations)
        for seed, activations in ((2, ("tanh", "relu")), (2, ("relu",)), (3, ("relu",)))
    )
    assert whole.outcomes["relu"] == again.outcomes["relu"]
    assert again.outcomes["relu"] != other.outcomes["relu"]


# Command lines


@pytest.fixture
def commands(at_hand, cells, digits, monkeypatch):
    monkeypatch.setattr(at_hand.blood_cells, "load_bloodmnist", lambda *_: cells)
    monkeypatch.setattr(at_hand.initialisation, "load_mnist", lambda *_: digits)
    from experiments import train_mnist  # noqa: PLC0415

    monkeypatch.setattr(train_mnist, "load_mnist", lambda *_: digits)
    return {
        "blood_cells": at_hand.blood_cells.main,
        "initialisation": at_hand.initialisation.main,
        "train_mnist": train_mnist.main,
    }


PLOTS = {
    "blood_cells": {
        "q4.1_class_counts.png", "q4.1_examples.png", "q4.2_accuracies.png", "q4.2_losses.png",
        "q4.3_confusion_matrix.png", "q4.3_misclassified.png", "q4.4_confidence.png",
    },
    "initialisation": {
        f"{activation}_{what}.png" for activation in ("tanh", "relu") for what in ("means", "stds", "losses")
    },
    "train_mnist": {"q6.7_losses.png"},
}  # fmt: skip
KEYS = {
    "blood_cells": {"experiment", "device", "curves", "evaluation", "confidence", "split_sizes", "source"},
    "initialisation": {"experiment", "device", "outcomes", "source"},
    "train_mnist": {"losses", "test_accuracy"},
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_command_writes_its_record_and_its_plots(commands, name, tmp_path, capsys):
    out, plots = tmp_path / "result.json", tmp_path / "new" / "plots"
    options = ["--seed", "5", "--epochs", "1", "--out", str(out), "--plots", str(plots)]
    assert commands[name](options) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record.keys() >= KEYS[name] | {"profile", "data_sha256", "seed", "epochs", "wall_time_s"}
    assert (record["seed"], record["epochs"], record["profile"]) == (5, 1, "sample")
    assert {path.name for path in plots.iterdir()} == PLOTS[name]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots.iterdir())
    assert "accurac" in capsys.readouterr().err


def test_a_record_goes_to_standard_output_where_no_file_is_named(commands, capsys):
    assert commands["initialisation"](["--epochs", "1", "--activation", "relu", "--device", "cpu"]) == 0
    assert list(json.loads(capsys.readouterr().out)["outcomes"]) == ["relu"]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("option", ["--out", "--plots"])
def test_a_command_says_in_one_sentence_what_cannot_be_written(commands, name, option, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert commands[name](["--epochs", "1", option, str(tmp_path / "file" / "below")]) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written to" in told


@pytest.mark.parametrize("name", ["blood_cells", "initialisation"])
def test_a_command_says_in_one_sentence_that_data_are_missing(at_hand, name, tmp_path, capsys):
    command = getattr(at_hand, name).main
    assert command(["--profile", "full", "--data-dir", str(tmp_path / "nowhere")]) == 2
    told = capsys.readouterr().err
    assert "nowhere" in told
    assert "grader data" in told
    assert told.count("\n") == 1


def test_a_cuda_device_that_is_not_there_is_refused_in_one_sentence(commands, at_hand, monkeypatch, capsys):
    monkeypatch.setattr(at_hand.torch.cuda, "is_available", lambda: False)
    assert at_hand.devices.pick_device("auto") == at_hand.cpu
    assert commands["blood_cells"](["--device", "cuda"]) == 2
    assert capsys.readouterr().err.strip() == "no CUDA device is present here; use --device cpu"


@pytest.mark.parametrize("epochs", ["0", "-1", "many", "1.5"])
def test_a_number_of_epochs_that_is_none_is_refused(commands, epochs, capsys):
    with pytest.raises(SystemExit) as ended:
        commands["train_mnist"](["--epochs", epochs])
    assert ended.value.code == 2
    assert "epochs" in capsys.readouterr().err


@pytest.mark.parametrize("name", PLOTS)
def test_a_command_runs_by_its_path_from_anywhere(at_hand, name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXPERIMENTS / f"{name}.py", "--help"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--plots" in done.stdout


# Notebooks


def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sources(path, kind="code"):
    return ["".join(cell["source"]) for cell in notebook(path)["cells"] if cell["cell_type"] == kind]


def bound_names(text):
    """Return every name that a cell binds at its top level."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solved_notebook_binds_every_name_that_is_graded(path):
    assert set().union(*map(bound_names, sources(path))) >= NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solved_notebook_holds_no_outputs_and_no_open_places(path):
    for cell in notebook(path)["cells"]:
        text = "".join(cell["source"])
        assert not re.search(r"TODO|@@|^…$", text, re.MULTILINE), text
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_solved_notebook_keeps_the_starters_cells_headings_and_metadata():
    def frame(path):
        content = notebook(path)
        rows = [(cell["id"], cell["cell_type"], cell["metadata"]) for cell in content["cells"]]
        return rows, content["metadata"], content["nbformat"], content["nbformat_minor"]

    assert frame(SOLVED) == frame(STARTER)
    assert [cell["source"] for cell in notebook(SOLVED)["cells"] if "heading" in cell["id"]] == [
        cell["source"] for cell in notebook(STARTER)["cells"] if "heading" in cell["id"]
    ]
