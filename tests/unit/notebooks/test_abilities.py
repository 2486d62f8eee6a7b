"""What a source can print and plot is told from its words, and every doubt is the student's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebooks.abilities import Abilities, read_source

CELLS = (
    IMPORTS := "import torch\nfrom torch import nn\nimport matplotlib.pyplot as plt",
    DEFINES := "def train(m):\n    for e in range(3):\n        print(e)\n\n\ndef curve(y):\n    plt.plot(y)",
    CALLS := "losses = train(model)",
    SHOWS := "curve(losses)",
    CLASS := "class Net:\n    def fit(self):\n        print('fitting')\n\n\nnet = Net()",
    METHOD := "history = net.fit()",
    ASSIGNS := "x = torch.zeros(3)\ny: int = 3\nx[0] += 1",
    VALUE := "x = 1\nx",
    MUTED := "x = 1\nx;",
    TWO := "x = 1; x",
    MAGIC := "%time\nx = 1",
    ELSEWHERE := "from course_tools import report",
    USES_IT := "report(x)\ny = 1",
    LOOP := "for i in range(3):\n    x = i\n",
    COMMENT := "# nothing yet\n",
    BROKEN := "x = (1,\n",
)
NOTEBOOK = Abilities(CELLS)


@pytest.mark.parametrize("source", [CALLS, METHOD, DEFINES, CLASS, MAGIC, ELSEWHERE, USES_IT, BROKEN])
def test_what_leads_to_a_print_can_print(source):
    assert NOTEBOOK.can_print(source)


@pytest.mark.parametrize("source", [IMPORTS, ASSIGNS, LOOP, COMMENT, MUTED, TWO])
def test_what_leads_to_no_print_cannot(source):
    assert not NOTEBOOK.can_print(source)


@pytest.mark.parametrize("source", [SHOWS, DEFINES, VALUE, MAGIC, USES_IT, BROKEN, "plt.show()"])
def test_what_leads_to_a_plot_can_plot(source):
    assert Abilities([*CELLS, source]).can_plot(source)


@pytest.mark.parametrize("source", [ASSIGNS, LOOP, COMMENT, MUTED, CALLS])
def test_what_leads_to_no_plot_cannot(source):
    assert not NOTEBOOK.can_plot(source)


@pytest.mark.parametrize(
    "source",
    ["x", "x.y", "f(x)", "f(a=1)", "x == 1", "(x := 1)", "not x", "lambda: 1", "'text'", "x\n# y", "-1"],
)
def test_an_expression_at_the_end_is_shown(source):
    assert read_source(f"import a\n{source}").shows_value


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "x += 1",
        "x: int = 1",
        "x;",
        "del x",
        "if x:\n    x",
        "assert x",
        "x[0] = 1",
        "import b",
        "pass",
        "",
    ],
)
def test_a_statement_at_the_end_is_not(source):
    assert not read_source(f"import a\n{source}").shows_value


def test_a_model_in_eval_mode_prints_nothing_and_a_source_that_is_evaluated_may():
    cells = Abilities(["model.eval();", "y = eval(text)"])
    assert not cells.can_print("model.eval();")
    assert cells.can_print("y = eval(text)")


def test_names_in_an_f_string_are_seen():
    assert "final_accuracies" in read_source('print(f"{final_accuracies[method]:.4f}")').names


def test_the_names_that_are_printed_are_those_of_the_printing_lines():
    source = 'losses = f(x)\nprint("done", accuracy)'
    assert "accuracy" in Abilities([source]).printed_names(source)
    assert "losses" not in Abilities([source]).printed_names(source)


MANY_NAMES = ",".join(f"a{number:x}" for number in range(15_000))


@pytest.mark.parametrize(
    "source",
    [
        "(" * 50_000,
        "a+" * 40_000,
        "\n(" * 50_000,
        "x" * 200_000,
        "'" * 9999,
        "\\",
        f"{MANY_NAMES} = {MANY_NAMES}"[:100_000],
    ],
    ids=["brackets", "sum", "lines of brackets", "one name", "quotes", "a backslash", "many names"],
)
def test_a_source_made_to_hurt_a_parser_is_only_long(source):
    cells = Abilities([source])
    assert cells.can_print(source) in {True, False}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="abpr int(=;:#\"'{}\n\t.%!f", max_size=120))
def test_any_text_has_an_answer(source):
    cells = Abilities([source, "a = b"])
    assert {cells.can_print(source), cells.can_plot(source), cells.shows_value(source)} <= {True, False}
    assert isinstance(cells.printed_names(source), frozenset)
