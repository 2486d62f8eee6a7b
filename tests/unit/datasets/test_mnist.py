import ast
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import grader.datasets
from grader.datasets import load_mnist
from grader.datasets.mnist import spellings
from grader.errors import DataUnavailable, GraderFault, UsageError

FULL_TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
FULL_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_sample_loads_from_the_installation_without_a_data_folder(tmp_path):
    mnist = load_mnist("sample", tmp_path / "absent")
    assert (mnist.train_images.shape, mnist.train_labels.shape) == ((5000, 28, 28), (5000,))
    assert (mnist.test_images.shape, mnist.test_labels.shape) == ((1000, 28, 28), (1000,))
    assert {array.dtype for array in (mnist.train_images, mnist.train_labels)} == {np.dtype(np.uint8)}
    assert mnist.profile == "sample"
    assert mnist.source.startswith("a sample of MNIST, 5,000 training and 1,000 test digits")


def test_each_class_of_the_sample_has_its_share_of_the_full_set():
    mnist = load_mnist("sample", None)
    train, test = (np.bincount(labels, minlength=10) for labels in (mnist.train_labels, mnist.test_labels))
    assert np.abs(train - np.array(FULL_TRAIN_COUNTS) / 12).max() < 1
    assert np.abs(test - np.array(FULL_TEST_COUNTS) / 10).max() < 1


def test_the_first_digits_of_the_sample_hold_every_class():
    mnist = load_mnist("sample", None)
    for labels in (mnist.train_labels, mnist.test_labels):
        # 20 of each are expected, with a standard deviation of 4; labels in order would give 200 zeros.
        assert np.bincount(labels[:200], minlength=10).min() >= 5


def test_no_digit_of_the_sample_appears_twice():
    mnist = load_mnist("sample", None)
    images = np.concatenate([mnist.train_images, mnist.test_images]).reshape(6000, -1)
    assert len(np.unique(images, axis=0)) == 6000


def test_the_arrays_are_read_only():
    mnist = load_mnist("sample", None)
    with pytest.raises(ValueError, match="read-only"):
        mnist.train_labels[0] = 3


def test_a_broken_sample_is_our_fault_and_says_what_to_do(tiny_catalogue):
    broken = replace(tiny_catalogue, mnist_sample=tiny_catalogue.mnist_full)
    with pytest.raises(GraderFault, match=r"; install mytorch-grader again$"):
        load_mnist("sample", None, catalogue=broken)


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        load_mnist("huge", None)
    assert str(caught.value) == "there is no data profile 'huge'; known: sample, full"


def test_missing_full_data_says_both_ways_to_get_it(tmp_path):
    with pytest.raises(DataUnavailable) as caught:
        load_mnist("full", tmp_path)
    assert str(caught.value) == (
        f"MNIST cannot be loaded: there is no train-images-idx3-ubyte in {tmp_path / 'MNIST' / 'raw'}; "
        "run `grader data fetch`, or `grader data import FOLDER` if the files are on disk"
    )


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_full_data_loads_from_the_layout_of_torchvision(tmp_path, put, tiny_mnist, tiny_catalogue, suffix):
    put(tmp_path / "MNIST" / "raw", tiny_mnist, suffix=suffix)
    mnist = load_mnist("full", tmp_path, catalogue=tiny_catalogue)
    assert mnist.train_images.tobytes() == tiny_mnist["train-images-idx3-ubyte"][16:]
    assert mnist.train_labels.tolist() == [*range(10), *range(10)]
    assert mnist.test_images.shape == (10, 28, 28)
    assert mnist.test_labels.tolist() == [*range(10)]
    assert (mnist.profile, mnist.source) == ("full", "tiny MNIST")


def test_one_changed_pixel_is_refused_with_the_file_and_both_ways(tmp_path, put, tiny_mnist, tiny_catalogue):
    folder = tmp_path / "MNIST" / "raw"
    put(folder, tiny_mnist)
    changed = bytearray(tiny_mnist["t10k-images-idx3-ubyte"])
    changed[-1] ^= 1
    (folder / "t10k-images-idx3-ubyte").write_bytes(changed)
    with pytest.raises(
        DataUnavailable, match=r"t10k-images-idx3-ubyte is not the .* expected .* got .* fetch"
    ):
        load_mnist("full", tmp_path, catalogue=tiny_catalogue)


def test_the_digest_is_of_the_lines_that_sha256sum_prints_for_the_four_files(
    tmp_path, put, tiny_mnist, tiny_catalogue
):
    put(tmp_path / "MNIST" / "raw", tiny_mnist)
    listing = "".join(
        f"{hashlib.sha256(tiny_mnist[name]).hexdigest()}  {name}\n"
        for name in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
    )
    expected = hashlib.sha256(listing.encode()).hexdigest()
    assert load_mnist("full", tmp_path, catalogue=tiny_catalogue).sha256 == expected


def test_a_folder_by_the_name_of_a_file_is_passed_over(tmp_path, put, tiny_mnist, tiny_catalogue):
    folder = tmp_path / "MNIST" / "raw"
    put(folder, tiny_mnist, suffix=".gz")
    (folder / "train-images-idx3-ubyte").mkdir()
    load_mnist("full", tmp_path, catalogue=tiny_catalogue)


def test_files_are_known_with_a_dash_or_a_dot_and_gzipped_or_not():
    assert spellings("t10k-labels-idx1-ubyte") == (
        "t10k-labels-idx1-ubyte",
        "t10k-labels-idx1-ubyte.gz",
        "t10k-labels.idx1-ubyte",
        "t10k-labels.idx1-ubyte.gz",
    )


def test_the_package_imports_nothing_heavier_than_numpy():
    imported = set()
    for path in Path(grader.datasets.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"numpy", "grader"}
