"""A notebook is replayed in a confined worker: what it leaves behind comes out as data, and no more."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from grader.datasets import serve
from grader.errors import CheckFailed, MachineFault, StudentExited, StudentFault, StudentRaised
from grader.notebooks.replay import CellOutcome
from grader.sandbox.machine import device_files, has_gpu
from tests.contract.notebooks import lent_zygote, replayed, was_forked
from tests.contract.submissions import write_package
from tests.required import if_here, needs_experiments

pytestmark = needs_experiments

SET_UP = """
    import os, socket, sys
    import matplotlib.pyplot as plt
    import numpy as np
    import torch
    from medmnist import BloodMNIST
    from torch import nn
    from torchvision import datasets, transforms
    %matplotlib inline
    %config InlineBackend.figure_format = "retina"
    torch.manual_seed(0)
"""
DATA = """
    train_dataset = BloodMNIST("train", download=True, transform=transforms.ToTensor())
    mnist = datasets.MNIST("./data", train=True, download=True)
    print(len(train_dataset), len(mnist))
"""
PLOTS = """
    plt.figure()
    plt.plot([1.0, 2.0, 4.0], label="loss")
    plt.title("Training")
    plt.xlabel("epoch")
    plt.legend()
    plt.show()
    plt.bar(["a", "b"], [3, 4])
    figure, axes = plt.subplots(1, 2)
    axes[0].imshow(np.zeros((28, 28, 3)))
    print("plotted")
"""
MODEL = """
    class BloodMLP(nn.Module):
        def __init__(self):
            super().__init__()
            hidden = nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.5)
            self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(8, 2))
        def forward(self, x):
            return self.layers(x)
    model = BloodMLP()
    model.train()
    train_losses = [0.5] * 100 + [np.float32(0.25)]
    val_losses = ...
    train_accs = torch.linspace(0, 1, 5)
"""
VALUES = """
    cm = np.eye(8, dtype=int)
    all_preds = [np.int64(3), 4]
    stats = {"he": {"means": [torch.tensor(1.5), 2.0]}, 3: (1, None, "text", True)}
    accuracy = 0.75
    accuracy
"""
FORBIDDEN = """
    def tried(what, action):
        try:
            action()
            print("DID", what)
        except BaseException as error:
            print("refused", what)
    tried("fork", os.fork)
    tried("socket", socket.socket)
    tried("link", lambda: os.symlink("/etc/passwd", "link"))
    for place in ("/tmp/replay-evil", "/replay-evil", "../replay-evil", "/etc/passwd"):
        tried(place, lambda: open(place, "a"))
    tried("passwd", lambda: open("/etc/passwd").read())
    with open("own.txt", "w") as file:
        file.write("kept")
    os.mkdir("folder")
    os.rename("own.txt", "other.txt")
    os.chmod("other.txt", 0o600)
    torch.save(model.state_dict(), "model.pt")
    print(open("other.txt").read(), sorted(torch.load("model.pt"))[0])
    !pip install -q torch no-such-package
    !nvidia-smi
    %pip install numpy
"""
LIAR = """
    class Liar:
        @property
        def __class__(self):
            return torch.Tensor
    liar = Liar()
    confident_correct = [(torch.zeros(3, 28, 28), 0.95, 1, 1)]
"""
# Of the second layer's gradient MKL would give each of two threads a part of every sum.
TRAINING = """
    import torch
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 256), torch.nn.Tanh(), torch.nn.Linear(256, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    images, labels = torch.rand(256, 784), torch.randint(0, 10, (256,))
    train_losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_losses.append(loss.item())
    val_losses = torch.get_num_threads()
    train_accs = torch.cat([each.flatten() for each in model[2].parameters()])
"""
CELLS = (
    *(SET_UP, "## Q4.1 Data", DATA, PLOTS, "## Q4.2 Train", MODEL, "## Q4.3 Evaluate", VALUES, FORBIDDEN),
    *("## Q4.4 Confidence", LIAR, "model = 3", "## Q5.1 Initialise", "while True:\n    pass"),
    *("def initialize_weights(shape, method):\n    return torch.ones(shape)", "## Q5.2 Statistics"),
    *("x = [torch.ones(1 << 26) for _ in range(64)]", "stats = 1", "## Q5.3 Tanh", "input('name')"),
    *("## Q5.4 ReLU", "stats_relu = 1\nsys.exit(0)", "## Q6.7 mytorch", "from mytorch.nn import Linear"),
)


@pytest.fixture(scope="module")
def served():
    folder = Path(tempfile.mkdtemp(prefix="contract-data-")).resolve()
    serve(folder, "sample")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder
    shutil.rmtree(folder)


FORKED = ", forked"


@pytest.fixture(
    scope="module", params=["bubblewrap", "account", "confined", f"bubblewrap{FORKED}", f"confined{FORKED}"]
)
def replay(request, available, served):
    provider = if_here(available[request.param.removesuffix(FORKED)])
    folder = Path(tempfile.mkdtemp(prefix="contract-")).resolve()
    folder.chmod(0o711)
    root = write_package(folder / "submission")
    with contextlib.ExitStack() as stack:
        data, zygote = served, None
        if request.param.endswith(FORKED):
            zygote = stack.enter_context(lent_zygote(provider))
            data = zygote.offer.data / "data"
            shutil.copytree(served, data)
        yield stack.enter_context(
            replayed(root, *CELLS, provider=provider, data=data, cell_s=5.0, zygote=zygote)
        )
    shutil.rmtree(folder)


def cell(replay, start):
    return next(run for run in replay.cells if start in run.source)


def test_the_served_data_are_found_as_a_notebook_looks_for_them(replay):
    assert cell(replay, "BloodMNIST(").printed.split() == ["2990", "5000"]


def test_plots_come_out_as_numbers(replay):
    curve, bars, pictures = replay.after("q4.1").figures
    assert [list(line) for line in curve.axes[0].lines] == [[1.0, 2.0, 4.0]]
    assert (curve.axes[0].title, curve.axes[0].xlabel, curve.axes[0].texts) == (
        "Training",
        "epoch",
        ("loss",),
    )
    assert bars.axes[0].bars == (3.0, 4.0)
    assert [axes.images for axes in pictures.axes] == [((28, 28, 3),), ()]
    kinds = [output["output_type"] for output in cell(replay, "plt.bar").notebook_outputs]
    assert kinds.count("display_data") == 3


def test_values_are_data_and_models_stay_where_they_are(replay):
    harvest = replay.after("q4.2")
    assert harvest.value("train_losses") == [0.5] * 100 + [0.25]
    np.testing.assert_allclose(harvest.value("train_accs"), np.linspace(0, 1, 5))
    evaluated = replay.after("q4.3")
    assert evaluated.value("cm").tolist() == np.eye(8).tolist()
    assert evaluated.value("all_preds") == [3, 4]
    assert evaluated.value("stats") == {"he": {"means": [1.5, 2.0]}, 3: (1, None, "text", True)}
    assert evaluated.value("accuracy") == 0.75
    assert "0.75" in evaluated.printed


def test_a_model_can_be_asked_after_its_name_was_bound_to_something_else(replay):
    model = replay.after("q4.2").value("model")
    assert replay.after("q4.4").value("model") == 3
    images = np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)
    first = replay.student.predict(model, images, batch=2)
    assert first.shape == (5, 2)
    np.testing.assert_allclose(first, replay.student.predict(model, images), atol=1e-6)  # no dropout
    assert replay.student.call_with_tensors(model, "forward", images).shape == (5, 2)
    assert model.get("training") is True
    facts = replay.student.describe_model(model)
    assert facts.modules[:2] == ("BloodMLP", "Sequential")
    assert facts.parameters[0] == ("layers.1.weight", (8, 12))


def test_what_is_missing_or_was_left_out_is_said(replay):
    harvest = replay.after("q4.2")
    assert not harvest.has("val_losses")
    assert not harvest.has("nothing")
    with pytest.raises(CheckFailed, match=r"`val_losses` is still the `\.\.\.`"):
        harvest.value("val_losses")
    with pytest.raises(CheckFailed, match=r"after Q4\.2 there is no `nothing`"):
        harvest.value("nothing")


def test_nothing_outside_the_scratch_folder_can_be_changed_and_nothing_started(replay):
    printed = cell(replay, "def tried").printed
    assert "DID" not in printed, printed
    assert printed.count("refused") == 8
    assert "kept layers.1.bias" in printed
    assert "Requirement already satisfied: torch" in printed
    assert "no-such-package is not here" in printed
    assert "`nvidia-smi` is not run here" in printed


def test_an_object_that_lies_about_its_class_harms_nobody(replay):
    harvest = replay.after("q4.4")
    with pytest.raises(StudentRaised, match="reading `liar` raised"):
        harvest.value("liar")
    ((image, confidence, prediction, label),) = harvest.value("confident_correct")
    assert (image.shape, confidence, prediction, label) == ((3, 28, 28), 0.95, 1, 1)


def test_an_endless_cell_is_interrupted_and_costs_nothing_but_itself(replay):
    assert cell(replay, "while True").outcome is CellOutcome.TIMEOUT
    function = replay.after("q5.1").value("initialize_weights")
    assert replay.student.call_with_tensors(function, None, (2, 3), "he").tolist() == [[1.0] * 3] * 2


def test_memory_input_and_exit_cost_their_cell(replay):
    assert cell(replay, "1 << 26").outcome in (CellOutcome.MEMORY, CellOutcome.TIMEOUT)
    assert replay.after("q5.2").value("stats") == 1
    with pytest.raises(StudentRaised, match="nobody to ask"):
        replay.after("q5.3")
    assert cell(replay, "sys.exit").outcome is CellOutcome.EXITED
    assert replay.after("q5.4").value("stats_relu") == 1


def test_mytorch_of_the_submission_can_be_imported(replay):
    assert cell(replay, "mytorch").outcome is CellOutcome.OK, cell(replay, "mytorch").message


def test_one_worker_did_it_all(replay, request):
    assert replay.student.workers_started == 1
    assert was_forked(replay.student) == (FORKED in request.node.name)


# ------------------------------------------------------------------- deaths, and parts of a notebook


@pytest.fixture
def best(available):
    return next(finding.name for finding in available.values() if finding.available and finding.level >= 2)


@pytest.mark.usefixtures("needs_confinement")
def test_a_death_costs_its_cell_and_what_was_there_before_is_made_again(folder, best):
    cells = (
        *("import os, torch", "## Q4.2", "model = torch.nn.Linear(2, 1)\ntrain_losses = [id(model)]"),
        *("## Q5.1", "os._exit(3)", "## Q5.2", "stats = list(model.weight.shape)"),
        *("## Q5.3", "while True:\n    print('x' * 10_000)", "## Q5.4", "stats_relu = 2"),
    )
    with replayed(folder, *cells, provider=best) as replay:
        outcomes = [run.outcome for run in replay.cells]
        assert outcomes[2:] == [CellOutcome.EXITED, CellOutcome.OK, CellOutcome.CRASHED, CellOutcome.OK]
        assert "printed more than 64 MiB" in replay.cells[4].message
        with pytest.raises(StudentExited, match="exit code 3"):
            replay.after("q5.1")
        assert replay.after("q5.2").value("stats") == [1, 2]
        assert replay.after("q5.4").value("stats_relu") == 2
        model = replay.after("q4.2").value("model")
        assert replay.student.predict(model, np.ones((3, 2), np.float32)).shape == (3, 1)
        assert replay.student.workers_started == 3


@pytest.mark.usefixtures("needs_confinement")
def test_a_network_learns_the_same_bits_with_one_thread_and_with_two(folder, best):
    left = []
    with lent_zygote(best) as zygote:
        for threads in (1, 2):
            cells = "## Q4.2", TRAINING
            with replayed(folder, *cells, provider=best, zygote=zygote, threads=threads) as replay:
                harvest = replay.after("q4.2")
                assert harvest.value("val_losses") == threads
                left.append((harvest.value("train_losses"), harvest.value("train_accs").tobytes()))
    assert left[0] == left[1]


@pytest.mark.usefixtures("needs_confinement")
def test_too_many_files_in_the_scratch_folder_end_the_cell(folder, best):
    cells = (
        "## Q4.1",
        "import time\nfor i in range(100_000):\n    open(f'{i}', 'w').close()\ntime.sleep(5)",
        "## Q4.2",
        "model = 1",
    )
    with replayed(folder, *cells, provider=best, scratch_entries=200) as replay:
        assert "or 200 files and" in replay.cells[0].message
        with pytest.raises(StudentFault, match="write less"):
            replay.after("q4.1")


@pytest.mark.usefixtures("needs_confinement")
def test_one_question_alone_runs_what_it_needs_and_all_before_it_where_that_is_not_enough(folder, best):
    cells = (
        *("x = 1", "## Q4.1", "train_dataset = [x]", "## Q4.2", "globals()['hidden'] = 5\nmodel = 2"),
        *("## Q4.3", "cm = train_dataset", "## Q5.1", "initialize_weights = hidden"),
    )
    with replayed(folder, *cells, provider=best, wanted=("q4.3",)) as replay:
        ran = [run.outcome is CellOutcome.OK for run in replay.cells]
        assert ran == [True, True, False, True, False]
        assert replay.after("q4.3").value("cm") == [1]
    with replayed(folder, *cells, provider=best, wanted=("q5.1",)) as replay:
        assert replay.after("q5.1").value("initialize_weights") == 5


@pytest.mark.usefixtures("needs_confinement")
def test_what_a_check_calls_finds_its_names_as_they_were_after_the_question(folder, best):
    cells = (
        *("## Q5.1", "from torch import nn\nscale = 2.0\ndef made():\n    return nn.Linear(2, 1)"),
        *("calls = 0\ndef count():\n    global calls\n    calls += 1\n    return calls * scale",),
        *("## Q6.7", "nn = 'mytorch'\nscale = 100.0\ncalls = 50\nlosses = [1]"),
    )
    with replayed(folder, *cells, provider=best) as replay:
        student, harvest = replay.student, replay.after("q5.1")
        student.begin_check("q5.1.shape", seed=1)
        assert student.describe_model(student.call_with_tensors(harvest.value("made"), None)).parameters[
            0
        ] == ("weight", (1, 2))
        assert [student.call_with_tensors(harvest.value("count"), None) for _ in range(2)] == [2.0, 4.0]
        student.begin_check("q6.7.own", seed=1)
        assert student.call_with_tensors(harvest.value("count"), None) == 51 * 100.0
        assert replay.after("q6.7").value("nn") == "mytorch"


@pytest.mark.skipif(has_gpu(), reason="there is a GPU of NVIDIA's here")
def test_a_gpu_that_cannot_be_used_is_our_fault_and_not_silently_the_processor(folder, confining_provider):
    with (
        pytest.raises(MachineFault, match="no GPU that it can use inside the sandbox"),
        replayed(folder, "1", provider=confining_provider, devices=("/dev/null",)),
    ):
        pass


@pytest.mark.needs_cuda
@pytest.mark.skipif(not has_gpu(), reason="there is no GPU of NVIDIA's here")
def test_a_network_is_trained_and_asked_on_the_gpu(folder, confining_provider):
    cells = (
        *("import torch", "## Q4.2", "model = torch.nn.Linear(4, 2).to('cuda')\nprint(model.weight.device)"),
        "train_losses = [float(model(torch.ones(8, 4, device='cuda')).sum().detach())]",
    )
    with replayed(folder, *cells, provider=confining_provider, devices=device_files()) as replay:
        assert "cuda:0" in replay.after("q4.2").printed, [run.message for run in replay.cells]
        model = replay.after("q4.2").value("model")
        assert replay.student.predict(model, np.ones((3, 4), np.float32)).shape == (3, 2)
