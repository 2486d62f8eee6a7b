"""What crosses the pipe between the pipeline and its pytest process, as plain JSON.

Both ends are ours; the student's process never sees this pipe.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.model import (
    ArrayExcerpt,
    Check,
    CheckResult,
    ErrorsPlot,
    Feedback,
    Isolation,
    Limits,
    LinePlot,
    MatrixPlot,
    Outcome,
    Picture,
    PicturesPlot,
    Plot,
    Series,
    Visibility,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZygoteOffer:
    """A process that has loaded a view's libraries, lent to one run of the checks: see sandbox/zygote.py.

    `descriptor` is of an inherited socket. What its workers use must lie in two folders that are this run's
    own: `scratch` to write in, `data` to read. The rest says what kind of workers they are.
    """

    descriptor: int
    provider: str
    view: str
    scratch: Path
    data: Path


@dataclass(frozen=True, slots=True)
class GradingRequest:
    """Everything the pytest process is told, on its standard input and nowhere else.

    `checks` is in the order of execution; `places` says where the submission may define each name.
    `seed` replaces the submission's hash in the seeds of the checks, so that several get the same inputs.
    `only_first_loss` skips whatever comes after the first check that does not pass. `fast_data` serves a
    notebook its images by the batch, `processors` is how many threads its networks get, and how many
    questions that need no notebook may run at a time.
    `notebook` is its path in the submission, `questions` are the assignment's in order, and `names` what each
    question of the notebook leaves behind. `zygote` saves its workers the time to load their libraries. With
    `asks_time` workers are asked what the student's code took.
    """

    submission_root: Path
    submission_sha256: str
    course_secret: str = field(repr=False)
    checks: tuple[Check, ...]
    places: Mapping[str, Sequence[str]]
    limits: Limits
    provider: str = "auto"
    min_isolation: int = 2
    profile: str = "sample"
    data_dir: Path | None = None
    device: str = "cpu"
    seed: int | None = None
    only_first_loss: bool = False
    fast_data: bool = True
    processors: int = 1
    notebook: str | None = None
    questions: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    zygote: ZygoteOffer | None = None
    asks_time: bool = False


def seed_of(request: GradingRequest, check_id: str) -> int:
    """Return the seed of one check, in 0..2**32-1: the same for the same submission, whatever the order.

    NumPy's legacy generator takes no more than 32 bits.
    """
    subject = request.submission_sha256 if request.seed is None else f"seed {request.seed}"
    message = f"{subject}\n{check_id}".encode()
    digest = hmac.new(request.course_secret.encode(), message, hashlib.sha256).digest()
    return int.from_bytes(digest[:4], "big")


def request_to_record(request: GradingRequest) -> dict[str, Any]:
    """Turn a request into JSON values."""
    record = asdict(request)
    record["submission_root"] = str(request.submission_root)
    record["data_dir"] = None if request.data_dir is None else str(request.data_dir)
    if request.zygote is not None:
        record["zygote"] |= {name: str(getattr(request.zygote, name)) for name in ("scratch", "data")}
    return record


def request_from_record(record: Mapping[str, Any]) -> GradingRequest:
    """Turn JSON values back into a request."""
    return GradingRequest(
        **{
            **record,
            "submission_root": Path(record["submission_root"]),
            "data_dir": None if record["data_dir"] is None else Path(record["data_dir"]),
            "limits": Limits(**record["limits"]),
            "checks": tuple(_check_from_record(check) for check in record["checks"]),
            "questions": tuple(record["questions"]),
            "zygote": _offer_from_record(record["zygote"]),
        }
    )


def result_to_record(result: CheckResult) -> dict[str, Any]:
    """Turn a check's result into JSON values; non-finite numbers become the strings nan, inf and -inf."""
    record: dict[str, Any] = finite(asdict(result))
    return record


def result_from_record(record: Mapping[str, Any]) -> CheckResult:
    """Turn JSON values back into a check's result."""
    feedback = dict(record["feedback"])
    for name in ("expected", "got"):
        if isinstance(feedback[name], dict):
            feedback[name] = _excerpt_from_record(feedback[name])
    if feedback["first_bad_index"] is not None:
        feedback["first_bad_index"] = tuple(feedback["first_bad_index"])
    if isinstance(feedback["max_relative_error"], str):
        feedback["max_relative_error"] = float(feedback["max_relative_error"])
    return CheckResult(
        check=_check_from_record(record["check"]),
        outcome=Outcome(record["outcome"]),
        feedback=Feedback(**feedback),
        duration_s=record["duration_s"],
        plots=tuple(_plot_from_record(plot) for plot in record["plots"]),
    )


def isolation_from_record(record: Mapping[str, Any]) -> Isolation:
    """Turn JSON values back into the isolation that a worker was seen to run under."""
    return Isolation(
        **{**record, "covers": tuple(record["covers"]), "does_not_cover": tuple(record["does_not_cover"])}
    )


def finite(value: Any) -> Any:
    """Return JSON values equal to `value`, where a number that JSON cannot hold is a string."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):  # NumPy's float64 is one
        return float(value) if math.isfinite(value) else str(float(value))
    if value is None or isinstance(value, str | bool | int):
        return value
    # Other NumPy scalars unwrap themselves; anything else is shown as text.
    return finite(value.item()) if hasattr(value, "item") else str(value)


def _offer_from_record(record: Mapping[str, Any] | None) -> ZygoteOffer | None:
    if record is None:
        return None
    folders = {name: Path(record[name]) for name in ("scratch", "data")}
    return ZygoteOffer(**{**record, **folders})


def _check_from_record(record: Mapping[str, Any]) -> Check:
    return Check(
        id=record["id"],
        title=record["title"],
        visibility=Visibility(record["visibility"]),
        needs=tuple(record["needs"]),
    )


def _excerpt_from_record(record: Mapping[str, Any]) -> ArrayExcerpt:
    return ArrayExcerpt(**{**record, "shape": tuple(record["shape"]), "offset": tuple(record["offset"])})


def _plot_from_record(record: Mapping[str, Any]) -> Plot:
    if record["kind"] == "lines":
        series = tuple(Series(row["name"], _numbers(row["values"])) for row in record["series"])
        return LinePlot(**{**record, "series": series})
    if record["kind"] == "matrix":
        counts = tuple(tuple(row) for row in record["counts"])
        return MatrixPlot(**{**record, "names": tuple(record["names"]), "counts": counts})
    if record["kind"] == "pictures":
        pictures = tuple(
            Picture(**{**row, "confidence": float(row["confidence"])}) for row in record["pictures"]
        )
        return PicturesPlot(**{**record, "pictures": pictures})
    return ErrorsPlot(**{**record, "names": tuple(record["names"]), "errors": _numbers(record["errors"])})


def _numbers(values: Sequence[float | str]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
