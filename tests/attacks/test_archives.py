"""Hostile archives and folders: refused before a byte is written, and what is graded is what was checked."""

from __future__ import annotations

import importlib.util
import marshal
import os
import struct
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from grader.client import open_student
from grader.errors import StudentFault, SubmissionRejected
from grader.intake import materialise, open_submission, opening
from grader.intake.archive import read_archive
from grader.intake.materialise import digest
from grader.selftest.archives import hostile_archives
from grader.selftest.zip_maker import HONEST, Member, members_of, zip_of
from tests.unit.intake.snapshot import everything_in

ARCHIVES = hostile_archives()
PLACES = {"Linear": ("mytorch.nn", "mytorch.nn.modules.linear")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a secret in it and one for uploads below; copies go into a third."""
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    for name in ("uploads", "copies"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(materialise.tempfile, "tempdir", str(tmp_path / "copies"))
    return tmp_path / "uploads"


@pytest.fixture
def no_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when intake begins to write a copy."""
    monkeypatch.setattr(materialise.tempfile, "mkdtemp", lambda **_: pytest.fail("a folder was made"))


def handed_in(place: Path, data: bytes) -> Path:
    (place / "hw1.zip").write_bytes(data)
    return place / "hw1.zip"


class TestTable:
    def test_every_row_about_archives_is_in_it(self):
        rows = {row for each in ARCHIVES for row in each.rows}
        not_by_an_archive = {"A32"}  # the archive changes while it is graded: see TestChanges
        assert {f"A{number:02}" for number in range(1, 34)} - rows == not_by_an_archive

    def test_names_are_unique_and_begin_with_their_row(self):
        assert len({each.id for each in ARCHIVES}) == len(ARCHIVES)
        for each in ARCHIVES:
            assert each.id.partition("_")[0] == each.rows[0].lower()

    def test_the_archives_are_honest_but_for_their_trick(self):
        assert read_archive(zip_of(members_of())).files == {
            PurePosixPath(name): content for name, content in HONEST.items()
        }

    @pytest.mark.usefixtures("no_writing")
    @pytest.mark.parametrize(
        "attack", [each for each in ARCHIVES if not each.never_there], ids=lambda attack: attack.id
    )
    def test_a_hostile_archive_is_refused_in_one_sentence_before_anything_is_written(
        self, tmp_path, place, attack
    ):
        path = handed_in(place, attack.data)
        before = everything_in(tmp_path)
        with pytest.raises(SubmissionRejected) as caught, open_submission(path):
            pass
        assert str(caught.value).isprintable()
        assert everything_in(tmp_path) == before

    @pytest.mark.parametrize(
        "attack", [each for each in ARCHIVES if each.never_there], ids=lambda attack: attack.id
    )
    def test_what_is_only_ignored_is_never_in_the_copy(self, tmp_path, place, attack):
        path = handed_in(place, attack.data)
        before = everything_in(tmp_path)
        with open_submission(path) as opened:
            copied = {file.relative_to(opened.root).as_posix() for file in opened.root.rglob("*")}
            assert copied.isdisjoint(attack.never_there)
            assert {name for name in copied if (opened.root / name).is_file()} == set(HONEST)
        assert everything_in(tmp_path) == before


class TestChanges:
    """Row A32: the archive changes on disk while it is opened and graded."""

    LINEAR = b"""
import numpy as np
class Linear:
    def forward(self, x):
        return np.frombuffer(open(__file__, "rb").read(), dtype=np.uint8)
"""

    def test_code_that_runs_is_the_code_that_was_hashed(self, place):
        first = {**HONEST, "mytorch/nn/modules/linear.py": self.LINEAR}
        second = {**HONEST, "mytorch/nn/modules/linear.py": b"raise SystemExit\n"}
        path = handed_in(place, zip_of(members_of(first)))
        with open_submission(path) as opened:
            path.write_bytes(zip_of(members_of(second)))
            with open_student(opened.root, places=PLACES, provider="separate", min_isolation=1) as student:
                seen = student.new("Linear").forward(np.zeros(1)).tobytes()
            assert seen == self.LINEAR
            assert opened.sha256 == digest({PurePosixPath(name): data for name, data in first.items()})
        with open_submission(path) as changed:
            assert changed.sha256 == digest({PurePosixPath(name): data for name, data in second.items()})

    def test_an_archive_swapped_between_reading_and_checking_is_graded_as_it_was_read(
        self, place, monkeypatch
    ):
        path = handed_in(place, zip_of(members_of()))

        def swap(data, **options):
            path.write_bytes(zip_of([Member("mytorch/evil.py")]))
            return read_archive(data, **options)

        monkeypatch.setattr(opening, "read_archive", swap)
        with open_submission(path) as opened:
            assert {str(file) for file in opened.files} == set(HONEST)
            on_disk = {file: (opened.root / file).read_bytes() for file in opened.files}
            assert opened.sha256 == digest(on_disk)

    def test_an_archive_that_becomes_a_link_is_read_where_it_was(self, tmp_path, place, monkeypatch):
        """The path is resolved once, and what is opened then is no link."""
        path = handed_in(place, zip_of(members_of()))
        (tmp_path / "other.zip").write_bytes(zip_of([Member("mytorch/evil.py")]))
        open_ = os.open

        def swap(name, *arguments, **options):
            if Path(name) == path:
                path.unlink()
                path.symlink_to(tmp_path / "other.zip")
            return open_(name, *arguments, **options)

        monkeypatch.setattr(opening.os, "open", swap)
        with pytest.raises(SubmissionRejected, match="cannot be read"), open_submission(path):
            pass

    def test_the_copy_cannot_be_written_to_by_its_modes(self, place):
        with open_submission(handed_in(place, zip_of(members_of()))) as opened:
            for path in opened.root.rglob("*"):
                assert path.stat().st_mode & 0o222 == 0
                assert not path.is_symlink()


class TestForgedBytecode:
    """Row A33: a cache that says something else than the source beside it."""

    @staticmethod
    def forged(source: str) -> bytes:
        """Return bytecode that an interpreter would take without looking at the source (PEP 552)."""
        unchecked = 0b01
        code = compile(source, "linear.py", "exec")
        return importlib.util.MAGIC_NUMBER + struct.pack("<L8s", unchecked, bytes(8)) + marshal.dumps(code)

    EVIL = "class Linear:\n    def forward(self, x):\n        return 666.0\n"
    HONEST_LINEAR = b"class Linear:\n    def forward(self, x):\n        return 1.0\n"
    CACHE = f"mytorch/nn/modules/__pycache__/linear.{sys.implementation.cache_tag}.pyc"

    @staticmethod
    def ask(root: Path) -> float:
        with open_student(root, places=PLACES, provider="separate", min_isolation=1) as student:
            return student.new("Linear").forward(0.0)

    def files(self) -> dict[str, bytes]:
        return {
            **HONEST,
            "mytorch/nn/modules/linear.py": self.HONEST_LINEAR,
            self.CACHE: self.forged(self.EVIL),
        }

    def test_it_would_be_believed_if_it_were_copied(self, tmp_path):
        for name, content in self.files().items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        assert self.ask(tmp_path) == 666.0

    def test_it_is_not_copied_and_the_source_runs(self, place):
        with open_submission(handed_in(place, zip_of(members_of(self.files())))) as opened:
            assert self.ask(opened.root) == 1.0

    @pytest.mark.parametrize("name", ["evil.pyc", "mytorch/__pycache__/evil.pyc", "__pycache__/evil.pyc"])
    def test_a_module_without_a_source_is_not_importable(self, place, name):
        linear = b"import evil\nfrom mytorch import evil\nclass Linear: pass\n"
        files = {**HONEST, "mytorch/nn/modules/linear.py": linear, name: self.forged("x = 1")}
        with (
            open_submission(handed_in(place, zip_of(members_of(files)))) as opened,
            open_student(opened.root, places=PLACES, provider="separate", min_isolation=1) as student,
            pytest.raises(StudentFault, match="No module named 'evil'"),
        ):
            student.new("Linear")

    def test_in_the_package_it_is_refused_with_a_word(self, place):
        files = {**HONEST, "mytorch/nn/evil.pyc": self.forged("x = 1")}
        path = handed_in(place, zip_of(members_of(files)))
        with pytest.raises(SubmissionRejected, match="compiled code"), open_submission(path):
            pass
