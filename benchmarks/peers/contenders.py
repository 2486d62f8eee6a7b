"""Who is compared: what each one needs, which command grades, and how many checks pass by its own result."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.measuring import REPOSITORY, Command, Failed, Ran, last_line, run

GRADER = (sys.executable, "-m", "grader.start")  # as the installed command begins
SIX = "six_checks"
_FILE = Path(__file__).with_name(f"{SIX}.py")
# Read, not imported: `mytorch` is on the path of the contenders alone.
NAMES = tuple(
    each.name
    for each in ast.parse(_FILE.read_text(encoding="utf-8")).body
    if isinstance(each, ast.FunctionDef)
)
WITHOUT_TRAINING = "q6.1,q6.2,q6.3,q6.4,q6.5,q6.6"
_CALLS = """
import numpy as np
from mytorch.nn import ReLU, Sigmoid, Tanh
x = np.array([[-3.0, -0.5, 0.25], [1.5, -1.25, 4.0]])
for kind in (ReLU, Tanh, Sigmoid):
    kind().forward(x)
    layer = kind()
    layer.forward(x)
    layer.backward(x)
"""
_OF_ALL = re.compile(r"(\d+) of \d+ visible checks pass")  # the last line of a self-check
# The one fault of the wrong submission, which every contender must find before it is timed.
_RIGHT_LINE, _WRONG_LINE = "return dLdy * (1 - self.y**2)", "return dLdy * (1 - self.y)"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of one contender, the submission that it grades, and the interpreter of its environment."""

    folder: Path
    submission: Path
    python: Path

    def command(self, *arguments: str | Path) -> Command:
        """Return a command that finds the submission and the six checks on its path."""
        path = f"{self.submission}:{self.folder.parent / 'checks'}"
        programs = f"{self.python.parent}:{os.environ.get('PATH', os.defpath)}"  # as in an activated one
        return Command(
            arguments=arguments,
            folder=self.folder,
            environment={**self._own_places(), "PYTHONPATH": path, "PATH": programs},
        )

    def graders_command(self, *arguments: str | Path) -> Command:
        """Return a command of this grader, which is told where the submission is."""
        secret = {"GRADER_COURSE_SECRET": "of the course that is measured here"}
        environment = {**self._own_places(), **secret, "PYTHONPATH": str(REPOSITORY)}
        return Command(arguments=(*GRADER, *arguments), folder=self.submission, environment=environment)

    def _own_places(self) -> dict[str, str]:
        """Keep what a contender remembers between runs in its own folder."""
        own = {"HOME": str(self.folder), "IPYTHONDIR": str(self.folder / "ipython")}
        return own | {
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "jupyter"),
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """A grader at work: what is timed, what is made ready before (untimed), and what it found in the end."""

    command: Command
    ready: Callable[[], None]
    passed: Callable[[Ran], int]


Builder = Callable[[Place], Contender]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A row of the table: its environment (None: this one), how it is built, what it finds."""

    environment: str | None
    build: Builder
    checks: int | None = len(NAMES)  # that the right submission passes; None: whatever this grader has


def _nothing() -> None:
    pass


def write_submissions(folder: Path) -> tuple[Path, Path]:
    """Write the right submission, the reference's `mytorch`, and one with a single fault in Tanh."""
    right, wrong = folder / "right", folder / "wrong"
    for root in (right, wrong):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(
            REPOSITORY / "reference" / "mytorch",
            root / "mytorch",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    file = wrong / "mytorch" / "nn" / "modules" / "activation.py"
    text = file.read_text(encoding="utf-8")
    assert _RIGHT_LINE in text
    file.write_text(text.replace(_RIGHT_LINE, _WRONG_LINE), encoding="utf-8")
    return right, wrong


def write_checks(folder: Path) -> None:
    """Put the six checks where every peer imports them from."""
    place = folder / "checks"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(_FILE, place)


# ------------------------------------------------------------------------------- the lower bound


def numpy_alone(place: Place) -> Contender:
    """Import NumPy and end: what every other row contains."""
    return Contender(place.command(place.python, "-c", "import numpy"), _nothing, lambda _: 0)


def calls_alone(place: Place) -> Contender:
    """Make the student's calls of the six checks in one process; nothing is compared."""
    return Contender(place.command(place.python, "-c", _CALLS), _nothing, lambda _: 0)


# ------------------------------------------------------------------------------- peers


def plain_pytest(place: Place) -> Contender:
    """Run the checks by pytest in its own process, with the submission imported into it."""
    functions = "".join(f"\n\ndef test_{name}():\n    {SIX}.{name}()\n" for name in NAMES)
    (place.folder / "test_six.py").write_text(f"import {SIX}\n{functions}", encoding="utf-8")
    found = place.folder / "junit.xml"

    def passed(_: Ran) -> int:
        text = found.read_text(encoding="utf-8")
        return text.count("<testcase ") - text.count("<failure ") - text.count("<error ")

    return Contender(
        place.command(place.python, "-m", "pytest", "-q", "test_six.py", f"--junitxml={found}"),
        _nothing,
        passed,
    )


def gradescope_utils(place: Place) -> Contender:
    """Run the checks by unittest, with the runner that writes Gradescope's results.json."""
    methods = "".join(
        f"\n    @weight(1)\n    def test_{name}(self):\n        {SIX}.{name}()\n" for name in NAMES
    )
    script = (
        "import unittest\n\nfrom gradescope_utils.autograder_utils.decorators import weight\n"
        "from gradescope_utils.autograder_utils.json_test_runner import JSONTestRunner\n\n"
        f"import {SIX}\n\n\nclass Six(unittest.TestCase):\n{methods}\n\n"
        "with open('results.json', 'w') as results:\n"
        "    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Six)\n"
        "    JSONTestRunner(visibility='visible', stream=results).run(suite)\n"
    )
    (place.folder / "run_tests.py").write_text(script, encoding="utf-8")

    def passed(_: Ran) -> int:
        return int(json.loads((place.folder / "results.json").read_text(encoding="utf-8"))["score"])

    return Contender(place.command(place.python, "run_tests.py"), _nothing, passed)


def otter_run(place: Place) -> Contender:
    """Grade a notebook that imports the submission, by exception-based tests in an autograder zip."""
    tests = place.folder / "tests"
    tests.mkdir(exist_ok=True)
    for name in NAMES:
        text = (
            "from otter.test_files import test_case\n\nOK_FORMAT = False\n"
            f"name = {name!r}\npoints = 1\n\n\n"
            f"@test_case()\ndef test(env):\n    import {SIX}\n\n    {SIX}.{name}()\n"
        )
        (tests / f"{name}.py").write_text(text, encoding="utf-8")
    _write_notebook(place.folder / "six.ipynb", [("from mytorch.nn import ReLU, Sigmoid, Tanh", {})])
    otter = (place.python, "-m", "otter")
    zipped = place.folder / "autograder.zip"
    _require(
        place.command(
            *otter,
            "generate",
            "-t",
            tests,
            "-o",
            zipped,
            "--no-config",
            "--no-requirements",
            "--no-environment",
        )
    )
    with zipfile.ZipFile(zipped) as archive:
        assert sum(name.startswith("tests/") and name.endswith(".py") for name in archive.namelist()) == len(
            NAMES
        )
    out = place.folder / "out"

    def passed(_: Ran) -> int:
        found = json.loads((out / "results.json").read_text(encoding="utf-8"))
        own = [test for test in found["tests"] if test.get("max_score")]
        return round(sum(test["score"] for test in own))

    return Contender(
        place.command(*otter, "run", "six.ipynb", "-a", zipped, "-o", out, "--no-logo"),
        lambda: _emptied(out),
        passed,
    )


def nbgrader_autograde(place: Place) -> Contender:
    """Autograde a notebook with one graded cell for each check, in a course of one student."""
    cells: list[tuple[str, dict[str, Any]]] = [(f"import {SIX}", {})]
    cells += [(f"{SIX}.{name}()", {"nbgrader": _graded(name)}) for name in NAMES]
    for where in ("source/six", "submitted/student/six"):
        _write_notebook(place.folder / where / "six.ipynb", cells)
    nbgrader = (place.python, "-m", "nbgrader")
    _require(place.command(*nbgrader, "generate_assignment", "six", "--force"))
    # The student hands in what was released, with whatever the course's tool has put into it.
    shutil.copy(place.folder / "release/six/six.ipynb", place.folder / "submitted/student/six/six.ipynb")
    script = (
        "from nbgrader.api import Gradebook\n"
        "with Gradebook('sqlite:///gradebook.db') as book:\n"
        "    print(book.find_submission('six', 'student').score)\n"
    )

    def passed(_: Ran) -> int:
        return round(float(last_line(_require(place.command(place.python, "-c", script)).output)))

    return Contender(
        place.command(*nbgrader, "autograde", "six", "--student", "student", "--force"), _nothing, passed
    )


def _graded(name: str) -> dict[str, Any]:
    kind = {"grade": True, "solution": False, "task": False, "locked": True}
    return {**kind, "grade_id": name, "points": 1, "schema_version": 3, "cell_type": "code"}


def _write_notebook(path: Path, cells: Sequence[tuple[str, dict[str, Any]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[nbformat.v4.new_code_cell(source, metadata=metadata) for source, metadata in cells],
    )
    nbformat.write(notebook, path)


# ------------------------------------------------------------------------------- this grader


def grader_check(*questions: str) -> Builder:
    """Check questions as a student does, nothing remembered: the visible checks."""

    def passed(ran: Ran) -> int:
        found = _OF_ALL.search(ran.output)
        return int(found[1]) if found else 0

    def build(place: Place) -> Contender:
        return Contender(place.graders_command("check", ".", *questions, "--fresh"), _nothing, passed)

    return build


def grader_grade(questions: str) -> Builder:
    """Grade questions as an instructor does."""

    def build(place: Place) -> Contender:
        out = place.folder / "out"

        def passed(_: Ran) -> int:
            report = json.loads((out / "report.json").read_text(encoding="utf-8"))
            checks = [check for question in report["questions"] for check in question["checks"]]
            return sum(check["outcome"] == "passed" for check in checks if check["kind"] == "auto")

        command = place.graders_command("grade", ".", "--questions", questions, "--out", out)
        return Contender(command, lambda: _emptied(out), passed)

    return build


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _require(command: Command) -> Ran:
    ran = run(command)
    if ran.exit_code:
        raise Failed(f"could not be made ready: {last_line(ran.output)}")
    return ran


BASE = "pytest, in process"
ENTRANTS = {
    "python -c 'import numpy'": Entrant("plain", numpy_alone, 0),
    "the student's calls alone": Entrant("plain", calls_alone, 0),
    BASE: Entrant("plain", plain_pytest),
    "pytest, with this one's plugins": Entrant(None, plain_pytest),
    "gradescope-utils": Entrant("gradescope-utils", gradescope_utils),
    "otter run": Entrant("otter-grader", otter_run),
    "nbgrader autograde": Entrant("nbgrader", nbgrader_autograde),
    "grader check . q6.2 --fresh": Entrant(None, grader_check("q6.2"), None),
    "grader check, Q6.1 to Q6.6": Entrant(None, grader_check(*WITHOUT_TRAINING.split(",")), None),
    "grader grade --questions q6.2": Entrant(None, grader_grade("q6.2"), None),
    "grader grade, Q6.1 to Q6.6": Entrant(None, grader_grade(WITHOUT_TRAINING), None),
}
