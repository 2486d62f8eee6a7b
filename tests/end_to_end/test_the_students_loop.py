"""The student's loop as students have it: one engine behind the command, a notebook and an editor's tests."""

from __future__ import annotations

import asyncio
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import grader
from grader.intake import open_submission
from tests.required import not_here

ROOT = Path(__file__).resolve().parents[2]
NOT_ENOUGH_ISOLATION = 4
LINEAR = "mytorch/nn/modules/linear.py"
RIGHT, WRONG = "return x @ ", "return 2 * x @ "
GENEROUS_S = 120.0


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Return an environment with a home and a cache of this test's own."""
    settings = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "80"}
    return {**os.environ, **settings, "GRADER_SETTINGS": str(tmp_path / "none.toml")}


@pytest.fixture
def work(tmp_path, monkeypatch, environment) -> Path:
    """Return a template's folder with a right library in it; this process has the same cache."""
    folder = tmp_path / "work"
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "student_template", folder, ignore=no_caches)
    shutil.copytree(ROOT / "reference" / "mytorch", folder / "mytorch", dirs_exist_ok=True, ignore=no_caches)
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    monkeypatch.setenv("GRADER_SETTINGS", environment["GRADER_SETTINGS"])
    return folder


def replace_in(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def check(folder: Path, environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grader.cli", "check", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode == NOT_ENOUGH_ISOLATION:
        not_here(done.stderr.strip())
    return done


def words(text: str) -> str:
    return " ".join(text.split())


# ------------------------------------------------------------------------------- only what changed


def test_only_what_changed_is_run_again_and_the_findings_of_the_rest_are_still_shown(work, environment):
    questions = ("q1.2", "q6.1", "q6.5")
    first = check(work, environment, ".", *questions)
    assert "as before" not in first.stdout
    assert first.returncode == 1
    replace_in(work / LINEAR, RIGHT, WRONG)
    again = check(work, environment, ".", *questions)
    assert re.findall(r"^(q\d\.\d).*, as before$", again.stdout, re.MULTILINE) == ["q1.2"]
    assert "TODO: affine_gradients" in words(first.stdout)
    assert "TODO: affine_gradients" in words(again.stdout)
    assert "failed, 0 of 1 points: Linear.forward computes" in again.stdout
    known = check(work, environment, ".", *questions)
    assert known.stdout.replace(", as before", "") == again.stdout.replace(", as before", "")
    assert known.stdout.count(", as before\n") == 3
    assert known.returncode == 1
    assert ", as before" not in check(work, environment, ".", *questions, "--fresh").stdout


# ----------------------------------------------------------------------------------------- --watch


class Watch:
    """A running `grader check --watch`, whose lines come one by one."""

    def __init__(self, folder: Path, environment, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "grader.cli", "check", *arguments, "--watch"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, start: str) -> str:
        """Return what is printed up to a line that begins so."""
        text, give_up_s = "", time.monotonic() + GENEROUS_S
        while time.monotonic() < give_up_s:
            line = self._lines.get(timeout=GENEROUS_S)
            if line is None:
                if "isolation" in text:
                    not_here(text)
                break
            text += line
            if line.startswith(start):
                return text
        raise AssertionError(text)

    def rest(self) -> str:
        """Return what is still printed until the end."""
        self._reader.join(GENEROUS_S)
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return "".join(line for line in lines if line is not None)


@pytest.fixture
def watch(work, environment):
    watching = Watch(work, environment, ".", "q6.1")
    yield watching
    if watching.process.poll() is None:
        os.killpg(watching.process.pid, signal.SIGKILL)
    watching.process.wait()
    watching.rest()
    watching.process.stdout.close()


def members_of_session(leader: int) -> list[int]:
    """Return the processes of a session, and those that they started in sessions of their own."""
    table = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,sid="], capture_output=True, text=True, check=True
    ).stdout
    rows = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = {leader}
    while more := {pid for pid, parent, session in rows if parent in found or session in found} - found:
        found |= more
    return sorted(pid for pid, _, _ in rows if pid in found)


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_a_watch_checks_again_after_each_change_shows_what_does_not_parse_and_ends_well(watch, work):
    assert "q6.1 Linear: all 10 visible checks pass" in watch.until("Watching ")
    replace_in(work / LINEAR, RIGHT, "return (x @ ")
    broken = watch.until("Watching ")
    assert f"Changed: {LINEAR}\n" in broken
    assert "SyntaxError" in broken
    replace_in(work / LINEAR, "return (x @ ", RIGHT)
    assert "q6.1 Linear: all 10 visible checks pass, as before" in watch.until("Watching ")
    watch.process.send_signal(signal.SIGINT)
    assert watch.process.wait(timeout=GENEROUS_S) == 0
    assert watch.rest() == ""
    assert members_of_session(watch.process.pid) == []


@pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps")
def test_ctrl_c_in_the_middle_of_a_check_ends_a_watch_as_well(watch):
    give_up_s = time.monotonic() + GENEROUS_S
    while len(members_of_session(watch.process.pid)) < 2 and time.monotonic() < give_up_s:
        time.sleep(0.05)
    watch.process.send_signal(signal.SIGINT)
    assert watch.process.wait(timeout=GENEROUS_S) == 0
    assert "Traceback" not in watch.rest()
    assert members_of_session(watch.process.pid) == []


# -------------------------------------------------------------------------------------- in Python


class TextOf(HTMLParser):
    """The text of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(fragment)

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def test_importing_grader_loads_nothing_else_and_asking_for_check_loads_no_report_format():
    code = (
        "import sys, grader; assert callable(grader.check);"
        " before = {name for name in sys.modules if name.startswith('grader')};"
        " import grader.interactive;"
        " heavy = {'torch', 'jinja2', 'matplotlib', 'nbformat', 'nbclient', 'IPython'} & sys.modules.keys();"
        " formats = [name for name in sys.modules if name.startswith('grader.reports.to_')];"
        " print(before, heavy, formats)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'grader'} set() []\n"


def test_a_kernel_shows_the_sentences_of_the_command_line_under_the_cell(work, environment, monkeypatch):
    pytest.importorskip("ipykernel", reason="needs the extra dev")
    replace_in(work / LINEAR, RIGHT, WRONG)
    printed = check(work, environment, ".", "q6.1", "--fresh").stdout
    cells = ['import grader; grader.check("q6.1")', 'grader.check("q9.9")', 'print(grader.check("q6.1"))']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(work)}}
    ).execute()
    shown, unknown, plain = (cell.outputs[0] for cell in notebook.cells)
    assert [len(cell.outputs) for cell in notebook.cells] == [1, 1, 1]
    told = words(TextOf(shown.data["text/html"]).text)
    for line in printed.replace("|", " ").splitlines():
        assert words(line).removesuffix("-") in told
    assert words(shown.data["text/plain"]).replace(", as before", "") == words(printed)
    assert unknown.data["text/plain"].startswith("grader: unknown question 'q9.9'; known: q1.1, ")
    assert "unknown question &#x27;q9.9&#x27;" in unknown.data["text/html"]
    assert words(plain.text).replace(", as before", "") == words(printed)


def test_it_works_inside_an_event_loop_that_runs(work):
    async def ask():
        return grader.check("q6.5", path=work)

    result = asyncio.run(ask())
    if "isolation" in repr(result):
        not_here(repr(result))
    assert result.passed
    assert "q6.5 SGD: all 2 visible checks pass" in repr(result)


@pytest.mark.parametrize(
    ("questions", "path", "sentence"),
    [
        (("q6.1",), "nothing", "grader: there is no file or folder 'nothing'; check the path"),
        (("q6.1",), ".", "grader: no folder mytorch with Python files was found"),
        (("q2.2",), ".", "grader: none of these questions has visible checks yet"),
        ((61,), ".", "grader: write the questions as texts, such as"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(questions, path, sentence, tmp_path, monkeypatch):
    (tmp_path / "theory.py").write_text("")
    monkeypatch.chdir(tmp_path)
    result = grader.check(*questions, path=path)
    assert repr(result).startswith(sentence)
    assert "\n" not in repr(result)
    assert not result.passed
    assert set(result._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_a_fault_of_ours_is_one_sentence_too(monkeypatch, tmp_path):
    def fail(*_arguments, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr("grader.interactive.prepare_self_check", fail)
    monkeypatch.setattr("grader.endings.shared_folder", lambda: tmp_path)
    text = repr(grader.check("q6.1"))
    assert text.startswith(
        "grader: an unexpected fault in the grader itself (ZeroDivisionError); the details"
    )


def test_the_call_in_the_readme_and_the_handout_is_the_one_that_is_tried_in_a_kernel():
    for page in (ROOT / "README.md", ROOT / "student_template" / "README.md"):
        assert 'grader.check("q6.1")' in page.read_text(encoding="utf-8")


# --------------------------------------------------------------------------- an editor's test view


def run_pytest(folder: Path, environment, *arguments: str) -> str:
    """Run plain pytest in a folder, without anything of this repository's configuration."""
    bare = {name: value for name, value in environment.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=bare | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stdout
    return done.stdout


def test_plain_pytest_shows_each_visible_check_as_a_test_with_the_official_message(work, environment):
    replace_in(work / LINEAR, RIGHT, WRONG)
    printed = check(work, environment, ".", "q6.1").stdout
    shown = run_pytest(work, environment, "-k", "q6.1")
    if "isolation" in shown:
        not_here(shown)
    assert "1 failed, 7 passed, 2 skipped, 63 deselected" in shown
    assert "FAILED test_visible_checks.py::test_visible_check[q6.1.forward_values]" in shown
    message = re.search(r"^  failed, .*?in the handout: Q6.1$", printed, re.MULTILINE | re.DOTALL)
    assert words(message[0].replace("|", " ")) in words(shown.replace("|", " "))


def test_every_visible_check_that_takes_seconds_is_collected_without_any_configuration(work, environment):
    listed = run_pytest(work, environment, "--collect-only", "-q")
    assert "73 tests collected" in listed
    assert "test_visible_checks.py::test_visible_check[q6.1.forward_values]" in listed
    assert "[q5.1." not in listed


def test_without_the_package_each_test_says_so_in_one_sentence(work, environment):
    shutil.rmtree(work / "mytorch")
    shown = run_pytest(work, environment, "-k", "q6.5")
    assert shown.count("no folder mytorch with Python files was found") >= 2
    assert "2 failed" in shown


def test_the_file_with_these_tests_is_no_part_of_a_submission(work):
    with open_submission(work) as opened:
        digest, files = opened.sha256, set(map(str, opened.files))
    assert "test_visible_checks.py" not in files
    (work / "test_visible_checks.py").unlink()
    with open_submission(work) as opened:
        assert (opened.sha256, opened.left_out) == (digest, ())
