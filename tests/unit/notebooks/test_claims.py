"""Edited, stale and impossible outputs are flagged with claim, replay and spread; honest ones are not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.notebooks.claims import KINDS, MAX_FLAGS, find_claims
from tests.unit.notebooks.books import STARTER, book
from tests.unit.notebooks.replays import FakeRun, code, flags, kinds, picture, result, stream
from tests.unit.notebooks.reports import report_text
from tests.unit.notebooks.test_class_reports import LABELS, PREDICTIONS
from tests.unit.notebooks.test_stored import ANYTHING

PRINT = "model.eval()\nprint(f'test accuracy: {accuracy:.4f}')"
TRAIN = "for epoch in range(n):\n    print(f'epoch {epoch}: loss {loss:.4f}')"
LOG = "".join(f"epoch {epoch}: loss {0.9 - 0.02 * epoch:.4f}\n" for epoch in range(30))
NAMES = ["a", "b", "c", "d"]
REPORT = "print(classification_report(y, p))"


def claimed(text, replayed, source=PRINT, *, same_data=True):
    """Return the flags of one cell that stores the one text and prints the other."""
    return flags((code(source, stream(text)), replayed), same_data=same_data)


# ----------------------------------------------------------------------------------------- numbers


def test_a_flag_names_cell_claim_replay_and_spread():
    (flag,) = claimed("test accuracy: 0.9731\n", "test accuracy: 0.8629\n")
    assert flag.kind == "claimed_accuracy"
    assert flag.where == "notebook, cell 1"
    assert flag.message == (
        "cell 1 (`model.eval()`): its stored output says `test accuracy: 0.9731`; where that has the "
        "accuracy 0.9731, the replay has 0.8629; another seed or machine changes it by at most 0.067"
    )


@pytest.mark.parametrize(
    "stored, replayed",
    [
        ("test accuracy: 0.8629", "test accuracy: 0.8800"),
        ("test accuracy: 0.9450", "test accuracy: 0.9618"),
        ("test accuracy: 86.29%", "test accuracy: 88.00%"),
        ("test loss: 0.47", "test loss: 0.51"),
        ("losses: [0.330, 0.149, 0.107]", "losses: [0.3213, 0.1472, 0.1070]"),
        ("gradient check: 4.02e-09", "gradient check: 8.9e-10"),
        ("took 612.3 s", "took 81.0 s"),
        ("running on cuda", "running on cpu"),
        ("lowest recall: monocyte, 0.57", "lowest recall: basophil, 0.61"),
        ("misclassified: 469 images", "misclassified: 402 images"),
        ("<Net at 0x7f1>", "<Net at 0x7f2>"),
    ],
)
def test_what_another_seed_or_machine_explains_is_no_claim(stored, replayed):
    assert claimed(f"{stored}\n", f"{replayed}\n") == []


@pytest.mark.parametrize(
    "stored, replayed, kind",
    [
        ("zero: accuracy 0.9713", "zero: accuracy 0.1135", "claimed_accuracy"),
        ("test accuracy: 97.13%", "test accuracy: 86.29%", "claimed_accuracy"),
        ("losses: [0.3775, 0.1765, 0.1312]", "losses: [0.3213, 0.1472, 0.1070]", "claimed_loss"),
        ("losses: [0.3775, 0.1765, 0.1312]", "losses: [0.3370, 0.1490, 0.1050]", "claimed_loss"),
        ("final loss: 0.05", "final loss: 0.41", "claimed_loss"),
        ("final loss: 0.05", "final loss: nan", "claimed_loss"),
        ("training images: 11,959", "training images: 11,958", "claimed_number"),
        ("parameters: 636168", "parameters: 302600", "claimed_number"),
        ("gradient check: 4.02e-09", "gradient check: 3.1e-01", "claimed_number"),
        ("std: 0.63", "std: 0.002", "claimed_number"),
    ],
)
def test_what_no_seed_explains_is_flagged(stored, replayed, kind):
    assert [flag.kind for flag in claimed(f"{stored}\n", f"{replayed}\n")] == [kind]


@pytest.mark.parametrize(
    "stored, replayed",
    [
        ("test accuracy: 0.8629", "test accuracy: 0.8211"),
        ("xavier accuracy: 0.9593", "xavier accuracy: 0.7210"),
        ("losses: [0.33, 0.149, 0.107]", "losses: [1.9, 1.1, 0.8]"),
        ("training images: 11,959", "training images: 2,990"),
    ],
)
def test_on_other_data_what_the_data_decide_is_not_compared(stored, replayed):
    assert claimed(f"{stored}\n", f"{replayed}\n", same_data=False) == []


@pytest.mark.parametrize(
    "stored, replayed",
    [
        ("zero: accuracy 0.9713", "zero: accuracy 0.1135"),
        ("parameters: 636168", "parameters: 302600"),
        ("gradient check: 4e-09", "gradient check: 0.31"),
    ],
)
def test_on_other_data_what_they_cannot_explain_still_is(stored, replayed):
    assert len(claimed(f"{stored}\n", f"{replayed}\n", same_data=False)) == 1


def test_one_odd_epoch_is_no_claim_and_a_whole_better_log_is_one_flag():
    odd = LOG.replace("epoch 7: loss 0.7600", "epoch 7: loss 0.9100")
    better = "".join(f"epoch {epoch}: loss {0.7 - 0.02 * epoch:.4f}\n" for epoch in range(30))
    assert claimed(odd, LOG, TRAIN) == []
    assert [flag.kind for flag in claimed(better, LOG, TRAIN)] == ["claimed_loss"]


def test_lines_are_paired_in_order_by_what_they_say():
    stored = "test accuracy: 0.97\nnote: done\n"
    replayed = "note: done\nval accuracy: 0.97\ntest accuracy: 0.86\n"
    assert [flag.kind for flag in claimed(stored, replayed)] == ["claimed_accuracy"]


def test_a_value_of_the_last_expression_is_compared_by_its_name():
    cell = code("accuracy", result("0.9713"))
    run = FakeRun("accuracy", notebook_outputs=[result("0.8629")])
    assert kinds((cell, run)) == ["claimed_accuracy"]


# -------------------------------------------------------------------------------------- class reports


def test_a_report_that_breaks_arithmetic_is_impossible_on_any_data():
    honest = report_text(LABELS, PREDICTIONS, names=NAMES)
    edited = honest.replace(
        "accuracy                         0.8000", "accuracy                         0.9912"
    )
    assert edited != honest or "accuracy" in honest
    edited = "\n".join("accuracy 0.9912 100" if "accuracy" in line else line for line in honest.splitlines())
    (flag,) = claimed(edited, honest, REPORT, same_data=False)
    assert flag.kind == "impossible_report"
    assert "its accuracy is 0.9912" in flag.message


def test_a_report_far_from_the_replay_is_flagged_once():
    honest = report_text(LABELS, PREDICTIONS, names=NAMES)
    perfect = report_text(LABELS, LABELS, names=NAMES)
    assert [flag.kind for flag in claimed(perfect, honest, REPORT)] == ["claimed_report"]
    assert claimed(perfect, honest, REPORT, same_data=False) == []


def test_a_report_on_other_numbers_of_images_is_flagged():
    honest = report_text(LABELS, PREDICTIONS, names=NAMES)
    other = report_text(LABELS[:90], PREDICTIONS[:90], names=NAMES)
    (flag,) = claimed(other, honest, REPORT)
    assert "no seed changes how many images a class has" in flag.message


# ------------------------------------------------------------------------------- impossible outputs


def test_text_below_a_cell_that_prints_nothing_is_impossible():
    (flag,) = flags((code("model = 3", stream("accuracy: 0.98\n")), ""))
    assert flag.kind == "impossible_output"
    assert "nothing in this cell prints" in flag.message


def test_a_value_below_a_cell_that_ends_in_no_expression_is_impossible():
    assert kinds((code("accuracy = f(x)", result("0.98")), "")) == ["impossible_output"]
    assert kinds((code("accuracy;", result("0.98")), "")) == ["impossible_output"]


def test_a_picture_below_a_cell_that_plots_nothing_is_impossible():
    assert kinds((code("cm = confusion(y, p)", picture()), "")) == ["impossible_picture"]


@pytest.mark.parametrize(
    "stored, source",
    [
        (stream("Downloading https://zenodo.org/bloodmnist.npz\n"), "x = Blood(a)"),
        (stream("Using downloaded and verified file: /home/student/.medmnist\n"), "x = Blood(a)"),
        (stream("UserWarning: 2 workers\n", "stderr"), "x = f(a)"),
        (stream("Tesla T4\n"), "if torch.cuda.is_available():\n    print(torch.cuda.get_device_name())"),
        (picture(), "plt.plot(x)\nplt.show()"),
        (stream("epoch 1\n"), "from trainers import fit\nhistory = fit(a)"),
        (stream("anything\n"), "%%time\nx = 1"),
    ],
)
def test_what_a_machine_or_a_hidden_call_explains_is_possible(stored, source):
    assert kinds((code(source, stored), "")) == []


def test_what_the_replay_shows_too_is_possible():
    assert kinds((code("x = helper(1)", stream("done\n")), "done\n")) == []
    cell = code("x = helper(1)", picture())
    assert kinds((cell, FakeRun(cell["source"], figures=(object(),)))) == []


# ------------------------------------------------------------------------------- sources and outcomes


def test_a_log_longer_than_its_source_makes_it_is_stale():
    stored = LOG + "".join(f"epoch {epoch}: loss 0.3\n" for epoch in range(30, 35))
    (flag,) = claimed(stored, LOG, TRAIN)
    assert flag.kind == "other_source"
    assert "has 35 lines" in flag.message
    assert "has 30" in flag.message


def test_a_log_that_stops_by_itself_may_be_of_any_length():
    source = TRAIN + "\n    if patience == 0:\n        break"
    assert claimed("".join(LOG.splitlines(keepends=True)[:20]), LOG, source) == []


def test_a_line_that_the_source_does_not_print_is_stale():
    (flag,) = claimed("Best validation checkpoint restored\ntest accuracy: 0.86\n", "test accuracy: 0.86\n")
    assert flag.kind == "other_source"
    assert "Best validation checkpoint restored" in flag.message


def test_an_accuracy_in_the_source_is_told():
    assert kinds((code("accuracy = 0.9731"), "")) == ["hard_coded_result"]
    assert kinds(
        (code("print('Test accuracy: 0.98')", stream("Test accuracy: 0.98\n")), "Test accuracy: 0.98\n")
    ) == ["hard_coded_result"]


@pytest.mark.parametrize(
    "source",
    [
        "accuracy = 0.0",
        "best_acc = 0",
        "target_accuracy = 0.85",
        "accuracy = correct / 3421",
        "lr = 0.001",
        "acc = 1",
    ],
)
def test_other_numbers_in_the_source_are_not(source):
    assert kinds((code(source), "")) == []


def test_the_output_of_a_cell_that_raised_is_told_once_with_its_followers():
    runs = [FakeRun(f"print(x{n})", "raised", f"NameError: name 'x{n}' is not defined") for n in range(3)]
    cells = [code(run.source, stream("0.98\n"), count=n + 1) for n, run in enumerate(runs)]
    (flag,) = flags(*zip(cells, runs, strict=True))
    assert flag.kind == "output_of_failed_cell"
    assert "name 'x0' is not defined; so it is with 2 later cells" in flag.message


def test_an_error_that_is_stored_too_is_no_claim():
    error = {"output_type": "error", "ename": "NameError", "evalue": "x", "traceback": []}
    assert kinds((code("print(x)", error), FakeRun("print(x)", "raised", "NameError"))) == []


@pytest.mark.parametrize("outcome", ["timeout", "memory", "crashed", "not_run"])
def test_the_limits_of_this_machine_are_nobodys_claim(outcome):
    assert kinds((code("print(x)", stream("0.98\n")), FakeRun("print(x)", outcome, "took too long"))) == []


def test_a_missing_output_is_told_with_the_cells():
    cells = [
        (code("print('a b')", stream("a b\n"), count=1), "a b\n"),
        (code("print('c d')", count=2), "c d\n"),
    ]
    (flag,) = flags(*cells)
    assert (flag.kind, flag.where) == ("missing_output", "notebook, cell 2")


def test_a_notebook_without_any_output_is_one_flag():
    cells = [(code(f"print({n})", count=None), "done it\n") for n in range(5)]
    (flag,) = flags(*cells)
    assert "without outputs" in flag.message


def test_objects_and_downloads_are_no_output_to_miss():
    assert kinds((code("torch.manual_seed(0)"), "<torch._C.Generator at 0x7f>\n")) == []


def test_cells_that_ran_in_another_order_are_told_by_the_first_pair():
    cells = [(code("a = 1", count=3), ""), (code("b = a", count=2), ""), (code("c = 1", count=1), "")]
    (flag,) = flags(*cells)
    assert flag.kind == "execution_order"
    assert "it ran as [2], and cell 1 (`a = 1`) above it as [3]" in flag.message


def test_gaps_in_the_counts_and_cells_that_never_ran_are_fine():
    assert (
        kinds((code("a = 1", count=2), ""), (code("# later", count=None), ""), (code("b = 1", count=9), ""))
        == []
    )


def test_an_output_without_a_count_is_told():
    assert kinds((code("print(1)", stream("one\n"), count=None), "one\n")) == ["execution_order"]


# -------------------------------------------------------------------------------------- all together


def test_flags_are_capped_and_the_most_telling_come_first():
    odd = [(code(f"y{n} = 1", stream("claim\n"), count=n + 1), "") for n in range(20)]
    last = code("accuracy = 0.97", count=99)
    found = flags((last, ""), *odd)
    assert len(found) == MAX_FLAGS
    assert [flag.kind for flag in found[:-1]] == ["impossible_output"] * (MAX_FLAGS - 1)
    assert found[-1].message.startswith("11 more differences")


def test_cells_are_found_again_by_their_source():
    cells = [code("a = 1"), code("print('x y')", stream("x y\n"), count=2), code("b = 1", count=3)]
    runs = [FakeRun("setup = 1"), FakeRun("print('x y')", printed="x y\n")]
    assert find_claims(book(*cells), runs) == []


def test_the_starter_replayed_gives_nothing():
    assert find_claims(STARTER, []) == []
    sources = [
        "".join(cell["source"]) for cell in json.loads(STARTER)["cells"] if cell["cell_type"] == "code"
    ]
    assert find_claims(STARTER, [FakeRun(source) for source in sources]) == []


def test_an_unreadable_notebook_is_one_flag():
    (flag,) = find_claims(b"{", [])
    assert flag.kind == "stored_outputs_unreadable"


def test_nothing_of_a_student_reaches_a_report_unscrubbed():
    hostile = "print('a')\x1b[31m\u202e\n"
    text = "\x1b[2Jaccuracy: 0.99 \u202e::error::" + "x" * 5000 + "\n"
    found = flags(
        (code(hostile, stream(text)), "accuracy: 0.5 ::error::" + "x" * 5000 + "\n"),
        (code("x = 1", stream(text)), ""),
    )
    assert found
    for flag in found:
        assert flag.message.isprintable()
        assert len(flag.message) < 700


@settings(max_examples=200, deadline=None)
@given(outputs=ANYTHING, replayed=ANYTHING, source=st.text(max_size=60), count=st.integers(0, 3))
def test_whatever_is_stored_and_replayed_there_is_no_traceback(outputs, replayed, source, count):
    cell = code(source, count=count) | {"outputs": outputs}
    given_back = replayed if isinstance(replayed, list) else [replayed]
    try:
        content = book(cell, cell)
    except ValueError:
        return
    runs = [FakeRun(source, notebook_outputs=given_back), FakeRun(source, "raised", "x")]
    for flag in find_claims(content, runs):
        assert flag.kind in KINDS
        assert flag.message.isprintable()


@settings(max_examples=200, deadline=None)
@given(
    stored=st.text(alphabet="ab:0123456789.% \n,[]elosacurcy", max_size=200),
    replayed=st.text(alphabet="ab:0123456789.% \n,[]elosacurcy", max_size=200),
)
def test_whatever_is_printed_there_is_no_traceback(stored, replayed):
    for flag in claimed(stored, replayed):
        assert flag.kind in KINDS


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_an_output_that_the_replay_repeats_is_never_a_claim(text):
    assert claimed(text, text, "print(text)") == []
