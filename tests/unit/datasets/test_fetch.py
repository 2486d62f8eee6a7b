from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest

from grader.datasets.fetch import fetch
from grader.datasets.store import status
from grader.errors import DataUnavailable


class FakeModules:
    """Stands for torchvision and medmnist: each download is a function of the folder, each call is noted."""

    def __init__(self, *, mnist: Callable[[Path], None], bloodmnist: Callable[[Path], None]) -> None:
        self.downloads = {"mnist": mnist, "bloodmnist": bloodmnist}
        self.calls: list[str] = []
        self.folders: list[Path] = []

    def import_module(self, name: str) -> SimpleNamespace:
        return {
            "torchvision.datasets": SimpleNamespace(MNIST=self._torchvision_mnist),
            "medmnist": SimpleNamespace(BloodMNIST=self._medmnist_bloodmnist),
        }[name]

    def _torchvision_mnist(self, root: str, *, download: bool) -> None:
        assert download
        self._download("mnist", Path(root))

    def _medmnist_bloodmnist(self, split: str, *, root: str, download: bool) -> None:
        assert split == "train"
        assert download
        assert Path(root).is_dir()  # medmnist asks for a folder that exists
        self._download("bloodmnist", Path(root))

    def _download(self, name: str, root: Path) -> None:
        self.calls.append(name)
        self.folders.append(root)
        self.downloads[name](root)


@pytest.fixture
def working(put, tiny_mnist, blank_bloodmnist) -> FakeModules:
    """Downloads that succeed: torchvision leaves the packed files beside the unpacked ones."""

    def mnist(root: Path) -> None:
        put(root / "MNIST" / "raw", tiny_mnist, suffix=".gz")
        put(root / "MNIST" / "raw", tiny_mnist)

    return FakeModules(mnist=mnist, bloodmnist=lambda root: put(root, {"bloodmnist.npz": blank_bloodmnist}))


def failing(error: Exception) -> Callable[[Path], None]:
    def download(root: Path) -> None:
        raise error

    return download


def test_both_sets_are_fetched_verified_and_put_in_place(tmp_path, working, tiny_catalogue):
    rows = fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    assert [(row.name, row.verified) for row in rows] == [("mnist", True), ("bloodmnist", True)]
    assert all(row.verified for row in status(tmp_path, catalogue=tiny_catalogue))


def test_the_download_goes_to_a_temporary_folder_that_is_removed(tmp_path, working, tiny_catalogue):
    fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    assert len(working.folders) == 2
    for folder in working.folders:
        assert tmp_path not in folder.parents
        assert not folder.exists()


def test_what_is_here_and_verified_is_not_downloaded_again(tmp_path, working, tiny_catalogue):
    fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    (tmp_path / "bloodmnist.npz").write_bytes(b"damaged")
    rows = fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    assert working.calls == ["mnist", "bloodmnist", "bloodmnist"]
    assert [row.name for row in rows] == ["bloodmnist"]


def test_without_the_experiments_extra_one_sentence_names_the_pip_command(tmp_path):
    def import_module(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    with pytest.raises(DataUnavailable) as caught:
        fetch(tmp_path, import_module=import_module)
    assert str(caught.value) == (
        "`grader data fetch` needs torchvision and medmnist (No module named 'torchvision.datasets'): "
        'python -m pip install "mytorch-grader[experiments]"'
    )


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried https://one/, got:\nno route\n"),
        URLError("no route"),
        TimeoutError("timed out"),
    ],
)
def test_a_network_failure_is_one_sentence_and_leaves_nothing(tmp_path, error):
    modules = FakeModules(mnist=failing(error), bloodmnist=failing(error))
    with pytest.raises(DataUnavailable) as caught:
        fetch(tmp_path / "data", import_module=modules.import_module)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("mnist could not be downloaded: ")
    assert str(caught.value).endswith("if the files are on disk, run `grader data import FOLDER`")
    assert not (tmp_path / "data").exists()


def test_a_failure_at_the_second_set_keeps_the_first(tmp_path, working, tiny_catalogue):
    working.downloads["bloodmnist"] = failing(RuntimeError("Automatic download failed!"))
    with pytest.raises(
        DataUnavailable, match="bloodmnist could not be downloaded: Automatic download failed!"
    ):
        fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    assert [row.verified for row in status(tmp_path, catalogue=tiny_catalogue)] == [True, True, True, False]


def test_a_download_of_other_bytes_is_refused(tmp_path, working, put, tiny_mnist, tiny_catalogue):
    other = {**tiny_mnist, "t10k-labels-idx1-ubyte": tiny_mnist["t10k-labels-idx1-ubyte"][:-1] + b"\7"}
    working.downloads["mnist"] = lambda root: put(root / "MNIST" / "raw", other)
    with pytest.raises(
        DataUnavailable, match=r"t10k-labels-idx1-ubyte is not the .* expected SHA-256 .* got "
    ):
        fetch(tmp_path, catalogue=tiny_catalogue, import_module=working.import_module)
    assert list(tmp_path.iterdir()) == []
