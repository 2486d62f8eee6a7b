"""`grader selftest --attacks`: what it tries, what it prints, and how it exits."""

from __future__ import annotations

import json
import sys
import time

import pytest

from grader import cli
from grader.errors import SandboxUnavailable
from grader.selftest import run
from grader.selftest.records import Attack, AttackResult, AttackRun, Kind
from tests.few_attacks import try_one_of_each_family

TWO_MINUTES_S = 120.0


def result(name: str, *, succeeded: bool = False, kind: Kind = Kind.PROGRAM) -> AttackResult:
    attack = Attack(name, ("C11",), f"the title of {name}", kind)
    return AttackResult(attack, succeeded, "a \x1b[31msecret came back" if succeeded else "refused", 0.5)


def run_of(*results: AttackResult) -> AttackRun:
    return AttackRun("confined", 2, results)


@pytest.fixture
def command(monkeypatch):
    """Run the command on made-up results, or on an error, instead of on attacks."""

    def of(outcome):
        def run_attacks(name, on_result):
            assert name == "confined"
            if isinstance(outcome, Exception):
                raise outcome
            for each in outcome.results:
                on_result(each)
            return outcome

        monkeypatch.setattr(run, "run_attacks", run_attacks)
        return lambda *more: cli.run(["selftest", "--attacks", "--sandbox", "confined", *more])

    return of


def test_it_exits_with_0_when_no_attack_succeeded_and_says_so(command, capsys):
    code = command(run_of(result("one"), result("two", kind=Kind.ARCHIVE)))()
    printed = capsys.readouterr().out
    assert code == 0
    assert "0 of 2 succeeded; isolation: level 2 (confined)" in printed
    assert "programs in a worker  1      0 " in printed
    assert "archives              1      0 " in printed


def test_it_exits_with_1_and_shows_what_was_seen_when_one_succeeded(command, capsys):
    code = command(run_of(result("one"), result("two", succeeded=True)))()
    printed = capsys.readouterr().out
    assert code == 1
    assert "1 of 2 succeeded" in printed
    assert "two (C11): the title of two" in printed
    assert "    | a secret came back" in printed
    assert "\x1b" not in printed


def test_it_exits_with_4_where_the_sandbox_is_not_there(command, capsys):
    assert command(SandboxUnavailable("no Landlock here"))() == 4
    assert "no Landlock here" in capsys.readouterr().err


def test_as_json_it_holds_every_attack(command, capsys):
    assert command(run_of(result("one"), result("two", succeeded=True)))("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("sandbox", "level", "tried", "succeeded")} == {
        "sandbox": "confined",
        "level": 2,
        "tried": 2,
        "succeeded": 1,
    }
    assert told["results"][1] == {
        "id": "two",
        "rows": ["C11"],
        "title": "the title of two",
        "kind": "program",
        "succeeded": True,
        "evidence": "a secret came back",
        "seconds": 0.5,
    }


def test_what_is_for_the_judgement_is_a_usage_error_beside_attacks(capsys):
    for option in (["--quick"], ["--repeat", "3"]):
        assert cli.run(["selftest", "--attacks", *option]) == 2
        assert "not for --attacks" in capsys.readouterr().err


def test_an_unknown_sandbox_is_a_usage_error(capsys):
    assert cli.run(["selftest", "--attacks", "--sandbox", "docker"]) == 2
    assert "no sandbox is called 'docker'" in capsys.readouterr().err


def test_where_nothing_can_be_seen_from_outside_it_is_not_tried(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cli.run(["selftest", "--attacks"]) == 4
    assert "on Linux only" in capsys.readouterr().err


def test_every_attack_has_a_name_of_its_own_a_row_and_a_title():
    attacks = run.all_attacks()
    names = [attack.id for attack in attacks]
    assert len(set(names)) == len(names)
    assert all(attack.rows and attack.title for attack in attacks)
    assert {attack.kind for attack in attacks} == set(Kind)


def test_every_family_is_tried_and_each_attack_once(monkeypatch):
    """One of each family, for the whole run takes a minute: that is the slow test below."""
    try_one_of_each_family(monkeypatch)
    seen = []
    done = run.run_attacks("auto", seen.append)
    assert list(done.results) == seen
    assert [each.attack for each in seen] == run.attacks_each_time()
    assert not done.succeeded
    assert done.level >= 2


@pytest.mark.slow
def test_the_whole_run_takes_two_minutes_at_most_and_nothing_succeeds(capsys):
    started = time.monotonic()
    assert cli.run(["selftest", "--attacks"]) == 0, capsys.readouterr().out
    assert time.monotonic() - started < TWO_MINUTES_S
    assert f"0 of {len(run.attacks_each_time())} succeeded" in capsys.readouterr().out
