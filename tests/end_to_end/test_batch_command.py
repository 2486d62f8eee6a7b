"""`grader batch` with wrong arguments: one sentence, exit code 2, nothing written."""

import socket
from importlib import import_module
from pathlib import Path

import pytest

from grader import cli
from grader.cohort.grading.batch import folder_of_batch
from grader.cohort.journal import Journal

NOBODY = "tcp://127.0.0.1:9"
TWICE = "Name,Login\nAlice,alice\nBob,alice\n"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADER_SETTINGS", str(tmp_path / "none.toml"))
    monkeypatch.setenv("GRADER_COURSE_SECRET", "of the course that grades here")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What a class handed in, beside other things; the working directory."""
    root = tmp_path / "here"
    (root / "in" / "alice" / "mytorch").mkdir(parents=True)
    (root / "in" / "alice" / "mytorch" / "__init__.py").touch()
    (root / "empty").mkdir()
    (root / "twice.csv").write_text(TWICE)
    (root / "no-roster.csv").write_bytes(b"\x00\xff\x00\xff")
    monkeypatch.chdir(root)
    return root


def everything(root: Path) -> dict[str, bytes | None]:
    """Return all files and folders, but for what SQLite puts beside a journal that is read."""
    found = [path for path in root.rglob("*") if not path.name.endswith(("-shm", "-wal"))]
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in found}


def sentence_of(capsys, *arguments: str) -> str:
    """Run the command, which must refuse, and return its one sentence."""
    code = cli.run(["batch", *arguments])
    told = capsys.readouterr()
    assert code == 2, told
    assert told.out == ""
    assert told.err.startswith("grader: ")
    assert told.err.count("\n") == 1, told.err
    assert "Traceback" not in told.err
    return told.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["empty", "--out", "out"], "'empty' is empty: there is nothing to grade"),
        (["missing", "--out", "out"], "there is no folder 'missing'; check the path"),
        (["twice.csv", "--out", "out"], "is not a folder"),
        (["in", "empty", "--out", "out"], "takes one folder"),
        (["in", "--out", "in"], "is the folder of submissions; choose another one"),
        (["in", "--out", "./empty/../in"], "is the folder of submissions; choose another one"),
        (["in", "--out", "twice.csv"], "cannot write into twice.csv"),
        (["in", "--out", "out", "--shard", "3/2"], "--shard takes I/N"),
        (["in", "--out", "out", "--shard", "0/2"], "--shard takes I/N"),
        (["in", "--out", "out", "--shard", "one"], "--shard takes I/N"),
        (["in", "--out", "out", "--since", "yesterday"], "--since takes a date"),
        (["in", "--out", "out", "--since", "0001-01-01T00:00+14:00"], "--since takes a date"),
        (["in", "--out", "out", "--since", "9999-12-31T23:59-14:00"], "--since takes a date"),
        (["in", "--out", "out", "--only", "alice,\u202ebob\n"], "is no submission or student"),
        (["in", "--out", "out", "--jobs", "2", "--scheduler", NOBODY], "give one of them"),
        (["in", "--out", "out", "--jobs", "0"], "--jobs"),
        (["in", "--out", "out", "--roster", "twice.csv"], "have the same login"),
        (["in", "--out", "out", "--roster", "missing.csv"], "cannot be read"),
        (["in", "--out", "out", "--roster", "no-roster.csv"], "no-roster.csv"),
        (["in", "--out", "out", "--questions", "q99"], "q99"),
        (["in", "--out", "out", "--format", "pdf"], "unknown format 'pdf'"),
        (["in"], "--out"),
        (["merge", "--out", "out"], "name the folders that `grader batch --shard` wrote"),
        (["merge", "in", "missing", "--out", "out"], "name the folders that `grader batch --shard` wrote"),
    ],
    ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else "",
)
def test_a_call_that_cannot_be_done_is_one_sentence_and_writes_nothing(folder, capsys, arguments, sentence):
    before = everything(folder)
    assert sentence in sentence_of(capsys, *arguments)
    assert everything(folder) == before


@pytest.mark.parametrize("address", [NOBODY, "nonsense", "tcp://[::1", "inproc://x", "", "tcp://a.invalid:1"])
def test_where_no_scheduler_is_nothing_is_written(folder, capsys, address):
    pytest.importorskip("distributed")
    before = everything(folder)
    told = sentence_of(capsys, "in", "--out", "out", "--scheduler", address)
    assert "no Dask scheduler answers" in told
    assert everything(folder) == before


def test_something_that_listens_and_is_no_scheduler_is_told_after_a_while():
    cluster = import_module("grader.cohort.grading.cluster")
    pytest.importorskip("distributed")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(cluster.UsageError, match="no Dask scheduler answers"):
            cluster._connected(address, 0.5)


def test_batches_that_cannot_be_merged_leave_no_folder(folder, capsys):
    for name, assignment in {"a": "hw1", "b": "hw2"}.items():
        (folder / name).mkdir()
        with Journal(folder / name, assignment=assignment):
            pass
    before = everything(folder)
    assert "merge batches of one homework" in sentence_of(capsys, "merge", "a", "b", "--out", "out")
    assert "is --out itself" in sentence_of(capsys, "merge", "a", "--out", "a")
    assert "is --out itself" in sentence_of(capsys, "merge", ".", "--out", "b")
    assert everything(folder) == before


def test_a_second_batch_in_one_folder_is_refused_and_its_processes_are_not_begun(folder, capsys):
    (folder / "out").mkdir()
    with folder_of_batch(folder / "out"):
        before = everything(folder)
        assert "another `grader batch` works in out" in sentence_of(capsys, "in", "--out", "out")
        assert everything(folder) == before
