"""What a student reads: the whole text of each detector, and lines that draw the very same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from grader.checks import diagnosis
from grader.declaration import declared_by
from grader.model import ArrayExcerpt, Visibility
from grader.suites import read_suites
from tests.fakes import FakeStudent
from tests.suite_runner import SUITES, Verdict, function_of
from tests.unit.assignments.feedback_texts import DETECTORS, FAULTS, GOLDEN, judged, reported, told

HANDOUT = Path(__file__).parents[3] / "student_template" / "README.md"


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """Return the verdicts asked for so far: the same fault serves several tests."""
    return {}


@pytest.fixture
def verdict_of(verdicts: dict[str, Verdict]):
    def found(name: str) -> Verdict:
        if name not in verdicts:
            verdicts[name] = judged(FAULTS[name])
        return verdicts[name]

    return found


@pytest.mark.parametrize("name", DETECTORS.values(), ids=DETECTORS)
def test_the_text_of_a_detector_is_the_golden_one(verdict_of, name: str) -> None:
    golden = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert told(FAULTS[name].check, verdict_of(name)) == golden


def test_there_is_a_golden_text_for_each_detector_and_no_other() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(DETECTORS.values())


def test_every_detector_of_the_engine_speaks_in_some_golden_text() -> None:
    spoken = "".join(file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.txt")).replace(
        "\n    | ", " "
    )
    sentences = (
        *("every entry is 0", "every entry has the wrong sign", "every entry is off by the same"),
        *("times too large", "times too small", "times what it should be", "this is the transpose of"),
        *("this is the transpose, reshaped", "only the entry", "only row", "only column"),
        diagnosis.EARLIER_CALL,
    )
    assert [sentence for sentence in sentences if sentence not in spoken] == []


@pytest.mark.parametrize("name", DETECTORS.values(), ids=DETECTORS)
def test_a_text_names_verdict_call_gap_cause_and_handout_in_this_order(verdict_of, name: str) -> None:
    report = reported(FAULTS[name].check, verdict_of(name))
    text = " ".join(line.removeprefix("    | ") for line in told(report.id, verdict_of(name)).splitlines())
    is_visible = report.visibility is Visibility.VISIBLE
    parts = [
        f"failed, 0 of {float(report.max_score):g} points",
        *(["to see it yourself:"] if is_visible else []),
        report.feedback.message[:30],
        "likely cause: ",
        f"in the handout: {FAULTS[name].question.upper()}",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)


def test_the_places_in_the_handout_are_headings_of_it() -> None:
    headings = "\n".join(re.findall(r"^#+ (.*)$", HANDOUT.read_text(encoding="utf-8"), flags=re.MULTILINE))
    declarations = [declared_by(function_of(declared)) for declared in read_suites(SUITES).values()]
    places = {part for declaration in declarations for part in declaration.place.split("; ")}
    assert {"Q6.1", "The mean over the batch", "The rules of mytorch"} <= places
    known = headings.replace("`", "")
    assert [
        place for place in sorted(places) if not re.search(rf"^{re.escape(place)}\b", known, re.MULTILINE)
    ] == []


SEEDED = [
    name
    for name in DETECTORS.values()
    if "default_rng(" in (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", SEEDED)
def test_the_line_shows_the_very_numbers_of_the_text(verdict_of, name: str, faulty_package) -> None:
    verdict = verdict_of(name)
    got = verdict.fault.got
    printed = run_line(verdict.reproduce, faulty_package(FAULTS[name]))
    if isinstance(got, ArrayExcerpt):
        at = tuple(i - start for i, start in zip(verdict.fault.first_bad_index, got.offset, strict=True))
        assert any(np.isclose(value, np.asarray(got.values)[at], rtol=1e-12).any() for value in printed)
    elif got is not None and got.startswith("shape"):
        assert any(f"shape {value.shape}" == got for value in printed)
    elif got is not None:
        assert any(np.isclose(value, float(got), rtol=1e-7).any() for value in printed)


def test_most_texts_have_such_a_line() -> None:
    assert len(SEEDED) >= 24


@pytest.fixture
def faulty_package(tmp_path: Path):
    def make(fault) -> FakeStudent:
        source = Path(__file__).parents[3] / "reference" / "mytorch"
        for file in source.rglob("*.py"):
            copy = tmp_path / "mytorch" / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            extra = fault.patches.get(f"mytorch/{file.relative_to(source).as_posix()}", "")
            copy.write_text(file.read_text(encoding="utf-8") + f"\n\n{extra}", encoding="utf-8")
        return FakeStudent(tmp_path)

    return make


def run_line(line: str, student: FakeStudent) -> list[np.ndarray]:
    """Run a line as a student would who has imported NumPy and mytorch.nn; return what it prints."""
    printed: list[object] = []
    names = ("Linear", "ReLU", "Tanh", "Sigmoid", "MSELoss", "SoftmaxCrossEntropy")
    classes = {name: student.resolve(name).target for name in names}
    exec(line, {"np": np, "print": lambda *values: printed.extend(values), **classes})
    flat = [part for value in printed for part in (value.values() if isinstance(value, dict) else [value])]
    return [np.asarray(part) for part in flat]
