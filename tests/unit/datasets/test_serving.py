import numpy as np
import pytest

from grader.datasets import load_bloodmnist, load_mnist, serve
from grader.datasets.bloodmnist import check_layout, turned_cells
from grader.datasets.store import import_folder
from grader.errors import DataUnavailable, UsageError

FILES = {
    "MNIST/raw/train-images-idx3-ubyte",
    "MNIST/raw/train-labels-idx1-ubyte",
    "MNIST/raw/t10k-images-idx3-ubyte",
    "MNIST/raw/t10k-labels-idx1-ubyte",
    "bloodmnist.npz",
}


def served(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data_dir(tmp_path, put, tiny_mnist, blank_bloodmnist, tiny_catalogue):
    """A data folder with tiny sets that stand for the full ones."""
    put(tmp_path / "from", {**tiny_mnist, "bloodmnist.npz": blank_bloodmnist})
    import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    return tmp_path / "data"


def test_the_sample_is_laid_out_as_torchvision_and_medmnist_look_for_it(tmp_path):
    serve(tmp_path, "sample")
    assert served(tmp_path) == FILES
    digits, cells = load_mnist("sample", None), load_bloodmnist("sample")
    raw = tmp_path / "MNIST" / "raw"
    assert (raw / "train-images-idx3-ubyte").read_bytes()[16:] == digits.train_images.tobytes()
    assert (raw / "t10k-labels-idx1-ubyte").read_bytes()[8:] == digits.test_labels.tobytes()
    with np.load(tmp_path / "bloodmnist.npz", allow_pickle=False) as npz:
        assert len(npz.files) == 6
        for split in ("train", "val", "test"):
            np.testing.assert_array_equal(npz[f"{split}_images"], getattr(cells, f"{split}_images"))
            labels = npz[f"{split}_labels"]
            assert (labels.dtype, labels.ndim) == (np.uint8, 2)
            np.testing.assert_array_equal(labels[:, 0], getattr(cells, f"{split}_labels"))


def test_what_is_served_is_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        serve(tmp_path / name, "sample")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_full_data_is_served_as_it_was_verified(
    tmp_path, data_dir, tiny_catalogue, tiny_mnist, blank_bloodmnist
):
    (tmp_path / "served").mkdir()
    serve(tmp_path / "served", "full", data_dir, catalogue=tiny_catalogue)
    assert served(tmp_path / "served") == FILES
    for name, data in tiny_mnist.items():
        assert (tmp_path / "served" / "MNIST" / "raw" / name).read_bytes() == data
    assert (tmp_path / "served" / "bloodmnist.npz").read_bytes() == blank_bloodmnist
    check_layout(blank_bloodmnist, path=tmp_path)


def test_full_data_loads_with_what_a_report_says_of_it(data_dir, tiny_catalogue):
    blood = load_bloodmnist("full", data_dir, catalogue=tiny_catalogue)
    assert (blood.profile, blood.source) == ("full", "blank BloodMNIST")
    assert blood.sha256 == tiny_catalogue.bloodmnist[1].files[0].checksums.sha256
    assert (blood.train_images.shape, blood.train_images.dtype) == ((11_959, 28, 28, 3), np.uint8)
    assert (blood.test_labels.shape, blood.test_labels.dtype) == ((3421,), np.int64)
    with pytest.raises(ValueError, match="read-only"):
        blood.val_labels[0] = 1


@pytest.mark.parametrize("missing", ["MNIST/raw/t10k-labels-idx1-ubyte", "bloodmnist.npz"])
def test_data_that_is_not_here_is_named_with_both_ways_to_get_it_and_nothing_is_written(
    tmp_path, data_dir, tiny_catalogue, missing
):
    (data_dir / missing).unlink()
    (tmp_path / "served").mkdir()
    with pytest.raises(DataUnavailable) as caught:
        serve(tmp_path / "served", "full", data_dir, catalogue=tiny_catalogue)
    assert missing.rpartition("/")[2] in str(caught.value)
    assert str(caught.value).endswith(
        "; run `grader data fetch`, or `grader data import FOLDER` if the files are on disk"
    )
    assert served(tmp_path / "served") == set()


def test_an_unknown_profile_is_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no data profile 'huge'"):
        serve(tmp_path, "huge")


@pytest.fixture(scope="module")
def turned():
    """The sample's test split stands for the full one: the turning is the same."""
    blood = load_bloodmnist("sample")
    return blood, *turned_cells(blood, np.random.default_rng(0), 855)


def variants(image):
    for picture in (image, image[:, ::-1]):
        for quarters in range(4):
            yield np.rot90(picture, quarters).tobytes()


def test_turned_cells_are_variants_of_test_images_with_their_labels_and_never_the_images(turned):
    blood, images, labels = turned
    assert (images.shape, images.dtype, labels.dtype) == ((855, 28, 28, 3), np.uint8, np.int64)
    label_of = {
        variant: label
        for image, label in zip(blood.test_images, blood.test_labels, strict=True)
        for variant in variants(image)
    }
    assert [label_of[image.tobytes()] for image in images] == labels.tolist()
    assert not {image.tobytes() for image in images} & {image.tobytes() for image in blood.test_images}


def test_all_seven_ways_of_turning_and_mirroring_are_used_about_alike(turned):
    blood, images, _ = turned
    way_of = {
        variant: number for image in blood.test_images for number, variant in enumerate(variants(image))
    }
    ways = np.bincount([way_of[image.tobytes()] for image in images], minlength=8)
    assert ways[0] == 0
    assert ways[1:].min() > 80  # 122 are expected, with a standard deviation of 10


def test_each_test_image_is_turned_once_before_any_is_turned_again(turned):
    blood, _, labels = turned
    assert np.bincount(labels).tolist() == np.bincount(blood.test_labels).tolist()
    images, labels = turned_cells(blood, np.random.default_rng(1), 2000)
    assert (len(images), len(labels)) == (2000, 2000)
    assert turned_cells(blood, np.random.default_rng(1), 0)[0].shape == (0, 28, 28, 3)


def test_the_same_generator_turns_the_same_cells_alike(turned):
    blood, images, _ = turned
    again, _ = turned_cells(blood, np.random.default_rng(0), 855)
    assert images.tobytes() == again.tobytes()
