"""The judge of attacks sees what there is to see: a test brings about every finding once."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader import pipeline
from grader.sandbox.providers import PROVIDERS
from grader.selftest import bench as judge
from grader.selftest import trusted_side, unpacking, watch
from grader.selftest.archives import hostile_archives
from grader.selftest.forging import Forgery, try_forgery
from grader.selftest.records import Attack, HostileArchive, HostileFrame, Kind
from grader.selftest.run import attacks_folder
from grader.selftest.targets import Companion, Ears, planted
from grader.selftest.unpacking import try_archive
from grader.selftest.zip_maker import members_of, zip_of
from grader.settings import resource
from grader.worker import protocol

MEBIBYTE = 1 << 20
HARMLESS: dict[str, Any] = {
    "texts": ["fine"],
    "shown": "fine",
    "fault": None,
    "broke": None,
    "seconds": 0.1,
    "descriptors": 5,
    "foreign": [],
}


@pytest.fixture
def companion(tmp_path) -> Iterator[Companion]:
    target = tmp_path / "target"
    target.write_text("x")
    made = Companion(target)
    yield made
    made.close()


# ------------------------------------------------------------------------------------- what came back


def of_the_answer(**more: Any) -> list[str]:
    return list(judge.of_the_answer({**HARMLESS, **more}, {"planted-1": "a secret file"}))


def of_the_trusted_side(**more: Any) -> list[str]:
    return list(judge.of_the_trusted_side({**HARMLESS, **more}, 1.0, 5))


def test_an_answer_that_holds_nothing_planted_is_no_finding():
    assert not of_the_answer()
    assert not of_the_trusted_side()


@pytest.mark.parametrize("place", ["texts", "fault", "broke"])
def test_a_planted_secret_is_found_wherever_it_comes_back(place):
    text = "before planted-1 after"
    assert of_the_answer(**{place: [text] if place == "texts" else text}) == ["a secret file came back"]


def test_a_program_is_believed_when_it_says_that_it_achieved_something():
    assert of_the_answer(texts=["achieved: a fork"]) == ["achieved: a fork"]
    assert not of_the_answer(texts=["it was not achieved: a fork"])


@pytest.mark.parametrize(
    "more, said",
    [
        ({"broke": "KeyError: 1"}, "the trusted side broke"),
        ({"seconds": 60.0}, "was kept for 60.0 s"),
        ({"descriptors": 7}, "2 more descriptors"),
        ({"foreign": ["numpy"]}, "imported numpy"),
    ],
)
def test_harm_to_the_trusted_side_is_a_finding(more, said):
    (finding,) = of_the_trusted_side(**more)
    assert said in finding


def test_a_trusted_side_that_is_gone_is_a_finding():
    assert list(judge.of_the_trusted_side(None, 1.0, 5))


# ---------------------------------------------------------------------------------- files and folders

CHANGES = {
    "content": lambda folder: (folder / "file").write_text("other"),
    "rights": lambda folder: (folder / "file").chmod(0o600),
    "times": lambda folder: os.utime(folder / "file", (1, 1)),
    "links": lambda folder: (folder / "hard").hardlink_to(folder / "file"),
    "new": lambda folder: (folder / "inner" / "new").touch(),
    "removed": lambda folder: (folder / "file").unlink(),
    "target": lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("elsewhere")),
    "folder": lambda folder: (folder / "inner").chmod(0o700),
}


@pytest.fixture
def watched(tmp_path) -> Path:
    (tmp_path / "inner").mkdir(mode=0o755)
    (tmp_path / "file").write_text("as it was")
    (tmp_path / "file").chmod(0o644)
    (tmp_path / "link").symlink_to("file")
    return tmp_path


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_below_a_watched_folder_is_told(watched, change):
    before = watch.folder_state(watched)
    assert not watch.changes(before, watch.folder_state(watched))
    change(watched)
    assert watch.changes(before, watch.folder_state(watched))


def test_what_bears_the_nonce_is_found_and_taken_away_and_nothing_else(tmp_path):
    for name in ("attack-1", "attack-1-more", "other"):
        (tmp_path / name).touch()
    (tmp_path / "attack-1-folder").mkdir()
    assert len(watch.take_away([tmp_path, tmp_path / "missing"], "attack-1")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


# ------------------------------------------------------------------------------------------ processes


def test_a_process_that_is_left_behind_is_seen(monkeypatch):
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.1)
    code = "import subprocess as s; p = s.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert watch.left_over(parent.pid) == [child]
    os.kill(child, signal.SIGKILL)
    assert watch.left_over(parent.pid) == []
    parent.kill()
    parent.communicate()


def test_threads_and_memory_of_what_runs_below_are_counted():
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import threading, time\\n"
        "for _ in range(20): threading.Thread(target=time.sleep, args=(0.6,)).start()\\n"
        "held = bytearray(64 << 20)'])"
    )
    with (
        subprocess.Popen([sys.executable, "-c", code]) as process,
        watch.Load(process.pid, most_threads=15) as load,
    ):
        process.wait()
    assert load.crowded_s > 0.2
    assert load.resident_bytes > 64 * MEBIBYTE


def test_a_companion_that_is_well_is_not_said_to_be_harmed(companion):
    assert companion.harm() is None


def test_the_end_of_a_companion_is_seen(companion):
    os.kill(companion.process_id, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while "ended" not in (companion.harm() or "") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "ended" in companion.harm()


def test_a_companion_whose_memory_was_written_is_harmed(companion):
    try:
        with Path(f"/proc/{companion.process_id}/mem").open("r+b", 0) as memory:
            memory.seek(companion.address)
            memory.write(b"f")
    except PermissionError:
        pytest.skip("this system lets no process write another one's memory")
    assert "memory" in companion.harm()


def test_a_companion_that_is_slowed_or_stopped_has_another_standing(companion):
    before = watch.standing(companion.process_id)
    assert watch.standing(companion.process_id) == before
    os.setpriority(os.PRIO_PROCESS, companion.process_id, min(int(before["nice value"]) + 1, 19))
    os.kill(companion.process_id, signal.SIGSTOP)
    deadline = time.monotonic() + 20
    while watch.standing(companion.process_id)["stopped"] == "False" and time.monotonic() < deadline:
        time.sleep(0.01)
    after = watch.standing(companion.process_id)
    assert {name for name in before if before[name] != after[name]} == {"nice value", "stopped"}


def test_growth_of_a_process_is_seen_even_when_it_is_over():
    watch.forget_peak(os.getpid())
    before = watch.peak_bytes(os.getpid())
    held = bytearray(80 * MEBIBYTE)
    held[::4096] = b"x" * len(held[::4096])
    del held
    assert watch.peak_bytes(os.getpid()) - before > 64 * MEBIBYTE


# ---------------------------------------------------------------------------------------------- ears


def _send(family: int, kind: int, address: object) -> None:
    with socket.socket(family, kind) as sock:
        sock.connect(address)
        if kind == socket.SOCK_DGRAM:
            sock.send(b"x")


@pytest.mark.parametrize(
    "said, family, kind",
    [
        ("TCP", socket.AF_INET, socket.SOCK_STREAM),
        ("UDP", socket.AF_INET, socket.SOCK_DGRAM),
        ("in a folder", socket.AF_UNIX, socket.SOCK_STREAM),
        ("abstract", socket.AF_UNIX, socket.SOCK_STREAM),
    ],
)
def test_every_ear_hears(tmp_path, monkeypatch, said, family, kind):
    monkeypatch.chdir(tmp_path)
    ears = Ears(Path())  # the path of a socket must be short
    addresses = {
        "TCP": ("127.0.0.1", ears.tcp_port),
        "UDP": ("127.0.0.1", ears.udp_port),
        "in a folder": str(ears.path),
        "abstract": f"\0{ears.abstract}",
    }
    try:
        assert ears.heard() == []
        _send(family, kind, addresses[said])
        (heard,) = ears.heard()
        assert said in heard
        assert ears.heard() == []
    finally:
        ears.close()


def test_what_was_planted_is_gone_afterwards():
    with planted(attacks_folder() / "programs") as targets:
        folder, numbers = targets.folder, (targets.keeper.process_id, targets.bystander.process_id)
        assert targets.secret.is_file()
    assert not folder.exists()
    for number in numbers:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


# --------------------------------------------------------------------------------------- the families


def test_an_archive_that_is_accepted_is_a_success_of_the_attack():
    honest = HostileArchive("honest", ("A01",), "nothing hostile", zip_of(members_of()))
    result = try_archive(honest)
    assert result.succeeded
    assert result.evidence == "it was accepted"


def test_an_archive_may_be_accepted_without_what_was_hostile_in_it():
    without = HostileArchive("honest", ("A01",), "left out", zip_of(members_of()), never_there=("evil.so",))
    assert not try_archive(without).succeeded
    within = dataclasses.replace(without, never_there=("mytorch/__init__.py",))
    assert try_archive(within).evidence == "mytorch/__init__.py is in the copy that is graded"


def test_intake_that_breaks_over_an_archive_is_a_success_of_the_attack(monkeypatch):
    def breaks(_):
        raise KeyError("somewhere")

    monkeypatch.setattr(unpacking, "open_submission", breaks)
    assert "intake broke: KeyError" in try_archive(hostile_archives()[0]).evidence


def test_a_frame_that_becomes_a_value_is_a_success_of_the_attack(monkeypatch):
    def honest(number: int) -> bytes:
        return b"".join(protocol.pack({"id": number, "values": ["a value"]}, []))

    frame = HostileFrame("honest", ("C16",), "a fair answer", honest)
    monkeypatch.setattr(trusted_side, "hostile_frames", lambda: [frame])
    with planted(attacks_folder() / "programs") as targets:
        request = {"frame": "honest", "submission": str(targets.submission), "call_s": 5.0}
        answer = trusted_side.tried(request | {"provider": "separate", "min_isolation": 1})
    assert answer["texts"] == ["achieved: a value came of it: 'a value'"]


def test_a_forgery_that_gets_points_is_a_success_of_the_attack(tmp_path, available):
    shutil.copytree(resource("reference"), tmp_path, dirs_exist_ok=True)
    attack = Attack("honest", ("C04",), "the reference itself", Kind.FORGERY)
    forgery = Forgery(attack, tmp_path, ("q6.2",), slow=False)
    result = try_forgery(forgery, next(entry for entry in PROVIDERS if available[entry.name].available))
    assert result.succeeded
    assert "q6.2 got" in result.evidence


def test_a_forgery_that_costs_the_report_a_check_is_a_success_of_the_attack(tmp_path, monkeypatch, available):
    provider = next(entry for entry in PROVIDERS if available[entry.name].available)
    (tmp_path / "mytorch").mkdir()
    attack = Attack("empty", ("C04",), "nothing at all", Kind.FORGERY)
    forgery = Forgery(attack, tmp_path, ("q6.2",), slow=False)
    assert not try_forgery(forgery, provider).succeeded
    graded = pipeline.grade

    def lossy(*args, **more):
        found = graded(*args, **more)
        question = found.report.questions[0]
        fewer = question.model_copy(update={"checks": question.checks[1:]})
        return pipeline.Graded(found.report.model_copy(update={"questions": (fewer,)}))

    monkeypatch.setattr(pipeline, "grade", lossy)
    assert "is missing from the report" in try_forgery(forgery, provider).evidence
