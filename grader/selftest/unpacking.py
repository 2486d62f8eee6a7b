"""Hand a hostile archive to intake, and judge what became of it and of everything beside it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from grader.errors import SubmissionRejected
from grader.intake import open_submission
from grader.selftest import watch
from grader.selftest.records import Attack, AttackResult, HostileArchive, Kind

MOST_SECONDS = 10.0
MOST_GROWTH_BYTES = 192 << 20  # several times what the largest honest submission holds
SECRET = "secret.txt"  # noqa: S105


def try_archive(archive: HostileArchive) -> AttackResult:
    """Open one archive as a submission; it succeeds unless it is refused and nothing else happens."""
    attack = Attack(archive.id, archive.rows, archive.title, Kind.ARCHIVE)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="grader-archive-") as name:
        folder = Path(name, "inbox", "student")
        folder.mkdir(parents=True)
        (folder.parent / SECRET).write_text("a secret beside the submission\n", encoding="utf-8")
        path = folder / f"{archive.id}.zip"
        path.write_bytes(archive.data)
        before = watch.folder_state(Path(name))
        watch.forget_peak(os.getpid())
        base = watch.peak_bytes(os.getpid())
        refusal, findings = _opened(path, archive)
        findings += watch.changes(before, watch.folder_state(Path(name)))
        growth = watch.peak_bytes(os.getpid()) - base
    seconds = time.monotonic() - started
    if growth > MOST_GROWTH_BYTES:
        findings.append(f"the grader grew by {growth >> 20} MiB")
    if seconds > MOST_SECONDS:
        findings.append(f"the grader was kept for {seconds:.1f} s")
    return AttackResult(attack, bool(findings), "; ".join(findings) or refusal, round(seconds, 3))


def _opened(path: Path, archive: HostileArchive) -> tuple[str, list[str]]:
    """Return what intake said, and what it should not have done."""
    try:
        with open_submission(path) as submission:
            root = submission.root
            findings = list(_of_the_copy(root, archive))
    except SubmissionRejected as refusal:
        return str(refusal), []
    except Exception as error:  # noqa: BLE001 -- whatever else comes out is what an attack wanted
        return "", [f"intake broke: {type(error).__name__}: {error}"]
    if root.exists():
        findings.append(f"{root} was left behind")
    return "accepted, without what was hostile in it", findings


def _of_the_copy(root: Path, archive: HostileArchive) -> Iterator[str]:
    if not archive.never_there:
        yield "it was accepted"
    for name in archive.never_there:
        if os.path.lexists(root / name):
            yield f"{name} is in the copy that is graded"
