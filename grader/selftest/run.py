"""All attacks on one sandbox, a family after the other."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grader import pipeline, sandbox
from grader.errors import SandboxUnavailable
from grader.sandbox.policy import read_policy
from grader.sandbox.providers import Provider
from grader.selftest.archives import hostile_archives
from grader.selftest.bench import Bench
from grader.selftest.forging import Forgery, find_forgeries, try_forgery
from grader.selftest.frames import hostile_frames
from grader.selftest.programs import PROGRAMS
from grader.selftest.records import Attack, AttackResult, AttackRun, Kind
from grader.selftest.unpacking import try_archive
from grader.settings import resource

GRADINGS_AT_ONCE = 2


def all_attacks() -> list[Attack]:
    """Return every attack that there is, those that take too long to be run each time included."""
    return [
        *(program.attack for program in PROGRAMS),
        *(Attack(frame.id, frame.rows, frame.title, Kind.FRAME) for frame in hostile_frames()),
        *(Attack(entry.id, entry.rows, entry.title, Kind.ARCHIVE) for entry in hostile_archives()),
        *(forgery.attack for forgery in _forgeries()),
    ]


def attacks_each_time() -> list[Attack]:
    """Return those that `run_attacks` tries."""
    slow = {forgery.attack.id for forgery in _forgeries() if forgery.slow}
    return [attack for attack in all_attacks() if attack.id not in slow]


def run_attacks(name: str, on_result: Callable[[AttackResult], None] = lambda _: None) -> AttackRun:
    """Try every attack on a sandbox, or on the best one here ("auto").

    Raise SandboxUnavailable where it does not hold, or where what attacks leave cannot be seen.
    """
    if sys.platform != "linux":
        raise SandboxUnavailable(f"attacks are tried on Linux only; this is {sys.platform}")
    provider = provider_of(name)
    results = []
    for result in _tried(provider):
        results.append(result)
        on_result(result)
    return AttackRun(provider.name, provider.level, tuple(results))


def provider_of(name: str, *, min_isolation: int = pipeline.GRADE_MIN_ISOLATION) -> Provider:
    """Return a sandbox that holds here, by name or the best of that isolation; raise SandboxUnavailable."""
    with tempfile.TemporaryDirectory(prefix="grader-survey-") as folder:
        provider, started = sandbox.open_worker(
            Path(folder),
            provider=name,
            min_isolation=min_isolation if name == "auto" else 1,
            policy=read_policy(),
            places={},
        )
        started.process.kill()
    return provider


def attacks_folder() -> Path:
    """Return where programs and forgeries are."""
    return resource("fixtures/attacks")


def _tried(provider: Provider) -> Iterator[AttackResult]:
    with Bench(attacks_folder() / "programs", provider) as bench:
        yield from (bench.run(program) for program in PROGRAMS)
        yield from (bench.send(frame) for frame in hostile_frames())
    yield from (try_archive(archive) for archive in hostile_archives())
    # The suites are read once, here: CPython 3.11's parser is not safe in two threads at a time.
    pipeline.prepare(pipeline.GradeOptions())
    with ThreadPoolExecutor(GRADINGS_AT_ONCE) as pool:
        quick = [forgery for forgery in _forgeries() if not forgery.slow]
        yield from pool.map(lambda forgery: try_forgery(forgery, provider), quick)


def _forgeries() -> list[Forgery]:
    return find_forgeries(attacks_folder() / "forgeries")
