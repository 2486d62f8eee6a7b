"""Mutants: programs that Python can read, each another one, under names that stay."""

from __future__ import annotations

import ast

import pytest

from grader.selftest.judgement import honest_files
from grader.selftest.mutants import SOURCES, Source, make_mutants, mutants_of, write_mutant
from grader.settings import resource

PLACE = Source("mytorch/nn/tiny.py", {"": "q6.9", "Odd": "q6.8"})
TEXT = """\
import numpy as np


class Tiny:
    def forward(self, x):
        return np.maximum(x, 0)


class Odd:
    def forward(self, β):
        return β - 1  # ½
"""


@pytest.fixture(scope="module")
def mutants():
    return mutants_of(resource("reference"))


def test_there_are_many_of_every_file(mutants):
    counts = {source.file: sum(m.file == source.file for m in mutants) for source in SOURCES}
    assert sum(count for file, count in counts.items() if file != "theory.py") > 700
    assert min(counts.values()) > 10


def test_every_mutant_can_be_read_and_is_another_program(mutants):
    for source in SOURCES:
        reference = ast.dump(ast.parse((resource("reference") / source.file).read_text(encoding="utf-8")))
        dumps = [ast.dump(ast.parse(mutant.source)) for mutant in mutants if mutant.file == source.file]
        assert len(set(dumps)) == len(dumps)
        assert reference not in dumps


def test_no_two_mutants_share_a_name(mutants):
    assert len({mutant.id for mutant in mutants}) == len(mutants)


def test_names_are_the_same_on_the_next_run(mutants):
    assert [mutant.id for mutant in mutants_of(resource("reference"))] == [mutant.id for mutant in mutants]


def test_names_stay_when_other_lines_come():
    before, after = make_mutants(TEXT, PLACE), make_mutants(TEXT.replace("class", "\n# new\nclass"), PLACE)
    assert [mutant.id for mutant in before] == [mutant.id for mutant in after]
    assert before[0].line != after[0].line


def test_a_mutant_tells_where_it_is_and_what_was_changed():
    found = next(m for m in make_mutants(TEXT, PLACE) if m.change == "0 -> 1")
    assert (found.scope, found.line, found.text) == ("Tiny.forward", 6, "return np.maximum(x, 0)")
    assert found.operator == "change_constant"
    assert found.source == TEXT.replace("(x, 0)", "(x, 1)")


def test_characters_beyond_ascii_do_not_shift_a_change():
    found = next(m for m in make_mutants(TEXT, PLACE) if m.change == "β - 1 -> (β + 1)")
    assert found.source == TEXT.replace("β - 1", "(β + 1)")


def test_the_question_goes_by_the_class_or_function():
    questions = {mutant.scope: mutant.question for mutant in make_mutants(TEXT, PLACE)}
    assert questions == {"Tiny.forward": "q6.9", "Odd.forward": "q6.8"}


def test_a_mutant_is_written_as_a_whole_submission_with_one_file_changed(mutants, tmp_path):
    honest = honest_files(resource("reference"))
    mutant = mutants[0]
    write_mutant(mutant, honest, tmp_path)
    found = honest_files(tmp_path)
    assert {name for name in honest if honest[name] != found[name]} == {mutant.file}
