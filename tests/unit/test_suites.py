"""Checks are known from their source, without running it."""

import textwrap

import pytest

from grader.errors import GraderFault
from grader.model import Visibility
from grader.suites import read_suites


def write(folder, source, *, where="visible", name="test_q6_1.py"):
    (folder / where).mkdir(exist_ok=True)
    (folder / where / name).write_text("raise SystemExit\n" + textwrap.dedent(source), encoding="utf-8")
    return folder


def test_a_check_is_read_with_title_needs_and_visibility(tmp_path):
    write(tmp_path, '@check("q6.1.b", needs=("q6.1.a",))\ndef test_b(student): """B.\n\n    More."""')
    write(tmp_path, '@check("q6.1.a")\ndef test_a(student, dataset): "A."', where="hidden")
    declared = read_suites(tmp_path)
    assert declared["q6.1.b"].check.needs == ("q6.1.a",)
    assert declared["q6.1.b"].check.title == "B."
    assert declared["q6.1.b"].check.visibility is Visibility.VISIBLE
    assert declared["q6.1.a"].check.visibility is Visibility.HIDDEN
    assert [entry.uses_dataset for entry in declared.values()] == [True, False]


def test_a_check_comes_after_what_it_needs_and_else_in_the_order_of_the_files(tmp_path):
    source = """
        @check("q6.1.c", needs=("q6.1.d",))
        def test_c(): "C."
        @check("q6.1.a")
        def test_a(): "A."
        @check("q6.1.d")
        def test_d(): "D."
    """
    assert list(read_suites(write(tmp_path, source))) == ["q6.1.d", "q6.1.c", "q6.1.a"]


def test_visibility_may_be_written_out(tmp_path):
    source = '@check("q6.1.a", visibility=Visibility.AFTER_DUE_DATE)\ndef test_a(): "A."'
    declared = read_suites(write(tmp_path, source, where="hidden"))
    assert declared["q6.1.a"].check.visibility is Visibility.AFTER_DUE_DATE


@pytest.mark.parametrize(
    "source, sentence",
    [
        ('@check("q6.1.a")\ndef test_a(): pass', "no docstring"),
        ('@check(name)\ndef test_a(): "A."', "must be written out"),
        ('@check()\ndef test_a(): "A."', "must be written out"),
        ("@check(3)\ndef test_a(): 'A.'", "are texts"),
        ('@check("q6.2.a")\ndef test_a(): "A."', "belongs into test_q6_2.py"),
        ('@check("q6.1.a", needs=("q6.1.z",))\ndef test_a(): "A."', "q6.1 does not have"),
        ('@check("q6.1.a", needs=("q6.1.a",))\ndef test_a(): "A."', "needs itself"),
        ('@check("q6.1.a", visibility=Visibility.HIDDEN)\ndef test_a(): "A."', "cannot be hidden"),
        ('@check("q6.1.a", visibility=3)\ndef test_a(): "A."', "write the visibility as"),
        ('@check("q6.1.a")\ndef test_a(): "A."\n@check("q6.1.a")\ndef test_b(): "B."', "two checks"),
    ],
)
def test_a_declaration_that_cannot_hold_is_our_fault_and_says_why(tmp_path, source, sentence):
    with pytest.raises(GraderFault) as caught:
        read_suites(write(tmp_path, source))
    assert sentence in str(caught.value)


def test_functions_without_a_check_are_left_alone(tmp_path):
    assert not read_suites(write(tmp_path, "@pytest.fixture\ndef model(): ...\n@other\ndef f(): ..."))
