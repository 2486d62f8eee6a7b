"""The copy on disk, its hash and its name."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from grader.errors import GraderFault
from grader.intake import materialise, open_submission
from grader.intake.materialise import digest, materialised
from grader.scratch import remove_tree
from grader.selftest.zip_maker import HONEST, LINEAR, Member, members_of, zip_of


@pytest.fixture
def handed_in(place):
    (place / "Ada Lovelace.zip").write_bytes(zip_of(members_of()))
    return place / "Ada Lovelace.zip"


def test_the_copy_is_private_and_read_only(handed_in):
    with open_submission(handed_in) as opened:
        assert stat.S_IMODE(opened.root.stat().st_mode) == 0o700
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in opened.root.rglob("*")}
        assert {mode for path, mode in modes.items() if path.is_file()} == {0o444}
        assert {mode for path, mode in modes.items() if path.is_dir()} == {0o555}


@pytest.mark.parametrize("mask", [0o000, 0o027, 0o077])
def test_the_modes_do_not_depend_on_the_umask(handed_in, mask):
    before = os.umask(mask)
    try:
        with open_submission(handed_in) as opened:
            assert stat.S_IMODE((opened.root / "theory.py").stat().st_mode) == 0o444
    finally:
        os.umask(before)


def test_modes_in_the_archive_are_not_taken_over(place):
    (place / "x.zip").write_bytes(zip_of(members_of(mode=0o100777)))
    with open_submission(place / "x.zip") as opened:
        assert stat.S_IMODE((opened.root / "theory.py").stat().st_mode) == 0o444


def test_the_copy_goes_away_when_grading_fails(handed_in):
    def fail():
        with open_submission(handed_in) as opened:
            roots.append(opened.root)
            raise KeyError

    roots: list[Path] = []
    with pytest.raises(KeyError):
        fail()
    assert not roots[0].exists()


def test_the_copy_goes_away_with_what_was_put_into_it(handed_in):
    with open_submission(handed_in) as opened:
        (opened.root / "mytorch").chmod(0o755)
        (opened.root / "mytorch" / "left").mkdir(mode=0o300)
        (opened.root / "mytorch" / "left" / "behind.txt").write_text("x")
    assert not opened.root.exists()


def test_removing_the_copy_touches_nothing_a_link_points_to(handed_in, tmp_path):
    target = tmp_path / "precious"
    target.mkdir(mode=0o500)
    with open_submission(handed_in) as opened:
        (opened.root / "link").symlink_to(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o500
    assert not opened.root.exists()


def test_a_copy_that_is_gone_already_is_no_error(handed_in):
    with open_submission(handed_in) as opened:
        remove_tree(opened.root)
    assert not opened.root.exists()


def test_a_full_disk_is_the_machines_fault_and_leaves_nothing_behind(handed_in, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(materialise, "_write", fail)
    with pytest.raises(GraderFault, match="No space left"), open_submission(handed_in):
        pass
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_nothing_that_exists_is_written_over(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        materialise._write(tmp_path / "x", b"new")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        materialise._write(tmp_path / "link", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert not (tmp_path / "elsewhere").exists()


def test_every_copy_has_a_folder_of_its_own(handed_in):
    with open_submission(handed_in) as one, open_submission(handed_in) as other:
        assert one.root != other.root
        assert one.sha256 == other.sha256


class TestHash:
    def test_it_is_over_the_bytes_that_are_graded(self, handed_in):
        with open_submission(handed_in) as opened:
            handed_in.write_bytes(zip_of(members_of(HONEST | {"theory.py": b"changed = True\n"})))
            on_disk = {path: (opened.root / path).read_bytes() for path in opened.files}
            assert {str(path): content for path, content in on_disk.items()} == HONEST
            assert digest(on_disk) == opened.sha256
        with open_submission(handed_in) as changed:
            assert changed.sha256 != opened.sha256

    def test_it_does_not_depend_on_packing_order_or_ignored_files(self, place):
        hashes = set()
        for number, members in enumerate(
            [members_of(), members_of()[::-1], members_of(method=0), [*members_of(), Member(".DS_Store")]]
        ):
            (place / f"{number}.zip").write_bytes(zip_of(members))
            with open_submission(place / f"{number}.zip") as opened:
                hashes.add(opened.sha256)
        assert len(hashes) == 1

    def test_one_changed_byte_or_name_changes_it(self):
        files = {PurePosixPath("a.py"): b"bc", PurePosixPath("d.py"): b""}
        others = [
            {PurePosixPath("a.py"): b"bd", PurePosixPath("d.py"): b""},
            {PurePosixPath("a.py"): b"b", PurePosixPath("d.py"): b"c"},
            {PurePosixPath("a.p"): b"ybc", PurePosixPath("d.py"): b""},
            {PurePosixPath("a.py"): b"bc"},
        ]
        assert len({digest(each) for each in [files, *others]}) == 5


class TestRecord:
    def test_it_names_the_parts_below_the_root(self, handed_in):
        with open_submission(handed_in) as opened:
            assert opened.name == "Ada-Lovelace"
            assert opened.package == PurePosixPath("mytorch")
            assert opened.notebook == PurePosixPath("hw1.ipynb")
            assert opened.theory == PurePosixPath("theory.py")
            assert opened.files[PurePosixPath("mytorch/nn/modules/linear.py")] == len(LINEAR)

    @pytest.mark.parametrize("ending", [".zip", ".ZIP", ""])
    def test_the_ending_of_the_file_is_no_matter(self, place, ending):
        (place / f"hw1{ending}").write_bytes(zip_of(members_of()))
        with open_submission(place / f"hw1{ending}") as opened:
            assert opened.name == "hw1"

    def test_the_current_folder_has_its_own_name(self, place, monkeypatch):
        (place / "ada").mkdir()
        (place / "ada" / "mytorch").mkdir()
        (place / "ada" / "mytorch" / "utils.py").write_bytes(LINEAR)
        monkeypatch.chdir(place / "ada")
        with open_submission(Path()) as opened:
            assert opened.name == "ada"


def test_a_copy_is_written_as_it_is_named(place):
    with materialised({PurePosixPath("a/b/c.py"): b"x"}) as root:
        assert (root / "a" / "b" / "c.py").read_bytes() == b"x"
