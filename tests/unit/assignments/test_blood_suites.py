"""The suites of Problem 4 on a notebook made by hand: right code, and each realistic fault with its words."""

from __future__ import annotations

import numpy as np
import pytest

from grader.assignments.hw1 import notebook_bands
from grader.assignments.hw1.hidden import test_q4_2
from tests.suite_runner import failed_checks, judge_notebook
from tests.unit.assignments import right_blood as right
from tests.unit.assignments.fake_notebook import Axes, Figure
from tests.unit.assignments.right_blood import BloodMLP, Dataset, Loader, WithSoftmax, cells, model, notebook

QUESTIONS = ("q4.1", "q4.2", "q4.3", "q4.4")


@pytest.fixture(autouse=True)
def _bands_of_these_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = notebook_bands.Bands("sample", {"unseen": (0.7, 1.0)}, {"unseen": 0.6})
    monkeypatch.setattr(test_q4_2, "read_bands", lambda *_, **__: bands)


def judged(changes=None, *questions: str, flags=None):
    return judge_notebook(
        notebook(changes), *(questions or QUESTIONS), blood=cells(), unseen=right.unseen, flags=flags
    )


def require_only(verdicts, words) -> None:
    for name, text in words.items():
        assert verdicts[name].outcome == "failed", name
        assert text in verdicts[name].message
    assert failed_checks(verdicts) == set(words)


def test_right_code_passes_every_check() -> None:
    assert {name: v for name, v in judged().items() if v.outcome != "passed"} == {}


def unit(images):
    return (images.transpose(0, 3, 1, 2) / 255.0).astype(np.float32)


def titled(names):
    return (right.images(16, tuple(names)), Figure((Axes(bars=tuple(map(float, right.COUNTS))),)))


def bars(*heights):
    return (*titled([n for n in right.CLASSES for _ in range(2)])[:1], Figure((Axes(bars=heights),)))


DATA = cells()
FAULTS_4_1 = {
    "a split for another": (
        {"test_dataset": Dataset(DATA.val_images, DATA.val_labels)},
        {"q4.1.splits": "this is the size of the validation split"},
    ),
    "no loader": ({"val_loader": ...}, {"q4.1.loaders": "there is no `val_loader`"}),
    "a list for a loader": (
        {"train_loader": [1, 2]},
        {"q4.1.loaders": "`train_loader` should be a DataLoader, but is a list of 2"},
    ),
    "eight images": (
        {"figures": (right.images(8), *titled([])[1:])},
        {"q4.1.image_grid": "8 images are shown"},
    ),
    "no titles": ({"figures": titled([""] * 16)}, {"q4.1.image_grid": "16 of the 16 images have no title"}),
    "not two each": (
        {"figures": titled(["basophil"] * 4 + [n for n in right.CLASSES[2:] for _ in range(2)])},
        {"q4.1.image_grid": "are not two of each class: 'basophil' stands beside 4"},
    ),
    "no chart": (
        {"figures": titled(["a", "b"] * 8)[:1]},
        {"q4.1.class_counts": "no bar chart", "q4.1.image_grid": "two"},
    ),
    "counts of the test set": (
        {"figures": bars(*map(float, right.COUNTS // 3))},
        {"q4.1.class_counts": "no bar chart has the numbers of training images, 110, 250"},
    ),
    "two scalings": (
        {"train_dataset": Dataset(DATA.train_images, DATA.train_labels, unit)},
        {"q4.1.same_scaling": "train_dataset and test_dataset scale their pixels differently"},
    ),
    "a loader of another split": (
        {"val_loader": Loader(Dataset(DATA.test_images, DATA.test_labels), batch_size=2)},
        {"q4.1.loaders": "val_loader goes through"},
    ),
    "a title for every other image, some twice": (
        {"figures": titled([t for name in right.CLASSES[:4] * 2 for t in (name, "")])},
        {"q4.1.image_grid": "8 of the 16 images have no title"},
    ),
    "titles of a class too many": (
        {"figures": titled([f"Class {n // 3}" for n in range(16)])},
        {"q4.1.image_grid": "'class 0' stands beside 3 of them"},
    ),
    "no data set": (
        {"val_dataset": 5},
        {"q4.1.splits": "`val_dataset` should be a data set, but is the int 5"},
    ),
}


@pytest.mark.parametrize(("names", "words"), FAULTS_4_1.values(), ids=FAULTS_4_1)
def test_a_fault_of_the_data_is_named(names, words) -> None:
    require_only(judged({"q4.1": names}, "q4.1"), words)


RIGHT_4_1 = {
    "one image of all 16": {"figures": (Figure((Axes(images=((116, 116, 3),)),)), *titled([])[1:])},
    "sorted bars": {"figures": bars(*sorted(map(float, right.COUNTS)))},
    "numbers for titles": {"figures": titled([f"Class {c}" for c in range(8) for _ in range(2)])},
    "bars of all three splits in one plot": {
        "figures": bars(*map(float, [*right.COUNTS, *right.COUNTS // 3]))
    },
    "a histogram with an empty bin": {"figures": bars(*map(float, right.COUNTS), 0.0)},
    "numbered titles": {"figures": titled([f"Class {c}, example {n}" for c in range(8) for n in (1, 2)])},
    "a number before the class": {"figures": titled([f"#{n}: label {n // 2}" for n in range(16)])},
    "one title for both": {"figures": titled([t for name in right.CLASSES for t in (name, "")])},
    "flipped training images": {
        "train_dataset": Dataset(DATA.train_images[:, :, ::-1], DATA.train_labels),
    },
}


@pytest.mark.parametrize("names", RIGHT_4_1.values(), ids=RIGHT_4_1)
def test_another_right_way_to_look_at_the_data_passes(names) -> None:
    require_only(judged({"q4.1": names}, "q4.1"), {})


class Tanh(BloodMLP):
    between = staticmethod(np.tanh)


class Linear(BloodMLP):
    between = staticmethod(lambda x: x)


class ReluAtTheEnd(BloodMLP):
    ending = staticmethod(lambda x: np.maximum(x, 0))


class LogSoftmax(BloodMLP):
    ending = staticmethod(lambda x: np.log(right.softmax(x)))


class Wide(BloodMLP):
    def state_dict(self):
        return {"a.weight": np.zeros((512, 2352)), "b.weight": np.zeros((8, 512))}


class Normalised(BloodMLP):
    def state_dict(self):
        return super().state_dict() | {"norm.weight": np.ones(256), "norm.bias": np.zeros(256)}


class Constant(BloodMLP):
    ending = staticmethod(lambda x: np.zeros_like(x) + np.arange(8, dtype=np.float32))


class TenClasses(BloodMLP):
    ending = staticmethod(lambda x: np.hstack([x, x[:, :2]]))


CURVES = right.curves()
ACCURACIES = {name: CURVES[name] for name in ("train_accs", "val_accs")}
FAULTS_4_2 = {
    "softmax": (
        {"model": model(WithSoftmax)},
        {"q4.2.logits": "a softmax in forward: leave it out, since cross-entropy takes it itself"},
    ),
    "other layers": (
        {"model": model(Wide)},
        {"q4.2.architecture": "(512, 2352), (8, 512); 2352-256-128-8 has (256, 2352)"},
    ),
    "batch normalisation": (
        {"model": model(Normalised)},
        {"q4.2.architecture": "leave out what is not a linear"},
    ),
    "tanh": ({"model": model(Tanh)}, {"q4.2.relu_between": "tanh in place of ReLU"}),
    "nothing between": (
        {"model": model(Linear)},
        {"q4.2.relu_between": "there is nothing between the layers"},
    ),
    "a ReLU at the end": (
        {"model": model(ReluAtTheEnd)},
        {"q4.2.relu_between": "a ReLU after the last layer"},
    ),
    "ten classes": (
        {"model": model(TenClasses)},
        dict.fromkeys(
            ("q4.2.logits", "q4.2.relu_between", "q4.2.learns", "q4.2.own_accuracies"), "it should be ("
        ),
    ),
    "nothing learned": (
        {"model": model(Constant)},
        {
            "q4.2.relu_between": "is not what its three layers give",
            "q4.2.learns": "at least 50% is expected",
            "q4.2.own_accuracies": "`val_accs` has no such entry",
        },
    ),
    "percent": (
        {name: [100 * value for value in row] for name, row in ACCURACIES.items()},
        {"q4.2.accuracies": "is this in percent?"},
    ),
    "sums": (
        {"train_losses": [187 * value for value in CURVES["train_losses"]]},
        {"q4.2.losses_fall": "is this a sum over the batches?"},
    ),
    "no training": (
        {"train_losses": [2.08, 2.08, 2.08, 2.08]},
        {"q4.2.losses_fall": "does the optimiser get model.parameters(), and step()?"},
    ),
    "lengths": (
        {"val_losses": [1.1, 0.9]},
        {"q4.2.curves": "`val_losses` has 2 numbers and `train_losses` 4"},
    ),
    "left out": ({"val_accs": ...}, {"q4.2.curves": "after Q4.2 there is no `val_accs`"}),
    "nan": ({"val_losses": [1.0, float("nan"), 1.0, 1.0]}, {"q4.2.curves": "entry 1 is nan"}),
    "no plots": (
        {"figures": ()},
        {"q4.2.plots": "no figure shows `train_losses` and `val_losses` and `train_accs`"},
    ),
    "one plot": (
        {"figures": (right.drawn(CURVES["train_losses"], CURVES["val_losses"]),)},
        {"q4.2.plots": "no figure shows `train_accs` and `val_accs`"},
    ),
    "other accuracies": (
        {"val_accs": [0.1, 0.2, 0.3, 0.4]},
        {"q4.2.own_accuracies": "`val_accs` has no such entry"},
    ),
}


@pytest.mark.parametrize(("names", "words"), FAULTS_4_2.values(), ids=FAULTS_4_2)
def test_a_fault_of_the_training_is_named(names, words) -> None:
    require_only(judged({"q4.2": names}, "q4.2"), words)


def test_log_probabilities_are_right_as_cross_entropy_leaves_them_alone() -> None:
    require_only(judged({"q4.2": {"model": model(LogSoftmax)}}, "q4.2"), {})


@pytest.mark.parametrize("scale", [unit, lambda images: right.scaled(images).reshape(len(images), -1)])
def test_a_model_is_asked_in_its_own_scaling(scale) -> None:
    """The network's first layer is changed so that it takes what the data set gives."""
    (W, b), *rest = right.trained()
    if scale is unit:
        W, b = 2 * W, b - W.sum(axis=1)
    sets = {
        "val_dataset": Dataset(DATA.val_images, DATA.val_labels, scale),
        "test_dataset": Dataset(DATA.test_images, DATA.test_labels, scale),
    }
    verdicts = judged({"q4.1": sets, "q4.2": {"model": BloodMLP([(W, b), *rest])}}, "q4.2", "q4.3", "q4.4")
    require_only(verdicts, {})


class OfRows(BloodMLP):
    def __call__(self, x):
        if x.ndim != 2:
            raise ValueError("mat1 and mat2 shapes cannot be multiplied")
        return super().__call__(x)


def test_a_model_may_want_its_images_as_rows() -> None:
    verdicts = judged({"q4.2": {"model": model(OfRows)}}, "q4.2", "q4.3", "q4.4")
    require_only(verdicts, {})


class Broken(BloodMLP):
    def __call__(self, x):
        raise ValueError(f"no images of {x.ndim} dimensions")


def test_what_a_model_says_of_images_is_told_and_not_what_it_says_of_rows() -> None:
    verdicts = judged({"q4.2": {"model": model(Broken)}}, "q4.2")
    assert "no images of 4 dimensions" in verdicts["q4.2.logits"].message


def test_without_data_sets_the_model_is_asked_in_the_usual_scaling() -> None:
    book = notebook()
    del book.left["q4.1"]
    verdicts = judge_notebook(book, "q4.2", "q4.3", blood=cells(), unseen=right.unseen)
    require_only(verdicts, {})


def test_a_model_that_knows_its_test_images_better_than_others_is_flagged(monkeypatch) -> None:
    flags: list[tuple[str, str, str]] = []
    known = right.model()
    truth = {
        image.tobytes(): label
        for image, label in zip(right.scaled(DATA.test_images), DATA.test_labels, strict=True)
    }

    class ByHeart(BloodMLP):
        def __call__(self, x):
            outputs = known(x)
            for row, image in enumerate(x):
                if image.tobytes() in truth:
                    outputs[row, truth[image.tobytes()]] += 100
            return outputs

    judged({"q4.2": {"model": model(ByHeart)}}, "q4.2", flags=flags)
    assert [(name, kind) for name, kind, _ in flags] == [("q4.2.accuracy", "knows_test_images")]


FOUND = right.evaluation()
LABELS, PREDICTED = DATA.test_labels, right.predictions()
RECALLS = np.diag(FOUND["cm"]) / FOUND["cm"].sum(axis=1)
SHIFTED = [int((c + 1) % 8) for c in PREDICTED]
REPORT = right.report(FOUND["cm"])
FAULTS_4_3 = {
    "percent": ({"accuracy": 100 * FOUND["accuracy"]}, {"q4.3.accuracy": "this is in percent"}),
    "a count": (
        {"accuracy": int(np.sum(LABELS == PREDICTED))},
        {"q4.3.accuracy": "this is the number of right ones"},
    ),
    "labels not squeezed": (
        {"accuracy": float((LABELS[:, None] == PREDICTED).sum() / len(LABELS))},
        {"q4.3.accuracy": "Squeeze the labels"},
    ),
    "labels not squeezed, mean": (
        {"accuracy": float((LABELS[:, None] == PREDICTED).mean())},
        {"q4.3.accuracy": "Squeeze the labels"},
    ),
    "transposed": (
        {"cm": FOUND["cm"].T},
        {"q4.3.cm": "this is the transpose: true classes belong in the rows"},
    ),
    "shares": (
        {"cm": FOUND["cm"] / FOUND["cm"].sum(axis=1, keepdims=True)},
        {"q4.3.cm": "these are shares of each row: `cm` should hold counts"},
    ),
    "flat": ({"cm": FOUND["cm"].ravel()}, {"q4.3.cm": "has the shape (64,); it should be (8, 8)"}),
    "highest recall": (
        {"lowest_recall_class": int(RECALLS.argmax())},
        {"q4.3.lowest_recall": "this is the class of highest recall"},
    ),
    "a name": (
        {"lowest_recall_class": right.CLASSES[int(RECALLS.argmin())]},
        {"q4.3.lowest_recall": "is a text; it should be the index"},
    ),
    "probabilities": (
        {"all_preds": np.zeros((len(LABELS), 8))},
        {"q4.3.all_preds": "take the argmax"},
    ),
    "predictions of one batch": (
        {"all_preds": PREDICTED[:64]},
        {"q4.3.all_preds": "`all_preds` has 64 entries"},
    ),
    "labels of another split": (
        {"all_labels": np.zeros(len(LABELS), dtype=int)},
        {"q4.3.all_labels": "does not hold the classes of the test images"},
    ),
    "no matrix shown": ({"figures": (right.images(5),)}, {"q4.3.cm_figure": "no figure shows the 8 x 8"}),
    "no images shown": (
        {"figures": (Figure((Axes(images=((8, 8),)),)),)},
        {"q4.3.misclassified": "0 images are shown; there should be 5"},
    ),
    "no report": (
        {"printed": "basophil/eosinophil\n"},
        {
            "q4.3.report": "no classification report is printed",
            "q4.3.confused_pairs": "does not name the two pairs",
        },
    ),
    "report of swapped arguments": (
        {
            "printed": right.report(FOUND["cm"].T)
            + "".join(f"{a} and {b}\n" for a, b in right.worst_pairs(FOUND["cm"]))
        },
        {"q4.3.report": "no printed line has the precision"},
    ),
    "no pairs": ({"printed": REPORT}, {"q4.3.confused_pairs": "confused most often"}),
    "only the matrix and a list of the classes": (
        {"printed": REPORT + f"{FOUND['cm']}\n{list(right.CLASSES)}\n"},
        {"q4.3.confused_pairs": "confused most often"},
    ),
    "rates of the wrong way round": (
        {
            "printed": f"precision {RECALLS}\nrecall {np.diag(FOUND['cm']) / FOUND['cm'].sum(axis=0)}\n"
            f"f1 {RECALLS}\n" + "".join(f"{a} and {b}\n" for a, b in right.worst_pairs(FOUND["cm"]))
        },
        {"q4.3.report": "no printed line has the precision"},
    ),
}


@pytest.mark.parametrize(("names", "words"), FAULTS_4_3.values(), ids=FAULTS_4_3)
def test_a_fault_of_the_evaluation_is_named(names, words) -> None:
    verdicts = judged({"q4.3": names}, "q4.3")
    if "q4.3.all_labels" in words:  # the accuracy of others is not asked for
        assert {name for name, v in verdicts.items() if v.outcome == "skipped"} > {"q4.3.accuracy", "q4.3.cm"}
    require_only(verdicts, words)


def test_predictions_of_another_model_are_found_and_the_rest_follows_from_them() -> None:
    cm = right.confusion(LABELS, np.array(SHIFTED))
    recalls = np.diag(cm) / cm.sum(axis=1)
    pairs = "".join(f"{a} -> {b}\n" for a, b in right.worst_pairs(cm))
    names = {
        "all_preds": SHIFTED,
        "accuracy": float(np.mean(np.array(SHIFTED) == LABELS)),
        "cm": cm,
        "lowest_recall_class": int(recalls.argmin()),
        "printed": right.report(cm) + pairs,
    }
    require_only(
        judged({"q4.3": names}, "q4.3"), {"q4.3.own_predictions": "differs from what model predicts for"}
    )


def shuffled():
    order = np.random.default_rng(3).permutation(len(LABELS))
    return {"all_preds": PREDICTED[order], "all_labels": LABELS[order]}


PAIRS = right.worst_pairs(FOUND["cm"])
LOWEST = FOUND["lowest_recall_class"]
NAMED = "".join(f"{right.CLASSES[a]} <-> {right.CLASSES[b]}\n" for a, b in PAIRS)
PRECISIONS = np.diag(FOUND["cm"]) / np.maximum(FOUND["cm"].sum(axis=0), 1)
RATES = (PRECISIONS, RECALLS, 2 * PRECISIONS * RECALLS / (PRECISIONS + RECALLS))


def by_rate(row):
    """Return a report whose lines are rates and not classes."""
    return "".join(
        f"{name} {row(r)}\n" for name, r in zip(("precision", "recall", "f1-score"), RATES, strict=True)
    )


RIGHT_4_3 = {
    "a shuffled loader": shuffled(),
    "columns": {
        "all_preds": PREDICTED.reshape(-1, 1).astype(np.float32),
        "all_labels": LABELS.reshape(-1, 1),
    },
    "batches": {"all_preds": [PREDICTED[:64], PREDICTED[64:]], "all_labels": [int(c) for c in LABELS]},
    "lists": {"cm": FOUND["cm"].tolist(), "accuracy": np.array(FOUND["accuracy"], dtype=np.float32)},
    "pairs by index": {"printed": REPORT + "".join(f"True {a}, predicted {b}: many\n" for a, b in PAIRS)},
    "pairs in two lines": {
        "printed": REPORT
        + "".join(f"true: {right.CLASSES[a]}\npred: {right.CLASSES[b]}\n\n" for a, b in PAIRS)
    },
    "pairs without spaces": {"printed": REPORT + "".join(f"({a},{b})\n" for a, b in PAIRS)},
    "numbered pairs": {"printed": REPORT + "".join(f"{n}) {a} and {b}.\n" for n, (a, b) in enumerate(PAIRS))},
    "a list of both pairs": {"printed": REPORT + f"{[(pair, 40) for pair in PAIRS]}\n"},
    "a list of both pairs by name": {
        "printed": REPORT + f"{[(right.CLASSES[a], right.CLASSES[b], 40) for a, b in PAIRS]}\n"
    },
    "a table of rates by class": {"printed": by_rate(lambda row: " ".join(map(str, row))) + NAMED},
    "arrays of rates": {"printed": by_rate(lambda row: f"\n{row}") + NAMED},
    "rates one by one": {
        "printed": "".join(
            f"{name}:\n Precision: {p}\n Recall: {r:.1%}\n F1: {f:.3f}\n"
            for name, p, r, f in zip(right.CLASSES, *RATES, strict=True)
        )
        + NAMED
    },
    "a report as a dict": {
        "printed": str(
            {
                name: {"precision": p, "recall": r, "f1-score": f}
                for name, p, r, f in zip(right.CLASSES, *RATES, strict=True)
            }
        )
        + f"\n{NAMED}"
    },
    "a column of one in a list": {
        "accuracy": [FOUND["accuracy"]],
        "lowest_recall_class": np.array([[LOWEST]]),
    },
    "short names": {
        "printed": REPORT + "".join(f"{right.CLASSES[a][:5]} as {right.CLASSES[b][:5]}\n" for a, b in PAIRS)
    },
    "numbers in the plot": {
        "figures": (Figure((Axes(texts=tuple(str(n) for n in FOUND["cm"].ravel())),)), right.images(5))
    },
}


@pytest.mark.parametrize("names", RIGHT_4_3.values(), ids=RIGHT_4_3)
def test_another_right_way_to_evaluate_passes(names) -> None:
    require_only(judged({"q4.3": names}, "q4.3"), {})


QUADRANTS = right.quadrants()
FIRST = QUADRANTS["uncertain_correct"][0]


def replaced(index, value):
    """Return uncertain_correct with one part of its first tuple replaced."""
    first = tuple(value if place == index else part for place, part in enumerate(FIRST))
    return {"uncertain_correct": [first, QUADRANTS["uncertain_correct"][1]]}


FAULTS_4_4 = {
    "percent": (
        replaced(1, 100 * FIRST[1]),
        {"q4.4.uncertain_correct": "is this in percent?", "q4.4.confidences": "has the confidence"},
    ),
    "another quadrant": (
        {"uncertain_correct": QUADRANTS["confident_correct"]},
        {"q4.4.uncertain_correct": "`uncertain_correct` is for those below 0.6"},
    ),
    "wrong ones among right ones": (
        {"uncertain_correct": QUADRANTS["uncertain_incorrect"]},
        {"q4.4.uncertain_correct": "so it does not belong into `uncertain_correct`"},
    ),
    "one too few": (
        {"confident_correct": QUADRANTS["confident_correct"][:1]},
        {"q4.4.confident_correct": "`confident_correct` has 1 tuple; the model gives"},
    ),
    "no tuples": (
        {"confident_correct": [0.95, 0.97]},
        {
            "q4.4.confident_correct": "should be a tuple (image, confidence, prediction, label), but "
            "is the float"
        },
    ),
    "another confidence": (
        replaced(1, FIRST[1] - 0.1),
        {"q4.4.confidences": "the confidence is the largest softmax probability"},
    ),
    "no test image": (
        replaced(0, np.random.default_rng(0).random((3, 28, 28))),
        {"q4.4.test_images": "the image of uncertain_correct[0] is none of the test images"},
    ),
    "nothing shown": ({"figures": ()}, {"q4.4.shown": "0 images are shown; the four lists hold"}),
    "left out": (
        {"uncertain_incorrect": ...},
        {"q4.4.uncertain_incorrect": "after Q4.4 there is no `uncertain_incorrect`"},
    ),
}


@pytest.mark.parametrize(("names", "words"), FAULTS_4_4.values(), ids=FAULTS_4_4)
def test_a_fault_of_the_confidences_is_named(names, words) -> None:
    require_only(judged({"q4.4": names}, "q4.4"), words)


def test_of_many_examples_the_first_are_looked_at() -> None:
    """The one that is wrong stands behind them."""
    many = [*QUADRANTS["confident_correct"] * 10, FIRST]
    require_only(judged({"q4.4": {"confident_correct": many}}, "q4.4"), {})


def test_an_honestly_empty_quadrant_is_right() -> None:
    assert QUADRANTS["confident_incorrect"] == []


@pytest.mark.parametrize(
    "keep",
    [
        lambda x: x.transpose(1, 2, 0),
        lambda x: x * 0.5 + 0.5,
        lambda x: np.round((x.transpose(1, 2, 0) * 0.5 + 0.5) * 255).astype(np.uint8),
    ],
    ids=["channels last", "0 to 1", "bytes"],
)
def test_images_may_be_kept_as_they_are_shown(keep) -> None:
    names = {
        name: [
            (keep(image), np.array([confidence]), np.array(guess), np.array([label]))
            for image, confidence, guess, label in row
        ]
        for name, row in QUADRANTS.items()
    }
    require_only(judged({"q4.4": names}, "q4.4"), {})


def test_a_network_with_softmax_loses_its_logits_and_nothing_for_its_confidence() -> None:
    require_only(
        judged({"q4.2": {"model": model(WithSoftmax)}}), {"q4.2.logits": "and sums to 1 for each image"}
    )


def test_without_a_model_everything_of_it_says_so() -> None:
    verdicts = judged({"q4.2": {"model": ...}}, "q4.2")
    assert {verdicts[name].message for name in failed_checks(verdicts)} == {"after Q4.2 there is no `model`"}
