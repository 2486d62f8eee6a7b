import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from grader.datasets import BLOOD_CLASSES, cells, load_bloodmnist, unseen_cells
from grader.datasets.bloodmnist import SAMPLE_COUNTS
from grader.errors import UsageError

# Of the bytes that the calibrated thresholds were measured on: whoever changes it has to calibrate again.
SAMPLE_SHA256 = "d66e212c4e07414ccad793980b8d5b245c6fcd8f26012ce4e1b269cd5a1b4991"


@pytest.fixture(scope="module")
def blood():
    return load_bloodmnist("sample")


def middle(images):
    """The mean colour of the innermost 6 x 6 pixels of each picture."""
    return images[:, 11:17, 11:17].mean(axis=(1, 2))


def test_the_sample_has_the_format_of_medmnist_and_a_quarter_of_its_size(blood):
    for split, size in (("train", 2990), ("val", 428), ("test", 855)):
        images, labels = getattr(blood, f"{split}_images"), getattr(blood, f"{split}_labels")
        assert (images.shape, images.dtype) == ((size, 28, 28, 3), np.uint8)
        assert (labels.shape, labels.dtype) == ((size,), np.int64)


def test_each_class_of_the_sample_has_its_share_of_the_full_set(blood):
    full = {
        "train": (852, 2181, 1085, 2026, 849, 993, 2330, 1643),
        "val": (122, 312, 155, 290, 122, 143, 333, 235),
        "test": (244, 624, 311, 579, 243, 284, 666, 470),
    }
    for split, counts in full.items():
        assert np.abs(np.bincount(getattr(blood, f"{split}_labels")) - np.array(counts) / 4).max() <= 0.75


def test_the_sample_is_the_same_bytes_everywhere(blood):
    assert blood.sha256 == SAMPLE_SHA256


def test_a_processor_without_vector_instructions_draws_the_same_bytes():
    script = "from grader.datasets import load_bloodmnist as load; print(load('sample').sha256)"
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    features = {"NPY_DISABLE_CPU_FEATURES": " ".join(found)}
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ) | features,
    )
    assert run.stdout.strip() == SAMPLE_SHA256


def test_the_report_calls_the_sample_synthetic(blood):
    assert blood.profile == "sample"
    assert blood.source.startswith("synthetic BloodMNIST, ")
    for size in ("2,990", "428", "855"):
        assert size in blood.source


def test_the_arrays_are_read_only(blood):
    for array in (blood.train_images, blood.train_labels, blood.test_images):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_no_cell_of_the_sample_appears_twice(blood):
    images = np.concatenate([blood.train_images, blood.val_images, blood.test_images])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


def test_the_first_cells_of_each_split_hold_every_class(blood):
    for labels in (blood.train_labels, blood.val_labels, blood.test_labels):
        assert set(labels[:150]) == set(range(8))


def test_the_names_are_those_of_medmnist(experiments):
    info = import_module("medmnist.info").INFO["bloodmnist"]
    assert list(BLOOD_CLASSES) == [info["label"][str(number)] for number in range(8)]


def test_classes_look_as_their_names_say(blood):
    looks = {
        name: blood.train_images[blood.train_labels == number] for number, name in enumerate(BLOOD_CLASSES)
    }
    dark = {name: (images.mean(axis=3) < 150).mean() for name, images in looks.items()}
    small = ("platelet", "erythroblast", "lymphocyte", "basophil")
    assert [dark[name] for name in small] == sorted(dark[name] for name in small)
    red, green, blue = np.array([middle(looks[name]).mean(axis=0) for name in BLOOD_CLASSES]).T
    assert BLOOD_CLASSES[int(np.argmax(red - blue))] == "eosinophil"
    assert (blue > green).all()  # the stain is violet


def test_fresh_cells_are_others_each_time_and_the_same_for_the_same_generator(blood):
    images, labels = unseen_cells(blood, np.random.default_rng(1), 300)
    again, same = unseen_cells(blood, np.random.default_rng(1), 300)
    others, _ = unseen_cells(blood, np.random.default_rng(2), 300)
    assert (images.shape, images.dtype, labels.dtype) == ((300, 28, 28, 3), np.uint8, np.int64)
    assert images.tobytes() + labels.tobytes() == again.tobytes() + same.tobytes()
    rows = [set(map(bytes, pictures.reshape(300, -1))) for pictures in (images, others)]
    assert not rows[0] & rows[1]


def test_fresh_cells_are_as_imbalanced_as_the_test_split(blood):
    _, labels = unseen_cells(blood, np.random.default_rng(1), 855)
    assert tuple(np.bincount(labels)) == SAMPLE_COUNTS["test"]
    _, labels = unseen_cells(blood, np.random.default_rng(1), 10)
    assert len(labels) == 10
    assert unseen_cells(blood, np.random.default_rng(1), 0)[0].shape == (0, 28, 28, 3)


def test_fresh_cells_look_like_those_of_the_test_split(blood):
    images, labels = unseen_cells(blood, np.random.default_rng(3), 1500)
    for number in range(8):
        fresh, known = images[labels == number], blood.test_images[blood.test_labels == number]
        spread = middle(known).std(axis=0) * np.sqrt(1 / len(fresh) + 1 / len(known))
        assert (np.abs(middle(fresh).mean(axis=0) - middle(known).mean(axis=0)) < 5 * spread).all()


def test_cells_depend_on_the_draws_before_them_only():
    labels = np.arange(cells.CHUNK + 10) % 8
    whole = cells.draw_cells(labels, np.random.default_rng(4))
    assert whole.shape == (cells.CHUNK + 10, 28, 28, 3)
    first = cells.draw_cells(labels[: cells.CHUNK], np.random.default_rng(4))
    np.testing.assert_array_equal(whole[: cells.CHUNK], first)


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(UsageError, match="there is no data profile 'huge'; known: sample, full"):
        load_bloodmnist("huge")


@pytest.mark.slow
def test_the_sample_is_about_as_hard_as_the_real_set(blood, experiments):
    torch = import_module("torch")
    nn = torch.nn
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def tensor(images):
        return (torch.tensor(images).permute(0, 3, 1, 2).contiguous() / 255 - 0.5) / 0.5

    torch.manual_seed(0)
    layers = (nn.Linear(2352, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 8))
    model = nn.Sequential(nn.Flatten(), *layers)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, t = tensor(blood.train_images), torch.tensor(blood.train_labels)
    for _ in range(30):
        for rows in torch.randperm(len(t)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), t[rows]).backward()
            optimiser.step()
    fresh = unseen_cells(blood, np.random.default_rng(5), 2000)
    for images, labels in ((blood.test_images, blood.test_labels), fresh):
        with torch.no_grad():
            accuracy = (model(tensor(images)).argmax(1).numpy() == labels).mean()
        assert 0.82 <= accuracy <= 0.90
    torch.set_num_threads(threads)
