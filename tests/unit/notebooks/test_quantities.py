"""A printed number is what the words in front of it say, and nothing is guessed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebooks.quantities import SPREADS, Kind, read_lines, spread_of


def numbers(text, hints=()):
    return [(number.value, number.kind) for line in read_lines(text, hints=hints) for number in line.numbers]


def test_a_line_of_a_training_log():
    assert numbers("Epoch 3/30 - train loss: 1.25, train acc: 0.5, val loss 1.5, val acc 55.2%") == [
        (3.0, Kind.OTHER),
        (30.0, Kind.OTHER),
        (1.25, Kind.LOSS),
        (0.5, Kind.ACCURACY),
        (1.5, Kind.LOSS),
        (0.552, Kind.ACCURACY),
    ]


@pytest.mark.parametrize(
    "text, value, kind",
    [
        ("test accuracy: 0.8629", 0.8629, Kind.ACCURACY),
        ("Accuracy = 86.29 %", 0.8629, Kind.ACCURACY),
        ("accuracy: 86.29", 0.8629, Kind.ACCURACY),
        ("training images: 11,959", 11959.0, Kind.COUNT),
        ("Total parameters: 636168", 636168.0, Kind.PARAMETERS),
        ("largest relative error of gradient check: 4.02e-09", 4.02e-9, Kind.CHECK),
        ("std of the third layer 0.31", 0.31, Kind.STATISTIC),
        ("std: 0.31", 0.31, Kind.STATISTIC),
        ("took 12.3 s", 12.3, Kind.OTHER),
        ("misclassified images: 469", 469.0, Kind.OTHER),
        ("images: 12", 12.0, Kind.OTHER),
        ("predicted: 7", 7.0, Kind.OTHER),
        ("learning rate 0.001", 0.001, Kind.OTHER),
        ("best val acc: 0.87", 0.87, Kind.ACCURACY),
    ],
)
def test_the_words_in_front_say_what_a_number_is(text, value, kind):
    assert numbers(text) == [(pytest.approx(value), kind)]


def test_a_line_without_words_is_what_the_cell_prints():
    assert numbers("0.8629", hints=["accuracy"]) == [(0.8629, Kind.ACCURACY)]
    assert (
        numbers("{'zero': 0.1135, 'small_random': 0.1135}", hints=["final_accuracies"])
        == [(0.1135, Kind.ACCURACY)] * 2
    )
    assert numbers("0.8629", hints=["accuracy", "loss"]) == [(0.8629, Kind.OTHER)]
    assert numbers("0.8629") == [(0.8629, Kind.OTHER)]
    assert numbers("took 0.8629", hints=["accuracy"]) == [(0.8629, Kind.OTHER)]


def test_the_numbers_of_a_list_share_their_label():
    (line,) = read_lines("losses: [0.3775, 0.1765, 0.1312]")
    assert {(number.kind, number.label) for number in line.numbers} == {(Kind.LOSS, 0)}


def test_lists_of_different_lengths_read_the_same():
    short, long = read_lines("losses: [0.3, 0.1]\nlosses: [0.3, 0.1, 0.1]")
    assert short.skeleton == long.skeleton


def test_of_a_progress_bar_its_end_is_read():
    assert [line.text for line in read_lines("10%\r 50%\r100% done\nnext")] == ["100% done", "next"]


def test_names_of_layers_and_types_hold_no_numbers():
    assert numbers("float32 conv2d (fc1)") == []


@pytest.mark.parametrize(
    "published, replayed", [(0.8629, 0.88), (0.9450, 0.9618), (0.9759, 0.9756), (0.9641, 0.9542)]
)
def test_the_published_run_and_its_replay_are_within_the_spread_of_accuracies(published, replayed):
    allowed = spread_of(Kind.ACCURACY, published, replayed, same_data=True)
    assert abs(published - replayed) <= allowed


def test_every_spread_has_a_reason_and_is_no_less_elsewhere():
    for kind, spread in SPREADS.items():
        assert spread.reason
        for value in (0.0, 0.1, 0.5, 0.9, 2.3):
            assert spread.alone(value) >= spread.middle(value) >= 0
            if spread.elsewhere is not None:
                assert spread.elsewhere(value) >= spread.alone(value), kind


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="0123456789.,eE+-% :acloss\r\n[]", max_size=200))
def test_any_text_is_cut_into_lines(text):
    for line in read_lines(text, hints=["accuracy"]):
        for number in line.numbers:
            assert isinstance(number.value, float)
            spread = spread_of(number.kind, number.value, number.value, same_data=True)
            assert spread is None or spread >= 0 or math.isnan(number.value)
