"""Zip files that must not be opened (rows A01-A31 of the catalogue of attacks)."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import types
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest

from grader.errors import SubmissionRejected
from grader.intake import IntakeLimits, archive, names, zip_records
from grader.intake.archive import read_archive
from grader.selftest.archives import hostile_archives
from grader.selftest.zip_maker import (
    ENCRYPTED,
    END,
    HONEST,
    LINEAR,
    STREAMED,
    UTF8,
    Member,
    deflated,
    members_of,
    quoted_overlap,
    streamed,
    with_zip64_end,
    zip_of,
)

LINE = b"x = 1\n"


def with_name(name: str | bytes, **facts) -> bytes:
    """Return the honest zip with one more file of that name."""
    return zip_of([*members_of(), Member(name, **facts)])


def with_member(member: Member) -> bytes:
    return zip_of([*members_of(), member])


@pytest.fixture
def inflated(monkeypatch) -> list[int]:
    """Return a list that gets the number of bytes of each unpacking."""
    counts: list[int] = []

    class Counting:
        def __init__(self, *arguments) -> None:
            self._stream = zlib.decompressobj(*arguments)

        def decompress(self, packed, limit) -> bytes:
            content = self._stream.decompress(packed, limit)
            counts.append(len(content))
            return content

        def __getattr__(self, name):
            return getattr(self._stream, name)

    fake = types.SimpleNamespace(
        decompressobj=Counting, MAX_WBITS=zlib.MAX_WBITS, error=zlib.error, crc32=zlib.crc32
    )
    monkeypatch.setattr(archive, "zlib", fake)
    return counts


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            *("../evil.py", "a/../../evil.py", "a/./evil.py", "./evil.py", "a//evil.py", "..", ".", ""),
            *("__MACOSX/../../evil.py", ".git/../../evil.py", "a/..", "a//"),
        ],
    )
    def test_dots_and_empty_parts_are_refused(self, reason, tmp_path, name):
        assert "leaves its folder" in reason(with_name(name))
        assert not list(tmp_path.rglob("evil.py"))

    @pytest.mark.parametrize("name", ["/tmp/x.py", "/", "//server/share/x.py"])
    def test_absolute_paths_are_refused(self, reason, name):
        assert "leaves its folder" in reason(with_name(name))

    @pytest.mark.parametrize("name", ["C:/x.py", "c:x.py", "a:b", "..\\x.py", "\\\\server\\x.py", "a\\b.py"])
    def test_drives_and_backslashes_are_refused_on_every_system(self, reason, name):
        assert "the path '" in reason(with_name(name))

    def test_backslashes_are_explained_to_users_of_old_powershell(self, reason):
        files = {name.replace("/", "\\"): content for name, content in HONEST.items()}
        assert "PowerShell" in reason(zip_of(members_of(files)))

    @pytest.mark.parametrize("name", ["mytorch/evil.py\0.txt", "\0"])
    def test_nul_in_a_name_is_refused(self, reason, name):
        assert "cannot be seen" in reason(with_name(name))

    @pytest.mark.parametrize(
        "character",
        [
            "\u202e",
            "\u200b",
            "\u2066",
            "\u200d",
            "\ufeff",
            "\u00ad",
            "\ue000",
            "\u2028",
            "\u2029",
            "\U000e0001",
        ],
    )
    def test_characters_that_deceive_a_reader_are_refused(self, reason, character):
        assert "cannot be seen" in reason(with_name(f"mytorch/a{character}b.py"))

    @pytest.mark.parametrize("name", ["a\n::error::pwned.py", "\x1b[31m.py", "a\rb.py", "a\tb.py", "\x9b.py"])
    def test_control_characters_are_refused_and_never_printed_raw(self, reason, name):
        assert "cannot be seen" in reason(with_name(name))

    @pytest.mark.parametrize(
        "name",
        [
            "CON.py",
            "mytorch/nul",
            "aux.tar.py",
            "com1",
            "LPT¹.py",
            "conin$",
            "ab:c",
            "x.py:stream",
            "CON .py",
        ],
    )
    def test_names_windows_reads_otherwise_are_refused_on_every_system(self, reason, name):
        assert "on Windows" in reason(with_name(name))

    @pytest.mark.parametrize("name", ["mytorch/evil.py.", "mytorch/evil.py ", "mytorch./evil.py", "a /b.py"])
    def test_parts_that_end_in_a_dot_or_a_space_are_refused(self, reason, name):
        assert "ends in a dot or a space" in reason(with_name(name))

    @pytest.mark.parametrize("name", ["hw1.ipynb", "mytorch/nn/modules/linear.py"])
    def test_a_name_that_is_there_twice_is_refused(self, reason, name):
        assert "twice" in reason(with_name(name, content=b"second = 2\n"))

    @pytest.mark.parametrize(
        "name", ["mytorch/UTILS.py", "MyTorch/x.py", "HW1.ipynb", "mytorch/\uff35tils.py"]
    )
    def test_names_that_differ_in_case_or_width_only_are_refused(self, reason, name):
        assert "one name on some systems" in reason(with_name(name))

    def test_names_that_differ_in_their_unicode_form_only_are_refused(self, reason):
        files = {"mytorch/caf\u00e9.py": b"a = 1\n", "mytorch/cafe\u0301.py": b"a = 2\n"}
        assert "twice" in reason(zip_of(members_of(HONEST | files)))

    @pytest.mark.parametrize("name", ["theory.py/x.py", "mytorch", "mytorch/nn"])
    def test_a_name_that_is_both_file_and_folder_is_refused(self, reason, name):
        assert "both as a file and as a folder" in reason(with_name(name))

    def test_a_folder_of_the_same_name_as_a_file_is_refused(self, reason):
        assert "twice" in reason(with_name("theory.py/", content=b"", mode=0o040755))

    @pytest.mark.parametrize("name", ["a" * 198 + ".py", "é" * 99 + ".py", "d/" * 12 + "a.py", "x" * 60_000])
    def test_long_and_deep_paths_are_refused(self, reason, name):
        assert "is longer than" in reason(with_name(name))

    def test_a_name_that_is_not_the_utf8_it_claims_to_be_is_refused(self, reason):
        assert "UTF-8" in reason(with_name(b"mytorch/\xff.py", flags=UTF8))

    @pytest.mark.parametrize("name", ["{0}", "mytorch/{0}.py", ".git/{0}", "a/{1}/b/{1}.py", "{2}/{2}/{2}"])
    def test_names_made_to_be_slow_to_normalise_never_are_normalised(self, monkeypatch, reason, name):
        lengths = []

        def normalize(form, text):
            lengths.append(len(text))
            return unicodedata.normalize(form, text)

        monkeypatch.setattr(
            names, "unicodedata", types.SimpleNamespace(normalize=normalize, category=unicodedata.category)
        )
        slow = [("a" + "\u0315\u0300" * count) for count in (10_000, 200, 128)]
        assert "is longer than" in reason(with_name(name.format(*slow)))
        assert max(lengths) <= 255

    @pytest.mark.parametrize(
        "name", ["mytorch/\u0301.py", "\u0301/x.py", "mytorch/\u0488x.py", "mytorch/utils\u3164.py", "\u2800"]
    )
    def test_marks_alone_and_letters_without_ink_are_refused(self, reason, name):
        assert "cannot be seen" in reason(with_name(name))

    def test_marks_on_letters_are_fine(self, accepted):
        name = "mytorch/\u0928\u092e\u0938\u094d\u0924\u0947 o\u0302\u0301.py"
        assert unicodedata.normalize("NFC", name) in accepted(with_name(name))


class TestSecondNames:
    """An extra field may hold the name once more, in UTF-8; some readers show that one, others do not."""

    @staticmethod
    def field(path: bytes, *, of: bytes, version: int = 1) -> bytes:
        return struct.pack("<2HBL", 0x7075, 5 + len(path), version, zlib.crc32(of)) + path

    def made(self, raw: bytes, path: bytes, *, flags: int = 0, where: str = "both", **facts) -> bytes:
        field = self.field(path, of=raw, **facts)
        extra = field if where != "local" else b""
        local_extra = field if where != "central" else b""
        return with_member(Member(raw, flags=flags, extra=extra, local_extra=local_extra))

    @pytest.mark.parametrize("where", ["both", "local", "central"])
    @pytest.mark.parametrize("flags", [0, UTF8])
    def test_another_name_is_refused(self, reason, where, flags):
        data = self.made(b"mytorch/notes.md", b"mytorch/evil.py", where=where, flags=flags)
        assert "two names" in reason(data)

    @pytest.mark.parametrize("path", [b"../evil.py", b"/evil.py", b"mytorch/a\0b.py", b"mytorch/utils.py"])
    def test_it_follows_the_rules_of_the_first(self, reason, path):
        reason(self.made("mytorch/\u00e9.py".encode("cp437"), path))

    @pytest.mark.parametrize(
        ("path", "of", "version"),
        [
            *((b"mytorch/x.py", b"other", 1), (b"mytorch/x.py", b"mytorch/x.py", 2)),
            *((b"", b"mytorch/x.py", 1), (b"mytorch/x.py/", b"mytorch/x.py", 1)),
        ],
    )
    def test_a_field_that_does_not_belong_to_the_name_is_refused(self, reason, path, of, version):
        extra = self.field(path, of=of, version=version)
        assert "two names" in reason(with_name("mytorch/x.py", extra=extra))

    def test_a_field_of_four_bytes_is_refused(self, reason):
        assert "two names" in reason(with_name("mytorch/x.py", extra=struct.pack("<2HL", 0x7075, 4, 1)))

    def test_two_fields_that_differ_are_refused(self, reason):
        raw = "mytorch/\u00e9.py".encode("cp437")
        one, other = (self.field(path, of=raw) for path in ("mytorch/\u00e9.py".encode(), b"mytorch/e.py"))
        assert "two names" in reason(with_name(raw, extra=one, local_extra=other))
        assert "there twice" in reason(with_name(raw, extra=one + one))

    def test_bytes_that_are_no_utf8_are_refused(self, reason):
        assert "UTF-8" in reason(self.made("mytorch/\u00e9.py".encode("cp437"), b"mytorch/\xff.py"))

    @pytest.mark.parametrize(
        "raw",
        [
            b"mytorch/caf\x82.py",
            b"mytorch/caf#U00e9.py",
            b"mytorch/caf#L0000e9.py",
            "mytorch/caf\u00e9.py".encode(),
        ],
    )
    @pytest.mark.parametrize("where", ["both", "central"])
    def test_another_spelling_of_the_same_name_is_read(self, accepted, raw, where):
        flags = UTF8 if b"\xc3" in raw else 0
        data = self.made(raw, "mytorch/caf\u00e9.py".encode(), where=where, flags=flags)
        assert accepted(data) == HONEST | {"mytorch/caf\u00e9.py": LINEAR}

    def test_too_many_extra_fields_are_refused_without_reading_them_all(self, reason):
        field = struct.pack("<2H", 0xCAFE, 0)
        assert "too many extra fields" in reason(with_name("mytorch/x.py", extra=field * 65))
        read = []
        with pytest.raises(SubmissionRejected):
            read.extend(zip_records._extra_fields(field * 16_000))
        assert len(read) == 65

    def test_as_many_extra_fields_as_are_allowed_are_read(self, accepted):
        assert accepted(zip_of(members_of(extra=struct.pack("<2H", 0xCAFE, 0) * 64))) == HONEST


@pytest.mark.usefixtures("_alarm")
class TestKinds:
    def test_links_are_refused(self, reason):
        message = reason(with_member(Member("mytorch/secret.py", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)))
        assert "'mytorch/secret.py' is a link" in message

    def test_a_file_behind_a_link_is_refused(self, reason, tmp_path):
        link = Member("mytorch/out", str(tmp_path).encode(), mode=stat.S_IFLNK | 0o777)
        assert "'mytorch/out' is a link" in reason(
            zip_of([*members_of(), link, Member("mytorch/out/evil.py")])
        )
        assert not (tmp_path / "evil.py").exists()

    @pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, 0o030000])
    def test_fifos_devices_and_sockets_are_refused(self, reason, kind):
        assert "is a link or a device" in reason(with_member(Member("mytorch/x.py", mode=kind | 0o644)))

    @pytest.mark.parametrize("bit", [stat.S_ISUID, stat.S_ISGID, stat.S_ISVTX])
    def test_special_permission_bits_are_refused(self, reason, bit):
        message = reason(with_member(Member("mytorch/x.py", mode=stat.S_IFREG | 0o755 | bit)))
        assert "set-user, set-group or sticky bit" in message

    def test_a_folder_with_content_is_refused(self, reason):
        assert "has content" in reason(with_member(Member("mytorch/data/", mode=0o040755)))

    @pytest.mark.parametrize(("name", "mode"), [("a.py", 0o040755), ("a/", 0o100644)])
    def test_a_mode_that_contradicts_the_name_is_refused(self, reason, name, mode):
        assert "both a file and a folder" in reason(with_member(Member(name, b"", mode=mode)))

    @pytest.mark.parametrize("flags", [ENCRYPTED, 0x40, 0x41, 0x2000])
    def test_encrypted_zips_are_refused_with_a_plain_word(self, reason, flags):
        assert "without a password" in reason(zip_of(members_of(flags=flags)))

    @pytest.mark.parametrize("method", [1, 6, 9, 12, 14, 93, 95, 97, 98, 99, 0xFFFF])
    def test_other_methods_than_stored_and_deflated_are_refused(self, reason, method):
        assert "unusual way" in reason(with_member(Member("mytorch/x.py", method=method)))

    def test_a_real_lzma_zip_is_refused(self, reason):
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as archive:
            for name, content in HONEST.items():
                archive.writestr(name, content)
        assert "unusual way" in reason(target.getvalue())

    def test_patch_data_is_refused(self, reason):
        assert "unusual way" in reason(with_member(Member("mytorch/x.py", flags=0x20)))


class TestBombs:
    def test_a_flat_bomb_is_refused_before_it_is_inflated(self, reason, inflated):
        lie = {"size_bytes": 1 << 30}
        bomb = Member("mytorch/x.npy", b"", packed=bytes(1 << 20), central=lie, local=lie)
        assert "larger than 64 MB" in reason(with_member(bomb))
        assert inflated == []

    def test_a_bomb_of_a_kind_that_is_never_graded_is_refused_too(self, reason):
        bomb = Member("bomb.bin", central={"size_bytes": 1 << 30}, local={"size_bytes": 1 << 30})
        assert "larger than 64 MB" in reason(with_member(bomb))

    def test_many_files_below_the_limit_are_refused_by_their_sum(self, reason):
        lie = {"size_bytes": 60 << 20}
        bombs = [Member(f"mytorch/{n}.npy", packed=bytes(1 << 19), central=lie, local=lie) for n in range(5)]
        assert "256 MB together" in reason(zip_of([*members_of(), *bombs]))

    def test_a_ratio_no_honest_file_reaches_is_refused(self, reason):
        bomb = Member("mytorch/x.npy", bytes(20 << 20))
        assert "from next to nothing" in reason(with_member(bomb))

    def test_a_small_array_of_zeros_is_honest_at_any_ratio(self, accepted):
        assert "mytorch/zeros.npy" in accepted(with_member(Member("mytorch/zeros.npy", bytes(2 << 20))))

    @pytest.mark.parametrize("size_bytes", [0, 1, 100, 1 << 16])
    def test_a_size_that_lies_is_refused_with_one_byte_more_inflated(self, reason, inflated, size_bytes):
        lie = {"size_bytes": size_bytes}
        packed = deflated(bytes(8 << 20))
        member = Member("mytorch/x.npy", bytes(8 << 20), packed=packed, central=lie, local=lie)
        assert "not as long as the zip says" in reason(with_member(member))
        assert inflated[-1] == size_bytes + 1

    def test_a_stored_file_with_two_sizes_is_refused(self, reason):
        lie = {"size_bytes": 100}
        member = Member("mytorch/x.py", LINE, method=0, central=lie, local=lie)
        assert "not as long as the zip says" in reason(with_member(member))

    @pytest.mark.parametrize("names", [["a.npy"] * 100, [f"{number}.npy" for number in range(100)]])
    def test_one_body_for_a_hundred_names_is_refused(self, reason, inflated, names):
        first = Member(names[0], bytes(1000))
        body = first.local_header() + first.body
        rows = b"".join(Member(name, bytes(1000)).central_row(0) for name in names)
        end = END.pack(b"PK\x05\x06", 0, 0, len(names), len(names), len(rows), len(body), 0)
        message = reason(body + rows + end)
        assert "overlap" in message or "twice" in message
        assert inflated == []

    def test_files_that_quote_each_other_are_refused_though_zipfile_may_unpack_them(self, reason, inflated):
        data = quoted_overlap(100_000, 5)
        with zipfile.ZipFile(io.BytesIO(data)) as read_by_zipfile:
            assert len(read_by_zipfile.namelist()) == 5
        assert "overlap" in reason(data)
        assert inflated == []

    def test_a_zip_in_the_zip_is_never_opened(self, accepted):
        inner = zip_of([Member("x.npy", bytes(4 << 20))])
        copy = accepted(zip_of([*members_of(), Member("mytorch/inner.zip", inner, method=0)]))
        assert copy == HONEST

    def test_too_many_files_are_refused_before_the_first_row_is_read(self, monkeypatch, reason):
        def fail(*_, **__):
            pytest.fail("a row was read")

        monkeypatch.setattr(zip_records, "_read_row", fail)
        data = zip_of([Member(f"mytorch/{n}.py", b"", method=0) for n in range(10_001)])
        assert "more than 5,000 files" in reason(data)

    def test_more_kept_files_than_anyone_writes_are_refused(self, reason):
        data = zip_of([Member(f"mytorch/{n}.py", b"", method=0) for n in range(2001)])
        assert "more than 2,000 files" in reason(data)

    def test_a_python_file_over_one_megabyte_is_refused(self, reason):
        source = Member("mytorch/big.py", b"x = 1\n" * 200_000)
        assert "'mytorch/big.py' is larger than 1 MB" in reason(with_member(source))

    def test_an_archive_over_its_limit_is_refused_without_being_read(self, reason, place):
        with (place / "hw1.zip").open("wb") as stream:
            stream.truncate((64 << 20) + 1)
        assert "larger than 64 MB" in reason(place / "hw1.zip")

    def test_every_limit_may_be_reached_exactly(self, accepted):
        biggest = max(len(content) for content in HONEST.values())
        total_bytes = sum(len(content) for content in HONEST.values())
        limits = IntakeLimits(
            archive_bytes=len(zip_of(members_of())),
            entries=len(HONEST),
            files=len(HONEST),
            total_bytes=total_bytes,
            file_bytes=biggest,
            source_bytes=biggest,
            name_bytes=len("mytorch/nn/modules/linear.py"),
            depth=4,
        )
        assert accepted(zip_of(members_of()), limits=limits) == HONEST
        assert accepted(with_name("a" * 197 + ".py")).keys() > HONEST.keys()

    @pytest.mark.parametrize(
        ("limits", "word"),
        [
            *((IntakeLimits(archive_bytes=100), "larger than"), (IntakeLimits(entries=6), "more than 6")),
            *((IntakeLimits(total_bytes=200), "together"), (IntakeLimits(file_bytes=60), "larger than")),
            *((IntakeLimits(source_bytes=60), "larger than"), (IntakeLimits(name_bytes=27), "longer than")),
            *(
                (IntakeLimits(depth=3), "deeper than"),
                (IntakeLimits(ratio=1, ratio_free_bytes=0), "next to nothing"),
            ),
        ],
    )
    def test_every_limit_holds(self, reason, limits, word):
        assert word in reason(zip_of(members_of()), limits=limits)

    def test_limits_can_be_set(self, reason):
        assert "more than 3 files" in reason(zip_of(members_of()), limits=IntakeLimits(files=3))


def test_files_of_other_kinds_are_listed_as_left_out():
    folder = Member("data/", b"", mode=0o040755)
    contents = read_archive(zip_of([*members_of(), folder, Member("data/model.pt"), Member(".DS_Store")]))
    assert [str(path) for path in contents.dropped] == ["data/model.pt"]
    assert {str(path): content for path, content in contents.files.items()} == HONEST


class TestContradictions:
    @pytest.mark.parametrize(
        "lie",
        [
            *({"name": b"mytorch/y.py"}, {"method": 0}, {"flags": UTF8}, {"flags": STREAMED}, {"crc": 1}),
            *(
                {"packed_bytes": 1},
                {"size_bytes": 1},
                {"size_bytes": 0},
                {"packed_bytes": 0, "size_bytes": 0},
            ),
            {"flags": ENCRYPTED},
        ],
    )
    def test_a_local_header_that_differs_from_the_directory_is_refused(self, reason, lie):
        assert "damaged or made to deceive" in reason(with_member(Member("mytorch/x.py", local=lie)))

    @pytest.mark.parametrize("name", ["mytorch/x.py", "notes.bin", "__MACOSX/x"])
    def test_it_is_compared_for_files_that_are_not_graded_too(self, reason, name):
        assert "two names" in reason(with_member(Member(name, local={"name": b"mytorch/evil.py"})))

    def test_concatenated_zips_are_refused(self, reason):
        first, second = zip_of(members_of()), zip_of(members_of())
        assert "something was put in front" in reason(first + second)

    def test_concatenated_zips_with_right_offsets_are_refused(self, reason):
        first = zip_of(members_of())
        assert "put in front" in reason(zip_of(members_of(), front=first))

    def test_a_zip_in_the_comment_is_refused(self, reason):
        outer = zip_of(members_of(), comment=b"")
        inner = zip_of([Member("mytorch/evil.py")], shift=len(outer))
        assert "two ends" in reason(zip_of(members_of(), comment=inner))

    def test_two_directories_that_are_both_at_the_end_are_refused(self, reason):
        data = next(each.data for each in hostile_archives() if each.id == "a27_two_ends")
        with zipfile.ZipFile(io.BytesIO(data)) as second:
            assert "mytorch/nn/evil.py" in second.namelist()
        start = data.index(b"PK\x05\x06")
        assert start + 22 + END.unpack(data[start : start + 22])[-1] == len(data)
        assert "two ends" in reason(data)

    @pytest.mark.parametrize("size", [22, 23, 1000, 65_536])
    def test_the_signature_of_an_end_elsewhere_is_no_end(self, accepted, size):
        stored = Member("mytorch/notes.txt", b"PK\x05\x06" + bytes(size), method=0)
        assert "mytorch/notes.txt" in accepted(with_member(stored))

    def test_a_comment_that_begins_like_an_end_is_refused(self, reason):
        assert "damaged" in reason(zip_of(members_of(), comment=b"PK\x05\x06"))

    def test_a_second_end_record_is_refused(self, reason):
        data = zip_of(members_of())
        assert "damaged" in reason(data + data[-22:])

    @pytest.mark.parametrize("front", [b"MZ junk", b"#!/bin/sh\n", b"PK\x03\x04junk", b"GIF89a", bytes(4)])
    @pytest.mark.parametrize("offsets_are_right", [True, False])
    def test_junk_in_front_is_refused(self, reason, front, offsets_are_right):
        data = zip_of(members_of(), front=front) if offsets_are_right else front + zip_of(members_of())
        assert "in front" in reason(data)

    @pytest.mark.parametrize("behind", [b"\0", b"junk", bytes(70_000)])
    def test_junk_behind_is_refused(self, reason, behind):
        assert "damaged" in reason(zip_of(members_of(), behind=behind))

    def test_junk_between_two_files_is_refused(self, reason):
        assert "between its files" in reason(zip_of(members_of(after=b"hidden")))
        assert "between its files" in reason(zip_of(members_of(after=bytes(16))))
        assert "between its files" in reason(zip_of(members_of(after=bytes(1000))))

    def test_junk_between_the_files_and_the_directory_is_refused(self, reason):
        honest = zip_of(members_of())
        offset = struct.unpack("<L", honest[-6:-2])[0]
        moved = honest[:offset] + b"junk" + honest[offset:-6] + struct.pack("<LH", offset + 4, 0)
        assert "between its files" in reason(moved)

    def test_a_row_that_no_file_stands_for_is_refused(self, reason):
        assert "damaged" in reason(with_member(Member("mytorch/x.py", central={"offset": 1 << 20})))

    @pytest.mark.parametrize(
        "lie",
        [
            *({"count": 6, "here": 6}, {"count": 8, "here": 8}, {"count": 0, "here": 0}, {"here": 6}),
            *({"count": 6}, {"count": 0xFFFF, "here": 0xFFFF}, {"disk": 1}, {"first_disk": 1}),
            *({"size": 0}, {"size": 0xFFFFFFFF}, {"offset": 0}, {"offset": 0xFFFFFFFF}, {"comment": 5}),
        ],
    )
    def test_an_end_record_that_lies_is_refused(self, reason, lie):
        assert "zip file" in reason(zip_of(members_of(), end=lie))

    @pytest.mark.parametrize(
        "lie",
        [
            *({"count": 8, "here": 8}, {"here": 6}, {"size": 46}, {"offset": 0}, {"start": 0}),
            *({"start": 1 << 40}, {"record_size": 45}, {"record_size": 43}, {"record_size": 1 << 63}),
            *({"disk": 1}, {"disks": 2}, {"count": 1 << 63, "here": 1 << 63}, {"offset": 1 << 63}),
            *({"first_disk": 1}, {"start_disk": 1}),
        ],
    )
    def test_zip64_records_that_lie_are_refused(self, reason, lie):
        assert "damaged or made to deceive" in reason(with_zip64_end(zip_of(members_of()), **lie))

    @pytest.mark.parametrize(
        ("extra", "word"),
        [
            *((b"", "zip64 size is missing"), (struct.pack("<2HQ", 1, 8, 5), "zip64 size is missing")),
            *((struct.pack("<2H2Q", 1, 16, 1 << 40, 5), "larger than"), (b"\x01\0\x40\0", "cut off")),
            (struct.pack("<2H2Q", 1, 16, len(LINE), 1 << 40), "overlap"),
        ],
    )
    def test_zip64_sizes_that_lie_are_refused(self, reason, extra, word):
        unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
        member = Member("mytorch/x.py", LINE, central=unset, extra=extra, local=unset, local_extra=extra)
        assert word in reason(with_member(member))

    @pytest.mark.parametrize("lie", [{"count": 6, "here": 6}, {"size": 46}, {"offset": 0}])
    def test_two_end_records_that_contradict_each_other_are_refused(self, reason, lie):
        plain = zip_of(members_of())
        lying = zip_of(members_of(), end=lie)
        assert "contradict each other" in reason(with_zip64_end(plain)[:-22] + lying[-22:])

    def test_two_zip64_fields_are_refused(self, reason):
        field = struct.pack("<2H2Q", 1, 16, len(LINE), len(LINE))
        unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
        member = Member("mytorch/x.py", LINE, method=0, central=unset, extra=field * 2)
        assert "twice" in reason(with_member(member))

    @pytest.mark.parametrize("lie", [(1, None, None), (None, 1, None), (None, None, 1)])
    def test_a_data_descriptor_that_lies_is_refused(self, reason, lie):
        truth = (zlib.crc32(LINE), len(deflated(LINE)), len(LINE))
        values = [true if false is None else false for true, false in zip(truth, lie, strict=True)]
        unknown = {"crc": 0, "packed_bytes": 0, "size_bytes": 0}
        after = b"PK\x07\x08" + struct.pack("<3L", *values)
        member = Member("mytorch/x.py", LINE, flags=STREAMED, local=unknown, after=after)
        assert "two sizes or two checksums" in reason(with_member(member))

    @pytest.mark.parametrize("lie", [{"crc": 1}, {"packed_bytes": 1}, {"size_bytes": 1}])
    def test_a_streamed_files_header_that_lies_is_refused(self, reason, lie):
        honest = streamed("mytorch/x.py", LINE)
        member = Member(
            "mytorch/x.py", LINE, flags=STREAMED, after=honest.after, local={**honest.local, **lie}
        )
        assert "two sizes or two checksums" in reason(with_member(member))

    @pytest.mark.parametrize("signature", [b"PK\x03\x04", b"PK\x01\x02", b"PK\x06\x06", b"PK\x07\x08"])
    def test_a_record_without_its_signature_is_refused(self, reason, signature):
        honest = with_zip64_end(zip_of([*members_of(), streamed("mytorch/x.py", LINE)]))
        at = honest.rindex(signature)
        assert "damaged" in reason(honest[: at + 2] + b"XX" + honest[at + 4 :])

    @pytest.mark.parametrize("junk", [b"junk", bytes(46), b"PK\x05\x05\0\0"])
    def test_junk_in_the_directory_is_refused(self, reason, junk):
        honest = zip_of(members_of())
        *_, size, offset, _ = END.unpack(honest[-22:])
        end = END.pack(b"PK\x05\x06", 0, 0, 7, 7, size + len(junk), offset, 0)
        assert "miscounts" in reason(honest[:-22] + junk + end)

    def test_a_directory_row_longer_than_the_directory_is_refused(self, reason):
        honest = zip_of(members_of())
        at = honest.rindex(b"PK\x01\x02") + 30  # the length of the extra field
        assert "cut off" in reason(honest[:at] + b"\x40\0" + honest[at + 2 :])

    @pytest.mark.parametrize(("disk", "extra"), [(1, b""), (0xFFFF, b""), (0xFFFF, b"\1\0\4\0\1\0\0\0")])
    def test_a_file_on_another_disk_is_refused(self, reason, disk, extra):
        member = Member("mytorch/x.py", central={"disk": disk}, extra=extra)
        assert "zip file is damaged" in reason(with_member(member))

    def test_a_missing_data_descriptor_is_refused(self, reason):
        honest = streamed("mytorch/x.py", LINE)
        member = Member("mytorch/x.py", LINE, flags=STREAMED, local=honest.local)
        assert "two sizes or two checksums" in reason(with_member(member))


class TestDamage:
    @pytest.mark.parametrize("kept", [4, 21, 22, 30, 200, -1, -22, -23, -100])
    def test_a_truncated_zip_is_refused(self, reason, kept):
        assert "its end is missing" in reason(zip_of(members_of())[:kept]) or kept == -1

    @pytest.mark.parametrize(
        ("data", "word"),
        [
            *((b"", "is empty"), (b"hello", "not a zip"), (zip_of([]), "zip file is empty")),
            *(
                (b"\x1f\x8b\x08" + bytes(100), "gzip"),
                (b"Rar!\x1a\x07", "rar"),
                (b"7z\xbc\xaf\x27\x1c", "7z"),
            ),
            *((b"%PDF-1.7", "PDF"), (b'{"cells": []}', "notebook"), (bytes(1000), "not a zip")),
        ],
    )
    def test_what_is_no_zip_is_refused_by_its_kind(self, reason, data, word):
        assert word in reason(data)

    def test_a_tar_is_refused_whatever_links_it_holds(self, reason):
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for name, kind in (("hard", tarfile.LNKTYPE), ("soft", tarfile.SYMTYPE)):
                link = tarfile.TarInfo(name)
                link.type, link.linkname = kind, "/etc/passwd"
                archive.addfile(link)
        assert "tar archive" in reason(target.getvalue())

    def test_a_wrong_checksum_is_refused(self, reason):
        lie = {"crc": 0xDEADBEEF}
        assert "checksum" in reason(with_member(Member("mytorch/x.py", central=lie, local=lie)))

    @pytest.mark.parametrize("packed", [b"\xff" * 20, b"", deflated(LINE)[:-1], deflated(LINE) + b"more"])
    def test_a_body_that_is_no_whole_stream_is_refused(self, reason, packed):
        message = reason(with_member(Member("mytorch/x.py", LINE, packed=packed)))
        assert "'mytorch/x.py' cannot be unpacked" in message or "'mytorch/x.py' is not as long" in message

    def test_a_zip_of_another_zip_only_says_so(self, reason):
        data = zip_of([Member("hw1/handin.zip", zip_of(members_of()), method=0)])
        assert "unpack 'hw1/handin.zip'" in reason(data)


@pytest.mark.parametrize("name", ["gone.zip", "gone/deeper", "a\0b"])
def test_a_path_that_is_not_there_is_refused(reason, place, name):
    assert "path" in reason(place / name)


def test_a_device_is_refused(reason):
    assert "neither a zip file nor a folder" in reason(Path("/dev/zero"))
