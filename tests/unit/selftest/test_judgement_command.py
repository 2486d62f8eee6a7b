"""`grader selftest`: what it prints, what it says to machines, and how it exits."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from grader import cli
from grader.errors import SandboxUnavailable
from grader.selftest import judgement
from grader.selftest.judgement_records import Fate, GradedResult, Judgement, MutantResult, RepeatResult
from grader.selftest.mutants import Mutant, mutants_of

MADE: dict[tuple[str, ...], list[Mutant]] = {}
FULL = GradedResult("the reference", "")
LINEAR, UTILS = "mytorch/nn/modules/linear.py", "mytorch/utils.py"
PEERS = {"one entry": False, "every entry": True}


@pytest.fixture(autouse=True)
def mutants_made_once(monkeypatch):
    """Make the mutants once for all tests here: that takes seconds, and they are the same each time."""

    def kept(root, sources):
        files = tuple(source.file for source in sources)
        if files not in MADE:
            MADE[files] = mutants_of(root, sources)
        return MADE[files]

    monkeypatch.setattr(judgement, "mutants_of", kept)


def mutant(fate: Fate, *, file: str = LINEAR, reason: str = "", peers=PEERS) -> MutantResult:
    made = Mutant(file, "Linear.forward", 22, "return x", "flip_sign", "x", "(-\x1b[31mx)", "q6.1", "")
    return MutantResult(made, fate, reason, "Linear, values", peers, 0.5)


RESULTS = (
    mutant(Fate.KILLED, reason="q6.1.forward_values"),
    mutant(Fate.KILLED, file=UTILS, peers={"one entry": True, "every entry": True}),
    mutant(Fate.WITHIN_CONTRACT, reason="it may"),
    mutant(Fate.EQUIVALENT),
)
GOOD = Judgement(
    provider="confined",
    level=2,
    is_quick=False,
    reference=FULL,
    template=GradedResult("the template", ""),
    repeats=RepeatResult(3, (), (FULL,)),
    right=(GradedResult("right_one", "", peers={"one entry": False, "every entry": True}),),
    right_known=1,
    mutants=RESULTS,
    made=4,
    left_out=("theory.py",),
    stale=(),
    seconds=12.3,
)
BAD = {
    "a survivor": (
        replace(GOOD, mutants=(*RESULTS, mutant(Fate.SURVIVED))),
        "linear.py:22: survived: x -> (-",
    ),
    "a fault of ours": (replace(GOOD, mutants=(mutant(Fate.UNJUDGED, reason="it broke"),)), "it broke"),
    "a wronged variant": (
        replace(GOOD, right=(GradedResult("right_one", "", ("q6.1.forward_values",)),)),
        "right_one: q6.1.forward_values",
    ),
    "a wronged reference": (replace(GOOD, reference=replace(FULL, problem="rejected")), "rejected"),
    "a template that scores": (
        replace(GOOD, template=GradedResult("the template", "", ("q6.4.module",))),
        "the template: q6.4.module",
    ),
    "another report": (
        replace(GOOD, repeats=RepeatResult(3, ("report.score: 1, then 2",))),
        "the reference's reports differ: report.score: 1, then 2",
    ),
    "other inputs": (
        replace(GOOD, repeats=RepeatResult(3, (), (replace(FULL, wrong=("q6.7.learns",)),))),
        "the reference: q6.7.learns",
    ),
    "a stale row": (replace(GOOD, stale=("optim.py: 0.1 -> 0.2",)), "optim.py: 0.1 -> 0.2"),
}


@pytest.fixture
def command(monkeypatch):
    """Run the command on made-up results, or on an error, instead of on gradings."""

    def of(outcome):
        def run_judgement(trial, name, on_result):
            assert name == "confined"
            assert trial.steps > 0
            on_result("a step")
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(judgement, "run_judgement", run_judgement)
        return lambda *more: cli.run(["selftest", "--sandbox", "confined", *more])

    return of


def test_it_exits_with_0_where_everything_holds_and_says_so(command, capsys):
    assert command(GOOD)() == 0
    printed = capsys.readouterr().out
    assert "everything holds; 12 s; isolation: level 2 (confined)" in printed
    assert "No mutants of theory.py: no check judges it yet." in printed


@pytest.mark.parametrize("outcome, sentence", BAD.values(), ids=BAD)
def test_it_exits_with_1_where_something_does_not_hold_and_says_what(command, capsys, outcome, sentence):
    assert command(outcome)() == 1
    printed = capsys.readouterr().out
    assert sentence in " ".join(printed.split())
    assert "1 things do not hold" in printed
    assert "\x1b" not in printed


def test_the_table_counts_mutants_by_file(command, capsys):
    command(BAD["a survivor"][0])()
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    assert rows[LINEAR] == ["3", "1", "1", "1"]
    assert rows[UTILS] == ["1", "1", "0", "0"]
    assert rows["all"] == ["4", "2", "1", "1"]


def test_the_table_holds_the_other_graders_beside_this_one(command, capsys):
    command(GOOD)()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "this grader 0 of 2 0 of 1 0 of 1" in lines
    assert "one entry 1 of 2 0 of 1 1 of 1" in lines
    assert "every entry 2 of 2 1 of 1 0 of 1" in lines


def test_every_line_has_eighty_columns_at_most(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command(BAD["a survivor"][0])()
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_as_json_it_holds_every_mutant_and_what_became_of_it(command, capsys):
    assert command(BAD["a survivor"][0])("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert told["mutants"]["made"] == 4
    assert told["mutants"]["killed"] == 2
    assert told["mutants"]["equivalent"] == 1
    assert [each["fate"] for each in told["mutants"]["results"]][-1] == "survived"
    first = told["mutants"]["results"][0]
    assert (first["file"], first["line"], first["operator"]) == (LINEAR, 22, "flip_sign")
    assert first["reason"] == "q6.1.forward_values"
    assert [peer["let_through"] for peer in told["peers"]] == [1, 1, 3]
    assert told["right"]["known"] == 1


def test_it_exits_with_4_where_the_sandbox_is_not_there(command, capsys):
    assert command(SandboxUnavailable("no Landlock here"))() == 4
    assert "no Landlock here" in capsys.readouterr().err


def test_an_unknown_sandbox_is_a_usage_error(capsys):
    assert cli.run(["selftest", "--sandbox", "docker"]) == 2
    assert "no sandbox is called 'docker'" in capsys.readouterr().err


def test_it_repeats_at_least_once(capsys):
    assert cli.run(["selftest", "--repeat", "0"]) == 2
    assert "--repeat" in capsys.readouterr().err


def test_a_quick_trial_is_a_part_of_the_whole_and_the_same_each_time(monkeypatch):
    with monkeypatch.context() as undone:
        undone.setattr(judgement, "mutants_of", mutants_of)
        made_anew = judgement.make_trial(quick=True)
    quick, whole = judgement.make_trial(quick=True), judgement.make_trial()
    assert quick.mutants == made_anew.mutants
    assert set(quick.mutants) < set(whole.mutants) == set(whole.made)
    assert {m.file for m in quick.mutants} == {m.file for m in whole.mutants}
    assert {variant.name for variant in quick.right} < {variant.name for variant in whole.right}
    assert quick.steps < whole.steps
    assert judgement.make_trial(repeats=50).repeats == 50


def test_two_reports_differ_in_anything_but_times():
    one = {"score": 1, "timing": 3, "checks": [{"id": "a", "duration_s": 1}]}
    same = {"score": 1, "timing": 4, "checks": [{"id": "a", "duration_s": 2}]}
    other = {"score": 1, "timing": 3, "checks": [{"id": "b", "duration_s": 1}]}
    assert not list(judgement._places(one, same, "report"))
    assert list(judgement._places(one, other, "report")) == ["report.checks[0].id: 'a', then 'b'"]
    assert list(judgement._places(one, {"score": 1}, "report"))
