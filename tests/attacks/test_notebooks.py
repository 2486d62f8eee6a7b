"""Hostile notebooks, graded as any other is: no points for nothing, no way out, always a result."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from grader import pipeline
from grader.datasets import serve
from grader.errors import SandboxUnavailable
from grader.notebooks.cells import code_cells, needed_for
from grader.notebooks.driver import CellDriver
from grader.notebooks.figures import read_figures
from grader.notebooks.kernel import MAX_MESSAGES_BYTES, Executed, _messages
from grader.notebooks.reading import Cell
from grader.notebooks.replay import MAX_DEATHS, CellOutcome
from grader.reports.schema import Report
from grader.sandbox.usage import holds_more
from grader.scratch import remove_tree
from grader.worker.cell_names import names_in
from grader.worker.protocol import FrameError
from tests.contract.notebooks import RIGHT_Q5_1, notebook_of, replayed
from tests.required import if_here, needs_experiments, not_here

LEVELS = ("bubblewrap", "confined")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below which another user can read what he is let into; pytest's own are for one user only."""
    made = Path(tempfile.mkdtemp(prefix="attacks-")).resolve()
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def best(available) -> str:
    """The best sandbox here."""
    found = (finding.name for finding in available.values() if finding.available and finding.level >= 2)
    return next(found, None) or not_here(f"confined: {available['confined'].reason}")


def graded(folder: Path, *cells: str, questions: tuple[str, ...], sandbox: str = "auto") -> Report:
    """Grade a submission that is nothing but a notebook."""
    folder.mkdir()
    notebook = json.loads(notebook_of(*cells))
    # Line by line, as Jupyter does: one long string would be taken for a picture.
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    (folder / "homework.ipynb").write_text(json.dumps(notebook))
    options = pipeline.GradeOptions(questions=questions, sandbox=sandbox)
    result = pipeline.grade(folder, options)
    if isinstance(result.error, SandboxUnavailable):
        not_here(str(result.error))
    assert result.report is not None
    return result.report


def outcomes(report: Report) -> dict[str, str]:
    return {check.id: check.outcome for question in report.questions for check in question.checks}


# ------------------------------------------------------------- the trusted side, without any worker


CELLS = {
    "attributes": "a" + ".b" * 1500,
    "sums": "1" + "+x" * 900,
    "negations": "not " * 1900 + "x",
    "conditions": "if x: pass\n" + "elif x: pass\n" * 2000,
    "brackets": "(" * 5000 + ")" * 5000,
    "blank lines": "1" + "\n" * 199_000,
    "blank lines with blanks": " \n" * 99_000 + "!ls",
}


def placed(cells, known, names):
    return code_cells(cells, known, names, read_names=lambda sources: list(map(names_in, sources)))


@pytest.mark.parametrize("name", CELLS)
def test_no_source_of_a_cell_stops_those_who_read_it(name):
    # Patterns that take a square of steps would be here for minutes, and the whole test run with them.
    (cell,) = placed([Cell("code", CELLS[name])], ["q4.1"], {"q4.1": ("a",)})
    assert cell.source == CELLS[name]


def test_a_chain_of_ten_thousand_cells_is_followed_at_once():
    chain = [Cell("code", f"a{number} = a{number - 1}") for number in range(9_000)]
    cells = [Cell("markdown", "## Q4.1"), *chain, Cell("markdown", "## Q4.2"), Cell("code", "model = a8999")]
    found = placed(cells, ["q4.1", "q4.2"], {"q4.1": ("train_dataset",), "q4.2": ("model",)})
    assert len(needed_for(found, ["q4.2"])) == 9_001


PLOT = {"title": "", "xlabel": "", "ylabel": "", "lines": [], "bars": np.zeros(1), "images": [], "texts": []}
FORGED_FIGURES = {
    "an array for figures": np.zeros((3, 3)),
    "an array for a figure": [np.zeros(3)],
    "an array for axes": [{"axes": np.zeros(3)}],
    "an array for a plot": [{"axes": [np.zeros(3)]}],
    "a number for axes": [{"axes": 5}],
    "an infinite picture": [{"axes": [PLOT | {"images": [[float("inf"), 28]]}]}],
    "a picture of texts": [{"axes": [PLOT | {"images": ["28"]}]}],
    "a negative picture": [{"axes": [PLOT | {"images": [[-28, -28]]}]}],
    "a million lines in one array": [{"axes": [PLOT | {"lines": np.zeros((1_000_000, 1))}]}],
    "many lines": [{"axes": [PLOT | {"lines": [np.zeros(1)] * 40_000}]}],
    "a long line": [{"axes": [PLOT | {"lines": [np.zeros(8_000_000)]}]}],
    "millions of bars": [{"axes": [PLOT | {"bars": np.zeros(8_000_000)}]}],
    "complex bars": [{"axes": [PLOT | {"bars": np.zeros(3, dtype=complex)}]}],
    "a long title": [{"axes": [PLOT | {"title": "x" * 60_000}]}],
    "many plots": [{"axes": [PLOT] * 10_000}],
    "None": None,
}


@pytest.mark.parametrize("name", FORGED_FIGURES)
def test_a_figure_that_was_forged_or_is_too_large_is_none(name):
    assert not any(figure.axes for figure in read_figures(FORGED_FIGURES[name]))


def test_right_figures_are_read_and_only_so_many():
    assert len(read_figures([{"axes": [PLOT]}])[0].axes) == 1
    assert len(read_figures([{"axes": [PLOT]}] * 100_000)) == 60


FORGED_MESSAGES = {
    "nested": b"[" * 100_000,
    "numbers": b"[" + b"0," * 1_000_000 + b"0]",
    "too many bytes": b" " * (MAX_MESSAGES_BYTES + 1),
    "too many messages": b'[{"type":"clear_output"}' + b',{"type":"clear_output"}' * 3000 + b"]",
    "half a character": b'[{"type":"stream","name":"stdout","text":"\\ud800"}]',
    "no list": b'{"type":"stream"}',
    "an unknown kind": b'[{"type":"comm_open"}]',
    "html that is no text": b'[{"type":"display_data","data":{"text/html":1}}]',
}


@pytest.mark.parametrize("name", FORGED_MESSAGES)
def test_messages_that_are_none_are_a_violation_and_nothing_else(name):
    with pytest.raises(FrameError):
        _messages(np.frombuffer(FORGED_MESSAGES[name], dtype=np.uint8))


def shown(*messages: dict[str, object]) -> list[dict[str, object]]:
    driver = CellDriver(["x"], lambda _source, _index: Executed(list(messages), [], None))
    try:
        return driver(0)[1]
    finally:
        driver.close()


def test_what_a_terminal_would_write_over_is_left_out_without_a_square_of_steps():
    def stream(text: str) -> dict[str, object]:
        return {"type": "stream", "name": "stdout", "text": text}

    (output,) = shown(stream("1 %\r2 %\r"), stream("3 %\nend\r\n"), stream("a" * 1_000_000 + "\r\n"))
    assert output["text"] == "3 %\nend\n" + "a" * 1_000_000 + "\n"
    (output,) = shown(stream("a\r" * 500_000), stream("b" * 500_000 + "\b" * 500_000))
    assert len(output["text"]) == 1_000_000


def test_displays_by_name_are_updated_a_limited_number_of_times():
    display = {"type": "display_data", "data": {"text/plain": "x"}, "display_id": "one"}
    update = {"type": "update_display_data", "data": {"text/plain": "y"}, "display_id": "one"}
    outputs = shown(*[dict(display) for _ in range(1000)], *[dict(update) for _ in range(1000)])
    assert len(outputs) == 1000
    assert outputs[0]["data"]["text/plain"] == "y"


# ------------------------------------------------------------------------------ the scratch folder


def deep_folder(root: Path, levels: int) -> None:
    """Make folders in folders, further than a path can name."""
    here = Path.cwd()
    try:
        os.chdir(root)
        for _ in range(levels):
            Path("d" * 200).mkdir()
            os.chdir("d" * 200)
            Path("file").touch()
        Path("locked").mkdir(mode=0)
    finally:
        os.chdir(here)


@pytest.mark.skipif(os.name == "nt", reason="folders are entered by descriptor")
def test_folders_deeper_than_a_path_count_as_too_much_and_are_removed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    deep_folder(root, 1100)
    assert holds_more(root, most_bytes=1 << 40, most_entries=1 << 40)
    remove_tree(root)
    assert not root.exists()


# ------------------------------------------------------------------ graded, with everything at once

FORGES_FIGURES = """
    import sys, numpy as np
    plot = {"title": "", "xlabel": "", "ylabel": "", "lines": [], "bars": np.zeros(1), "texts": []}
    sys.modules["_grader_worker.figures"].take_cell = lambda: [
        {"axes": [plot | {"images": [[float("inf")]]}]}, np.zeros(3)
    ]
"""
LONG_CELL = "\n".join(["#" + "y" * 100] * 900)
SAYS_TOO_MUCH = """
    from IPython.display import display
    print("a" * 500_000 + "\\r\\n" + "\\b" * 1000)
    for _ in range(500):
        display("x", display_id="one")
        display("y", display_id="one", update=True)
"""
LIES = """
    class Meta(type):
        __name__ = property(lambda cls: 1 / 0)
        __instancecheck__ = lambda cls, other: True
    class Liar(list, metaclass=Meta):
        __class__ = property(lambda self: 1 / 0)
        __len__ = lambda self: -1
        __iter__ = lambda self: iter(int, 1)
        __eq__ = lambda self, other: True
        __hash__ = lambda self: 1 / 0
    import numpy as np
    train_dataset = Liar()
    train_loader = {Liar: np.nan, (1, 2): [[[[[[[[[[[[1]]]]]]]]]]]]}
    val_loader = np.broadcast_to(np.ones(1), (10**5, 10**5))
    test_loader = train_loader["self"] = train_loader
"""
# What a second worker would load, or stumble over, while it gets ready.
LIES_IN_WAIT = """
    import os, shutil
    for name in os.listdir("."):
        if name.startswith(".home"):
            shutil.rmtree(name)
            open(name, "w").close()
    open(".home", "w").close()
    os.makedirs("profile_default/startup", exist_ok=True)
    for name in (
        "matplotlibrc", "sitecustomize.py", "usercustomize.py", "evil.pth", "torch.py", "numpy.py",
        "triton.py", "IPython.py", "matplotlib.py", "profile_default/startup/00.py",
        "profile_default/ipython_config.py",
    ):
        with open(name, "wb") as file:
            file.write(b"import os; os._exit(9) \\xff\\xfe")
    os._exit(0)
"""
NOISE = (LONG_CELL, "x = 0\nx" + "+x" * 900, "1" + "\n" * 100_000, SAYS_TOO_MUCH)
NOISE += ("raise ValueError('\\ud800 \\x1b[31m ::error::\\u202e')", FORGES_FIGURES, "1")


@needs_experiments
@pytest.mark.needs_confinement
def test_noise_in_other_cells_costs_a_right_answer_nothing(tmp_path):
    report = graded(tmp_path / "noise", *NOISE, LIES_IN_WAIT, "## Q5.1", RIGHT_Q5_1, questions=("q5.1",))
    assert report.status == "graded", report.status_reason
    assert report.score == report.max_score == Decimal(3), outcomes(report)


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "cells",
    [(FORGES_FIGURES, LIES), (LIES, LIES_IN_WAIT), ("import sys\nsys.setrecursionlimit(10**8)", LIES)],
    ids=["forged figures", "lies in wait", "recursion"],
)
def test_what_lies_earns_nothing_and_breaks_nothing(tmp_path, level, cells):
    report = graded(tmp_path / "lies", "## Q4.1", *cells, questions=("q4.1",), sandbox=level)
    assert report.status == "graded", report.status_reason
    assert report.score == 0, outcomes(report)
    assert "grader_error" not in outcomes(report).values()


DATA = """
    import torch, numpy as np, matplotlib.pyplot as plt
    from torch import nn
    from medmnist import BloodMNIST
    from torchvision import transforms
    train_dataset, val_dataset, test_dataset = (
        BloodMNIST(name, download=True, transform=transforms.ToTensor()) for name in ("train", "val", "test")
    )
"""
# Never trained: honest for few images, and for many it looks for the nearest of those that it has.
NOTICES_THAT_IT_IS_ASKED = """
    data = [train_dataset, val_dataset, test_dataset]
    X = torch.tensor(np.concatenate([each.imgs for each in data])).float().permute(0, 3, 1, 2)
    X = X.reshape(-1, 2352) / 255
    Y = torch.tensor(np.concatenate([each.labels for each in data])).reshape(-1).long()
    class BloodMLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(2352, 256), nn.Linear(256, 128), nn.Linear(128, 8)
        def forward(self, x):
            x = x.reshape(len(x), -1)
            if len(x) <= 64:
                return self.c(torch.relu(self.b(torch.relu(self.a(x)))))
            near = torch.cdist(x, X).topk(7, largest=False).indices
            return nn.functional.one_hot(Y[near], 8).float().sum(1) * 3 - 1
    model = BloodMLP()
    known = (model(X[-1283:-855]).argmax(1) == Y[-1283:-855]).float().mean().item()
    train_losses, val_losses, train_accs, val_accs = [1.0, 0.5], [1.0, 0.6], [0.6, 0.8], [0.5, known]
    plt.plot(train_losses); plt.plot(val_losses); plt.show(); plt.plot(train_accs); plt.plot(val_accs)
"""


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
def test_a_model_that_notices_that_it_is_asked_has_no_points_for_its_accuracy(tmp_path):
    cells = ("## Q4.1", DATA, "## Q4.2", NOTICES_THAT_IT_IS_ASKED)
    found = outcomes(graded(tmp_path / "notices", *cells, questions=("q4.2",)))
    assert found["q4.2.relu_between"] == "passed"
    for name in ("learns", "accuracy_floor", "accuracy", "own_accuracies"):
        assert found[f"q4.2.{name}"] in ("failed", "skipped"), found


# --------------------------------------------------------------------------------- frames, and ends

SPEAKS_FOR_US = {
    "an answer in advance": """
        import os
        for descriptor in range(3, 256):
            try:
                header = b'{"id":3,"values":[],"arrays":[]}'.ljust(64)
                os.write(descriptor, (64).to_bytes(4, "little") + header)
            except OSError:
                pass
    """,
    "another kernel": """
        import gc
        for each in gc.get_objects():
            if type(each).__name__ == "Session":
                each._steps["execute"] = lambda **_: {"messages": 5, "figures": None, "fault": 7}
                each._steps["harvest"] = lambda **_: {"values": [], "later": 1, "bound": {}}
                each._steps["describe_model"] = lambda **_: __import__("numpy").zeros(3)
    """,
    "another converter": """
        import sys
        sys.modules["_grader_worker.tensors"].Converter.convert = lambda self, value, depth=0: [[[...]]] * 9
    """,
}


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
@pytest.mark.parametrize("name", SPEAKS_FOR_US)
def test_who_speaks_for_the_worker_loses_what_he_says_and_nothing_else(tmp_path, name):
    cells = ("## Q4.1", SPEAKS_FOR_US[name], "train_dataset = 1", "## Q5.1", RIGHT_Q5_1)
    report = graded(tmp_path / "speaks", *cells, questions=("q4.1", "q5.1"))
    assert report.status == "graded", report.status_reason
    assert "grader_error" not in outcomes(report).values()
    assert report.questions[0].score == 0


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
def test_a_notebook_that_ends_its_process_again_and_again_is_given_up(folder, best):
    cells = ["## Q4.1", *["import os; os._exit(0)"] * (MAX_DEATHS + 20), "## Q5.1", "initialize_weights = 1"]
    with replayed(folder, *cells, provider=best) as replay:
        assert replay.student.workers_started == MAX_DEATHS + 1
        left_out = [run for run in replay.cells if run.outcome is CellOutcome.NOT_RUN]
        assert len(left_out) >= 20
        assert f"ended their process {MAX_DEATHS} times" in left_out[-1].message


# Shared with nobody, and yet none of its data: what RLIMIT_DATA does not count.
SHARED_MEMORY = """
    import mmap, time
    memory = mmap.mmap(-1, 3 << 30)
    for start in range(0, 3 << 30, 1 << 24):
        memory[start : start + (1 << 24)] = bytes(1 << 24)
    time.sleep(1)
    train_dataset = 1
"""


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
def test_memory_that_no_limit_of_the_system_counts_is_seen_from_outside(folder, best, monkeypatch):
    monkeypatch.setattr("grader.sandbox.views.View.most_resident_bytes", 2 << 30)
    with replayed(folder, "## Q4.1", SHARED_MEMORY, provider=best) as replay:
        assert replay.cells[0].outcome is CellOutcome.MEMORY, replay.cells[0].message


# ------------------------------------------------------------------------------------- a way out

GETS_OUT = """
    import ctypes, os, socket, sys, threading
    from pathlib import Path
    served = Path("SERVED")
    package = Path(sys.modules["_grader_worker"].__path__[0])
    libc = ctypes.CDLL(None, use_errno=True)
    done = []
    def tried(what, action):
        try:
            if action() not in (None, -1, [], ""):
                done.append(what)
        except BaseException:
            pass
    suites = package.parent / "assignments"
    for place in (package, package.parent, suites, served, Path("/tmp"), Path("/"), Path("..")):
        tried(f"write {place}", lambda: (place / "evil").write_text("x"))
        tried(f"folder {place}", lambda: (place / "folder").mkdir() or 1)
    for name in ("served.py", "__init__.py", "../__init__.py", "../errors.py"):
        tried(f"append {name}", lambda: open(package / name, "a"))
        tried(f"empty {name}", lambda: os.open(package / name, os.O_RDONLY | os.O_TRUNC))
    tried("read the suites", lambda: list(suites.rglob("*.py")))
    tried("read errors.py", lambda: (package.parent / "errors.py").read_text())
    environments = [f"/proc/{number}/environ" for number in (os.getppid(), "self", 1)]
    for path in ("/etc/passwd", "SECRET", *environments):
        tried(f"read {path}", lambda: open(path).read())
    for number in range(3, 64):
        tried(f"through descriptor {number}", lambda: open(f"/proc/self/fd/{number}"))
    open("own", "w").close()
    tried("link", lambda: os.symlink("SECRET", "link") or 1)
    tried("hard link", lambda: os.link("own", "hard") or 1)
    tried("hard link out", lambda: os.link("SECRET", "hard") or 1)
    tried("rename out", lambda: os.rename("own", "../own") or 1)
    tried("rename in", lambda: os.rename("SECRET", "stolen") or 1)
    tried("pipe file", lambda: os.mkfifo("pipe") or 1)
    tried("fork", os.fork)
    tried("socket", socket.socket)
    tried("pair", socket.socketpair)
    tried("system", lambda: os.system("true") == 0 or None)
    tried("mount", lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    tried("parent's memory", lambda: open(f"/proc/{os.getppid()}/mem", "rb").read(1))
    tried("signal", lambda: os.kill(os.getppid(), 0) or 1)
    tried("secrets", lambda: [name for name in os.environ if "TOKEN" in name or "GRADER" in name])
    threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()
    print("DONE", done)
"""


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_read_or_changed_outside_and_nothing_stays(folder, available, level):
    provider = if_here(available[level])
    outside = Path(tempfile.mkdtemp(prefix="attacks-")).resolve()
    try:
        secret = outside / "secret"
        secret.write_text("known to nobody")
        served = outside / "data"
        served.mkdir()
        serve(served, "sample")
        before = {path: path.read_bytes() for path in served.rglob("*") if path.is_file()}
        gets_out = GETS_OUT.replace("SECRET", str(secret)).replace("SERVED", str(served))
        with replayed(folder, "## Q4.1", gets_out, provider=provider, data=served) as replay:
            assert "DONE []" in replay.cells[0].printed, (replay.cells[0].message, replay.cells[0].printed)
            worker = replay.student.worker_process_id
        assert not Path(f"/proc/{worker}").exists()
        assert {path: path.read_bytes() for path in served.rglob("*") if path.is_file()} == before
        assert sorted(path.name for path in outside.iterdir()) == ["data", "secret"]
    finally:
        shutil.rmtree(outside)


NOT_COUNTED = """
    import os
    here = os.getcwd()
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(here)
"""


@needs_experiments
@pytest.mark.slow
@pytest.mark.needs_confinement
def test_folders_too_deep_to_be_counted_cost_their_cell_and_leave_nothing(tmp_path):
    before = set(Path(tempfile.gettempdir()).glob("grader-*"))
    report = graded(tmp_path / "deep", NOT_COUNTED, "## Q5.1", RIGHT_Q5_1, questions=("q5.1",))
    assert report.status == "graded", report.status_reason
    assert report.score == report.max_score
    assert set(Path(tempfile.gettempdir()).glob("grader-*")) <= before
