"""A right Problem 4 for the fake notebook: cells of eight colours, and a network that was trained on "
"them here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from tests.unit.assignments.fake_notebook import Axes, FakeNotebook, Figure, Left

SIZES = (2352, 256, 128, 8)
COUNTS = np.array([110, 250, 130, 240, 110, 120, 270, 190])
CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature granulocytes",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
COLOURS = np.array([[(c >> bit & 1) * 26 + 115 for bit in range(3)] for c in range(8)], dtype=float)


@dataclass(frozen=True)
class Cells:
    """The data of the tests, in BloodMNIST's layout."""

    train_images: np.ndarray
    train_labels: np.ndarray
    val_images: np.ndarray
    val_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    profile: str = "sample"
    sha256: str = "of the tests"


def draw(counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.permutation(np.repeat(np.arange(8), counts)).astype(np.int64)
    colours = COLOURS[labels] + rng.normal(scale=9.0, size=(len(labels), 3))
    noise = rng.normal(scale=25.0, size=(len(labels), 28, 28, 3))
    return np.clip(colours[:, None, None] + noise, 0, 255).astype(np.uint8), labels


@cache
def cells() -> Cells:
    rng = np.random.default_rng(0)
    return Cells(*draw(COUNTS, rng), *draw(COUNTS // 5, rng), *draw(COUNTS // 3, rng))


@cache
def unseen(count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = draw(COUNTS * count // COUNTS.sum() + 1, np.random.default_rng(1))
    return images[:count], labels[:count]


def scaled(images: np.ndarray) -> np.ndarray:
    """ToTensor and Normalize(0.5, 0.5)."""
    return ((images.transpose(0, 3, 1, 2) / 255.0 - 0.5) / 0.5).astype(np.float32)


class Dataset:
    def __init__(self, images, labels, transform=scaled):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index : index + 1])[0], self.labels[index : index + 1]


class Loader:
    def __init__(self, dataset, batch_size=64):
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self):
        return (len(self.dataset) + self.batch_size - 1) // self.batch_size


class BloodMLP:
    between = staticmethod(lambda x: np.maximum(x, 0))
    ending = staticmethod(lambda x: x)

    def __init__(self, weights):
        self.weights = weights  # pairs of (out, in) and (out,)

    def logits(self, x):
        x = x.reshape(len(x), -1)
        for number, (W, b) in enumerate(self.weights, start=1):
            x = x @ W.T + b
            if number < len(self.weights):
                x = self.between(x)
        return x

    def __call__(self, x):
        return self.ending(self.logits(x))

    def state_dict(self):
        return {
            f"layers.{2 * number}.{kind}": value
            for number, pair in enumerate(self.weights)
            for kind, value in zip(("weight", "bias"), pair, strict=True)
        }


@cache
def trained() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Train with momentum: a second on one core."""
    rng = np.random.default_rng(2)
    weights = [
        [(rng.normal(size=(o, i)) * (2 / i) ** 0.5).astype(np.float32), np.zeros(o, dtype=np.float32)]
        for i, o in pairwise(SIZES)
    ]
    speeds = [[np.zeros_like(part) for part in pair] for pair in weights]
    x, labels = scaled(cells().train_images).reshape(-1, 2352), cells().train_labels
    for _ in range(250):
        rows = rng.integers(len(x), size=64)
        _step(weights, speeds, x[rows], labels[rows])
    return tuple((W, b) for W, b in weights)


def _step(weights, speeds, x, labels):
    passes = [x]
    for number, (W, b) in enumerate(weights):
        x = x @ W.T + b
        passes.append(np.maximum(x, 0) if number < 2 else x)
    slope = np.exp(passes[-1] - passes[-1].max(axis=1, keepdims=True))
    slope /= slope.sum(axis=1, keepdims=True)
    slope[np.arange(len(labels)), labels] -= 1
    slope /= len(labels)
    for layer in (2, 1, 0):
        gradients = slope.T @ passes[layer], slope.sum(axis=0)
        slope = (slope @ weights[layer][0]) * (passes[layer] > 0)
        for part in (0, 1):
            speeds[layer][part] = 0.9 * speeds[layer][part] - np.float32(0.003) * gradients[part]
            weights[layer][part] += speeds[layer][part]


def model(kind: type = BloodMLP) -> BloodMLP:
    return kind(trained())


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class WithSoftmax(BloodMLP):
    ending = staticmethod(softmax)


@cache
def predictions() -> np.ndarray:
    return model()(scaled(cells().test_images)).argmax(axis=1)


def confusion(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    cm = np.zeros((8, 8), dtype=np.int64)
    np.add.at(cm, (labels, predicted), 1)
    return cm


def report(cm: np.ndarray) -> str:
    lines = ["              precision    recall  f1-score   support", ""]
    for index, name in enumerate(CLASSES):
        precision = cm[index, index] / max(cm[:, index].sum(), 1)
        recall = cm[index, index] / cm[index].sum()
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        lines.append(f"{name:>22} {precision:9.2f} {recall:9.2f} {f1:9.2f} {cm[index].sum():9d}")
    return "\n".join(lines) + "\n"


def worst_pairs(cm: np.ndarray) -> list[tuple[int, int]]:
    both = {(a, b): cm[a, b] + cm[b, a] for a in range(8) for b in range(a)}
    return sorted(both, key=lambda pair: -both[pair])[:2]


def evaluation() -> dict[str, Any]:
    predicted, labels = predictions(), cells().test_labels
    cm = confusion(labels, predicted)
    recalls = np.diag(cm) / cm.sum(axis=1)
    return {
        "all_preds": list(predicted),
        "all_labels": labels.copy(),
        "accuracy": float(np.mean(predicted == labels)),
        "cm": cm,
        "lowest_recall_class": int(recalls.argmin()),
    }


@cache
def quadrants(network: BloodMLP | None = None) -> dict[str, list[tuple[Any, ...]]]:
    shares = softmax((network or model())(scaled(cells().test_images)))
    predicted, labels = shares.argmax(axis=1), cells().test_labels
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, where in (("confident", shares.max(axis=1) > 0.9), ("uncertain", shares.max(axis=1) < 0.6)):
        for ending, right in (("correct", predicted == labels), ("incorrect", predicted != labels)):
            rows = np.flatnonzero(where & right)[:2]
            found[f"{name}_{ending}"] = [
                (
                    scaled(cells().test_images[row : row + 1])[0],
                    float(shares[row].max()),
                    int(predicted[row]),
                    labels[row],
                )
                for row in rows
            ]
    return found


@cache
def curves() -> dict[str, list[float]]:
    accuracy = float(np.mean(model()(scaled(cells().val_images)).argmax(axis=1) == cells().val_labels))
    return {
        "train_losses": [1.4, 0.9, 0.7, 0.5],
        "val_losses": [1.1, 0.9, 0.8, 0.85],
        "train_accs": [0.5, 0.7, 0.78, 0.84],
        "val_accs": [0.55, 0.68, 0.75, accuracy],
    }


def images(count: int, titles: tuple[str, ...] = ()) -> Figure:
    names = titles or ("",) * count
    return Figure(tuple(Axes(title=name, images=((28, 28, 3),)) for name in names[:count]))


def drawn(*lines: Any) -> Figure:
    return Figure((Axes(lines=tuple(np.asarray(line, dtype=float) for line in lines)),))


def notebook(changes: dict[str, dict[str, Any]] | None = None) -> FakeNotebook:
    """Return a right Problem 4; `changes` replaces names, `figures` or `printed` of a question."""
    data = cells()
    sets = {
        "train_dataset": Dataset(data.train_images, data.train_labels),
        "val_dataset": Dataset(data.val_images, data.val_labels),
        "test_dataset": Dataset(data.test_images, data.test_labels),
    }
    loaders = {name.replace("dataset", "loader"): Loader(dataset) for name, dataset in sets.items()}
    found = evaluation()
    names: dict[str, dict[str, Any]] = {
        "q4.1": sets | loaders,
        "q4.2": {"model": model(), **curves()},
        "q4.3": found,
        "q4.4": quadrants(),
    }
    pairs = worst_pairs(found["cm"])
    printed = report(found["cm"]) + "".join(f"{CLASSES[a]} <-> {CLASSES[b]}\n" for a, b in pairs)
    shown = {
        "q4.1": (
            images(16, tuple(name for name in CLASSES for _ in range(2))),
            Figure((Axes(bars=tuple(map(float, COUNTS))),)),
        ),
        "q4.3": (Figure((Axes(images=((8, 8),)),)), images(5)),
        "q4.4": (images(8),),
    }
    left = {}
    for question, values in names.items():
        merged = {**values, **(changes or {}).get(question, {})}
        figures = merged.pop("figures", None)
        if figures is None:
            figures = shown.get(question, _curves_drawn(merged))
        left[question] = Left(
            question, merged, figures, merged.pop("printed", printed if question == "q4.3" else "")
        )
    return FakeNotebook(left)


def _curves_drawn(names: dict[str, Any]) -> tuple[Figure, ...]:
    pairs = (("train_losses", "val_losses"), ("train_accs", "val_accs"))
    return tuple(
        drawn(*(names[name] for name in pair if isinstance(names.get(name), list))) for pair in pairs
    )
