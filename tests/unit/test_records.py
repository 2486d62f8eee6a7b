"""What crosses the pipe to the pytest process arrives as it was; seeds are fixed by submission and check."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from grader.model import (
    ArrayExcerpt,
    Check,
    CheckResult,
    ErrorsPlot,
    Feedback,
    Isolation,
    LinePlot,
    MatrixPlot,
    Outcome,
    Picture,
    PicturesPlot,
    Series,
    Visibility,
)
from grader.records import (
    GradingRequest,
    ZygoteOffer,
    finite,
    isolation_from_record,
    request_from_record,
    request_to_record,
    result_from_record,
    result_to_record,
    seed_of,
)
from tests.contract.tiny_assignment import LIMITS

CHECK = Check("q6.1.a", "A.", Visibility.HIDDEN, needs=("q6.1.b",))
REQUEST = GradingRequest(
    submission_root=Path("/somewhere"),
    submission_sha256="ab" * 32,
    course_secret="sesame",
    checks=(CHECK,),
    places={"Linear": ("mytorch.nn",)},
    limits=LIMITS,
    data_dir=Path("/data"),
)


def through_json(record):
    return json.loads(json.dumps(record, allow_nan=False))


def test_a_request_arrives_as_it_was_sent():
    arrived = request_from_record(through_json(request_to_record(REQUEST)))
    assert dataclasses.replace(arrived, places=REQUEST.places) == REQUEST
    assert {name: tuple(where) for name, where in arrived.places.items()} == REQUEST.places


def test_a_zygote_is_offered_as_it_was_lent():
    offer = ZygoteOffer(
        descriptor=7,
        provider="confined",
        view="experiments",
        scratch=Path("/playground/scratch/run"),
        data=Path("/playground/data/run"),
    )
    request = dataclasses.replace(REQUEST, zygote=offer)
    assert request_from_record(through_json(request_to_record(request))).zygote == offer


def test_a_result_arrives_as_it_was_found():
    excerpt = ArrayExcerpt((3,), "float64", (1,), [1.0, "nan"], is_whole=False)
    feedback = Feedback("wrong", expected=excerpt, got="a text", first_bad_index=(1,), max_relative_error=0.5)
    result = CheckResult(CHECK, Outcome.TIMEOUT, feedback, 0.25)
    assert result_from_record(through_json(result_to_record(result))) == result


def test_plots_arrive_as_they_were_drawn():
    picture = Picture(1, 2, 1, "AAE=", "a", "b", float("-inf"))
    plots = (
        LinePlot("losses", "epoch", (Series("train", (1.0, float("inf"))),), every=2),
        MatrixPlot("confusion", ("a", "b"), ((1, 2), (3, 4))),
        PicturesPlot("cells", (picture,)),
        ErrorsPlot("errors", ("dL/dx",), (float("inf"),)),
    )
    result = CheckResult(CHECK, Outcome.PASSED, Feedback(""), 0.0, plots)
    assert result_from_record(through_json(result_to_record(result))) == result


def test_an_infinite_error_survives_json():
    result = CheckResult(CHECK, Outcome.FAILED, Feedback("x", max_relative_error=float("inf")), 0.0)
    arrived = result_from_record(through_json(result_to_record(result)))
    assert arrived.feedback.max_relative_error == float("inf")


def test_numpy_numbers_become_plain_ones_and_non_finite_ones_text():
    values = [
        np.float64(1.5),
        np.float32("inf"),
        np.int64(3),
        np.bool_(1),
        (float("nan"),),
        {1: np.float64(2)},
    ]
    assert through_json(finite(values)) == [1.5, "inf", 3, True, ["nan"], {"1": 2.0}]


def test_isolation_arrives_as_it_was_seen():
    isolation = Isolation(2, "confined", "confined", ("files",), ("kernel",), {"files": "held"})
    assert isolation_from_record(through_json(finite(dataclasses.asdict(isolation)))) == isolation


def test_the_secret_is_not_in_the_requests_text():
    assert "sesame" not in repr(REQUEST)


def test_a_seed_depends_on_secret_submission_and_check():
    seeds = {
        seed_of(REQUEST, "q6.1.a"),
        seed_of(REQUEST, "q6.1.b"),
        seed_of(dataclasses.replace(REQUEST, course_secret="other"), "q6.1.a"),
        seed_of(dataclasses.replace(REQUEST, submission_sha256="cd" * 32), "q6.1.a"),
        seed_of(dataclasses.replace(REQUEST, seed=1), "q6.1.a"),
        seed_of(dataclasses.replace(REQUEST, seed=2), "q6.1.a"),
    }
    assert len(seeds) == 6
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_the_same_submission_gets_the_same_seed_every_time():
    assert seed_of(REQUEST, "q6.1.a") == seed_of(dataclasses.replace(REQUEST), "q6.1.a") == 752_484_420


def test_a_seed_given_by_hand_gives_every_submission_the_same_inputs():
    one = dataclasses.replace(REQUEST, seed=7)
    other = dataclasses.replace(one, submission_sha256="cd" * 32)
    assert seed_of(one, "q6.1.a") == seed_of(other, "q6.1.a")
