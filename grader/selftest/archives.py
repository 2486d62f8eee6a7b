"""Hostile archives, made in memory: one row an archive, by the rows A01-A33, B09 and B10 of the catalogue."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from grader.selftest.records import HostileArchive
from grader.selftest.zip_maker import (
    ENCRYPTED,
    END,
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

SECRET = b"../secret.txt"
MEBIBYTE = 1 << 20
OWN = ("own",)


@cache
def hostile_archives() -> tuple[HostileArchive, ...]:
    """Make every hostile archive; each holds the honest work too, so that nothing but its trick is wrong."""
    return (
        *_places(),
        *_kinds_of_entries(),
        *_bombs(),
        *_names(),
        *_packing(),
        *_contradictions(),
        *_damage(),
        *_other_formats(),
        *_leftovers(),
        *_sources(),
        *_own(),
    )


def _hostile(id_: str, title: str, data: bytes, *, never_there: Sequence[str] = ()) -> HostileArchive:
    row = id_.partition("_")[0]
    rows = OWN if row == "own" else (row.upper(),)
    return HostileArchive(id_, rows, title, data, tuple(never_there))


def _beside(*members: Member, **options: bytes) -> bytes:
    """Return the honest zip with more files."""
    return zip_of([*members_of(), *members], **options)  # type: ignore[arg-type]


def _named(name: str | bytes, content: bytes = LINEAR, **facts: int) -> bytes:
    return _beside(Member(name, content, **facts))  # type: ignore[arg-type]


def _claiming(name: str, packed: bytes, **claims: int) -> Member:
    """Make a file whose two headers agree on what is not so."""
    return Member(name, packed=packed, central=claims, local=claims)


def _places() -> list[HostileArchive]:
    return [
        _hostile("a01_parent_folder", "a file ../evil.py", _named("../evil.py")),
        _hostile("a01_parent_folder_inside", "a file a/../../evil.py", _named("a/../../evil.py")),
        _hostile("a01_ignored_folder", "a file .git/../../evil.py", _named(".git/../../evil.py")),
        _hostile("a02_absolute_path", "a file /evil.py", _named("/evil.py")),
        _hostile("a03_drive", "a file C:/evil.py", _named("C:/evil.py")),
        _hostile("a03_backslash", "a file ..\\evil.py", _named("..\\evil.py")),
        _hostile("a03_share", "a file on a share of Windows", _named("\\\\server\\share\\evil.py")),
        _hostile("a04_nul_in_name", "a name with a NUL in it", _named("mytorch/evil.py\0.txt")),
    ]


def _kinds_of_entries() -> list[HostileArchive]:
    link = stat.S_IFLNK | 0o777
    folder_link = Member("mytorch/out", b"..", mode=link)
    through = _beside(folder_link, Member("mytorch/out/evil.py"))
    kinds = {"fifo": stat.S_IFIFO, "char_device": stat.S_IFCHR, "socket": stat.S_IFSOCK}
    bits = {"setuid": stat.S_ISUID, "setgid": stat.S_ISGID, "sticky": stat.S_ISVTX}
    return [
        _hostile("a05_link", "a symbolic link to a secret", _named("mytorch/x.py", SECRET, mode=link)),
        _hostile("a06_write_through_a_link", "a link to the parent, and a file behind it", through),
        *(
            _hostile(
                f"a08_{name}", f"an entry that is a {name}", _named("mytorch/x.py", b"", mode=kind | 0o644)
            )
            for name, kind in kinds.items()
        ),
        *(
            _hostile(
                f"a09_{name}", f"a file with the {name} bit", _named("mytorch/x.py", mode=0o100755 | bit)
            )
            for name, bit in bits.items()
        ),
    ]


def _bombs() -> list[HostileArchive]:
    gibibyte = _packed_zeros(1024)
    flat = _claiming("mytorch/x.npy", gibibyte, size_bytes=1 << 30)
    lie = _claiming("mytorch/x.npy", _packed_zeros(8), size_bytes=100)
    inner = zip_of([_claiming("bomb.npy", gibibyte, size_bytes=1 << 30)])
    nested = _beside(Member("mytorch/inner.zip", inner), Member("inner.zip", inner))
    many = zip_of([*members_of(), *(Member(f"mytorch/{n}.txt", b"", method=0) for n in range(10_001))])
    miscounted = zip_of(members_of(), end={"count": 0xFFFF, "here": 0xFFFF})
    return [
        _hostile("a10_flat_bomb", "1 MB that unpacks to 1 GB", _beside(flat)),
        _hostile("a11_full_overlap", "one body for 100 names", _one_body_for(100)),
        _hostile("a12_quoted_overlap", "files that quote each other", quoted_overlap(100_000, 20)),
        _hostile(
            "a13_nested_zips",
            "a bomb in a zip in the zip",
            nested,
            never_there=("bomb.npy", "mytorch/bomb.npy", "mytorch/inner.zip", "inner.zip"),
        ),
        _hostile("a14_size_lies", "100 bytes that unpack to 8 MB", _beside(lie)),
        _hostile("a15_many_entries", "10,000 empty files", many),
        _hostile("a15_count_lies", "a directory that claims 65,535 files", miscounted),
    ]


def _packed_zeros(mebibytes: int) -> bytes:
    """Pack that many MiB of zeros, by packing one and repeating it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    one = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return one * mebibytes + packer.flush()


def _one_body_for(count: int) -> bytes:
    content = bytes(MEBIBYTE)
    first = Member("mytorch/0.npy", content)
    body = first.local_header() + first.body
    rows = b"".join(Member(f"mytorch/{number}.npy", content).central_row(0) for number in range(count))
    return body + rows + END.pack(b"PK\x05\x06", 0, 0, count, count, len(rows), len(body), 0)


def _names() -> list[HostileArchive]:
    twice = {"mytorch/caf\u00e9.py": b"a = 1\n", "mytorch/cafe\u0301.py": b"a = 2\n"}
    titles = {
        "a16_case_clash": ("two names that differ in case", "mytorch/UTILS.py"),
        "a17_full_width": ("two names that differ in width", "mytorch/\uff35tils.py"),
        "a18_right_to_left": ("a name that reads backwards", "mytorch/nn/\u202eyp.live.py"),
        "a18_zero_width": ("a name with a character of no width", "mytorch/utils\u200b.py"),
        "a18_isolate": ("a name with a bidirectional isolate", "mytorch/\u2066utils\u2069.py"),
        "a19_newline": ("a name with a command for the log", "a\n::error::pwned.py"),
        "a19_escape": ("a name with a terminal sequence", "\x1b[2J.py"),
        "a20_reserved": ("a name that is a device on Windows", "mytorch/CON.py"),
        "a20_trailing_dot": ("a name that ends in a dot", "mytorch/utils.py."),
        "a20_stream": ("a name of an alternate data stream", "mytorch/utils.py:x.py"),
        "a22_file_and_folder": ("a file that is a folder too", "mytorch/utils.py/x.py"),
        "a23_long_path": ("a path of 1,000 bytes", "a/" * 10 + "b" * 980 + ".py"),
        "a23_deep_path": ("a path of 300 folders", "d/" * 300 + "x.py"),
    }
    return [
        *(_hostile(id_, title, _named(name)) for id_, (title, name) in titles.items()),
        _hostile("a17_two_unicode_forms", "one name in two Unicode forms", _beside(*members_of(twice))),
        _hostile(
            "a21_duplicate_name", "two files of one name", _named("mytorch/utils.py", b"raise SystemExit\n")
        ),
    ]


def _packing() -> list[HostileArchive]:
    content = LINEAR * 1000
    raw = lzma.compress(content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1}])
    packed = Member("mytorch/x.py", content, method=14, packed=b"\x09\x04\x05\x00\x5d\0\0\0\x01" + raw)
    return [
        _hostile("a24_encrypted", "an encrypted file", _named("mytorch/x.py", flags=ENCRYPTED)),
        _hostile("a24_strongly_encrypted", "a strongly encrypted file", _named("mytorch/x.py", flags=0x41)),
        _hostile("a25_lzma", "a file packed by LZMA", _beside(packed)),
        _hostile("a25_unknown_method", "a file packed by method 99", _named("mytorch/x.py", method=99)),
        _hostile("a25_deflate64", "a file packed by Deflate64", _named("mytorch/x.py", method=9)),
    ]


def _contradictions() -> list[HostileArchive]:
    honest = zip_of(members_of())
    other_name = Member("mytorch/notes.md", local={"name": b"mytorch/evil.py"})
    other_method = Member("mytorch/x.py", local={"method": 0})
    unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
    huge = struct.pack("<2H2Q", 1, 16, 1 << 40, 5)
    lie64 = Member("mytorch/x.npy", central=unset, local=unset, extra=huge, local_extra=huge)
    shifted = zip_of(members_of(), front=b"#!/bin/sh\nexit 0\n")
    return [
        _hostile("a26_other_local_name", "a file with two names", _beside(other_name)),
        _hostile("a26_other_local_method", "a file with two methods", _beside(other_method)),
        _hostile("a27_two_archives", "one archive behind another", honest + honest),
        _hostile("a27_archive_in_comment", "an archive in the comment", _with_archive_in_comment()),
        _hostile("a27_two_ends", "two directories, each at the end", _with_two_ends()),
        _hostile("a28_junk_in_front", "junk in front", b"GIF89a" + honest),
        _hostile("a28_script_in_front", "a script in front, all offsets right", shifted),
        _hostile("a28_junk_behind", "junk behind the end", honest + b"junk"),
        _hostile("a29_zip64_sizes", "a zip64 size that lies", _beside(lie64)),
        _hostile("a29_zip64_count", "a zip64 end that miscounts", with_zip64_end(honest, count=8, here=8)),
        _hostile("a29_zip64_place", "a zip64 end that lies elsewhere", with_zip64_end(honest, offset=0)),
    ]


def _with_archive_in_comment() -> bytes:
    outer = zip_of(members_of())
    return zip_of(members_of(), comment=zip_of([Member("mytorch/evil.py")], shift=len(outer)))


def _with_two_ends() -> bytes:
    """Make an archive with two end records, both right: how many files it holds depends on the reader.

    A file of the second directory covers the first directory and its end, whose comment is all that follows.
    """
    shown, evil = members_of(), Member("mytorch/nn/evil.py", method=0)
    first = zip_of(shown)
    *_, size, offset, _ = END.unpack(first[-END.size :])
    rows = first[offset : -END.size]
    blank = Member("notes.bin", bytes(size + END.size), method=0)
    start = offset + len(blank.local_header())
    comment = len(zip_of([*shown, blank, evil])) - start - size - END.size
    end = END.pack(b"PK\x05\x06", 0, 0, len(shown), len(shown), size, start, comment)
    return zip_of([*shown, Member("notes.bin", rows + end, method=0), evil])


def _damage() -> list[HostileArchive]:
    honest = zip_of(members_of())
    wrong = _claiming("mytorch/x.py", deflated(LINEAR), crc=0xDEADBEEF)
    return [
        _hostile("a30_cut_off", "an archive whose end is missing", honest[:-30]),
        _hostile("a30_empty_file", "a file without a byte", b""),
        _hostile("a30_no_files", "an archive without files", zip_of([])),
        _hostile("a30_no_archive", "a file that is no archive", b"\x7fELF" + bytes(1000)),
        _hostile("a30_wrong_checksum", "a file whose checksum is wrong", _beside(wrong)),
        _hostile("a30_no_deflate_stream", "a file that does not unpack", _beside(_broken())),
    ]


def _broken() -> Member:
    return Member("mytorch/x.py", packed=b"\xff" * 40)


def _other_formats() -> list[HostileArchive]:
    hard = _tar(("mytorch/x.py", tarfile.LNKTYPE, "../secret.txt"))
    # Links that together are longer than a path may be: what follows them is no longer checked.
    long = "d" * 247
    chain = [("/".join(["a"] * depth), tarfile.SYMTYPE, long) for depth in range(1, 17)]
    beyond = _tar(
        *chain, ("escape", tarfile.SYMTYPE, "a/" * 16 + "../" * 20), ("escape/evil.py", tarfile.REGTYPE, "")
    )
    return [
        _hostile("a07_hard_link", "a tar with a hard link to a secret", hard),
        _hostile("a31_long_links", "a tar with links beyond the longest path", beyond),
        _hostile("a31_gzipped_tar", "a gzipped tar", gzip.compress(hard, mtime=0)),
        _hostile(
            "a31_tar_named_like_a_zip",
            "a tar whose first bytes are those of a zip",
            _tar(("PK\x03\x04", tarfile.REGTYPE, "")),
        ),
    ]


def _tar(*entries: tuple[str, bytes, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, kind, link in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            archive.addfile(entry)
    return target.getvalue()


def _leftovers() -> list[HostileArchive]:
    stale = {
        "mytorch/__pycache__/utils.cpython-311.pyc": b"\0",
        ".git/hooks/pre-commit": b"#!/bin/sh\n",
        "__MACOSX/mytorch/._utils.py": b"\0",
        "mytorch/.DS_Store": b"\0",
    }
    compiled = {"so": "fast.so", "pyd": "fast.pyd", "pyc": "nn/evil.pyc"}
    return [
        _hostile(
            "a33_leftovers",
            "hooks, caches and halves of files",
            _beside(*members_of(stale)),
            never_there=tuple(stale),
        ),
        *(
            _hostile(f"b09_{kind}", f"compiled code, .{kind}", _named(f"mytorch/{name}", b"\x7fELF"))
            for kind, name in compiled.items()
        ),
    ]


def _sources() -> list[HostileArchive]:
    sources = {
        "rot13": ("a source in rot13", b"# coding: rot13\nvzcbeg bf\n"),
        "utf7": ("a source in UTF-7", b"# -*- coding: utf-7 -*-\n+AAo-import os\n"),
        "utf16": ("a source in UTF-16", "import os\n".encode("utf-16")),
        "latin1": ("a source in Latin-1 that says nothing of it", b"name = '\xe9'\n"),
    }
    return [
        _hostile(f"b10_{kind}", title, _named("mytorch/x.py", source))
        for kind, (title, source) in sources.items()
    ]


def _own() -> list[HostileArchive]:
    marks = "\u0315\u0300" * 500
    slow = [Member(f".git/{number}{marks}"[:1000], b"", method=0) for number in range(1000)]
    path = struct.pack("<2HBL", 0x7075, 5 + 15, 1, zlib.crc32(b"mytorch/notes.md")) + b"mytorch/evil.py"
    # The one field that must be read comes last.
    fields = struct.pack("<2H", 0xCAFE, 0) * 10_000 + struct.pack("<2H2Q", 1, 16, len(LINEAR), len(LINEAR))
    unset = {"size_bytes": 0xFFFFFFFF, "packed_bytes": 0xFFFFFFFF}
    facts: dict[str, Any] = {
        "method": 0,
        "central": unset,
        "local": unset,
        "extra": fields,
        "local_extra": fields,
    }
    flood = [Member(f"mytorch/{number}.py", **facts) for number in range(100)]
    second = Member("mytorch/x.py", packed=deflated(LINEAR) + deflated(b"raise SystemExit\n"))
    unannounced = streamed("mytorch/x.py", LINEAR)
    bare = Member("mytorch/x.py", flags=STREAMED, local=unannounced.local)
    titles = {
        "own_second_name": ("a second name in an extra field", Member("mytorch/notes.md", extra=path)),
        "own_second_stream": ("a second stream behind a file's own", second),
        "own_missing_descriptor": ("sizes announced for later that never come", bare),
        "own_bytes_between": (
            "bytes that belong to no file",
            Member("mytorch/x.py", after=b"raise SystemExit\n"),
        ),
        "own_stored_with_two_sizes": ("a stored file with two sizes", _stored_with_two_sizes()),
        "own_sentinel": ("a size left to a zip64 record that is not there", _left_to_zip64()),
        "own_another_disk": ("a file on another disk", Member("mytorch/x.py", central={"disk": 1})),
        "own_mark_alone": ("a name of combining marks only", Member("mytorch/\u0301\u0302.py")),
        "own_filler": ("a name with a letter that leaves no mark", Member("mytorch/utils\u3164.py")),
        "own_utf8_lies": ("a name that is not the UTF-8 it claims", Member(b"mytorch/\xff.py", flags=UTF8)),
        "own_folder_with_content": ("a folder with content", Member("mytorch/data/", mode=0o040755)),
    }
    return [
        *(_hostile(id_, title, _beside(member)) for id_, (title, member) in titles.items()),
        _hostile("own_slow_names", "names that are slow to normalise", _beside(*slow)),
        _hostile("own_many_extra_fields", "millions of empty extra fields", _beside(*flood)),
    ]


def _stored_with_two_sizes() -> Member:
    lie = {"size_bytes": 100}
    return Member("mytorch/x.py", method=0, central=lie, local=lie)


def _left_to_zip64() -> Member:
    unset = {"size_bytes": 0xFFFFFFFF}
    return Member("mytorch/x.py", central=unset, local=unset)
