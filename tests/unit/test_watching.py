"""Which changes are noticed, when they are complete, and how a watch ends."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from grader import endings, watching
from grader.errors import UsageError


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work" / "mytorch").mkdir(parents=True)
    (tmp_path / "work" / "mytorch" / "linear.py").write_text("one")
    (tmp_path / "work" / "theory.py").write_text("one")
    return tmp_path / "work"


@pytest.fixture
def steps(monkeypatch):
    """Return a list of what happens while the watch sleeps, one step a sleep; then Ctrl-C comes."""
    waiting = []

    def sleep(_seconds):
        if not waiting:
            raise KeyboardInterrupt
        step = waiting.pop(0)
        if step is not None:
            step()

    monkeypatch.setattr(watching.time, "sleep", sleep)
    return waiting


def edit(path, text):
    def step():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return step


def watched(work, *, terminal=False, check=lambda: 1):
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=terminal, markup=False, highlight=False)
    seen = []

    def check_once():
        seen.append(sorted(path.read_text() for path in work.rglob("*.py")))
        return check()

    assert watching.watch_folder(work, check_once, console=console) == 0
    return seen, stream.getvalue()


def test_a_change_is_named_and_checked_and_ctrl_c_ends_well(work, steps):
    steps += [None, None, edit(work / "theory.py", "other"), None, None]
    seen, text = watched(work)
    assert seen == [["one", "one"], ["one", "other"]]
    assert text.count("Watching ") == 2
    assert "Changed: theory.py\n" in text


def test_a_file_that_is_still_being_written_is_waited_for(work, steps):
    path = work / "mytorch" / "linear.py"
    steps += [None, edit(path, "ha"), edit(path, "half"), edit(path, "half of"), edit(path, "whole"), None]
    seen, _ = watched(work)
    assert seen == [["one", "one"], ["one", "whole"]]


def test_what_is_written_while_checks_run_is_checked_next(work, steps):
    steps += [None, None, None]
    rounds = []

    def check():
        if not rounds:
            (work / "theory.py").write_text("meanwhile")
        rounds.append(1)
        return 0

    seen, text = watched(work, check=check)
    assert seen == [["one", "one"], ["meanwhile", "one"]]
    assert "Changed: theory.py\n" in text


@pytest.mark.parametrize(
    "name",
    [
        *("mytorch/__pycache__/linear.cpython-311.pyc", ".ipynb_checkpoints/homework-checkpoint.ipynb"),
        *(
            "mytorch/.linear.py.swp",
            "mytorch/linear.py~",
            "mytorch/#linear.py#",
            "mytorch/.#linear.py",
            "4913",
        ),
        *("mytorch/linear.py___jb_tmp___", "~theory.py", ".git/index.json", ".pytest_cache/v/x.json"),
        *("test_visible_checks.py", "venv/lib/site-packages/x.py", "data/digits.bin"),
    ],
)
def test_the_files_of_editors_caches_and_systems_are_no_change(work, name):
    before = watching.snapshot(work)
    path = work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert watching.snapshot(work) == before


@pytest.mark.parametrize(
    "name", ["mytorch/new.py", "homework.ipynb", "mytorch/nn/modules/loss.py", "data.csv"]
)
def test_a_new_file_of_the_homework_is_a_change_and_so_is_its_removal(work, name):
    before = watching.snapshot(work)
    (work / name).parent.mkdir(parents=True, exist_ok=True)
    (work / name).write_text("x")
    after = watching.snapshot(work)
    assert watching.changes(before, after) == [name] == watching.changes(after, before)


def test_a_file_saved_with_the_same_size_or_replaced_by_another_is_a_change(work):
    before = watching.snapshot(work)
    os.utime(work / "theory.py", ns=(1, 1))
    (work / "new").write_text("two")
    (work / "new").rename(work / "mytorch" / "linear.py")
    assert watching.changes(before, watching.snapshot(work)) == ["mytorch/linear.py", "theory.py"]


def test_an_editor_that_never_rests_does_not_hold_up_the_check_for_ever(work, monkeypatch):
    count = iter(range(10_000))
    monkeypatch.setattr(watching.time, "sleep", lambda _: (work / "theory.py").write_text("x" * next(count)))
    watching.settled(work)
    assert next(count) <= watching.MOST_SETTLING + 1


def test_a_zip_can_be_watched_too(tmp_path):
    (tmp_path / "mine.zip").write_bytes(b"x")
    assert list(watching.snapshot(tmp_path / "mine.zip")) == ["mine.zip"]


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"there is no file or folder"):
        watching.watch_folder(tmp_path / "nothing", lambda: 0)


def test_the_screen_is_cleared_between_checks_on_a_terminal_only(work, steps):
    steps += [None, edit(work / "theory.py", "other"), None, None]
    assert "\x1b[2J" in watched(work, terminal=True)[1]
    steps += [None, edit(work / "theory.py", "third"), None, None]
    assert "\x1b" not in watched(work)[1]


def test_an_interrupted_check_ends_the_watch_and_was_asked_for(work, steps, monkeypatch):
    steps += [None]
    monkeypatch.setattr(endings._INTERRUPTION, "came", True)
    seen, text = watched(work, check=lambda: endings.INTERRUPTED)
    assert (len(seen), text) == (1, "")
    assert endings._INTERRUPTION.came is False


def test_a_name_that_deceives_is_shown_without_its_tricks_and_many_are_counted():
    assert watching.named(["a\x1b[2Jb\n.py"]) == "ab .py"
    assert watching.named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
