"""Run one attack inside a worker, and judge from outside what it achieved."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from grader.environment import environment_values
from grader.errors import GraderFault, SandboxUnavailable
from grader.model import Limits
from grader.sandbox.providers import Provider
from grader.selftest import watch
from grader.selftest.programs import Program
from grader.selftest.records import SUCCESS, Attack, AttackResult, HostileFrame, Kind
from grader.selftest.targets import Targets, new_token, pipe_of, planted
from grader.selftest.trusted_side import bench_policy

START_SECONDS = 60.0
FRAME_SECONDS = 3.0
WITNESS_SECONDS = 10.0
# How much longer than its limits an attack may keep the trusted side, where the machine does more than this.
GRACE_SECONDS = 15.0
MOST_GROWTH_BYTES = 64 << 20
MOST_CROWDED_SECONDS = 2.0  # for too many threads to be seen and stopped
WRAPPERS = 8  # threads of what is around a worker
Answer = Mapping[str, Any] | None

_TRUSTED_SIDE = ("-E", "-P", "-m", "grader.selftest.trusted_side")


class TrustedSide:
    """The process that opens the workers: see trusted_side.py."""

    def __init__(self, temporary: Path) -> None:
        self._tokens = (new_token(), new_token())
        self._process = subprocess.Popen(
            [sys.executable, *_TRUSTED_SIDE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **environment_values(("PATH",)),
                "TRUSTED": self._tokens[0],
                "TMPDIR": str(temporary),  # watched: nothing may be left in it
            },
        )
        self._write(self._tokens[1])

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def tokens(self) -> dict[str, str]:
        """Its secrets, each with the words for it."""
        return dict.fromkeys(self._tokens, "a secret of the grader's own process")

    def ask(self, request: Mapping[str, Any], *, seconds: float) -> dict[str, Any] | None:
        """Have something tried; return what came back, or None where the process died or kept us waiting."""
        self._write(json.dumps(request))
        stdout = pipe_of(self._process.stdout)
        readable, _, _ = select.select([stdout], [], [], seconds)
        line = stdout.readline() if readable else ""
        answer: dict[str, Any] | None = json.loads(line) if line else None
        if answer is not None and "unavailable" in answer:
            raise SandboxUnavailable(answer["unavailable"])
        return answer

    def close(self) -> None:
        """End it; its workers end with it."""
        self._process.kill()
        self._process.communicate()

    def _write(self, line: str) -> None:
        stdin = pipe_of(self._process.stdin)
        with contextlib.suppress(OSError):  # a process that is gone is told from its answer
            stdin.write(f"{line}\n")
            stdin.flush()


class Bench:
    """Targets and a provider; every attack gets a worker of its own, and what one spoiled is planted anew."""

    def __init__(self, programs: Path, provider: Provider) -> None:
        self._programs = programs
        self._provider = provider
        self._planted = contextlib.ExitStack()
        self._started = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._started)
            stack.enter_context(self._planted)
            self._plant()
            self._start()
            self._descriptors = self._descriptors_at_rest()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def tokens(self) -> Mapping[str, str]:
        """What must never come back from a worker, each with the words for where it was planted."""
        return self._targets.tokens | self._trusted.tokens

    def run(self, program: Program, **more: Any) -> AttackResult:
        """Try one program; `more` are further facts."""
        before = self._witness() if program.witness else None
        result = self._judged(program.attack, self._program(program, more), call_s=program.seconds)
        if not program.witness or (changed := _difference(before, self._witness())) == "":
            return result
        finding = f"the next worker is not as the one before: {changed}"
        return AttackResult(result.attack, succeeded=True, evidence=finding, seconds=result.seconds)

    def send(self, frame: HostileFrame) -> AttackResult:
        """Have student code write a hostile frame in place of its answer."""
        attack = Attack(frame.id, frame.rows, frame.title, Kind.FRAME)
        return self._judged(attack, {"frame": frame.id}, call_s=FRAME_SECONDS)

    def witness(self, *, min_isolation: int | None = None) -> str:
        """Return, as text, what a fresh worker sees of itself."""
        return self._witness(min_isolation=min_isolation)

    # -------------------------------------------------------------------------------- inside

    def _plant(self) -> None:
        self._planted.close()
        self._targets = self._planted.enter_context(planted(self._programs))

    def _start(self) -> None:
        """Start a new trusted side, whose temporary files are watched as well."""
        self._started.close()
        name = self._started.enter_context(tempfile.TemporaryDirectory(prefix="grader-trusted-"))
        self._temporary = Path(name)
        self._temporary.chmod(0o755)  # as the usual folder for them: others may enter
        self._trusted = self._started.enter_context(contextlib.closing(TrustedSide(self._temporary)))

    def _descriptors_at_rest(self) -> int:
        answer = self._asked({"program": "nothing", "facts": {}}, call_s=START_SECONDS)
        if answer is None or answer["fault"] or answer["broke"]:
            raise GraderFault(f"the attacks cannot start: {answer}")
        return int(answer["descriptors"])

    def _program(self, program: Program, more: Mapping[str, Any]) -> dict[str, Any]:
        policy = bench_policy(program.seconds)
        limits = policy.limits
        facts = self._targets.facts() | {
            "parent": self._trusted.process_id,
            "environment": sorted(policy.environment),
            "memory_bytes": limits.memory_bytes,
            "open_files": limits.open_files,
            "threads": limits.threads,
            "response_bytes": limits.response_bytes,
        }
        return {"program": program.file, "facts": {**facts, **program.options, **more}}

    def _asked(
        self, request: Mapping[str, Any], *, call_s: float, min_isolation: int | None = None
    ) -> dict[str, Any] | None:
        where = {
            "submission": str(self._targets.submission),
            "provider": self._provider.name,
            "min_isolation": self._provider.level if min_isolation is None else min_isolation,
            "call_s": call_s,
        }
        return self._trusted.ask({**request, **where}, seconds=_allowance_s(call_s) + START_SECONDS)

    def _witness(self, *, min_isolation: int | None = None) -> str:
        answer = self._asked(
            {"program": "witness", "facts": {}}, call_s=WITNESS_SECONDS, min_isolation=min_isolation
        )
        return "" if answer is None else str(answer["fault"] or answer["broke"] or answer["texts"])

    def _judged(self, attack: Attack, request: Mapping[str, Any], *, call_s: float) -> AttackResult:
        started = time.monotonic()
        before = _Surroundings(self._targets, self._trusted.process_id, self._temporary)
        limits = bench_policy(call_s).limits
        with watch.Load(self._trusted.process_id, most_threads=limits.threads + WRAPPERS) as load:
            answer = self._asked(request, call_s=call_s)
        of_trusted = [
            *of_the_trusted_side(answer, call_s, self._descriptors),
            *_of_processes(self._trusted.process_id),
            *before.changes_of_trusted(),
        ]
        findings = [
            *of_the_answer(answer, self.tokens),
            *_of_the_load(load, limits),
            *of_trusted,
            *before.changes(),
        ]
        if of_trusted:
            self._start()
        if findings:
            self._plant()
        return AttackResult(
            attack,
            succeeded=bool(findings),
            evidence="; ".join(findings) or _ending(answer),
            seconds=round(time.monotonic() - started, 3),
        )


class _Surroundings:
    """Everything around a worker as it was before an attack."""

    def __init__(self, targets: Targets, trusted: int, temporary: Path) -> None:
        self._targets = targets
        self._trusted = trusted
        self._temporary = temporary
        self._files = self._files_now()
        self._beside = watch.standing(targets.bystander.process_id)
        self._standing = watch.standing(trusted)
        watch.forget_peak(trusted)
        self._bytes = watch.peak_bytes(trusted)

    def changes(self) -> list[str]:
        """Say what is different now in files and folders, on sockets and beside the worker."""
        targets = self._targets
        return [
            *targets.ears.heard(),
            *watch.changes(self._files, self._files_now()),
            *(f"{path} was made" for path in watch.take_away(targets.outside, targets.nonce)),
            *(harm for harm in (targets.bystander.harm(), targets.keeper.harm()) if harm),
            *_of_standing("the process beside", self._beside, watch.standing(targets.bystander.process_id)),
        ]

    def changes_of_trusted(self) -> list[str]:
        """Say what is different now about the process that opened the worker."""
        found = list(_of_standing("the grader", self._standing, watch.standing(self._trusted)))
        growth = watch.peak_bytes(self._trusted) - self._bytes
        if growth > MOST_GROWTH_BYTES:
            found.append(f"the grader grew by {growth >> 20} MiB")
        return found

    def _files_now(self) -> dict[str, str]:
        return watch.folder_state(self._targets.folder) | watch.folder_state(self._temporary)


def _of_standing(whose: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    if not after:
        yield f"{whose} is gone"
    yield from (f"{whose} has another {name}" for name in after if before.get(name) != after[name])


def of_the_answer(answer: Answer, tokens: Mapping[str, str]) -> Iterator[str]:
    """Say which secrets came back, and what a program says that it achieved."""
    if answer is None:
        return
    texts: Sequence[str] = [*answer["texts"], answer["fault"] or "", answer["broke"] or ""]
    sources = (words for token, words in tokens.items() if any(token in text for text in texts))
    yield from (f"{words} came back" for words in dict.fromkeys(sources))
    yield from (text[:160] for text in texts if text.startswith(SUCCESS))


def of_the_trusted_side(answer: Answer, call_s: float, descriptors: int) -> Iterator[str]:
    """Say what happened to the process that opened the worker; it had so many descriptors before."""
    if answer is None:
        yield "the grader's own process died, or was kept far beyond the time limit"
        return
    if answer["broke"]:
        yield f"the trusted side broke: {answer['broke'][:300]}"
    if answer["seconds"] > _allowance_s(call_s):
        yield f"the grader was kept for {answer['seconds']:.1f} s where a call may take {call_s:g} s"
    if answer["descriptors"] > descriptors:
        yield f"the grader holds {answer['descriptors'] - descriptors} more descriptors"
    if answer["foreign"]:
        yield f"the grader imported {', '.join(answer['foreign'])} from the submission"


def _allowance_s(call_s: float) -> float:
    return 3 * call_s + GRACE_SECONDS  # opening the layer, the attack, and the call after it


def _of_the_load(load: watch.Load, limits: Limits) -> Iterator[str]:
    if load.crowded_s > MOST_CROWDED_SECONDS:
        yield f"more than {limits.threads} threads ran for {load.crowded_s:.1f} s"
    if load.resident_bytes > limits.memory_bytes + MOST_GROWTH_BYTES:
        yield f"{load.resident_bytes >> 20} MiB were held at once"


def _of_processes(ancestor: int) -> Iterator[str]:
    for number in watch.left_over(ancestor):
        yield f"process {number} was left behind"
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _ending(answer: Answer) -> str:
    """Say in short how an attack ended that achieved nothing."""
    if answer is None:
        return ""
    return str(answer["fault"] or answer["shown"])[:2000]


def _difference(before: str | None, after: str) -> str:
    return "" if before == after else f"{before} became {after}"[:2000]
