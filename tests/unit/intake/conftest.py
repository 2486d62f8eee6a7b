from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import SubmissionRejected
from grader.intake import open_submission
from tests.unit.intake.snapshot import everything_in


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for submissions; copies are made in a folder beside it, both inside `tmp_path`."""
    for name in ("submissions", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "submissions"


@pytest.fixture
def _alarm() -> Iterator[None]:
    """Fail after two seconds instead of waiting for a fifo for ever."""

    def too_late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(2)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def reason(place: Path, tmp_path: Path) -> Callable[..., str]:
    """Return a function that opens a submission, sees it refused without a trace, and returns why."""

    def refuse(submission: bytes | Path, **options) -> str:
        if isinstance(submission, bytes):
            (place / "hw1.zip").write_bytes(submission)
            submission = place / "hw1.zip"
        before = everything_in(tmp_path)
        with pytest.raises(SubmissionRejected) as caught, open_submission(submission, **options):
            pass
        assert everything_in(tmp_path) == before
        message = str(caught.value)
        assert message.isprintable()
        assert len(message) < 300
        return message

    return refuse


@pytest.fixture
def accepted(place: Path, tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Return a function that opens a submission and returns what the copy holds; the copy is gone after."""

    def accept(submission: bytes | Path, **options) -> dict[str, bytes]:
        if isinstance(submission, bytes):
            (place / "hw1.zip").write_bytes(submission)
            submission = place / "hw1.zip"
        before = everything_in(tmp_path)
        with open_submission(submission, **options) as opened:
            paths = sorted(path for path in opened.root.rglob("*") if not path.is_dir())
            copy = {path.relative_to(opened.root).as_posix(): path.read_bytes() for path in paths}
            assert {str(path): size for path, size in opened.files.items()} == {
                name: len(content) for name, content in copy.items()
            }
        assert everything_in(tmp_path) == before
        return copy

    return accept
