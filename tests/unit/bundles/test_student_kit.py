"""The student's kit holds what students may have; it is unpacked and searched."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from grader.cli import run
from grader.model import Visibility
from grader.rubric import load_rubric, parse_rubric
from grader.suites import read_suites
from tests.unit.bundles.kit import (
    ASSIGNMENT,
    HIDDEN,
    ROOT,
    code_of,
    elsewhere,
    kit_contents,
    kit_text,
    lines_of,
    taken_by,
    texts_of,
    titles_of,
)

SUITES = read_suites(ASSIGNMENT)
HIDDEN_IDS = sorted(
    name for name, entry in SUITES.items() if entry.check.visibility is not Visibility.VISIBLE
)
# Lines that the checks of the same formula have too, and that answer nothing.
EVERYBODYS = {'"""Return max(x, 0)."""', "gradients = model.gradients()"}


def test_the_kit_is_the_template_the_self_check_and_how_to_install_it():
    outer = sorted(path for path in kit_contents() if not path.startswith("wheel/"))
    template = [
        path.relative_to(ROOT / "student_template") for path in (ROOT / "student_template").rglob("*")
    ]
    assert outer == sorted(
        ["START_HERE.md", *(p.as_posix() for p in template if p.suffix and "__pycache__" not in p.parts)]
    )


def test_the_kit_has_nothing_for_classes_and_needs_nothing_of_it():
    assert not [path for path in kit_contents() if "grader/cohort/" in path]
    (metadata,) = [content.decode() for path, content in kit_contents().items() if path.endswith("/METADATA")]
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert any("pydantic" in need for need in needs)
    assert not [need for need in needs if "yaml" in need.lower()]


def test_no_file_of_the_kit_is_where_hidden_things_are():
    forbidden = (
        "hidden",
        "calibration",
        "reference",
        "submissions",
        "attacks",
        "mutants",
        "selftest",
        "bundles",
    )
    named = [path for path in kit_contents() for word in forbidden if word in path]
    assert named == []


def test_the_kit_names_no_hidden_check():
    text = kit_text()
    assert len(HIDDEN_IDS) > 40
    assert [name for name in HIDDEN_IDS if name in text] == []


@pytest.mark.parametrize("file", HIDDEN, ids=lambda file: file.stem)
def test_the_kit_repeats_no_title_of_a_hidden_check(file):
    shown = titles_of(ASSIGNMENT / "visible" / file.name)
    text = kit_text()
    assert titles_of(file) - shown
    assert sorted(each for each in titles_of(file) - shown if each in text) == []


@pytest.mark.parametrize("file", HIDDEN, ids=lambda file: file.stem)
def test_the_kit_repeats_no_text_and_no_line_of_a_hidden_suite(file):
    """What stands in the rest of the package too tells nothing of the hidden suite."""
    text, rest = kit_text(), elsewhere()
    own = texts_of(file) | lines_of([file.read_text(encoding="utf-8")])
    distinctive = {each for each in own if each not in rest}
    assert len(distinctive) >= 8
    assert sorted(each for each in distinctive if each in text) == []


def test_what_only_hidden_suites_take_out_of_shared_modules_is_not_in_the_kit():
    visible = {taken for file in (ASSIGNMENT / "visible").glob("*.py") for taken in taken_by(file)}
    hidden = {taken for file in HIDDEN for taken in taken_by(file)}
    shared = {file.stem: file.read_text(encoding="utf-8") for file in ASSIGNMENT.glob("*.py")}
    sources = " ".join(shared.values())
    # Named once: where it is defined.
    only_hidden = {(m, name) for m, name in hidden - visible if len(re.findall(rf"\b{name}\b", sources)) == 1}
    assert len(only_hidden) >= 15
    names = {
        path.rpartition("/")[2]: content.decode()
        for path, content in kit_contents().items()
        if "hw1/" in path
    }
    left = [(m, name) for m, name in only_hidden if re.search(rf"\b{name}\b", names.get(f"{m}.py", ""))]
    assert left == []


def test_the_kit_repeats_no_line_of_the_reference_solution():
    template = lines_of(
        [file.read_text(encoding="utf-8") for file in (ROOT / "student_template").rglob("*.py")]
    )
    solution = [*(ROOT / "reference" / "mytorch").rglob("*.py"), ROOT / "reference" / "theory.py"]
    lines = lines_of([file.read_text(encoding="utf-8") for file in solution]) - template - EVERYBODYS
    text = kit_text()
    assert len(lines) > 100
    assert sorted(line for line in lines if line in text) == []


def test_the_kit_repeats_no_line_of_the_solved_notebook_and_the_experiments():
    programs = [
        file.read_text(encoding="utf-8") for file in (ROOT / "reference" / "experiments").glob("*.py")
    ]
    solved = code_of(ROOT / "reference" / "hw1_solved.ipynb")
    (starter,) = (ROOT / "student_template").glob("*.ipynb")
    lines = lines_of([solved, *programs]) - lines_of([code_of(starter)])
    text, rest = kit_text(), " ".join([elsewhere(), *code_of(starter).split()])
    distinctive = {line for line in lines if line not in rest}
    assert len(distinctive) > 200
    assert sorted(line for line in distinctive if line in text) == []


def test_the_kit_holds_no_secret_of_a_course(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "a secret of this course")
    assert run(["bundle", "student", "--out", str(tmp_path / "kit")]) == 0
    held = [path for path in (tmp_path / "kit").rglob("*") if path.is_file()]
    assert held
    assert all(b"a secret of this course" not in path.read_bytes() for path in held)


def test_the_rubric_of_the_kit_knows_of_hidden_checks_their_number_and_points_only():
    text = kit_contents()["wheel/grader/assignments/hw1/rubric.toml"].decode()
    kits = parse_rubric(tomllib.loads(text, parse_float=Decimal))
    whole = load_rubric(ASSIGNMENT / "rubric.toml")
    assert kits.points == whole.points
    for question, other in zip(whole.questions, kits.questions, strict=True):
        hidden = [points for name, points in question.checks.items() if name in HIDDEN_IDS]
        assert (other.withheld.checks, other.withheld.points) == (len(hidden), sum(hidden))
        assert {**other.checks} == {
            name: points for name, points in question.checks.items() if name not in HIDDEN_IDS
        }
        assert (other.id, other.points, other.written) == (question.id, question.points, question.written)


def test_a_rubric_of_the_courses_own_goes_into_the_kit(tmp_path):
    text = (ASSIGNMENT / "rubric.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace('version = "1.0"', 'version = "ours"'), encoding="utf-8")
    out = tmp_path / "kit"
    assert run(["bundle", "student", "--out", str(out), "--rubric", str(own)]) == 0
    with zipfile.ZipFile(next((out / "selfcheck").iterdir())) as wheel:
        kits = wheel.read("grader/assignments/hw1/rubric.toml").decode()
    assert 'version = "ours"' in kits
    assert [
        name for name in HIDDEN_IDS if f"\n{name.rpartition('.')[2]} = " in kits.split("withheld")[0]
    ] == []


@pytest.mark.parametrize(
    "change, sentence",
    [
        (("points = 6", "points = 7"), "its parts add up to 6.00, its points are 7"),
        (("forward_values = 1", "forward_value = 1"), "which does not exist"),
    ],
)
def test_a_rubric_that_does_not_fit_is_one_sentence(change, sentence, tmp_path, capfd):
    text = (ASSIGNMENT / "rubric.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace(*change), encoding="utf-8")
    told = ["--out", str(tmp_path / "out.zip"), "--rubric", str(tmp_path / "own.toml")]
    assert run(["bundle", "gradescope", *told]) == 2
    said = capfd.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.zip").exists()


def test_two_kits_are_the_same_bytes(tmp_path):
    for name in ("one.zip", "two.zip"):
        assert run(["bundle", "student", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"hw1"}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["everything"], "unknown bundle 'everything'; known: student, gradescope, actions"),
        (["student", "--with-experiments"], "the bundle student has no --with-experiments"),
        (["student", "--minutes", "20"], "the bundle student has no --minutes"),
        (["gradescope", "--minutes", "0"], "--minutes is a number from 2 to 360, not 0"),
    ],
)
def test_a_bundle_that_cannot_be_made_is_one_sentence(arguments, sentence, tmp_path, capfd):
    assert run(["bundle", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capfd.readouterr().err == f"grader: {sentence}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out.zip", "out"])
def test_what_is_there_already_is_not_replaced(name, tmp_path, capfd):
    out = tmp_path / name
    out.write_text("mine")
    assert run(["bundle", "student", "--out", str(out)]) == 2
    assert "is there already; remove it, or choose another --out" in capfd.readouterr().err
    assert out.read_text() == "mine"


def test_a_place_that_cannot_be_written_to_is_one_sentence(tmp_path, capfd):
    (tmp_path / "file").touch()
    assert run(["bundle", "student", "--out", str(tmp_path / "file" / "kit.zip")]) == 2
    assert "choose another --out" in capfd.readouterr().err


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """Return a folder with the kit's package, as pip would unpack it."""
    folder = tmp_path_factory.mktemp("package")
    for path, content in kit_contents().items():
        if path.startswith("wheel/"):
            target = folder / path.removeprefix("wheel/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    return folder


def test_no_name_is_missing_after_pruning(unpacked):
    command = ["check", "--isolated", "--no-cache", "--select", "F821,F822,E9", str(unpacked / "grader")]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_module_of_the_kit_can_be_imported(unpacked):
    """All but those that need PyTorch's friends, or run as programs in the worker."""
    names = sorted(
        ".".join(path.relative_to(unpacked).with_suffix("").parts).removesuffix(".__init__")
        for path in (unpacked / "grader").rglob("*.py")
        if not {"_bundled", "worker"} & {*path.relative_to(unpacked).parts}
    )
    assert "grader.assignments.hw1.visible.test_q5_4" in names
    program = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        "print(sys.modules['grader'].__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=unpacked,
        env={"PATH": "", "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(unpacked)
