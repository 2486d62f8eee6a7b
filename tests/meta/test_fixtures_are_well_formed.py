"""The fixture submissions are what they say: small, different from their base, about known questions."""

from __future__ import annotations

import ast
import sys
import tomllib
import zipfile
from collections import Counter
from decimal import Decimal
from pathlib import Path, PurePosixPath

import nbformat
import pytest

from fixtures import build
from grader.model import Outcome, Visibility
from grader.suites import read_suites

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = frozenset({"numpy", "mytorch"}) | sys.stdlib_module_names
NAMES = build.names()
RIGHT = [name for name in NAMES if name.startswith("right_")]
HALF_DONE = [name for name in NAMES if name.startswith("half_")]
WITH_ONE_FAULT = [name for name in NAMES if name not in {*RIGHT, *HALF_DONE, "template"}]
COMPLETE = [name for name in NAMES if build.expectation(name).base is None]
OVERLAYS = [name for name in NAMES if name not in {*COMPLETE, "template"}]


@pytest.fixture(scope="module")
def points() -> dict[str, Decimal]:
    """The points of each question of Problem 6."""
    rubric = tomllib.loads(
        (REPOSITORY / "grader/assignments/hw1/rubric.toml").read_text(encoding="utf-8"), parse_float=Decimal
    )
    return {row["id"]: Decimal(row["points"]) for row in rubric["question"] if row["id"].startswith("q6.")}


@pytest.fixture(scope="module")
def visible_checks() -> set[str]:
    """The ids of the checks whose message a student reads."""
    suites = read_suites(REPOSITORY / "grader" / "assignments" / "hw1")
    return {found.check.id for found in suites.values() if found.check.visibility is Visibility.VISIBLE}


def test_there_are_enough_of_every_kind():
    assert len(RIGHT) > 40
    assert len(HALF_DONE) >= 4
    assert len(WITH_ONE_FAULT) > 100
    assert len([name for name in WITH_ONE_FAULT if build.expectation(name).messages]) >= 50
    assert "template" in NAMES


def test_every_folder_of_submissions_is_a_fixture():
    assert sorted(path.name for path in build.SUBMISSIONS.iterdir()) == NAMES


def test_both_conventions_of_the_batch_mean_are_complete_and_right():
    assert COMPLETE == ["right_mean_in_linear", "right_mean_in_loss"]


def test_the_template_fixture_is_the_real_template():
    expected = build.expectation("template")
    assert expected.base == "student_template"
    assert not build.own_files("template")
    assert not expected.remove


def test_faults_are_spread_over_all_questions(points):
    assert {question for name in WITH_ONE_FAULT for question in build.expectation(name).loses} == set(points)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_fixture_loses_nothing(name):
    assert not build.expectation(name).loses


@pytest.mark.parametrize("name", WITH_ONE_FAULT)
def test_a_fixture_with_one_fault_differs_in_one_file_and_loses_something(name):
    assert len(build.own_files(name)) == 1
    assert not build.expectation(name).remove
    assert build.expectation(name).loses


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_ships_only_what_differs_from_its_base(name):
    base, own = build.base_files(name), build.own_files(name)
    removed = set(build.expectation(name).remove)
    assert own or removed
    assert removed <= base.keys() - own.keys()
    assert not [path for path, content in own.items() if base.get(path) == content]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_differs_from_its_base_only_in_what_it_ships(name):
    base, whole = build.base_files(name), build.compose(name)
    changed = {path for path in base.keys() | whole.keys() if base.get(path) != whole.get(path)}
    assert changed == {*build.own_files(name), *build.expectation(name).remove}


@pytest.mark.parametrize("name", NAMES)
def test_an_expectation_names_known_questions_points_and_outcomes(name, points):
    expected = build.expectation(name)
    assert expected.title
    assert expected.loses <= points.keys()
    for question, score in expected.scores.items():
        assert 0 <= score <= points[question]
        assert question in expected.loses or score == points[question]
    for row in expected.outcomes:
        assert row.outcome in set(Outcome)
        assert (row.check is None) != (row.question is None)
        question = row.question or row.check.rpartition(".")[0]
        assert question in expected.loses


@pytest.mark.parametrize("name", NAMES)
def test_a_message_is_that_of_a_visible_check_of_a_question_that_is_lost(name, visible_checks):
    for row in build.expectation(name).messages:
        assert row.text
        assert row.check in visible_checks
        assert row.check.rpartition(".")[0] in build.expectation(name).loses


def test_the_line_ends_indents_and_marks_of_a_style_are_what_its_name_says():
    for content in build.own_files("right_crlf").values():
        assert content.count(b"\n") == content.count(b"\r\n") > 0 or not content
    tabs = build.own_files("right_tabs").values()
    assert all(b"\n\t" in content and b"\n    " not in content for content in tabs)
    marked = build.own_files("right_bom_and_coding_line").values()
    assert all(content.startswith(b"\xef\xbb\xbf") or b"coding" in content for content in marked)


@pytest.mark.parametrize("name", NAMES)
def test_a_composed_submission_has_a_package_one_notebook_and_no_expectation(name):
    paths = build.compose(name).keys()
    assert PurePosixPath("mytorch/nn/__init__.py") in paths
    assert PurePosixPath("theory.py") in paths
    assert len([path for path in paths if path.suffix == ".ipynb"]) == 1
    assert not [path for path in paths if path.name == build.EXPECTATION]


def test_no_two_fixtures_are_the_same_submission():
    contents = Counter(tuple(build.compose(name).items()) for name in NAMES)
    assert max(contents.values()) == 1
    titles = Counter(build.expectation(name).title for name in NAMES)
    assert max(titles.values()) == 1


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_package_imports_nothing_but_numpy(name):
    for path, content in build.compose(name).items():
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(content)):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module]
            assert {module.partition(".")[0] for module in imported} <= PACKAGES, path


@pytest.mark.parametrize("name", COMPLETE)
def test_a_right_notebook_is_valid_and_tags_its_cells_with_known_questions(name, points):
    notebooks = [content for path, content in build.compose(name).items() if path.suffix == ".ipynb"]
    notebook = nbformat.reads(notebooks[0].decode("utf-8"), as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert {cell.metadata.question for cell in code} == set(points)


def test_the_same_fixture_gives_the_same_zip_in_one_wrapping_folder(tmp_path):
    for path in (tmp_path / "first.zip", tmp_path / "second.zip"):
        build.write_zip("template", path)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "first.zip") as archive:
        names = {PurePosixPath(name) for name in archive.namelist()}
        assert {name.parts[0] for name in names} == {"template"}
        assert {name.relative_to("template") for name in names} == build.compose("template").keys()


def test_a_folder_holds_the_same_files_as_the_composition(tmp_path):
    build.write_folder("half_sequential_missing", tmp_path / "out")
    written = {
        PurePosixPath(path.relative_to(tmp_path / "out").as_posix()): path.read_bytes()
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert written == build.compose("half_sequential_missing")
