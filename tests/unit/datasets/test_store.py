import errno
import io
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from grader.datasets import load_mnist
from grader.datasets.store import import_folder, status
from grader.errors import DataUnavailable, UsageError


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


MNIST_FILES = {
    "MNIST/raw/train-images-idx3-ubyte",
    "MNIST/raw/train-labels-idx1-ubyte",
    "MNIST/raw/t10k-images-idx3-ubyte",
    "MNIST/raw/t10k-labels-idx1-ubyte",
}


@pytest.mark.parametrize(("subfolder", "suffix"), [*product(["", "MNIST/raw", "raw", "mnist"], ["", ".gz"])])
def test_mnist_is_imported_unpacked_from_wherever_it_lies(
    tmp_path, put, *, tiny_mnist, tiny_catalogue, subfolder, suffix
):
    put(tmp_path / "from" / subfolder, tiny_mnist, suffix=suffix)
    (row,) = import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert (row.name, row.profile, row.verified, row.source) == ("mnist", "full", True, "tiny MNIST")
    assert row.path == tmp_path / "data" / "MNIST" / "raw"
    assert files_below(tmp_path / "data") == MNIST_FILES
    assert load_mnist("full", tmp_path / "data", catalogue=tiny_catalogue).source == "tiny MNIST"


def test_names_with_a_dot_are_imported_under_the_names_of_torchvision(
    tmp_path, put, tiny_mnist, tiny_catalogue
):
    dotted = {name.replace("-idx", ".idx"): data for name, data in tiny_mnist.items()}
    put(tmp_path / "from", dotted)
    for name in tiny_mnist:
        (tmp_path / "from" / name).mkdir()  # Kaggle's archive has such folders beside the files
    import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert files_below(tmp_path / "data") == MNIST_FILES


def test_both_sets_are_imported_at_once_and_are_then_verified(
    tmp_path, put, tiny_mnist, blank_bloodmnist, tiny_catalogue
):
    put(tmp_path / "from" / "mnist", tiny_mnist)
    put(tmp_path / "from" / "bloodmnist", {"bloodmnist.npz": blank_bloodmnist})
    rows = import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert [row.name for row in rows] == ["mnist", "bloodmnist"]
    assert files_below(tmp_path / "data") == {*MNIST_FILES, "bloodmnist.npz"}
    sample, full, _, blood = status(tmp_path / "data", catalogue=tiny_catalogue)
    assert (sample.name, sample.profile, sample.present, sample.verified) == ("mnist", "sample", True, True)
    assert [full, blood] == rows
    assert blood.source == "blank BloodMNIST"


def test_one_wrong_file_leaves_everything_unwritten_and_is_named(
    tmp_path, put, tiny_mnist, blank_bloodmnist, tiny_catalogue
):
    put(tmp_path / "from", {**tiny_mnist, "bloodmnist.npz": blank_bloodmnist + b"\0"})
    with pytest.raises(DataUnavailable, match=r"bloodmnist\.npz is not the .* expected MD5 .* got MD5 "):
        import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert not (tmp_path / "data").exists()


def test_three_of_four_files_leave_everything_unwritten_and_name_the_fourth(
    tmp_path, put, tiny_mnist, blank_bloodmnist, tiny_catalogue
):
    put(tmp_path / "from", {**tiny_mnist, "bloodmnist.npz": blank_bloodmnist})
    (tmp_path / "from" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataUnavailable, match=r"there is no t10k-labels-idx1-ubyte in .*from$"):
        import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert not (tmp_path / "data").exists()


def test_known_bytes_of_a_wrong_layout_are_refused(tmp_path, put, tiny_catalogue, known_set):
    file = io.BytesIO()
    np.savez(file, train_images=np.zeros(3))
    catalogue = replace(tiny_catalogue, bloodmnist=(known_set("odd", {"bloodmnist.npz": file.getvalue()}),))
    put(tmp_path / "from", {"bloodmnist.npz": file.getvalue()})
    with pytest.raises(DataUnavailable, match=r"holds train_images\.npy, where .* were expected"):
        import_folder(tmp_path / "from", tmp_path / "data", catalogue=catalogue)
    assert not (tmp_path / "data").exists()


def test_an_import_replaces_a_damaged_file(tmp_path, put, tiny_mnist, tiny_catalogue):
    put(tmp_path / "from", tiny_mnist)
    put(tmp_path / "data" / "MNIST" / "raw", dict.fromkeys(tiny_mnist, b"damaged"))
    import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert status(tmp_path / "data", catalogue=tiny_catalogue)[1].verified


def test_the_data_folder_can_be_imported_into_itself(tmp_path, put, tiny_mnist, tiny_catalogue):
    put(tmp_path, tiny_mnist)
    import_folder(tmp_path, tmp_path, catalogue=tiny_catalogue)
    import_folder(tmp_path, tmp_path, catalogue=tiny_catalogue)
    assert status(tmp_path, catalogue=tiny_catalogue)[1].verified


def test_imported_files_are_readable_by_others_as_the_umask_allows(tmp_path, put, tiny_mnist, tiny_catalogue):
    put(tmp_path / "from", tiny_mnist)
    import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    (tmp_path / "plain").touch()
    for name in MNIST_FILES:
        assert (tmp_path / "data" / name).stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_with_neither_set_is_told_what_was_looked_for(tmp_path, tiny_catalogue):
    with pytest.raises(
        DataUnavailable, match=r"holds neither the four IDX files of MNIST .* nor bloodmnist\.npz"
    ):
        import_folder(tmp_path, tmp_path / "data", catalogue=tiny_catalogue)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"there is no folder .*{name} that can be read"):
        import_folder(tmp_path / name, tmp_path / "data")


def test_an_unwritable_data_folder_is_one_sentence(tmp_path, put, tiny_mnist, tiny_catalogue):
    put(tmp_path / "from", tiny_mnist)
    (tmp_path / "data").touch()  # a file where the folder should be: no user can write below it
    with pytest.raises(UsageError, match="the data folder cannot be written: "):
        import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)


def test_a_disk_that_fills_up_leaves_no_part_of_a_file(
    tmp_path, put, tiny_mnist, tiny_catalogue, monkeypatch
):
    put(tmp_path / "from", tiny_mnist)
    write_bytes, written = Path.write_bytes, []

    def fill_up(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) == 3:
            write_bytes(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(UsageError, match=r"cannot be written: .*No space left"):
        import_folder(tmp_path / "from", tmp_path / "data", catalogue=tiny_catalogue)
    assert len(written) == 3
    assert files_below(tmp_path / "data") == set()


def test_without_data_the_status_says_so_for_each_set_and_how_to_get_it(tmp_path):
    sample, full, drawn, blood = status(tmp_path / "absent")
    assert sample.verified
    assert drawn.verified
    for row in (full, blood):
        assert (row.present, row.verified, row.source) == (False, False, "")
        assert row.problem is not None
        assert row.problem.endswith(
            "run `grader data fetch`, or `grader data import FOLDER` if the files are on disk"
        )
    assert [(row.name, row.profile) for row in (sample, full, drawn, blood)] == [
        ("mnist", "sample"),
        ("mnist", "full"),
        ("bloodmnist", "sample"),
        ("bloodmnist", "full"),
    ]


def test_the_sample_of_bloodmnist_is_called_synthetic_in_the_status(tmp_path):
    row = status(tmp_path)[2]
    assert row.source.startswith("synthetic BloodMNIST, ")
    assert (row.path.name, row.path.is_file()) == ("cells.py", True)


def test_damaged_data_is_present_and_not_verified(tmp_path, put, tiny_mnist, tiny_catalogue):
    put(tmp_path / "MNIST" / "raw", dict.fromkeys(tiny_mnist, b"damaged"))
    put(tmp_path, {"bloodmnist.npz": b"damaged"})
    _, full, _, blood = status(tmp_path, catalogue=tiny_catalogue)
    for row in (full, blood):
        assert (row.present, row.verified, row.source) == (True, False, "")
        assert "expected" in row.problem
