"""Submissions that compute too little and try to get points all the same, graded as any other is."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from grader import pipeline
from grader.datasets import load_mnist
from grader.errors import SandboxUnavailable
from grader.model import Outcome
from grader.reports.schema import CheckReport, Report
from grader.selftest.forging import MARKER_NAME, find_forgeries, write_forgery
from grader.settings import PUBLIC_SECRET
from tests.required import not_here

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "fixtures" / "attacks" / "forgeries"
FORGERIES = {forgery.attack.id: forgery for forgery in find_forgeries(FOLDER)}
# What some of them try to leave outside.
MARKER = Path(tempfile.gettempdir(), MARKER_NAME)
SECRET = "known to nobody who hands in"

ACTIVATION = "mytorch/nn/modules/activation.py"
LINEAR = "mytorch/nn/modules/linear.py"
LOSS = "mytorch/nn/modules/loss.py"
UTILS = "mytorch/utils.py"

Submission = Callable[..., Path]

pytestmark = pytest.mark.needs_confinement


def grade(submission: Path, *questions: str, **options: object) -> Report:
    """Grade a folder under the best sandbox here."""
    graded = pipeline.grade(submission, pipeline.GradeOptions(questions=questions, **options))
    if isinstance(graded.error, SandboxUnavailable):
        not_here(str(graded.error))
    return graded.report


def grade_forgery(name: str, folder: Path) -> Report:
    forgery = FORGERIES[name]
    return grade(write_forgery(forgery, folder / "submission"), *forgery.questions)


def checks(report: Report) -> dict[str, CheckReport]:
    return {check.id: check for question in report.questions for check in question.checks}


def earned(report: Report) -> dict[str, Decimal]:
    return {name: check.score for name, check in checks(report).items() if check.score}


@pytest.fixture(scope="module")
def reports(request, tmp_path_factory) -> Iterator[dict[str, Future]]:
    """Grade the forgeries whose tests were selected, two at a time."""
    selected = [item for item in request.session.items if "reports" in getattr(item, "fixturenames", ())]
    names = sorted({item.callspec.params["name"] for item in selected})
    folders = {name: tmp_path_factory.mktemp(name) for name in names}
    MARKER.unlink(missing_ok=True)  # of a self-test at level 1 that was interrupted
    pipeline.prepare(pipeline.GradeOptions())  # reads the suites, which two threads must not do at once
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {name: pool.submit(grade_forgery, name, folder) for name, folder in folders.items()}
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def submission(tmp_path) -> Submission:
    """Return a function that writes a right submission, with code appended to some of its files."""

    def write(name: str, files: dict[str, str]) -> Path:
        root = tmp_path / name
        shutil.copytree(REPOSITORY / "student_template", root)
        shutil.copytree(REPOSITORY / "reference" / "mytorch", root / "mytorch", dirs_exist_ok=True)
        for path, code in files.items():
            with (root / path).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{code}")
        return root

    return write


# ------------------------------------------------------------------------------------------- forgeries


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_earns_nothing_but_what_the_same_code_earns_honestly(name, reports):
    declared = tomllib.loads((FORGERIES[name].folder / "attack.toml").read_text(encoding="utf-8"))
    report = reports[name].result()

    assert report.status == "graded", report.status_reason
    assert set(earned(report)) <= set(declared.get("beside", ())), earned(report)
    plan = pipeline.prepare(pipeline.GradeOptions(questions=FORGERIES[name].questions))
    assert [check.check.id for check in plan.checks] == list(checks(report))
    assert not [check.id for check in checks(report).values() if check.score is None]
    assert not MARKER.exists()


def test_every_declaration_says_what_it_stands_for():
    for forgery in FORGERIES.values():
        declared = tomllib.loads((forgery.folder / "attack.toml").read_text(encoding="utf-8"))
        assert set(declared) <= {"rows", "title", "questions", "slow", "beside"}
        assert forgery.attack.rows
        assert forgery.attack.title
        # What honest code earns beside it would look like a success to those who allow nothing.
        assert forgery.slow or "beside" not in declared


@pytest.mark.parametrize("name", ["b01_conftest", "b08_named_like_ours", "c05_patched_frameworks"])
def test_right_code_among_the_same_files_earns_every_point(name, tmp_path):
    root = write_forgery(FORGERIES[name], tmp_path / "submission")
    shutil.copytree(REPOSITORY / "reference" / "mytorch", root / "mytorch", dirs_exist_ok=True)
    report = grade(root, *FORGERIES[name].questions)
    assert report.score == report.max_score > 0


# ----------------------------------------------------------------------- what pays only beside other code


MEAN_TWICE = """
class Linear(Linear):
    def backward(self, dLdy):
        dLdx = super().backward(dLdy)
        self.dLdW, self.dLdb = self.dLdW / len(dLdy), self.dLdb / len(dLdy)
        return dLdx
"""
BREAKS_BESIDE_A_LOSS = """
class Linear(Linear):
    def forward(self, x):
        from .loss import USED

        if USED:
            raise RuntimeError("not here")
        return super().forward(x)
"""
IS_USED = """
USED = []


class MSELoss(MSELoss):
    def __init__(self):
        USED.append(self)


class SoftmaxCrossEntropy(SoftmaxCrossEntropy):
    def __init__(self):
        USED.append(self)
"""


WRONG_FOR_LABELS = """
_for_arrays = gradient_check


def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    return _for_arrays(model, loss_fn, x, y, epsilon) if y.ndim == 2 else 1.0
"""
BREAKS_ITS_LOSS = """
from .nn.modules import loss

_right_loss = loss.SoftmaxCrossEntropy.backward
loss.SoftmaxCrossEntropy.backward = lambda self: 0 * _right_loss(self) if CHECKED else _right_loss(self)
CHECKED = []
_checked = gradient_check


def gradient_check(*args, **kwargs):
    CHECKED.append(True)
    return _checked(*args, **kwargs)
"""
# What the code gets wrong, what it breaks on top, the questions, and the check that would let it off.
SELF_MADE_EXCUSES = {
    "Linear beside a loss": (
        {LINEAR: MEAN_TWICE},
        {LINEAR: BREAKS_BESIDE_A_LOSS, LOSS: IS_USED},
        ("q6.1", "q6.3"),
        "q6.3.mse_end_to_end",
    ),
    "its own network in gradient_check": (
        {UTILS: WRONG_FOR_LABELS},
        {UTILS: BREAKS_ITS_LOSS},
        ("q6.1", "q6.2", "q6.3", "q6.4", "q6.6"),
        "q6.6.own_net",
    ),
}


@pytest.mark.parametrize(
    ("wrong", "broken", "questions", "check"), SELF_MADE_EXCUSES.values(), ids=SELF_MADE_EXCUSES
)
def test_a_part_that_breaks_where_being_broken_would_pay_earns_no_more(
    submission, wrong, broken, questions, check
):
    honest = grade(submission("honest", wrong), *questions)
    both = {file: wrong.get(file, "") + broken.get(file, "") for file in {**wrong, **broken}}
    excused = grade(submission("excused", both), *questions)
    assert checks(honest)[check].score == 0
    assert set(earned(excused)) <= set(earned(honest))


def test_a_table_of_the_public_digits_earns_nothing_for_learning_them(submission):
    """The table knows every image of the sample, whatever the order of its pixels, the test images too."""
    files = {
        "mytorch/nn/sequential.py": """
import pathlib
import zlib

import numpy as np

KNOWN = np.load(pathlib.Path(__file__).with_name("known.npz"))
TABLE = dict(zip(KNOWN["keys"].tolist(), KNOWN["labels"].tolist()))


class Sequential(Sequential):
    def forward(self, x):
        rows = np.sort(np.rint(x * 255).astype(np.uint8), axis=1)
        return np.eye(10)[[TABLE.get(zlib.crc32(row.tobytes()), 0) for row in rows]]

    def backward(self, dLdy):
        return dLdy
""",
    }
    root = submission("knows", files)
    data = load_mnist("sample", None)
    rows = np.sort(np.concatenate([data.train_images, data.test_images]).reshape(-1, 784), axis=1)
    keys = np.array([zlib.crc32(row.tobytes()) for row in rows], dtype=np.uint32)
    labels = np.concatenate([data.train_labels, data.test_labels])
    np.savez_compressed(root / "mytorch" / "nn" / "known.npz", keys=keys, labels=labels)
    assert earned(grade(root, "q6.7")) == {}


RIGHT_FOR_SOME_SHAPES = """
VISIBLE = {(5, 4), (6, 7), (4, 6), (1, 5), (4, 5)}


def _some(cls):
    class Some(cls):
        def forward(self, x):
            return super().forward(x) if x.shape in VISIBLE else 0 * x

    return Some


ReLU, Tanh, Sigmoid = map(_some, (ReLU, Tanh, Sigmoid))
"""


def test_code_that_fits_the_visible_checks_alone_gets_those_and_no_hidden_one(submission):
    report = grade(submission("fits", {ACTIVATION: RIGHT_FOR_SOME_SHAPES}), "q6.2")
    visible = {name for name, check in checks(report).items() if check.visibility == "visible"}
    assert set(earned(report)) == visible
    assert len(visible) < len(checks(report))


def test_one_changed_byte_gives_other_inputs_and_the_same_score(submission):
    wrong = "class ReLU(ReLU):\n    def forward(self, x):\n        return -x\n"
    seen = {}
    for number, file in enumerate(({ACTIVATION: wrong}, {ACTIVATION: wrong + "#"})):
        report = grade(submission(f"wrong_{number}", file), "q6.2", course_secret=SECRET)
        excerpt = checks(report)["q6.2.relu_values"].feedback.expected
        seen[report.submission.sha256] = (report.score, json.dumps(excerpt.values))
    (one, other) = seen.values()
    assert one[0] == other[0]
    assert one[1] != other[1]
    for number, file in enumerate(({}, {ACTIVATION: "#"})):
        right = grade(submission(f"right_{number}", file), "q6.2", course_secret=SECRET)
        assert right.score == right.max_score


FORESEES = """
import hashlib
import hmac
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "mytorch" / "kit"))


def own_digest():
    total, files = hashlib.sha256(), [path for path in ROOT.rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: path.relative_to(ROOT).as_posix().encode()):
        for field in (path.relative_to(ROOT).as_posix().encode(), path.read_bytes()):
            total.update(len(field).to_bytes(8, "big") + field)
    return total.hexdigest()


def foreseen():
    from grader.assignments.hw1.visible import test_q6_6 as suite

    class Enough(Exception):
        pass

    def keep(student, rng, trials):
        rng.permutation(len(trials))
        answers.update({trial.problem.x.tobytes(): float(bool(trial.faults)) for trial in trials})
        raise Enough

    answers, suite._errors = {}, keep
    for name, check in suite.check.kept.items():
        message = f"{OWN}\\n{name}".encode()
        seed = hmac.new(b"public self-check", message, hashlib.sha256).digest()[:4]
        try:
            check(None, np.random.default_rng(int.from_bytes(seed, "big")))
        except (Enough, TypeError, AttributeError):
            pass
    return answers


OWN = own_digest()
ANSWERS = {}


def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    if not ANSWERS:
        ANSWERS.update(foreseen())
    return ANSWERS.get(x.tobytes(), 0.0)
"""
STAND_INS_OF_THE_KIT = {
    "client.py": "class Student: pass\nCall = RemoteObject = Student\n",
    "pytest_plugin.py": """
class Kept:
    kept = {}

    def __call__(self, name, **options):
        return lambda function: self.kept.setdefault(name, function)


check = Kept()
""",
}


def with_the_kit_inside(root: Path) -> Path:
    """Put what the student kit holds of the grader, the suites too, into a submission."""
    kit = root / "mytorch" / "kit" / "grader"
    for name in ("assignments", "checks"):
        shutil.copytree(
            REPOSITORY / "grader" / name, kit / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("__init__", "model", "errors", "probe_layers"):
        shutil.copy(REPOSITORY / "grader" / f"{name}.py", kit)
    (kit / "worker").mkdir()
    shutil.copy(REPOSITORY / "grader" / "worker" / "probe_formulas.py", kit / "worker")
    for name, code in STAND_INS_OF_THE_KIT.items():
        (kit / name).write_text(code, encoding="utf-8")
    return root


def test_the_inputs_of_a_check_can_be_foreseen_with_the_public_secret_and_not_with_a_courses_own(submission):
    """So a report says whether the secret was public, and a course that grades sets one."""
    root = with_the_kit_inside(submission("foresees", {UTILS: FORESEES}))
    foreseen = grade(root, "q6.6", course_secret=PUBLIC_SECRET)
    assert "q6.6.finds_one_entry" in earned(foreseen)
    assert foreseen.environment.seed_is_public
    assert earned(grade(root, "q6.6", course_secret=SECRET)) == {}


# -------------------------------------------------------------------- what a submission can see, and tell


SEES = """
import hashlib
import os
import resource
import sys


def seen():
    root = os.path.abspath(__file__).split("/mytorch")[0]
    things = [sys.argv, sorted(os.environ.items()), os.getcwd(), sys.path, sorted(sys.modules)]
    things += [sys.flags, sys.executable, os.cpu_count(), os.getpgrp() == os.getpid()]
    # Not the user itself: a sandbox account has another number each time.
    things += [os.getuid() == os.geteuid(), os.getgroups()]
    things += [sys.stdin.fileno(), os.isatty(1), resource.getrlimit(resource.RLIMIT_AS)]
    return [repr(thing).replace(root, "ROOT") for thing in things]


class ReLU(ReLU):
    def forward(self, x):
        raise ValueError([hashlib.sha256(thing.encode()).hexdigest()[:12] for thing in seen()])
"""


def test_nothing_that_code_can_look_at_tells_a_grading_from_a_self_check(submission):
    root = submission("sees", {ACTIVATION: SEES})
    graded = grade(root, "q6.2", course_secret=SECRET)
    own = grade(root, "q6.2", visible_only=True, min_isolation=1)
    told = [checks(report)["q6.2.relu_values"].feedback.message for report in (graded, own)]
    assert "ValueError" in told[0]
    assert told[0] == told[1]


LEAKED = "leaked-by-the-student"
LEAKS = f"""
import sys


def _leaking(cls):
    class Leaking(cls):
        def forward(self, x):
            print("{LEAKED}", x.shape, file=sys.stderr, flush=True)
            print("{LEAKED}", x.tolist(), flush=True)
            if x.ndim == 1:
                raise type("{LEAKED}", (Exception,), {{}})("{LEAKED} " + repr(x.tolist()))
            return super().forward(x)

    return Leaking


ReLU, Tanh, Sigmoid = map(_leaking, (ReLU, Tanh, Sigmoid))
"""


def test_nothing_of_a_hidden_check_is_in_a_self_check(submission):
    root = submission("leaks", {ACTIVATION: LEAKS})
    own = grade(root, "q6.2", visible_only=True, min_isolation=1)
    assert {check.visibility for check in checks(own).values()} == {"visible"}
    assert LEAKED not in own.model_dump_json()


def test_what_code_prints_is_in_no_report_and_what_it_raises_stays_in_its_own_check(submission):
    """The text of an exception in a hidden check is in the report, which is for the staff alone."""
    report = grade(submission("leaks", {ACTIVATION: LEAKS}), "q6.2", course_secret=SECRET)
    telling = {name for name, check in checks(report).items() if LEAKED in check.model_dump_json()}
    assert telling == {"q6.2.relu_any_shape", "q6.2.tanh_any_shape", "q6.2.sigmoid_any_shape"}
    assert {checks(report)[name].visibility for name in telling} == {"hidden"}
    rest = report.model_copy(update={"questions": ()})
    assert LEAKED not in rest.model_dump_json()


def test_a_self_check_is_never_a_grade_whatever_it_says(submission):
    own = grade(submission("right", {}), "q6.2", visible_only=True)
    assert own.score == own.max_score
    assert not own.environment.is_grade
    assert own.environment.note == "a self-check, not a grade"


def test_a_mistake_is_not_taken_for_an_attack(submission):
    """The harness sees a failure that is honest as a failure, with nothing worse said about it."""
    wrong = "class Tanh(Tanh):\n    def backward(self, dLdy):\n        return dLdy\n"
    report = grade(submission("wrong", {ACTIVATION: wrong}), "q6.2")
    outcomes = {check.outcome for check in checks(report).values()}
    assert outcomes == {Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED}
    assert checks(report)["q6.2.tanh_gradient"].outcome is Outcome.FAILED
