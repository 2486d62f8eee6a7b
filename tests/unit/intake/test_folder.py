"""Folders: the same rules as for a zip, without following or waiting for anything."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from grader.errors import SubmissionRejected
from grader.intake import IntakeLimits, folder, open_submission
from grader.intake.folder import read_folder
from grader.selftest.zip_maker import HONEST, LINEAR, members_of, zip_of


def write_files(top: Path, files: dict[str, bytes] = HONEST) -> Path:
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


@pytest.fixture
def work(place):
    return write_files(place / "hw1")


def test_a_folder_and_its_zip_hold_the_same_and_hash_alike(accepted, work, place):
    assert accepted(work) == HONEST
    wrapped = {f"any/depth/{name}": content for name, content in HONEST.items()}
    (place / "hw1.zip").write_bytes(zip_of(members_of(wrapped)))
    with open_submission(work) as one, open_submission(place / "hw1.zip") as other:
        assert one.sha256 == other.sha256
        assert one.name == other.name == "hw1"


def test_the_package_itself_may_be_named(accepted, work):
    package = {name: content for name, content in HONEST.items() if name.startswith("mytorch/")}
    assert accepted(work / "mytorch") == package


def test_a_project_folder_called_mytorch_may_be_named(accepted, work):
    assert accepted(work.rename(work.parent / "mytorch")) == HONEST


@pytest.mark.parametrize("target", ["/etc/passwd", "mytorch/utils.py", "nowhere"])
@pytest.mark.parametrize("name", ["mytorch/link.py", "data", "mytorch/nn/deep.bin"])
def test_a_link_is_refused_by_its_name(reason, work, name, target):
    (work / name).symlink_to(target)
    assert f"'{name}' is a link" in reason(work)


def test_the_link_that_emacs_makes_beside_a_file_with_unsaved_changes_is_passed_over(accepted, work):
    (work / "mytorch" / "nn" / ".#linear.py").symlink_to("student@laptop.4711:1")
    assert accepted(work) == HONEST


def test_a_link_to_a_folder_is_refused(reason, work, tmp_path):
    (work / "mytorch" / "other").symlink_to(tmp_path)
    assert "'mytorch/other' is a link" in reason(work)


@pytest.mark.usefixtures("_alarm")
def test_a_fifo_is_refused_without_waiting_for_it(reason, work):
    os.mkfifo(work / "mytorch" / "fifo.py")
    assert "'mytorch/fifo.py' is neither a file nor a folder" in reason(work)


@pytest.mark.usefixtures("_alarm")
def test_a_fifo_as_the_submission_is_refused_without_waiting_for_it(reason, place):
    os.mkfifo(place / "hw1.zip")
    assert "neither a zip file nor a folder" in reason(place / "hw1.zip")


def test_a_socket_is_refused(reason, work, monkeypatch):
    monkeypatch.chdir(work)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.py")
    assert "neither a file nor a folder" in reason(work)


@pytest.mark.usefixtures("_alarm")
@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused_without_being_read(reason, work, name):
    try:
        os.mknod(work / "mytorch" / "device.py", 0o600 | stat.S_IFCHR, os.stat(name).st_rdev)  # noqa: PTH116
    except PermissionError:
        pytest.skip("only root may make a device")
    assert "'mytorch/device.py' is neither a file nor a folder" in reason(work)


def test_a_link_in_a_virtual_environment_costs_nothing(accepted, work):
    (work / ".venv" / "bin").mkdir(parents=True)
    (work / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    assert accepted(work) == HONEST


@pytest.mark.parametrize(
    "name", [".git", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints"]
)
def test_ignored_folders_are_not_even_listed(monkeypatch, work, name):
    write_files(work / "mytorch" / name, {"a.py": LINEAR})
    listed = []
    listing = folder._listing

    def note(top, names, limits):
        listed.append(names)
        return listing(top, names, limits)

    monkeypatch.setattr(folder, "_listing", note)
    read_folder(work)
    assert ("mytorch",) in listed
    assert not any(name in names for names in listed)


def test_a_folder_swapped_for_a_link_after_it_was_listed_leads_nowhere(monkeypatch, reason, work, tmp_path):
    secret = write_files(tmp_path / "secret", {"nn/modules/linear.py": LINEAR})
    check_sizes = folder.check_sizes

    def swap(*arguments, **options):
        check_sizes(*arguments, **options)
        (work / "mytorch").rename(tmp_path / "elsewhere")
        (work / "mytorch").symlink_to(secret)

    monkeypatch.setattr(folder, "check_sizes", swap)
    with pytest.raises(SubmissionRejected, match="cannot be read"):
        read_folder(work)


@pytest.mark.usefixtures("_alarm")
def test_a_file_swapped_for_a_fifo_after_it_was_listed_is_refused(monkeypatch, work):
    check_sizes = folder.check_sizes

    def swap(*arguments, **options):
        check_sizes(*arguments, **options)
        (work / "theory.py").unlink()
        os.mkfifo(work / "theory.py")

    monkeypatch.setattr(folder, "check_sizes", swap)
    with pytest.raises(SubmissionRejected, match=r"'theory.py' changed while it was read"):
        read_folder(work)


def test_a_file_swapped_for_a_link_after_it_was_listed_is_not_followed(monkeypatch, work, tmp_path):
    (tmp_path / "secret.py").write_bytes(HONEST["theory.py"])  # as long as the file was
    check_sizes = folder.check_sizes

    def swap(*arguments, **options):
        check_sizes(*arguments, **options)
        (work / "theory.py").unlink()
        (work / "theory.py").symlink_to(tmp_path / "secret.py")

    monkeypatch.setattr(folder, "check_sizes", swap)
    with pytest.raises(SubmissionRejected, match=r"'theory.py' cannot be read"):
        read_folder(work)


@pytest.mark.parametrize("change", ["file added", "file removed", "folder removed"])
def test_a_folder_that_changes_while_it_is_read_gives_what_was_listed_or_nothing(monkeypatch, work, change):
    check_sizes = folder.check_sizes

    def act(*arguments, **options):
        check_sizes(*arguments, **options)
        if change == "file added":
            write_files(work, {"mytorch/nn/modules/late.py": b"raise SystemExit\n"})
        elif change == "file removed":
            (work / "theory.py").unlink()
        else:
            (work / "mytorch").rename(work / "elsewhere")

    monkeypatch.setattr(folder, "check_sizes", act)
    if change == "file added":
        assert {str(path): content for path, content in read_folder(work).files.items()} == HONEST
    else:
        with pytest.raises(SubmissionRejected, match="cannot be read: No such file"):
            read_folder(work)


def test_a_junction_of_windows_is_a_link(monkeypatch, work):
    class Junction:
        st_mode = 0o040777
        st_reparse_tag = folder.JUNCTION

    monkeypatch.setattr(folder, "_listing", lambda *_: [("data", Junction())])
    with pytest.raises(SubmissionRejected, match="'data' is a link"):
        read_folder(work)


def test_what_is_left_out_is_counted(work):
    write_files(work, {"model.pt": b"", "mytorch/fast.so": b"", ".DS_Store": b""})
    assert [str(path) for path in read_folder(work).dropped] == ["model.pt", "mytorch/fast.so"]


def test_a_file_that_grows_while_it_is_read_is_refused(monkeypatch, work):
    check_sizes = folder.check_sizes

    def grow(*arguments, **options):
        check_sizes(*arguments, **options)
        with (work / "theory.py").open("ab") as stream:
            stream.write(b"x = 1\n" * 1000)

    monkeypatch.setattr(folder, "check_sizes", grow)
    with pytest.raises(SubmissionRejected, match="changed while it was read"):
        read_folder(work)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        *(("mytorch/a\\b.py", "backslash"), ("mytorch/a\nb.py", "cannot be seen"), ("CON.py", "Windows")),
        *(("mytorch/UTILS.py", "one name"), ("mytorch/x.py.", "ends in a dot"), ("a:b", "leaves its folder")),
        ("d/" * 12 + "a.py", "deeper than"),
    ],
)
def test_names_follow_the_rules_for_zips(reason, work, name, word):
    write_files(work, {name: LINEAR})
    assert word in reason(work)


def test_a_name_that_is_no_text_is_refused(reason, work):
    (Path(os.fsdecode(os.fsencode(work) + b"/mytorch/\xff.py"))).write_bytes(LINEAR)
    assert "cannot be seen" in reason(work)


def test_a_file_over_its_limit_is_refused_without_being_read(reason, work):
    with (work / "mytorch" / "data.npz").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    assert "'mytorch/data.npz' is larger than 64 MB" in reason(work)


def test_a_model_beside_the_notebook_costs_nothing_at_any_size(work):
    with (work / "model.pt").open("wb") as stream:
        stream.truncate(10 << 30)
    assert {str(path): content for path, content in read_folder(work).files.items()} == HONEST


def test_too_many_files_are_refused_soon(reason, work):
    write_files(work, {f"data/{number}.bin": b"" for number in range(30)})
    assert "more than 20 files" in reason(work, limits=IntakeLimits(entries=20))


def test_too_many_files_in_many_folders_are_refused_too(reason, work):
    write_files(work, {f"more/{number}/x.bin": b"" for number in range(10)})
    assert "more than 20 files" in reason(work, limits=IntakeLimits(entries=20))


def test_exactly_as_many_as_the_limit_are_read(work):
    flat = {f"mytorch/{number}.py": b"" for number in range(3)}
    top = write_files(work.parent / "flat", flat)
    assert len(read_folder(top, limits=IntakeLimits(entries=4)).files) == 3


def test_a_very_deep_folder_is_refused(reason, work):
    write_files(work, {"d/" * 300 + "a.py": LINEAR})
    assert "deeper than" in reason(work)


@pytest.mark.parametrize(("name", "shown"), [("utils.py", "mytorch/utils.py"), ("mytorch", "mytorch")])
def test_what_cannot_be_read_is_named(monkeypatch, reason, work, name, shown):
    open_ = os.open

    def refuse(path, *arguments, **options):
        if path == name:
            raise PermissionError(13, "Permission denied")
        return open_(path, *arguments, **options)

    monkeypatch.setattr(folder.os, "open", refuse)
    assert f"'{shown}' cannot be read: Permission denied" in reason(work)


def test_a_folder_that_cannot_be_read_is_named(monkeypatch, reason, work):
    open_ = os.open

    def refuse(path, *arguments, **options):
        if path == work:
            raise PermissionError(13, "Permission denied")
        return open_(path, *arguments, **options)

    monkeypatch.setattr(folder.os, "open", refuse)
    assert "'hw1' cannot be read: Permission denied" in reason(work)


def test_a_failing_disk_is_told_in_one_sentence(monkeypatch, reason, work):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder.os, "scandir", fail)
    assert "Permission denied" in reason(work)


def test_folders_can_be_read_by_path_where_they_cannot_be_opened(monkeypatch, accepted, work):
    monkeypatch.setattr(folder, "CAN_OPEN_BENEATH", False)
    assert accepted(work) == HONEST
