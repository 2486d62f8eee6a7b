"""What the parent of a batch holds does not grow with the class, but for the list of who is in it."""

import gc
import secrets
import tracemalloc
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import pytest

from grader import pipeline
from grader.cohort.grading.batch import BatchOptions, folder_of_batch, run_batch
from grader.cohort.grading.tasks import order_for
from grader.cohort.journal import Journal
from grader.cohort.model import Entry
from grader.findings import findings_to_json
from tests.contract.tiny_class import TinyClass

FEW, MANY = 50, 150
# Of one submission: who keeps what was found, or a report, keeps more than an entry with its path is.
LOG_CHARACTERS = 4_000
MOST_BYTES_EACH = 1_500


class AtOnce:
    """Runs each task where it is handed out."""

    def __init__(self):
        self.executor = self

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future

    def slots(self):
        return 2

    def close(self, *, at_once):
        pass


def answer(_task, *, text):
    return text


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny class, its plan, and what grading one of its submissions finds, with a long log."""
    made = TinyClass(tmp_path_factory.mktemp("tiny"))
    made.hand_in("alice")
    plan = pipeline.prepare(made.options)
    found = pipeline.find(made.submissions / "alice", made.options, plan=plan)
    found = replace(found, facts=replace(found.facts, log="x" * LOG_CHARACTERS))
    return made, plan, partial(answer, text=findings_to_json(found))


def entries_in(folder, count):
    folder.mkdir()
    made = []
    for number in range(count):
        path = folder / f"student-{number:04}.zip"
        path.write_bytes(b"of %d" % number)
        made.append(Entry(label=path.stem, path=path))
    return made


def peak_of(tiny, entries, out, *, formats=("json",)):
    """Return the most that a batch held at once of what it made itself."""
    made, plan, task = tiny
    order = order_for(made.options, secrets.token_hex(8))
    options = BatchOptions(order=order, plan=plan, folder=out, formats=formats, task=task)
    seen = 0

    def count(_row, _how):
        nonlocal seen
        seen += 1
        if not seen % 25:  # whatever else this process has loaded: what is garbage is not held
            gc.collect()

    gc.collect()
    tracemalloc.start()
    try:
        with folder_of_batch(out), Journal(out, assignment="tiny") as journal:
            run_batch(entries, options, journal, AtOnce(), count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == len(entries)
    return peak


def test_the_parent_of_a_batch_holds_no_more_for_a_larger_class(tiny, tmp_path):
    few, many = entries_in(tmp_path / "few", FEW), entries_in(tmp_path / "many", MANY)
    peak_of(tiny, few[:5], tmp_path / "first")  # what is loaded and kept once
    for _ in ("graded", "unchanged"):
        small = peak_of(tiny, few, tmp_path / "few-out")
        large = peak_of(tiny, many, tmp_path / "many-out")
        assert large - small < (MANY - FEW) * MOST_BYTES_EACH, (small, large)


@pytest.mark.slow
def test_many_with_the_same_bytes_wait_without_weight(tiny, tmp_path):
    entries = entries_in(tmp_path / "in", MANY)
    for entry in entries:
        entry.path.write_bytes(b"the same")
    peak_of(tiny, entries[:5], tmp_path / "first")
    small = peak_of(tiny, entries[:FEW], tmp_path / "few-out")
    large = peak_of(tiny, entries, tmp_path / "many-out")
    assert large - small < (MANY - FEW) * MOST_BYTES_EACH, (small, large)
