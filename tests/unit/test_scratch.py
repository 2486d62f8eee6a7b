"""The folder that a grader keeps its temporary files in, and what becomes of it when the grader dies."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from grader import scratch as module
from grader.errors import MachineFault
from grader.scratch import (
    LOCK,
    PREFIX,
    UNLOCKABLE,
    new_locked_file,
    remove_unheld_file,
    scratch,
    shared_folder,
    sweep,
    try_lock,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders of dead graders are told by POSIX locks")


@pytest.fixture(autouse=True)
def shared(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead_folder(shared: Path, name: str = "dead0000") -> Path:
    """Make a folder as a grader leaves it that was killed."""
    folder = shared / f"{PREFIX}{name}"
    (folder / "below" / "read_only").mkdir(parents=True)
    (folder / "below" / "read_only" / "file").write_text("x")
    (folder / "below" / "read_only").chmod(0o555)
    (folder / LOCK).write_text("")
    return folder


def test_temporary_files_are_made_in_one_private_folder_which_goes_away(shared):
    with scratch() as folder:
        assert folder.parent == shared
        with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryDirectory() as below:
            assert {Path(file.name).parent, Path(below).parent} == {folder}
            assert stat.S_IMODE(Path(below).stat().st_mode) == 0o700
        Path(tempfile.mkdtemp(), "left").write_text("behind")
    assert names(shared) == []
    assert tempfile.gettempdir() == str(shared)


def test_only_a_worker_with_a_user_of_its_own_can_pass_through_and_nobody_can_look(monkeypatch):
    for user, mode in ((0, 0o711), (1000, 0o700)):
        monkeypatch.setattr(module, "_is_root", lambda user=user: user == 0)
        with scratch() as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == mode
            assert stat.S_IMODE((folder / LOCK).stat().st_mode) == 0o600


def test_the_folder_goes_away_whatever_ends_the_block(shared):
    with pytest.raises(KeyboardInterrupt), scratch():
        raise KeyboardInterrupt
    assert names(shared) == []


class InterruptedAt:
    """Sends this process an interruption before the n-th line of the grader's module is run."""

    def __init__(self, line: int) -> None:
        self.left = line

    def __call__(self, frame: FrameType, event: str, _argument: object) -> InterruptedAt | None:
        if frame.f_code.co_filename != module.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self


def interrupted_in_line(line: int) -> bool:
    """Use a scratch folder; say whether the interruption, which is sent in the module's n-th line, came."""
    traced = InterruptedAt(line)
    sys.settrace(traced)
    try:
        with scratch() as folder:
            (folder / "file").write_text("x")
    except KeyboardInterrupt:
        assert traced.left <= 0
        return True
    finally:
        sys.settrace(None)
    assert traced.left > 0
    return False


def test_the_folder_goes_away_wherever_its_making_and_its_removal_are_interrupted(shared):
    around, mask = os.umask(0o022), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    lines = 1
    while interrupted_in_line(lines):
        assert names(shared) == [], lines
        assert tempfile.tempdir == str(shared), lines
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask, lines
        assert os.umask(0o022) == 0o022, lines
        lines += 1
    os.umask(around)
    assert lines > 40  # all of them


def test_the_folder_that_all_share_is_found_from_inside_too(shared):
    assert shared_folder() == shared
    with scratch():
        assert shared_folder() == shared
        with scratch() as inner:
            assert inner.parent == shared


@pytest.mark.parametrize("umask", [0o777, 0o077, 0o000])
def test_no_umask_keeps_the_grader_from_its_own_files(shared, umask):
    before = os.umask(umask)
    try:
        with scratch() as folder:
            inner = folder / "inner"
            inner.mkdir()
            assert stat.S_IMODE(inner.stat().st_mode) & 0o700 == 0o700
        assert os.umask(umask) == umask
    finally:
        os.umask(before)


def test_no_child_inherits_the_lock(shared):
    with scratch():
        command = ["sh", "-c", "ls -l /proc/self/fd /dev/fd 2>/dev/null"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False, close_fds=False)
        assert listed.stdout
        assert LOCK not in listed.stdout


def test_a_dead_graders_folder_is_removed_by_the_next_one(shared):
    dead_folder(shared)
    (shared / f"{PREFIX}empty000").mkdir()  # it died before it had a lock
    with scratch() as own:
        assert names(shared) == [own.name]


KILLED = """
import os, signal, tempfile
from grader.scratch import scratch
with scratch():
    tempfile.mkdtemp()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_grader_that_is_killed_leaves_a_folder_that_the_next_one_removes(shared):
    killed = subprocess.run([sys.executable, "-c", KILLED], env={"TMPDIR": str(shared)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(shared)) == 1
    with scratch():
        pass
    assert names(shared) == []


def test_a_living_graders_folder_stays(shared):
    with scratch() as folder:
        sweep(shared)
        assert (folder / LOCK).exists()


def test_a_clean_up_that_was_killed_half_way_can_be_taken_up_again(shared, monkeypatch):
    folder = dead_folder(shared)
    (folder / "other").write_text("x")

    def dies(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "remove_tree", dies)
    with pytest.raises(KeyboardInterrupt):
        sweep(shared)
    monkeypatch.undo()
    assert (folder / LOCK).exists()
    sweep(shared)
    assert names(shared) == []


def test_what_cannot_be_removed_keeps_its_lock_file_so_that_it_is_tried_again(shared, monkeypatch):
    folder = dead_folder(shared)
    monkeypatch.setattr(module, "remove_tree", lambda _: None)
    sweep(shared)
    assert names(folder) == [LOCK, "below"]


def test_what_is_not_surely_a_dead_graders_folder_is_left_alone(shared, tmp_path, monkeypatch):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / LOCK).write_text("")
    (precious / "file").write_text("x")
    (shared / f"{PREFIX}link0000").symlink_to(precious)
    os.mkfifo(shared / f"{PREFIX}fifo0000")
    (shared / f"{PREFIX}file0000").write_text("x")
    (shared / "grader-results").mkdir()
    (shared / f"{PREFIX}of-a-person").mkdir()
    (shared / f"{PREFIX}nolock00").mkdir()
    (shared / f"{PREFIX}nolock00" / "work").write_text("x")
    (shared / f"{PREFIX}linked00").mkdir()
    (shared / f"{PREFIX}linked00" / LOCK).symlink_to(precious / LOCK)
    (shared / f"{PREFIX}fifoed00").mkdir()
    os.mkfifo(shared / f"{PREFIX}fifoed00" / LOCK)
    before = sorted(tmp_path.rglob("*"))
    sweep(shared)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_users_folder_is_left_alone(shared, monkeypatch):
    folder = dead_folder(shared)
    someone_else = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone_else)
    sweep(shared)
    assert names(folder) == [LOCK, "below"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root: only root gives files away")
def test_root_leaves_what_another_user_planted(shared):
    planted = dead_folder(shared)
    os.chown(planted, 65534, 65534)
    owned_lock = dead_folder(shared, "dead0001")
    os.chown(owned_lock / LOCK, 65534, 65534)
    sweep(shared)
    assert names(shared) == [planted.name, owned_lock.name]


def test_nothing_is_removed_where_others_could_swap_folders_meanwhile(shared):
    dead_folder(shared)
    shared.chmod(0o777)
    sweep(shared)
    assert len(names(shared)) == 1
    shared.chmod(0o1777)
    sweep(shared)
    assert names(shared) == []


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(shared, monkeypatch):
    real, swept = os.open, []

    def late(path, *arguments, **options):
        if Path(path).name == LOCK and not swept:
            swept.append(path)
            sweep(shared)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", late)
    with scratch() as folder:
        assert swept
        assert names(shared) == [folder.name]
        assert try_lock(os.open(folder / LOCK, os.O_RDWR)) is False


def test_a_folder_whose_lock_another_grader_took_first_is_left_to_it(shared, monkeypatch):
    real, met = module.try_lock, []

    def late(descriptor):
        if not met:
            met.append(descriptor)
            sweep(shared)
        return real(descriptor)

    monkeypatch.setattr(module, "try_lock", late)
    with scratch() as folder:
        assert met
        assert names(shared) == [folder.name]


def test_a_file_system_without_locks_still_gives_a_folder_which_nobody_takes_for_a_dead_ones(
    shared, monkeypatch
):
    with ExitStack() as stack:
        with monkeypatch.context() as without_locks:
            without_locks.setattr(module, "try_lock", lambda _: None)
            folder = stack.enter_context(scratch())
        sweep(shared)
        assert names(folder) == [UNLOCKABLE]
    assert not folder.exists()


def test_where_no_folder_can_be_made_it_is_said_what_to_do(shared, monkeypatch):
    shared.rmdir()
    with pytest.raises(MachineFault, match="set TMPDIR to a folder with free space"), scratch():
        pass
    monkeypatch.setattr(module, "shared_folder", lambda: open("/nonexistent/x"))  # noqa: PTH123, SIM115
    with pytest.raises(MachineFault, match="can be used"), scratch():
        pass


MANY = """
import sys, tempfile
from pathlib import Path
from grader.scratch import scratch
for _ in range(60):
    with scratch() as folder:
        own = Path(tempfile.mkdtemp()) / "own"
        own.write_text("x")
        assert own.read_text() == "x", "somebody removed a living grader's file"
"""


def test_many_graders_that_start_and_end_at_once_never_take_each_others_folders(shared):
    for number in range(20):
        dead_folder(shared, f"dead{number:04}")
    command = [sys.executable, "-W", "error", "-c", MANY]
    runs = [
        subprocess.Popen(command, env={"TMPDIR": str(shared)}, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert ends == [("", 0)] * 8
    assert names(shared) == []


def test_a_file_that_is_held_is_not_removed_and_one_that_is_not_held_is(tmp_path):
    path, descriptor = new_locked_file(lambda: tmp_path / "held", mode=0o600)
    remove_unheld_file(path)
    assert path.exists()
    os.close(descriptor)
    remove_unheld_file(path)
    assert not path.exists()
    remove_unheld_file(path)


def test_a_new_file_that_another_removes_before_it_is_held_is_made_again(tmp_path, monkeypatch):
    real, removed = module.try_lock, []

    def late(descriptor):
        if not removed:
            removed.append(descriptor)
            (tmp_path / "first").unlink()
        return real(descriptor)

    monkeypatch.setattr(module, "try_lock", late)
    given = iter(["first", "second"])
    path, descriptor = new_locked_file(lambda: tmp_path / next(given), mode=0o600)
    os.close(descriptor)
    assert (path.name, names(tmp_path)) == ("second", ["second", "shared"])


def test_where_every_new_file_goes_away_at_once_it_is_a_fault_and_no_endless_loop(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_at", lambda *_: False)
    made = iter(range(10_000))
    with pytest.raises(MachineFault, match="something removes them at once"):
        new_locked_file(lambda: tmp_path / f"file{next(made)}", mode=0o600)
