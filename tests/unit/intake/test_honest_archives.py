"""Zip files as honest tools write them; every one must give the same files."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from grader.selftest.zip_maker import (
    HONEST,
    LINEAR,
    STREAMED,
    UTF8,
    Member,
    members_of,
    streamed,
    with_zip64_end,
    zip_of,
)

ZIP = shutil.which("zip")
WRAPPED = {f"Ada Lovelace hw1/{name}": content for name, content in HONEST.items()}


class Pipe(io.RawIOBase):
    """Take bytes as a pipe does: no seeking, no telling."""

    def __init__(self) -> None:
        self.received = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.received += data
        return len(data)


def by_zipfile(files: dict[str, bytes] = HONEST, *, method: int = zipfile.ZIP_DEFLATED, target=None) -> bytes:
    target = target or io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return bytes(target.received) if isinstance(target, Pipe) else target.getvalue()


def write_files(folder: Path, files: dict[str, bytes] = HONEST) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


class TestZipfile:
    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_stored_and_deflated_files_are_read(self, accepted, method):
        assert accepted(by_zipfile(method=method)) == HONEST

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_a_zip_written_to_a_pipe_is_read(self, accepted, method):
        assert accepted(by_zipfile(method=method, target=Pipe())) == HONEST

    @pytest.mark.parametrize("target", [io.BytesIO, Pipe])
    def test_forced_zip64_records_are_read(self, accepted, target):
        opened = target()
        with zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in HONEST.items():
                with archive.open(name, "w", force_zip64=True) as stream:
                    stream.write(content)
        data = bytes(opened.received) if isinstance(opened, Pipe) else opened.getvalue()
        assert accepted(data) == HONEST

    def test_a_folder_packed_by_shutil_with_its_folder_entries_is_read(self, accepted, tmp_path):
        write_files(tmp_path / "work" / "hw1")
        made = shutil.make_archive(str(tmp_path / "handin"), "zip", tmp_path / "work")
        assert accepted(Path(made).read_bytes()) == HONEST

    def test_an_archive_that_was_appended_to_is_read(self, accepted, tmp_path):
        path = tmp_path / "x.zip"
        path.write_bytes(by_zipfile(dict(list(HONEST.items())[:3])))
        with zipfile.ZipFile(path, "a") as archive:
            for name, content in list(HONEST.items())[3:]:
                archive.writestr(name, content)
        assert accepted(path.read_bytes()) == HONEST

    def test_a_comment_as_github_writes_it_is_read(self, accepted):
        assert accepted(zip_of(members_of(), comment=b"8e7bdb1f7b5b1f7b5b1f7b5b1f7b5b1f7b5b1f7b")) == HONEST

    def test_unicode_names_are_read(self, accepted):
        files = HONEST | {
            "mytorch/nn/caf\u00e9.py": LINEAR,
            "notes \u4f5c\u696d.md": b"x",
            "pic \u202f1.png": b"p",
        }
        assert accepted(by_zipfile(files)) == files


@pytest.mark.skipif(ZIP is None, reason="the zip command is not installed")
class TestZipCommand:
    @pytest.mark.parametrize("options", [["-r"], ["-r", "-0"], ["-rD"], ["-r", "-fz"], ["-rX"], ["-9r"]])
    def test_a_folder_is_read(self, accepted, tmp_path, options):
        work = write_files(tmp_path / "work", HONEST | {"mytorch/nn/caf\u00e9.py": LINEAR})
        subprocess.run([ZIP, "-q", *options, "../handin.zip", "."], cwd=work, check=True)
        assert accepted((tmp_path / "handin.zip").read_bytes()) == HONEST | {
            "mytorch/nn/caf\u00e9.py": LINEAR
        }

    def test_single_files_are_read(self, accepted, tmp_path):
        work = write_files(tmp_path / "work")
        subprocess.run([ZIP, "-q", "../handin.zip", *HONEST], cwd=work, check=True)
        assert accepted((tmp_path / "handin.zip").read_bytes()) == HONEST

    def test_a_stream_is_read(self, accepted, tmp_path):
        work = write_files(tmp_path / "work")
        packed = subprocess.run([ZIP, "-q", "-r", "-", "."], cwd=work, check=True, stdout=subprocess.PIPE)
        assert accepted(packed.stdout) == HONEST

    def test_a_zip_that_files_were_deleted_from_is_read(self, accepted, tmp_path):
        work = write_files(tmp_path / "work", HONEST | {"old.py": LINEAR})
        subprocess.run([ZIP, "-qr", "../handin.zip", "."], cwd=work, check=True)
        subprocess.run([ZIP, "-qd", "../handin.zip", "old.py"], cwd=work, check=True)
        assert accepted((tmp_path / "handin.zip").read_bytes()) == HONEST


class TestOtherWriters:
    def test_the_macos_finder_is_read(self, accepted):
        members = [
            Member(
                "hw1/", b"", method=0, mode=0o040755, extra=b"ux\x04\0abcd", local_extra=b"ux\x08\0abcdefgh"
            )
        ]
        for name, content in HONEST.items():
            members.append(streamed(f"hw1/{name}", content, flags=UTF8, extra=b"ux\x04\0abcd"))
            folder, _, base = name.rpartition("/")
            members.append(streamed(f"__MACOSX/hw1/{folder}/._{base}".replace("//", "/"), b"\0\5\x16\7"))
        members.append(streamed("hw1/.DS_Store", bytes(6148)))
        members.append(streamed("hw1/Icon\r", b""))
        assert accepted(zip_of(members)) == HONEST

    def test_decomposed_names_of_macos_become_the_composed_ones(self, accepted):
        member = streamed("mytorch/cafe\u0301.py", LINEAR, flags=UTF8)
        assert "mytorch/caf\u00e9.py" in accepted(zip_of([*members_of(), member]))

    def test_the_windows_explorer_is_read(self, accepted):
        members = members_of(mode=0, system=0)
        members = [Member(**{**vars(member), "central": {"attributes": 0x20}}) for member in members]
        members.append(Member("mytorch/nn/caf\u00e9.py".encode("cp437"), system=0, mode=0))
        folder = Member("mytorch/", b"", method=0, system=0, mode=0, central={"attributes": 0x10})
        copy = accepted(zip_of([folder, *members]))
        assert copy == HONEST | {"mytorch/nn/caf\u00e9.py": LINEAR}

    def test_utf8_names_without_their_flag_are_read(self, accepted):
        assert "mytorch/\u4f5c\u696d.py" in accepted(
            zip_of([*members_of(), Member("mytorch/\u4f5c\u696d.py")])
        )

    @pytest.mark.parametrize("signature", [True, False])
    @pytest.mark.parametrize("wide", [True, False])
    def test_every_form_of_data_descriptor_is_read(self, accepted, signature, wide):
        members = [
            streamed(name, content, signature=signature, wide=wide) for name, content in HONEST.items()
        ]
        assert accepted(zip_of(members)) == HONEST

    def test_java_which_deflates_and_streams_folders_is_read(self, accepted):
        folders = [streamed("mytorch/", b"", mode=0), streamed("mytorch/nn/", b"", mode=0)]
        members = [streamed(name, content, mode=0, system=0) for name, content in HONEST.items()]
        assert accepted(zip_of([*folders, *members])) == HONEST

    def test_a_streamed_flag_with_true_sizes_in_the_header_is_read(self, accepted):
        assert accepted(zip_of(members_of(flags=STREAMED))) == HONEST

    def test_zip64_records_where_none_are_needed_are_read(self, accepted):
        assert accepted(with_zip64_end(zip_of(members_of()))) == HONEST

    def test_an_end_record_that_leaves_all_to_zip64_is_read(self, accepted):
        unset = {"here": 0xFFFF, "count": 0xFFFF, "size": 0xFFFFFFFF, "offset": 0xFFFFFFFF}
        plain = zip_of(members_of())
        data = with_zip64_end(plain)[:-22] + zip_of([], end=unset)
        assert accepted(data) == HONEST

    def test_rows_that_leave_everything_to_zip64_are_read(self, accepted):
        content = LINEAR
        offset = (
            len(zip_of(members_of(), end={"count": 0}))
            - 22
            - sum(len(member.central_row(0)) for member in members_of())
        )
        unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
        extra = struct.pack("<2H3QL", 1, 28, len(content), len(content), offset, 0)
        local_extra = struct.pack("<2H2Q", 1, 16, len(content), len(content))
        central = unset | {"offset": 0xFFFFFFFF, "disk": 0xFFFF}
        member = Member(
            "mytorch/x.py",
            content,
            method=0,
            extra=extra,
            local_extra=local_extra,
            local=unset,
            central=central,
        )
        assert "mytorch/x.py" in accepted(zip_of([*members_of(), member]))

    def test_padding_for_alignment_is_read(self, accepted):
        assert accepted(zip_of(members_of(local_extra=b"\0\0\0", extra=b"\0"))) == HONEST

    def test_extra_fields_of_other_kinds_are_passed_over(self, accepted):
        other = b"UT\x05\0\x03abcd" * 2
        field = other + struct.pack("<2H2Q", 1, 16, len(LINEAR), len(LINEAR)) + other
        unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
        member = Member("mytorch/x.py", method=0, local=unset, local_extra=field, central=unset, extra=field)
        assert accepted(zip_of([*members_of(), member])) == HONEST | {"mytorch/x.py": LINEAR}

    def test_a_folder_whose_name_looks_like_a_files_is_read(self, accepted):
        folder = Member("plots.png/", b"", method=0, mode=0o040755)
        assert (
            accepted(zip_of([*members_of(), folder, Member("plots.png/a.png", b"p")])).keys() > HONEST.keys()
        )

    def test_rows_in_another_order_than_the_files_are_read(self, accepted):
        data = zip_of(members_of())
        rows_start = struct.unpack("<L", data[-6:-2])[0]
        rows = data[rows_start:-22].split(b"PK\x01\x02")[1:]
        assert (
            accepted(data[:rows_start] + b"".join(b"PK\x01\x02" + row for row in rows[::-1]) + data[-22:])
            == HONEST
        )

    def test_a_shared_folder_with_the_set_group_bit_is_read(self, accepted):
        folder = Member("mytorch/", b"", method=0, mode=stat.S_IFDIR | 0o2775)
        assert accepted(zip_of([folder, *members_of()])) == HONEST


def test_a_wrapping_folder_is_taken_off(accepted):
    assert accepted(by_zipfile(WRAPPED)) == HONEST


@pytest.mark.parametrize("notebook_bytes", [20_000_000])
def test_a_notebook_full_of_figures_is_read(accepted, notebook_bytes):
    figure = b'{"image/png": "' + bytes(range(65, 91)) * (notebook_bytes // 26) + b'"}'
    copy = accepted(by_zipfile(HONEST | {"hw1.ipynb": figure}, method=zipfile.ZIP_STORED))
    assert len(copy["hw1.ipynb"]) > 19_000_000
