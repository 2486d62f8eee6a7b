"""What a person sees of `grader selftest`: tables for 80 columns, and the same as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from grader.plain_text import quiet, scrub
from grader.selftest.judgement_records import Fate, GradedResult, Judgement, MutantResult
from grader.selftest.records import AttackResult, AttackRun, Kind
from grader.terminal import barred, make_console, print_table, steps_progress

_FAMILIES = {
    Kind.PROGRAM: "programs in a worker",
    Kind.FRAME: "frames on the protocol",
    Kind.ARCHIVE: "archives",
    Kind.FORGERY: "forged submissions",
}


def judge_the_judge(name: str, *, quick: bool, repeat: int | None, as_json: bool) -> int:
    """Try the judgement under the sandbox `name`, and print what came of it; return the exit code."""
    from grader.selftest import judgement  # noqa: PLC0415 -- what takes long is loaded when it is needed

    trial = judgement.make_trial(quick=quick, repeats=repeat)
    with steps_progress(make_console(stderr=True), name="self-test", total=trial.steps) as on_step:
        found = judgement.run_judgement(trial, name, on_step)
    if as_json:
        typer.echo(judgement_as_json(found))
    else:
        print_judgement(make_console(), found)
    return int(bool(found.problems))


def try_attacks(name: str, *, as_json: bool) -> int:
    """Try every attack under the sandbox `name`, and print what came of it; return the exit code."""
    from grader.selftest.run import attacks_each_time, run_attacks  # noqa: PLC0415 -- as above

    total = len(attacks_each_time())
    with steps_progress(make_console(stderr=True), name="attacks", total=total) as on_step:
        run = run_attacks(name, lambda result: on_step(result.attack.id))
    if as_json:
        typer.echo(attacks_as_json(run))
    else:
        print_attacks(make_console(), run)
    return int(bool(run.succeeded))


def print_attacks(console: Console, run: AttackRun) -> None:
    """Print an attack run: a row a family, every success with what was seen of it, and the sum."""
    rows = []
    for kind in dict.fromkeys(result.attack.kind for result in run.results):
        family = [result for result in run.results if result.attack.kind is kind]
        succeeded = sum(result.succeeded for result in family)
        rows.append((_FAMILIES[kind], str(len(family)), str(succeeded), f"{_seconds(family):.0f} s"))
    print_table(console, ("attacks", "tried", "succeeded", "time"), rows)
    for result in run.succeeded:
        attack = result.attack
        console.print(Text(f"\n{attack.id} ({', '.join(attack.rows)}): {attack.title}", style="bold red"))
        for line in barred(result.evidence, console.width):
            console.print(line, soft_wrap=True)
    console.print(
        f"\n{len(run.succeeded)} of {len(run.results)} succeeded;"
        f" isolation: level {run.level} ({run.provider})"
    )


def attacks_as_json(run: AttackRun) -> str:
    """Return an attack run as JSON, one record an attack."""
    results = [
        {
            **asdict(result.attack),
            "succeeded": result.succeeded,
            "evidence": scrub(result.evidence),
            "seconds": result.seconds,
        }
        for result in run.results
    ]
    counts = {"tried": len(results), "succeeded": len(run.succeeded)}
    return json.dumps({"sandbox": run.provider, "level": run.level, **counts, "results": results}, indent=2)


def print_judgement(console: Console, run: Judgement) -> None:
    """Print the self-test of the grader's judgement: what was graded, the peers, and what does not hold."""
    print_table(console, ("graded", "number", "as it must", ""), _judgement_rows(run))
    console.print()
    print_table(console, ("mutants of", "changed", "killed", "allowed", "survived"), _mutant_rows(run))
    console.print()
    print_table(
        console, ("criterion", "mutants let through", "in layers", "right ones failed"), _peer_rows(run)
    )
    for problem in run.problems:
        console.print(Text(f"\n{quiet(scrub(problem))}", style="bold red"))
    verdict = f"{len(run.problems)} things do not hold" if run.problems else "everything holds"
    part = f", {len(run.mutants)} of {run.made} mutants tried" if run.is_quick else ""
    console.print(f"\n{verdict}{part}; {run.seconds:.0f} s; isolation: level {run.level} ({run.provider})")
    if run.left_out:
        console.print(f"No mutants of {', '.join(run.left_out)}: no check judges it yet.")


def _judgement_rows(run: Judgement) -> list[tuple[str, str, str, str]]:
    again, right = run.repeats, run.right
    tried = f"{len(right)} of {run.right_known} tried" if len(right) < run.right_known else ""
    return [
        ("the reference", "1", _share([run.reference]), "all points"),
        ("the template", "1", _share([run.template]), "no points"),
        ("the reference again", str(again.count), "differ" if again.differing else "all", "the same report"),
        ("on other inputs", str(len(again.others)), _share(again.others), "all points"),
        ("right variants", str(len(right)), _share(right), f"all points {tried}".rstrip()),
    ]


def _share(results: Sequence[GradedResult]) -> str:
    right = sum(result.is_right for result in results)
    return "all" if right == len(results) else f"{right}"


def _mutant_rows(run: Judgement) -> list[tuple[str, ...]]:
    files = dict.fromkeys(result.mutant.file for result in run.mutants)
    rows = [_fates(name, [each for each in run.mutants if each.mutant.file == name]) for name in files]
    return [*rows, _fates("all", run.mutants)]


def _fates(name: str, results: Sequence[MutantResult]) -> tuple[str, ...]:
    counts = Counter(result.fate for result in results)
    survived = counts[Fate.SURVIVED] + counts[Fate.UNJUDGED]
    numbers = (counts[Fate.KILLED], counts[Fate.WITHIN_CONTRACT], survived)
    return (name, *map(str, (sum(numbers), *numbers)))


def _peer_rows(run: Judgement) -> list[tuple[str, ...]]:
    return [
        (
            peer.name,
            f"{peer.let_through} of {peer.of}",
            f"{peer.let_through_in_layers} of {peer.of_in_layers}",
            f"{len(peer.right_failed)} of {len(run.right)}",
        )
        for peer in run.peers
    ]


def judgement_as_json(run: Judgement) -> str:
    """Return the self-test of the grader's judgement as JSON, one record a mutant."""
    record = {
        "sandbox": run.provider,
        "level": run.level,
        "quick": run.is_quick,
        "holds": not run.problems,
        "problems": run.problems,
        "seconds": run.seconds,
        "reference": asdict(run.reference),
        "template": asdict(run.template),
        "repeats": asdict(run.repeats),
        "right": {"known": run.right_known, "results": [asdict(result) for result in run.right]},
        "mutants": {
            "made": run.made,
            "tried": len(run.mutants),
            **{str(fate): number for fate, number in run.counts.items()},
            "left_out": run.left_out,
            "results": [_mutant_record(result) for result in run.mutants],
        },
        "peers": [asdict(peer) for peer in run.peers],
    }
    return json.dumps(record, indent=2)


def _mutant_record(result: MutantResult) -> dict[str, object]:
    mutant = result.mutant
    names = ("id", "file", "scope", "line", "text", "operator", "change", "question")
    return {
        **{name: getattr(mutant, name) for name in names},
        "fate": result.fate,
        "reason": result.reason,
        "difference": result.difference,
        "peers": dict(result.peers),
        "seconds": result.seconds,
    }


def _seconds(results: Sequence[AttackResult]) -> float:
    return sum(result.seconds for result in results)
