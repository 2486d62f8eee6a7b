"""Serve a notebook MNIST and BloodMNIST as torchvision's and medmnist's own classes, and serve them fast.

Whatever root, download or size a notebook asks for, `datasets.MNIST` and `medmnist.BloodMNIST` find the data
in the folder that was served; they are subclasses of the originals and differ in nothing else. Data sets that
are not served say so.

Fast means by the batch. A plain loader asks for one image after the other, and each goes through a PIL image,
a copy and a handful of calls. A loader that finds `__getitems__` asks for a batch: its pixels are gathered at
once and go through `ToTensor` and `Normalize` at once, which gives the same bits, since both work pixel by
pixel. Nothing is kept from one batch to the next, so that data or transforms changed by the notebook are what
it gets. Any other transform runs image by image, as it was written, on what these made.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ONLY = "this grader serves MNIST and BloodMNIST (28x28) only, and there is no network here"
FROM_OWN_FILES = frozenset({"DatasetFolder", "FakeData", "ImageFolder", "VisionDataset"})
SPLITS = ("train", "val", "test")

# The images of a batch as uint8 (B, C, H, W) and their targets, or None where the data was changed so much
# that only the data set's own __getitem__ knows what to do.
Gather = Callable[[Any, list[int]], "tuple[Any, Sequence[Any]] | None"]


def install(folder: str, *, fast: bool) -> None:
    """Put the served classes where notebooks import them from, and let loaders work without processes.

    A library that is not in the worker's view is passed over: importing it fails in the notebook too.
    """
    if (mnist := _library("torchvision.datasets.mnist")) is not None:
        datasets = importlib.import_module("torchvision.datasets")
        datasets.MNIST = mnist.MNIST = mnist_class(folder, fast=fast)  # type: ignore[attr-defined]
        _refuse_the_others(datasets, set(datasets.__all__) - {"MNIST", *FROM_OWN_FILES})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # medmnist looks for a home folder when it is imported
        medmnist = _library("medmnist.dataset")
    if medmnist is not None:
        package, evaluator = (
            importlib.import_module("medmnist"),
            importlib.import_module("medmnist.evaluator"),
        )
        package.BloodMNIST = medmnist.BloodMNIST = bloodmnist_class(  # type: ignore[attr-defined]
            folder, fast=fast
        )
        package.Evaluator = evaluator.Evaluator = evaluator_class(folder)  # type: ignore[attr-defined]
        classes = {information["python_class"] for information in package.INFO.values()}
        _refuse_the_others(package, classes - {"BloodMNIST"})
    if (loading := _library("torch.utils.data.dataloader")) is not None:
        loading.DataLoader._get_iterator = _iterator_without_processes  # noqa: SLF001
        # It warns of more workers than there are processors: what a notebook prints is to depend on neither.
        loading.DataLoader.check_worker_number_rationality = lambda _: None


def mnist_class(folder: str, *, fast: bool) -> Any:
    """Return a subclass of torchvision's MNIST that reads `folder/MNIST/raw` whatever its root is."""
    module: Any = importlib.import_module("torchvision.datasets.mnist")

    def load(dataset: Any) -> tuple[Any, Any]:
        stem = f"{folder}/MNIST/raw/{'train' if dataset.train else 't10k'}"
        images = module.read_image_file(f"{stem}-images-idx3-ubyte")
        return images, module.read_label_file(f"{stem}-labels-idx1-ubyte")

    members = {
        "_check_legacy_exist": lambda _: False,
        "_check_exists": lambda _: True,
        "_load_data": load,
        "download": _download_nothing,
    }
    return _subclass(module.MNIST, members, gather=_gather_digits if fast else None)


def bloodmnist_class(folder: str, *, fast: bool) -> Any:
    """Return a subclass of medmnist's BloodMNIST that reads `folder/bloodmnist.npz` whatever its root is.

    medmnist's INFO, and with it the length that a data set checks itself by, gets the sizes that are served.
    """
    medmnist: Any = importlib.import_module("medmnist")
    original = medmnist.dataset.BloodMNIST
    with np.load(f"{folder}/bloodmnist.npz", allow_pickle=False) as npz:
        medmnist.INFO[original.flag]["n_samples"] = {split: len(npz[f"{split}_labels"]) for split in SPLITS}

    def initialise(  # noqa: PLR0917 -- the original's own arguments, in its order
        dataset: Any,
        split: str,
        transform: Any = None,
        target_transform: Any = None,
        download: bool = False,  # noqa: FBT001, FBT002
        as_rgb: bool = False,  # noqa: FBT001, FBT002
        root: Any = medmnist.info.DEFAULT_ROOT,
        size: int | None = None,
        mmap_mode: str | None = None,
    ) -> None:
        if size != 28 and size in original.available_sizes:
            raise RuntimeError(f"BloodMNIST of size {size} is not here: {ONLY}")
        original.__init__(
            dataset, split, transform, target_transform, download, as_rgb, folder, size, mmap_mode
        )
        dataset.root = root

    members = {"__init__": initialise, "download": _download_nothing}
    return _subclass(original, members, gather=_gather_cells if fast else None)


def evaluator_class(folder: str) -> Any:
    """Return a subclass of medmnist's Evaluator that reads `folder/bloodmnist.npz` whatever its root is."""
    original: Any = importlib.import_module("medmnist.evaluator").Evaluator

    def initialise(evaluator: Any, flag: str, split: str, size: int | None = None, root: Any = None) -> None:
        if flag != "bloodmnist" or size not in {None, 28}:
            raise RuntimeError(f"{flag} of size {size or 28} is not here: {ONLY}")
        original.__init__(evaluator, flag, split, size, folder)
        evaluator.root = root

    return _subclass(original, {"__init__": initialise}, gather=None)


def _subclass(original: Any, members: dict[str, Any], *, gather: Gather | None) -> Any:
    """Return a subclass that goes by the name of the original."""
    identity = {name: getattr(original, name) for name in ("__doc__", "__module__", "__qualname__")}
    served: Any = type(original.__name__, (original,), identity | members)
    if gather is not None:
        own = served.__getitem__

        def items_of(dataset: Any, indices: list[int]) -> list[Any]:
            # A notebook's subclass with a __getitem__ of its own means that one.
            batch = _batch_of(dataset, indices, gather) if type(dataset).__getitem__ is own else None
            return [dataset[index] for index in indices] if batch is None else batch

        served.__getitems__ = items_of
    return served


def _download_nothing(_dataset: Any) -> None:
    """Take the place of a download: the data is here."""


def _library(name: str) -> Any:
    """Import a module, or return None where the view lacks its library."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _refuse_the_others(module: Any, names: set[str]) -> None:
    for name in names:
        if isinstance(other := getattr(module, name, None), type):
            other.__init__ = _refusal_of(name)  # type: ignore[misc]


def _refusal_of(name: str) -> Callable[..., None]:
    def refuse(_dataset: Any, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError(f"{name} is not here: {ONLY}")

    return refuse


# ---------------------------------------------------------------------------------------- by the batch


def _batch_of(dataset: Any, indices: list[int], gather: Gather) -> list[Any] | None:
    """Return the items of a batch as the data set's __getitem__ makes them, or None where only that can."""
    by_batch, by_item = _split_transform(dataset.transform)
    if not by_batch:
        return None
    try:
        columns = _columns(gather(dataset, indices), by_batch[1:])
    except (IndexError, RuntimeError, TypeError, ValueError):
        columns = None  # the error is for the original to raise, with the words that belong to one image
    if columns is None:
        return None
    if not by_item and dataset.target_transform is None:
        return list(zip(*columns, strict=True))
    return [
        _finished(image, target, by_item, dataset.target_transform)
        for image, target in zip(*columns, strict=True)
    ]


def _columns(
    gathered: tuple[Any, Sequence[Any]] | None, normalisations: Sequence[Any]
) -> tuple[Sequence[Any], Sequence[Any]] | None:
    """Return the images of a batch, each as ToTensor and the normalisations make it, and the targets."""
    if gathered is None:
        return None
    torch: Any = importlib.import_module("torch")
    pixels, targets = gathered
    # As in ToTensor; pixels are whole numbers, so that these are new ones to divide in place.
    images = pixels.contiguous().to(torch.get_default_dtype()).div_(255)
    for normalise in normalisations:
        images = normalise(images)
    return images.unbind(0), targets


def _finished(image: Any, target: Any, by_item: Sequence[Any], target_transform: Any) -> tuple[Any, Any]:
    for transform in by_item:
        image = transform(image)
    return image, target if target_transform is None else target_transform(target)


def _split_transform(transform: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Divide a transform into what can be done by the batch, and what is done by the image after that.

    The first part is ToTensor and the Normalizes right behind it, of exactly these classes, or nothing.
    """
    transforms: Any = importlib.import_module("torchvision.transforms")
    steps = _flat(transform, transforms.Compose)
    if not steps or type(steps[0]) is not transforms.ToTensor:
        return (), steps
    end = 1
    while end < len(steps) and type(steps[end]) is transforms.Normalize and _is_by_channel(steps[end]):
        end += 1
    return steps[:end], steps[end:]


def _flat(transform: Any, compose: Any) -> list[Any]:
    """Return the steps of a transform, those of Composes within Composes too."""
    if type(transform) is not compose:
        return [] if transform is None else [transform]
    return [step for part in transform.transforms for step in _flat(part, compose)]


def _is_by_channel(normalise: Any) -> bool:
    """Tell whether mean and deviation are one number a channel: other shapes would mix with the batch's."""
    return np.ndim(normalise.mean) == 1 and np.ndim(normalise.std) == 1


def _gather_digits(dataset: Any, indices: list[int]) -> tuple[Any, Sequence[Any]] | None:
    torch: Any = importlib.import_module("torch")
    data, targets, where = dataset.data, dataset.targets, torch.tensor(indices)
    if not all(isinstance(column, torch.Tensor) and column.is_cpu for column in (data, targets)):
        return None
    if (data.dtype, data.ndim, targets.dtype, targets.ndim) != (torch.uint8, 3, torch.int64, 1):
        return None
    if where.dtype != torch.int64 or where.ndim != 1:
        return None
    return data[where][:, None], targets[where].tolist()


def _gather_cells(dataset: Any, indices: list[int]) -> tuple[Any, Sequence[Any]] | None:
    torch: Any = importlib.import_module("torch")
    images, labels, where = dataset.imgs, dataset.labels, np.asarray(indices)
    if type(images) is not np.ndarray or type(labels) is not np.ndarray:
        return None
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or labels.ndim < 1:
        return None
    if where.dtype != np.int64 or where.ndim != 1:
        return None
    return torch.from_numpy(images[where]).permute(0, 3, 1, 2), list(labels[where].astype(int))


# ---------------------------------------------------------------------------------------- loaders


class _Alone:
    """A loader as it would be with no processes to help it."""

    num_workers = 0
    timeout = 0

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _iterator_without_processes(loader: Any) -> Any:
    """Return an iterator that loads in this process: the same batches in the same order."""
    module: Any = importlib.import_module("torch.utils.data.dataloader")
    return module._SingleProcessDataLoaderIter(_Alone(loader))  # noqa: SLF001
