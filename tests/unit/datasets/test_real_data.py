"""All of MNIST and a real BloodMNIST, where this machine has them (see tests/conftest.py for where)."""

import gzip
import importlib.util

import numpy as np
import pytest

from grader.datasets import load_bloodmnist, load_mnist, unseen_cells
from grader.datasets.mnist import sample_folder
from grader.datasets.store import import_folder, status
from grader.settings import resource

pytestmark = pytest.mark.needs_full_data

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def data_dir(real_mnist_folder, tmp_path_factory):
    """A data folder into which the real MNIST was imported."""
    folder = tmp_path_factory.mktemp("data")
    import_folder(real_mnist_folder, folder)
    return folder


def test_all_of_mnist_is_imported_and_loads_with_the_published_counts(data_dir):
    mnist = load_mnist("full", data_dir)
    assert mnist.train_images.shape == (60_000, 28, 28)
    assert mnist.test_images.shape == (10_000, 28, 28)
    assert np.bincount(mnist.train_labels).tolist() == TRAIN_COUNTS
    assert np.bincount(mnist.test_labels).tolist() == TEST_COUNTS
    assert round(float(mnist.train_images.mean() / 255), 4) == 0.1307  # the mean everyone normalises with
    assert mnist.source == "all of MNIST, with the published checksums"


def test_the_sample_is_drawn_again_to_the_same_bytes(real_mnist_folder, tmp_path):
    script = resource("fixtures/data") / "make_mnist_sample.py"
    spec = importlib.util.spec_from_file_location("make_mnist_sample", script)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    maker.make_sample(real_mnist_folder, tmp_path)
    names = {path.name for path in sample_folder().iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == names
    for name in names:
        # Unpacked: the packed bytes depend on the zlib that Python was built with.
        again, committed = (
            gzip.decompress((folder / name).read_bytes()) for folder in (tmp_path, sample_folder())
        )
        assert again == committed


def test_every_digit_of_the_sample_is_in_the_full_set_of_its_split_with_its_label(data_dir):
    full, sample = load_mnist("full", data_dir), load_mnist("sample", None)
    for images, labels, all_images, all_labels in (
        (sample.train_images, sample.train_labels, full.train_images, full.train_labels),
        (sample.test_images, sample.test_labels, full.test_images, full.test_labels),
    ):
        label_of = {image.tobytes(): label for image, label in zip(all_images, all_labels, strict=True)}
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()


def test_a_real_bloodmnist_is_imported_and_told_which_it_is(real_bloodmnist_folder, tmp_path):
    (row,) = import_folder(real_bloodmnist_folder, tmp_path)
    assert row.source in {
        "BloodMNIST 28x28 as medmnist publishes it",
        "BloodMNIST 28x28 rebuilt from its source images, with a split of its own",
    }
    assert status(tmp_path)[3] == row


def test_a_real_bloodmnist_loads_with_the_published_counts_and_is_turned(real_bloodmnist_folder, tmp_path):
    import_folder(real_bloodmnist_folder, tmp_path)
    blood = load_bloodmnist("full", tmp_path)
    assert blood.train_images.shape == (11_959, 28, 28, 3)
    assert np.bincount(blood.train_labels).tolist() == [852, 2181, 1085, 2026, 849, 993, 2330, 1643]
    assert np.bincount(blood.val_labels).tolist() == [122, 312, 155, 290, 122, 143, 333, 235]
    assert np.bincount(blood.test_labels).tolist() == [244, 624, 311, 579, 243, 284, 666, 470]
    images, labels = unseen_cells(blood, np.random.default_rng(0), 500)
    assert (images.shape, labels.shape) == ((500, 28, 28, 3), (500,))
    test_images = set(map(bytes, blood.test_images.reshape(3421, -1)))
    assert not test_images & set(map(bytes, images.reshape(500, -1)))
