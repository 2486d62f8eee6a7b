"""Served data sets are the originals bit for bit, whether they are served fast or not."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from grader.datasets import load_bloodmnist, load_mnist, serve
from grader.datasets.store import import_folder
from grader.worker import served
from tests.required import needs_experiments

pytestmark = needs_experiments
WORKER = Path(served.__file__).parent


@pytest.fixture(scope="module")
def torch():
    return import_module("torch")


@pytest.fixture(scope="module")
def transforms():
    return import_module("torchvision.transforms")


@pytest.fixture(scope="module")
def loader_of(torch):
    return torch.utils.data.DataLoader


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The sample as a worker is given it."""
    folder = tmp_path_factory.mktemp("served")
    serve(folder, "sample")
    return folder


@pytest.fixture
def originals(folder, monkeypatch):
    """torchvision's and medmnist's own classes, on the same files."""
    medmnist, datasets = import_module("medmnist"), import_module("torchvision.datasets")
    sizes = {"train": 2990, "val": 428, "test": 855}
    monkeypatch.setitem(medmnist.INFO["bloodmnist"], "n_samples", sizes)
    return {
        "digits": lambda **options: datasets.MNIST(str(folder), **options),
        "cells": lambda split="train", **options: medmnist.BloodMNIST(split, root=str(folder), **options),
    }


@pytest.fixture
def fast(folder, originals):
    """The served classes, served fast."""
    digits = served.mnist_class(str(folder), fast=True)
    cells = served.bloodmnist_class(str(folder), fast=True)
    return {
        "digits": lambda **options: digits("./data", **options),
        "cells": lambda split="train", **options: cells(split, root="./absent", download=True, **options),
    }


SPLITS = [
    ("digits", {"train": True}),
    ("digits", {"train": False}),
    ("cells", {"split": "train"}),
    ("cells", {"split": "val"}),
    ("cells", {"split": "test"}),
]


def assert_same_item(one, other):
    assert type(one) is type(other) is tuple
    for a, b in zip(one, other, strict=True):
        assert type(a) is type(b)
        assert as_array(a).dtype == as_array(b).dtype
        np.testing.assert_array_equal(as_array(a), as_array(b))


def as_array(value):
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def assert_same_batches(ones, others):
    ones, others = list(ones), list(others)
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert [column.dtype for column in one] == [column.dtype for column in other]
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def sources(originals, fast):
    return originals, fast


def the_usual(transforms, name):
    mean, deviation = ((0.5,), (0.5,)) if name == "digits" else ((0.5, 0.4, 0.3), (0.5, 0.6, 0.7))
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, deviation)])


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_items_attributes_and_words_are_those_of_the_original(originals, fast, name, split):
    one, other = originals[name](**split), fast[name](**split)
    assert len(one) == len(other)
    for index in (0, 5, -1):
        assert_same_item(one[index], other[index])
    assert set(vars(one)) == set(vars(other))
    assert isinstance(other, type(one))
    assert (type(other).__name__, type(other).__module__) == (type(one).__name__, type(one).__module__)
    assert repr(other) == repr(one).replace(str(one.root), str(other.root))
    if name == "digits":
        assert (one.data.equal(other.data), one.targets.equal(other.targets)) == (True, True)
        assert (one.classes, one.class_to_idx) == (other.classes, other.class_to_idx)
    else:
        np.testing.assert_array_equal(one.imgs, other.imgs)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.info == other.info


@pytest.mark.parametrize(("name", "split"), SPLITS)
@pytest.mark.parametrize("batch_size", [1, 64])
def test_batches_and_their_order_under_a_seed_are_equal_bit_for_bit(
    torch, transforms, sources, *, name, split, batch_size
):
    batches = []
    for source in sources:
        data_set = source[name](transform=the_usual(transforms, name), **split)
        if batch_size == 1:
            data_set = torch.utils.data.Subset(data_set, range(-40, 40))
        torch.manual_seed(3)
        loader = torch.utils.data.DataLoader(data_set, batch_size=batch_size, shuffle=True)
        batches.append([*loader, *loader, [torch.rand(3)]])  # and nothing more was drawn
    assert_same_batches(*batches)


def flatten(image):
    return image.view(-1)


def count_up(target, *, seen=None):
    return target * 2


@pytest.mark.parametrize("name", ["digits", "cells"])
@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.ToTensor(),
        lambda t: t.Compose([t.ToTensor()]),
        lambda t: t.Compose([t.ToTensor(), t.Normalize([0.1307], [0.3081]), t.Normalize([0.3], [2.0])]),
        lambda t: t.Compose([t.Compose([t.ToTensor()]), t.Normalize((0.2,), (0.7,), inplace=True)]),
        lambda t: t.Compose([t.ToTensor(), t.Normalize((0.5,), (0.5,)), t.Lambda(flatten)]),
        lambda t: t.Compose([t.ToTensor(), t.RandomErasing(p=0.5), t.RandomHorizontalFlip()]),
        lambda t: t.Compose([t.RandomRotation(10), t.ToTensor()]),
        lambda t: t.Compose([t.Grayscale(), t.ToTensor()]),
        lambda t: t.Compose([t.PILToTensor()]),
        lambda t: lambda image: t.functional.to_tensor(image) * 2,
    ],
)
def test_any_transform_gives_the_same_batches(torch, transforms, sources, name, make):
    batches = []
    for source in sources:
        data_set = torch.utils.data.Subset(source[name](transform=make(transforms)), range(200))
        torch.manual_seed(1)
        batches.append(list(torch.utils.data.DataLoader(data_set, batch_size=32, shuffle=True)))
    assert_same_batches(*batches)


@pytest.mark.parametrize("name", ["digits", "cells"])
def test_collate_functions_target_transforms_and_splits_get_what_they_get_from_the_original(
    torch, transforms, sources, name
):
    batches = []
    for source in sources:
        data_set = source[name](transform=the_usual(transforms, name), target_transform=count_up)
        torch.manual_seed(2)
        part, _ = torch.utils.data.random_split(data_set, [100, len(data_set) - 100])
        both = torch.utils.data.ConcatDataset([part, torch.utils.data.Subset(data_set, [1, 2, 3])])
        items = []

        def collate(batch, items=items):
            items.extend(batch)
            return [
                torch.stack([image for image, _ in batch]),
                torch.as_tensor(np.array([y for _, y in batch])),
            ]

        drawn = [
            *torch.utils.data.DataLoader(part, batch_size=7, collate_fn=collate, drop_last=True),
            *torch.utils.data.DataLoader(both, 9),
        ]
        batches.append((items, drawn))
    (items, drawn), (fast_items, fast_drawn) = batches
    for one, other in zip(items, fast_items, strict=True):
        assert_same_item(one, other)
    assert_same_batches(drawn, fast_drawn)


def test_data_and_transforms_that_are_changed_later_are_what_is_served(transforms, sources, loader_of):
    batches = []
    for source in sources:
        digits, cells = (source[name](transform=the_usual(transforms, name)) for name in ("digits", "cells"))
        loaders = [loader_of(data_set, batch_size=64) for data_set in (digits, cells)]
        drawn = [next(iter(loader)) for loader in loaders]
        digits.data[3], cells.imgs[3], digits.targets[4], cells.labels[5] = 7, 9, 2, 3
        drawn += [next(iter(loader)) for loader in loaders]
        digits.transform = cells.transform = transforms.ToTensor()
        drawn += [next(iter(loader)) for loader in loaders]
        digits.data, digits.targets = digits.data[10:200], [int(target) for target in digits.targets[10:200]]
        cells.imgs, cells.labels = cells.imgs[10:200, :14], cells.labels[10:200, 0]
        drawn += [
            next(iter(loader_of(data_set, batch_size=64))) for data_set in (digits, copy.copy(cells).imgs)
        ]
        batches.append([item if isinstance(item, list) else [item] for item in drawn])
    assert_same_batches(*batches)


def test_the_default_dtype_of_torch_is_followed(torch, transforms, sources, loader_of):
    torch.set_default_dtype(torch.float64)
    try:
        batches = [
            [next(iter(loader_of(source["digits"](transform=transforms.ToTensor()), 8)))]
            for source in sources
        ]
    finally:
        torch.set_default_dtype(torch.float32)
    assert batches[1][0][0].dtype == torch.float64
    assert_same_batches(*batches)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: {"transform": t.Normalize((0.5,), (0.5,))},
        lambda _: {"transform": None},
        lambda t: {"transform": t.Compose([t.ToTensor(), t.Normalize((0.5,), (0.0,))])},
        lambda t: {"transform": t.Compose([t.ToTensor(), t.Normalize([0.5] * 3, [0.5] * 3)])},
        lambda t: {"transform": t.Compose([t.ToTensor(), t.Normalize((0.5, 0.5), (1.0, 1.0, 1.0))])},
        lambda _: {"data": np.zeros((2, 28, 28), np.uint8)},
        lambda _: {"targets": [1, 2]},
    ],
)
def test_errors_are_the_errors_of_the_original(transforms, sources, loader_of, change):
    messages = []
    for source in sources:
        data_set = source["digits"](transform=transforms.ToTensor())
        loader = loader_of(data_set, batch_size=4)
        vars(data_set).update(change(transforms))
        with pytest.raises((AttributeError, TypeError, RuntimeError, ValueError, IndexError)) as caught:
            next(iter(loader))
        messages.append((caught.type, str(caught.value)))
    assert messages[0] == messages[1]


def test_a_subclass_with_items_of_its_own_keeps_them(transforms, loader_of, fast):
    data_set = fast["digits"](transform=transforms.ToTensor())

    class Doubled(type(data_set)):
        def __getitem__(self, index):
            image, target = super().__getitem__(index)
            return image * 2, target

    images, _ = next(iter(loader_of(Doubled("x", transform=transforms.ToTensor()), batch_size=4)))
    plain, _ = next(iter(loader_of(data_set, batch_size=4)))
    assert images.equal(plain * 2)


def test_only_fast_classes_answer_by_the_batch(folder, fast):
    assert hasattr(fast["digits"](), "__getitems__")
    assert not hasattr(served.mnist_class(str(folder), fast=False), "__getitems__")
    assert not hasattr(served.bloodmnist_class(str(folder), fast=False), "__getitems__")


def test_what_is_served_is_what_the_trusted_side_loads(fast):
    digits, cells = load_mnist("sample", None), load_bloodmnist("sample")
    np.testing.assert_array_equal(fast["digits"](train=False).data.numpy(), digits.test_images)
    np.testing.assert_array_equal(fast["digits"]().targets.numpy(), digits.train_labels)
    np.testing.assert_array_equal(fast["cells"]("val").imgs, cells.val_images)
    np.testing.assert_array_equal(fast["cells"]("test").labels[:, 0], cells.test_labels)


@pytest.mark.slow
@pytest.mark.needs_full_data
def test_all_of_both_sets_is_served_bit_for_bit(
    torch, transforms, loader_of, *, real_mnist_folder, real_bloodmnist_folder, tmp_path, monkeypatch
):
    medmnist, datasets = import_module("medmnist"), import_module("torchvision.datasets")
    monkeypatch.setitem(medmnist.INFO, "bloodmnist", dict(medmnist.INFO["bloodmnist"]))
    for folder in (real_mnist_folder, real_bloodmnist_folder):
        import_folder(folder, tmp_path / "data")
    (tmp_path / "served").mkdir()
    serve(tmp_path / "served", "full", tmp_path / "data")
    sizes = []
    for name, split in SPLITS:
        folder, own = str(tmp_path / "served"), the_usual(transforms, name)
        if name == "digits":
            one = datasets.MNIST(folder, transform=own, **split)
            other = served.mnist_class(folder, fast=True)("x", transform=own, **split)
        else:
            one = medmnist.BloodMNIST(root=folder, transform=own, **split)
            other = served.bloodmnist_class(folder, fast=True)(transform=own, **split)
        sizes.append(len(other))
        loaders = [loader_of(data_set, batch_size=64, shuffle=True) for data_set in (one, other)]
        orders = [torch.Generator().manual_seed(4) for _ in loaders]
        for loader, order in zip(loaders, orders, strict=True):
            loader.sampler.generator = order
        for batch, fast_batch in zip(*loaders, strict=True):
            assert all(a.equal(b) for a, b in zip(batch, fast_batch, strict=True))
    assert sizes == [60_000, 10_000, 11_959, 1_712, 3_421]


INSTALLED = """
import json, os, pathlib, sys
import served
import torch
from torch.utils.data import DataLoader, TensorDataset

def orders():
    many = dict(num_workers=2, persistent_workers=True, prefetch_factor=3, timeout=60)
    for options in ({}, dict(num_workers=1), many | dict(multiprocessing_context="fork")):
        torch.manual_seed(5)
        loader = DataLoader(TensorDataset(torch.arange(50)), batch_size=8, shuffle=True, **options)
        batches = [batch[0].tolist() for _ in range(2) for batch in loader]
        yield [loader.num_workers, batches, torch.rand(1).item()]

with_processes = list(orders())
served.install(sys.argv[1], fast=sys.argv[2] == "True")
os.fork = None
import medmnist, torchvision
from medmnist import BloodMNIST, INFO, Evaluator
from medmnist.dataset import BloodMNIST as same
from torchvision import datasets
from torchvision.datasets.mnist import MNIST

assert same is BloodMNIST is getattr(medmnist, INFO["bloodmnist"]["python_class"])
assert MNIST is datasets.MNIST is torchvision.datasets.MNIST
told = {"lengths": [], "refusals": [], "orders": [with_processes, list(orders())]}

for root in ("./data", "/nowhere/at/all", pathlib.Path("x"), ""):
    for download in (True, False):
        digits = datasets.MNIST(root, train=False, download=download)
        cells = BloodMNIST("test", root=root, download=download, as_rgb=True, size=28, mmap_mode="r")
        told["lengths"].append([len(digits), len(cells)])
told["others"] = [len(BloodMNIST(split="val", download=True)), len(Evaluator("bloodmnist", "test").labels)]
told["n_samples"] = INFO["bloodmnist"]["n_samples"]

for ask in (
    lambda: datasets.FashionMNIST("data", download=True),
    lambda: datasets.CIFAR10("data", train=True, download=True),
    lambda: medmnist.PathMNIST("train", download=True),
    lambda: medmnist.BloodMNIST("train", download=True, size=64),
    lambda: medmnist.Evaluator("pathmnist", "test"),
    lambda: medmnist.BloodMNIST("training"),
    lambda: len(datasets.FakeData()),
):
    try:
        ask()
    except Exception as error:
        told["refusals"].append(f"{type(error).__name__}: {error}")

print(json.dumps(told))
"""


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "plain"])
def told(folder, request):
    """What a process of its own, where the data was installed, tells of it."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", INSTALLED, str(folder), str(request.param)],
        capture_output=True,
        text=True,
        check=False,
        cwd=WORKER,
        env={"OMP_NUM_THREADS": "1", "HOME": "/nonexistent"},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_notebooks_find_the_data_however_they_ask(told):
    assert told["lengths"] == [[1000, 855]] * 8
    assert told["others"] == [428, 855]
    assert told["n_samples"] == {"train": 2990, "val": 428, "test": 855}


def test_what_is_not_served_says_so_and_what_needs_no_data_works(told):
    only = "is not here: this grader serves MNIST and BloodMNIST (28x28) only, and there is no network here"
    assert told["refusals"] == [
        f"RuntimeError: FashionMNIST {only}",
        f"RuntimeError: CIFAR10 {only}",
        f"RuntimeError: PathMNIST {only}",
        f"RuntimeError: BloodMNIST of size 64 {only}",
        f"RuntimeError: pathmnist of size 28 {only}",
        "ValueError: ",
    ]


def test_loaders_with_workers_load_the_same_batches_without_any_process(told):
    with_processes, without = told["orders"]
    assert [workers for workers, _, _ in without] == [0, 1, 2]
    assert with_processes == without
