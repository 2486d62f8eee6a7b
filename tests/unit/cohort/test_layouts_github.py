"""Clones of repositories: the login out of the name, the time out of the commit, and nothing is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from datetime import UTC, datetime

import pytest

from grader.cohort.handed_in.discovery import discover
from grader.cohort.handed_in.layouts.git_commit import committed_at
from grader.cohort.handed_in.roster import Roster
from grader.cohort.model import Student
from tests.required import not_here

AT = datetime(2026, 9, 20, 18, 20, 54, tzinfo=UTC)


def git(folder, *arguments, at=AT, entered=None):
    if shutil.which("git") is None:
        not_here("git: it is not installed")
    told = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00 +0000",
        "GIT_COMMITTER_DATE": f"{at.isoformat()}",
    }
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={"PATH": os.environ["PATH"], **told, **names},
        check=True,
        capture_output=True,
        text=True,
        input=entered,
    )
    return done.stdout


def repository(folder, *, message="one"):
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "mytorch").mkdir()
    (folder / "mytorch" / "x.py").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-F", "-", entered=message)
    return folder


def bare(folder, *names):
    for name in names:
        (folder / name / ".git").mkdir(parents=True)
        (folder / name / "mytorch").mkdir()
    return folder


def logins(found):
    return {each.label: each.students[0].login for each in found.entries}


def test_a_clone_tells_its_login_and_when_its_commit_was_made(tmp_path):
    repository(tmp_path / "origin")
    classroom = tmp_path / "hw1-submissions"
    classroom.mkdir()
    git(classroom, "clone", "-q", str(tmp_path / "origin"), "hw1-anna-b")
    (classroom / "scores.csv").write_text("x")
    found = discover(classroom)
    (entry,) = found.entries
    assert (found.layout, entry.label, entry.path) == ("github", "hw1-anna-b", classroom / "hw1-anna-b")
    assert entry.students[0].login == "anna-b"
    assert entry.submitted_at == AT
    assert found.sentences == ("times are what the last commits say, and students' machines set those",)


@pytest.mark.parametrize(
    ("parent", "names", "told"),
    [
        ("hw1-submissions", ["hw1-anna", "hw1-anna-b"], ["anna", "anna-b"]),
        ("cs-hw1_submissions_2026_05_09_T_14_30_45", ["cs-hw1-anna", "cs-hw1-x-y"], ["anna", "x-y"]),
        ("class", ["hw1-anna", "hw1-anton"], ["anna", "anton"]),
        ("class", ["anna-hw1", "bob-hw1"], ["anna", "bob"]),
        ("class", ["hw1-anna"], [None]),
    ],
)
def test_the_login_is_what_the_folder_or_all_names_leave(tmp_path, parent, names, told):
    found = discover(bare(tmp_path / parent, *names))
    assert list(logins(found).values()) == told
    assert any("give a roster with logins" in each for each in found.sentences) == (None in told)


def test_a_roster_tells_logins_for_sure(tmp_path):
    people = [Student(key=f"login:{each}", name=each, login=each) for each in ("Anna", "b-anna", "carl")]
    bare(tmp_path, "hw1-team-anna", "hw1-team-b-anna", "carl-hw1")
    found = discover(tmp_path, roster=Roster(tuple(people)))
    assert logins(found) == {"hw1-team-anna": "Anna", "hw1-team-b-anna": "b-anna", "carl-hw1": "carl"}
    assert found.absent == found.strangers == ()


def test_a_packed_repository_is_read_and_so_is_a_commit_kept_as_a_difference(tmp_path):
    long = "\n".join(f"a line of a long message, number {number}" for number in range(200))
    folder = repository(tmp_path / "a", message=long + "\nand its end" * 20)
    later = AT.replace(hour=20)
    git(folder, "commit", "-q", "--allow-empty", "-F", "-", entered=long, at=later)
    git(folder, "repack", "-adfq", "--depth=10")
    git(folder, "pack-refs", "--all")
    head = git(folder, "rev-parse", "HEAD").strip()
    (index,) = (folder / ".git" / "objects" / "pack").glob("*.idx")
    (row,) = [
        each for each in git(folder, "verify-pack", "-v", str(index)).splitlines() if each.startswith(head)
    ]
    assert len(row.split()) == 7, "HEAD's commit is not a difference"
    assert not (folder / ".git" / "refs" / "heads" / "main").exists()
    assert committed_at(folder) == later


def test_a_detached_head_is_read(tmp_path):
    folder = repository(tmp_path / "a")
    git(folder, "checkout", "-q", "--detach")
    assert committed_at(folder) == AT


def test_nothing_of_a_repository_is_run(tmp_path):
    folder = repository(tmp_path / "a")
    bait = tmp_path / "ran"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {bait}\n")
    script.chmod(0o755)
    with (folder / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {script}\n\thooksPath = {tmp_path}\n\tpager = {script}\n"
            f"\tsshCommand = {script}\n[include]\n\tpath = /dev/zero\n[alias]\n\tlog = !{script}\n"
        )
    for hook in ("post-checkout", "post-index-change"):
        shutil.copy(script, folder / ".git" / "hooks" / hook)
    (entry,) = discover(tmp_path, without=[script]).entries
    assert entry.submitted_at == AT
    assert not bait.exists()


def broken(change):
    return pytest.param(change, id=change.__name__)


def head_leads_out(git_folder):
    (git_folder / "HEAD").write_text("ref: refs/../../../secret\n")


def head_is_a_link(git_folder):
    (git_folder / "HEAD").rename(git_folder.parent / "HEAD")
    (git_folder / "HEAD").symlink_to(git_folder.parent / "HEAD")


def head_is_a_pipe(git_folder):
    (git_folder / "HEAD").unlink()
    os.mkfifo(git_folder / "HEAD")


def head_is_large(git_folder):
    with (git_folder / "HEAD").open("wb") as stream:
        stream.truncate(1 << 40)


def head_is_bytes(git_folder):
    (git_folder / "HEAD").write_bytes(b"\xff\xfe\x00")


def head_is_not_there(git_folder):
    (git_folder / "HEAD").unlink()


def references_are_a_link(git_folder):
    (git_folder / "refs").rename(git_folder.parent / "refs")
    (git_folder / "refs").symlink_to(git_folder.parent / "refs")


def objects_are_a_link(git_folder):
    (git_folder / "objects").rename(git_folder.parent / "objects")
    (git_folder / "objects").symlink_to(git_folder.parent / "objects")


def loose_head(git_folder):
    number = (git_folder / "refs" / "heads" / "main").read_text().strip()
    path = git_folder / "objects" / number[:2] / number[2:]
    path.chmod(0o600)
    return path


def commit_is_a_bomb(git_folder):
    loose_head(git_folder).write_bytes(zlib.compress(b"commit 9\0" + bytes(1 << 26)))


def commit_is_cut(git_folder):
    path = loose_head(git_folder)
    path.write_bytes(path.read_bytes()[:20])


def commit_is_no_zlib(git_folder):
    loose_head(git_folder).write_bytes(b"nothing")


def commit_is_of_the_year_ten_thousand(git_folder):
    loose_head(git_folder).write_bytes(
        zlib.compress(b"commit 1\0tree 0\ncommitter a <b> 999999999999 +0000\n\nx")
    )


def commit_says_it_in_its_message(git_folder):
    loose_head(git_folder).write_bytes(zlib.compress(b"commit 1\0tree 0\n\ncommitter a <b> 1 +0000\n"))


def pack_is_garbage(git_folder):
    git(git_folder.parent, "repack", "-adq")
    for path in (git_folder / "objects" / "pack").iterdir():
        path.chmod(0o600)
        size = path.stat().st_size
        path.write_bytes(
            path.read_bytes()[:1040] + b"\xff" * (size - 1040) if path.suffix == ".idx" else b"\xff" * size
        )


def index_is_garbage(git_folder):
    git(git_folder.parent, "repack", "-adq")
    for path in (git_folder / "objects" / "pack").glob("*.idx"):
        path.chmod(0o600)
        path.write_bytes(b"\xfftOc\x00\x00\x00\x02" + b"\xff" * 2000)


@pytest.mark.parametrize(
    "change",
    [
        broken(each)
        for each in (
            *(
                head_leads_out,
                head_is_a_link,
                head_is_a_pipe,
                head_is_large,
                head_is_bytes,
                head_is_not_there,
            ),
            *(references_are_a_link, objects_are_a_link, pack_is_garbage, index_is_garbage),
            *(commit_is_a_bomb, commit_is_cut, commit_is_no_zlib, commit_says_it_in_its_message),
            commit_is_of_the_year_ten_thousand,
        )
    ],
)
def test_a_repository_that_is_not_as_git_makes_it_tells_no_time(tmp_path, change):
    folder = repository(tmp_path / "a")
    change(folder / ".git")
    assert committed_at(folder) is None


def test_a_git_that_points_elsewhere_is_not_followed(tmp_path):
    real = repository(tmp_path / "elsewhere")
    for name in ("hw1-a", "hw1-b"):
        (tmp_path / "class" / name / "mytorch").mkdir(parents=True)
    (tmp_path / "class" / "hw1-a" / ".git").write_text(f"gitdir: {real}/.git\n")
    (tmp_path / "class" / "hw1-b" / ".git").symlink_to(real / ".git")
    found = discover(tmp_path / "class")
    assert found.layout == "github"
    assert [each.submitted_at for each in found.entries] == [None, None]
