"""The suites of Problem 5 on a notebook made by hand: right code, and each realistic fault with its words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from grader.assignments.hw1 import initialisation_training
from grader.datasets import load_mnist
from tests.suite_runner import failed_checks, judge_notebook
from tests.unit.assignments import right_initialisation as right
from tests.unit.assignments.right_initialisation import METHODS, RANDOM, InitMLP, initialize_weights, notebook

QUESTIONS = ("q5.1", "q5.2", "q5.3", "q5.4")


@pytest.fixture(autouse=True)
def _short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train what starts right only once: it learns or not, whatever else is wrong."""
    again, known = initialisation_training.trained_again, KNOWN

    def trained(notebook, method, activation, *rest):
        if notebook.after("q5.1").names["initialize_weights"] is not initialize_weights:
            return again(notebook, method, activation, *rest)
        if (method, activation) not in known:
            known[method, activation] = again(notebook, method, activation, *rest)
        return known[method, activation]

    monkeypatch.setattr(initialisation_training, "trained_again", trained)


KNOWN: dict[tuple[str, str], float] = {}


def judged(changes=None, *questions: str, seed: int = 0):
    dataset = load_mnist("sample", None)
    return judge_notebook(notebook(changes), *(questions or QUESTIONS), seed=seed, dataset=dataset)


@pytest.fixture(scope="module")
def of_right_code():
    return judged()


def test_right_code_passes_every_check(of_right_code) -> None:
    assert {name: v for name, v in of_right_code.items() if v.outcome != "passed"} == {}


def draws(**by_method):
    """Return an initialize_weights in which some methods are other functions of fan_in and fan_out."""

    def initialise(shape, method):
        if method in by_method:
            return np.asarray(by_method[method](*shape), dtype=np.float32)
        return initialize_weights(shape, method)

    return {"q5.1": {"initialize_weights": initialise}}


def normal(std):
    return lambda i, o: RANDOM.normal(size=(i, o)) * std(i, o)


FAULTS_5_1 = {
    "he and xavier swapped": (
        draws(he=normal(lambda i, o: (2 / (i + o)) ** 0.5), xavier=normal(lambda i, _: (2 / i) ** 0.5)),
        {"q5.1.he": "which is xavier's", "q5.1.xavier": "which is he's"},
    ),
    "std for variance": (
        draws(he=normal(lambda i, _: 2 / i)),
        {"q5.1.he": "the variance was given as the standard deviation"},
    ),
    "fan-out": (draws(he=normal(lambda _, o: (2 / o) ** 0.5)), {"q5.1.he": "fan-out in place of fan-in"}),
    "small with 0.1": (
        draws(small_random=normal(lambda *_: 0.1)),
        {"q5.1.small_random": "0.01: is it taken as the variance?"},
    ),
    "not scaled": (draws(xavier=normal(lambda *_: 1.0)), {"q5.1.xavier": "the draws are not scaled"}),
    "uniform": (
        draws(he=lambda i, o: RANDOM.uniform(-1, 1, size=(i, o)) * (6 / i) ** 0.5),
        {"q5.1.normal": "not normally distributed"},
    ),
    "a mean": (
        draws(he=lambda i, o: RANDOM.normal(size=(i, o)) * (2 / i) ** 0.5 + 0.05),
        {"q5.1.he": "the mean is"},
    ),
    "zero is not": (draws(zero=lambda i, o: np.ones((i, o))), {"q5.1.zero": "should be 0 everywhere"}),
    "only right for one size": (
        draws(he=lambda i, o: RANDOM.normal(size=(i, o)) * (2 / min(i, 120)) ** 0.5),
        {"q5.1.any_size": "draw 1 of initialize_weights((400, 25), 'he')"},
    ),
    "no tensor": (
        {"q5.1": {"initialize_weights": lambda *_: None}},
        {"q5.1.shape": "None (is a return missing?)", "q5.1.unknown_method": "gives None"},
    ),
    "transposed": (
        {"q5.1": {"initialize_weights": lambda shape, method: initialize_weights(shape, method).T}},
        {"q5.1.shape": "this is the transpose: fan_in comes first"},
    ),
    "no function": (
        {"q5.1": {"initialize_weights": 3}},
        {"q5.1.shape": "should be a function, but is the int 3"},
    ),
    "left out": (
        {"q5.1": {"initialize_weights": ...}},
        {"q5.1.he": "after Q5.1 there is no `initialize_weights`"},
    ),
}


def _zeros_for_unknown(shape, method):
    return initialize_weights(shape, method if method in METHODS else "zero")


def _key_error(shape, method):
    return initialize_weights(shape, {name: name for name in METHODS}[method])


FAULTS_5_1["no ValueError"] = (
    {"q5.1": {"initialize_weights": _zeros_for_unknown}},
    {"q5.1.unknown_method": "should raise ValueError"},
)
FAULTS_5_1["KeyError"] = (
    {"q5.1": {"initialize_weights": _key_error}},
    {"q5.1.unknown_method": "raises KeyError; it should raise ValueError"},
)


NOTHING_AT_ALL = [FAULTS_5_1[name][0] for name in ("no tensor", "no function", "left out")]


@pytest.mark.parametrize(("changes", "words"), FAULTS_5_1.values(), ids=FAULTS_5_1)
def test_a_fault_of_the_initialisation_is_named(changes, words) -> None:
    verdicts = judged(changes, "q5.1")
    for name, text in words.items():
        assert verdicts[name].outcome == "failed", name
        assert text in verdicts[name].message
    if changes not in NOTHING_AT_ALL:
        assert failed_checks(verdicts) == set(words)


class Sigmoid(InitMLP):
    def __init__(self, method, activation="tanh"):
        super().__init__(method, activation)
        self.activation = lambda x: 1 / (1 + np.exp(-x))


class AlwaysTanh(InitMLP):
    def __init__(self, method, activation="tanh"):
        super().__init__(method)


class WithLogits(InitMLP):
    def __call__(self, x):
        found = super().__call__(x)
        return [*found, found[-1] @ self.weights[-1].T]


class OnlyLogits(InitMLP):
    def __call__(self, x):
        return super().__call__(x)[-1] @ self.weights[-1].T


class Shallow(InitMLP):
    def __init__(self, method, activation="tanh"):
        super().__init__(method, activation)
        del self.weights[2], self.biases[2]


class Biased(InitMLP):
    def __init__(self, method, activation="tanh"):
        super().__init__(method, activation)
        self.biases[1] += np.float32(0.1)


class OwnStart(InitMLP):
    @staticmethod
    def draw(shape, _method):
        bound = shape[0] ** -0.5
        return RANDOM.uniform(-bound, bound, size=shape).astype(np.float32)


class Flat(InitMLP):
    def __call__(self, x):
        if x.ndim != 2:
            raise ValueError("not flat")
        return super().__call__(x)


class HeWithVariance(InitMLP):
    @staticmethod
    def draw(shape, method):
        if method == "he":
            return (RANDOM.normal(size=shape) * 2 / shape[0]).astype(np.float32)
        return initialize_weights(shape, method)


def with_network(network):
    return {"q5.2": {"InitMLP": network, "stats": right.statistics(network)}}


def squared(statistics):
    return {
        method: {"means": entry["means"], "stds": [std**2 for std in entry["stds"]]}
        for method, entry in statistics.items()
    }


FAULTS_5_2 = {
    "sigmoid": (with_network(Sigmoid), {"q5.2.activation_values": "is not what its weights give with tanh"}),
    "the activation is not looked at": (
        with_network(AlwaysTanh),
        {"q5.2.activation_values": "these are the values of tanh: is `activation` looked at?"},
    ),
    "logits in the list": (
        with_network(WithLogits) | {},
        {"q5.2.list_of_activations": "leave out the logits", "q5.2.stats": "has 6 numbers"},
    ),
    "a layer too few": (
        {"q5.2": {"InitMLP": Shallow}},
        {"q5.2.architecture": "has six", "q5.2.list_of_activations": "a list of 4"},
    ),
    "biases": (with_network(Biased), {"q5.2.initialised": "biases that are not 0"}),
    "nn.Linear's own start": (with_network(OwnStart), {"q5.2.initialised": "nn.Linear starts with"}),
    "variances for stds": (
        {"q5.2": {"stats": squared(right.statistics())}},
        {"q5.2.stats_values": "are these variances? Take the square root"},
    ),
    "statistics of other networks": (
        {"q5.2": {"stats": right.statistics(activation="relu")}},
        {"q5.2.stats_values": "does not fit new networks of your own InitMLP with tanh"},
    ),
    "a method too few": (
        {"q5.2": {"stats": {m: right.statistics()[m] for m in METHODS[:3]}}},
        {"q5.2.stats": "`stats` has no entry 'he'"},
    ),
    "other keys": (
        {"q5.2": {"stats": {m: {"mean": [], "std": []} for m in METHODS}}},
        {"q5.2.stats": "the keys 'means' and 'stds'"},
    ),
    "no plots": ({"q5.2": {"figures": ()}}, {"q5.2.plots": "no figure shows the means of zero"}),
    "only means": (
        {"q5.2": {"figures": (right.drawn(*(e["means"] for e in right.statistics().values())),)}},
        {"q5.2.plots": "no figure shows the"},
    ),
}


@pytest.mark.parametrize(("changes", "words"), FAULTS_5_2.values(), ids=FAULTS_5_2)
def test_a_fault_of_the_statistics_is_named(changes, words) -> None:
    verdicts = judged(changes, "q5.2")
    for name, text in words.items():
        assert verdicts[name].outcome == "failed", name
        assert text in verdicts[name].message
    assert failed_checks(verdicts) == set(words)


def test_logits_alone_are_no_list() -> None:
    verdicts = judged({"q5.2": {"InitMLP": OnlyLogits}}, "q5.2")
    assert "should return the list of the five hidden activations" in (
        verdicts["q5.2.list_of_activations"].message
    )


@pytest.mark.parametrize("scaling", [(0.0, 1.0), (0.5, 0.5), (0.1307, 0.3081)])
def test_statistics_of_digits_scaled_in_any_usual_way_are_right(scaling) -> None:
    verdicts = judged({"q5.2": {"stats": right.statistics(scaling=scaling)}}, "q5.2")
    assert failed_checks(verdicts) == set()


def test_statistics_may_be_arrays_and_the_network_may_want_rows() -> None:
    arrays = {
        method: {key: np.array(row, dtype=np.float32) for key, row in entry.items()}
        for method, entry in right.statistics(Flat).items()
    }
    assert failed_checks(judged({"q5.2": {"InitMLP": Flat, "stats": arrays}}, "q5.2")) == set()


def test_a_wrong_initialisation_costs_its_own_question_only() -> None:
    he = normal(lambda i, _: 2 / i)
    stuck = {**right.losses(), "he": [2.3023] * 10}
    accuracies = {**right.accuracies(), "he": 0.114}
    changes = draws(he=he) | with_network(HeWithVariance)
    changes["q5.3"] = {"training_losses": stuck, "final_accuracies": accuracies}
    changes["q5.4"] = {
        "stats_relu": right.statistics(HeWithVariance, "relu"),
        "training_losses_relu": stuck,
        "final_accuracies_relu": accuracies,
    }
    assert failed_checks(judged(changes)) == {"q5.1.he"}


def outcome(*, losses=None, accuracies=None, **more):
    return {
        "q5.3": {
            "training_losses": right.losses() if losses is None else losses,
            "final_accuracies": right.accuracies() if accuracies is None else accuracies,
            **more,
        }
    }


LOSSES, ACCURACIES = right.losses(), right.accuracies()
FAULTS_5_3 = {
    "percent": (
        outcome(accuracies={m: 100 * a for m, a in ACCURACIES.items()}),
        {"q5.3.between_0_and_1": "is this in percent?"},
    ),
    "zero learns": (
        outcome(losses=LOSSES | {"zero": LOSSES["he"]}, accuracies=ACCURACIES | {"zero": 0.9}),
        {"q5.3.at_chance": "stay at the loss of guessing", "q5.3.reproduced": "do the networks start from"},
    ),
    "he does not learn": (
        outcome(losses=LOSSES | {"he": [2.3] * 10}, accuracies=ACCURACIES | {"he": 0.114}),
        {
            "q5.3.learn": "the loss does not change at all",
            "q5.3.accuracy_bands": "right code is between",
            "q5.3.reproduced": "do the networks start from initialize_weights?",
        },
    ),
    "too good": (
        outcome(accuracies=ACCURACIES | {"he": 0.999}),
        {"q5.3.accuracy_bands": "is 0.9990; right code is between"},
    ),
    "one loss a batch": (
        outcome(losses={m: [x for x in row for _ in range(20)] for m, row in LOSSES.items()}),
        {"q5.3.one_loss_an_epoch": "is this one for each batch?"},
    ),
    "no number": (
        outcome(accuracies=ACCURACIES | {"he": [0.1, 0.2]}),
        {"q5.3.accuracies": "should be a number, but is a list of 2"},
    ),
    "nan": (outcome(losses=LOSSES | {"he": [float("nan")] * 10}), {"q5.3.losses": "is not finite"}),
    "no plot": (
        outcome(figures=()),
        {"q5.3.plot": "no figure shows the training losses of zero, small_random"},
    ),
    "no dict": (outcome(losses=[1, 2, 3]), {"q5.3.losses": "should be a dict with an entry for each method"}),
}


@pytest.mark.parametrize(("changes", "words"), FAULTS_5_3.values(), ids=FAULTS_5_3)
def test_a_fault_of_the_training_is_named(changes, words) -> None:
    verdicts = judged(changes, "q5.3")
    for name, text in words.items():
        assert verdicts[name].outcome == "failed", name
        assert text in verdicts[name].message
    assert failed_checks(verdicts) == set(words)


def test_a_training_that_its_last_step_threw_back_has_learned() -> None:
    back = ACCURACIES | {"xavier": 0.42}
    assert failed_checks(judged(outcome(accuracies=back), "q5.3")) == set()


@pytest.mark.parametrize(
    ("accuracy", "lost"),
    [(0.53, {"q5.3.accuracy_bands"}), (0.42, {"q5.3.accuracy_bands", "q5.3.learn", "q5.3.reproduced"})],
)
def test_a_low_accuracy_beside_a_high_loss_is_no_step_back(accuracy, lost) -> None:
    slow = LOSSES | {"xavier": list(np.linspace(2.2, 1.1, 10))}
    changes = outcome(losses=slow, accuracies=ACCURACIES | {"xavier": accuracy})
    assert failed_checks(judged(changes, "q5.3")) == lost


def test_an_accuracy_at_chance_is_no_step_back_whatever_the_losses() -> None:
    verdicts = judged(outcome(accuracies=ACCURACIES | {"xavier": 0.114}), "q5.3")
    assert failed_checks(verdicts) == {"q5.3.accuracy_bands", "q5.3.learn", "q5.3.reproduced"}


NO_NUMBER = float("nan")


def test_a_training_that_learned_and_then_diverged_costs_nothing() -> None:
    changes = outcome(
        losses=LOSSES | {"he": [0.9, 0.3, 0.2] + [NO_NUMBER] * 7}, accuracies=ACCURACIES | {"he": 0.098}
    )
    assert failed_checks(judged(changes, "q5.3")) == set()


@pytest.mark.parametrize(
    "losses",
    [[2.3] * 3 + [NO_NUMBER] * 7, [0.9, NO_NUMBER, 0.3] + [0.2] * 7],
    ids=["before it learned", "and came back"],
)
def test_a_loss_that_is_no_number_in_another_way_is_not_excused(losses) -> None:
    changes = outcome(losses=LOSSES | {"he": losses}, accuracies=ACCURACIES | {"he": 0.098})
    assert "q5.3.losses" in failed_checks(judged(changes, "q5.3"))


def judged_in_full(changes):
    dataset = dataclasses.replace(load_mnist("sample", None), profile="full")
    checks = judge_notebook(notebook(changes), "q5.3", dataset=dataset)
    return failed_checks(checks) - {"q5.3.accuracy_bands"}  # which holds the sample's against those of full


LEFT_LATE = {"losses": LOSSES | {"small_random": [2.3017, 2.29, 2.2, 1.8, 1.2, 0.8, 0.5, 0.3, 0.1, 0.06]}}


def test_small_random_may_leave_chance_late_on_all_of_mnist() -> None:
    changes = outcome(**LEFT_LATE, accuracies=ACCURACIES | {"small_random": 0.9654})
    assert judged_in_full(changes) == set()
    assert failed_checks(judged(changes, "q5.3")) == {"q5.3.at_chance", "q5.3.reproduced"}


def test_small_random_that_learns_within_the_first_epoch_was_not_drawn_so() -> None:
    changes = outcome(
        losses=LOSSES | {"small_random": LOSSES["he"]}, accuracies=ACCURACIES | {"small_random": 0.96}
    )
    assert judged_in_full(changes) == {"q5.3.at_chance", "q5.3.reproduced"}


def test_the_results_of_relu_are_judged_by_their_own_statistics() -> None:
    verdicts = judged({"q5.4": {"stats_relu": right.statistics()}}, "q5.4")
    assert failed_checks(verdicts) == {"q5.4.stats_values"}
    assert "with relu" in verdicts["q5.4.stats_values"].message


def test_a_question_without_cells_fails_with_that_sentence() -> None:
    book = notebook()
    del book.left["q5.3"]
    verdicts = judge_notebook(book, "q5.3", dataset=load_mnist("sample", None))
    assert {verdicts[name].message for name in failed_checks(verdicts)} == {
        "the notebook has no cells for Q5.3"
    }
