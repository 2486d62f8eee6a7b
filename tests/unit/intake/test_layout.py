"""Which files are the package, the notebook and theory.py."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from grader.errors import SubmissionRejected
from grader.intake import open_submission
from grader.intake.contents import Contents
from grader.intake.layout import arrange
from grader.selftest.zip_maker import HONEST, LINEAR, members_of, zip_of

MYTORCH = frozenset({"mytorch"})
PACKAGE = {name: content for name, content in HONEST.items() if name.startswith("mytorch/")}


def laid_out(files, *, require=MYTORCH, dropped=()):
    contents = Contents(
        {PurePosixPath(name): content for name, content in files.items()},
        [PurePosixPath(name) for name in dropped],
    )
    return arrange(contents, require)


def names(files, **options) -> set[str]:
    return {str(path) for path in laid_out(files, **options).files}


def why_not(files, **options) -> str:
    with pytest.raises(SubmissionRejected) as caught:
        laid_out(files, **options)
    return str(caught.value)


@pytest.mark.parametrize("above", ["", "hw1/", "a/b/c/d/e/", "mytorch/", "Ada's hw 1/src/"])
def test_the_parts_are_found_at_any_depth(above):
    layout = laid_out({above + name: content for name, content in HONEST.items()})
    assert {str(path): content for path, content in layout.files.items()} == HONEST
    assert (str(layout.package), str(layout.notebook), str(layout.theory)) == (
        "mytorch",
        "hw1.ipynb",
        "theory.py",
    )


def test_parts_in_different_folders_come_together():
    files = {f"src/{name}": content for name, content in PACKAGE.items()}
    files |= {"notebooks/hw1.ipynb": b"{}", "notebooks/plots.py": LINEAR, "theory/theory.py": LINEAR}
    assert names(files) == {*PACKAGE, "hw1.ipynb", "plots.py", "theory.py"}


def test_parts_that_are_missing_and_not_required_are_none():
    layout = laid_out(PACKAGE)
    assert layout.notebook is None
    assert layout.theory is None
    assert laid_out({"hw1.ipynb": b"{}"}, require=frozenset({"notebook"})).package is None


class TestPackage:
    def test_two_packages_are_refused_by_name(self):
        files = PACKAGE | {f"old/{name}": content for name, content in PACKAGE.items()}
        assert "'mytorch' and 'old/mytorch'" in why_not(files)

    def test_a_project_folder_called_mytorch_is_no_rival_of_the_package_in_it(self):
        files = {f"mytorch/{name}": content for name, content in HONEST.items()} | {
            "mytorch/setup.py": LINEAR
        }
        layout = laid_out(files)
        assert layout.files[PurePosixPath("mytorch/nn/modules/linear.py")] == LINEAR
        assert PurePosixPath("mytorch/mytorch") not in {
            folder for path in layout.files for folder in path.parents
        }

    def test_two_packages_inside_each_other_are_refused(self):
        files = PACKAGE | {f"mytorch/{name}": content for name, content in PACKAGE.items()}
        assert "'mytorch' and 'mytorch/mytorch'" in why_not(files)

    def test_a_package_without_nn_is_one_too(self):
        assert names({"hw/mytorch/utils.py": LINEAR}) == {"mytorch/utils.py"}

    def test_a_notebook_and_theory_inside_the_package_move_out(self):
        files = PACKAGE | {"mytorch/hw1.ipynb": b"{}", "mytorch/theory.py": LINEAR}
        assert names(files) == {*PACKAGE, "hw1.ipynb", "theory.py"}

    def test_a_folder_without_python_files_is_no_package(self):
        assert "no folder mytorch" in why_not({"mytorch/readme.md": b"", "hw1.ipynb": b"{}"})

    def test_another_spelling_is_told(self):
        assert "'hw/MyTorch' must be called mytorch" in why_not({"hw/MyTorch/nn/a.py": LINEAR})

    def test_a_package_without_its_folder_is_told(self):
        assert "zip mytorch itself" in why_not({"nn/modules/linear.py": LINEAR, "utils.py": LINEAR})

    @pytest.mark.parametrize(
        "name",
        [
            *("fast.so", "nn/fast.cpython-312-x86_64-linux-gnu.so", "x.PYD", "a.so.1", "a.dll"),
            *("nn/evil.pyc", "utils.PYO"),
        ],
    )
    def test_compiled_code_inside_is_refused_by_name(self, name):
        assert f"'mytorch/{name}' is compiled code" in why_not(PACKAGE, dropped=[f"mytorch/{name}"])

    def test_compiled_code_elsewhere_is_left_out(self):
        assert names(PACKAGE, dropped=["tools/fast.so"]) == set(PACKAGE)
        only_notebook = {"a/hw1.ipynb": b"{}", "a/plots.py": LINEAR, "b/other.py": LINEAR}
        found = names(only_notebook, dropped=["mytorch/fast.so"], require=frozenset())
        assert found == {"hw1.ipynb", "plots.py"}

    def test_a_folder_nn_inside_or_outside_is_not_mixed_up(self):
        assert "no folder mytorch with" in why_not({"cnn/a.py": LINEAR, "mytorch/nn/readme.md": b""})

    def test_data_inside_is_kept(self, accepted):
        files = HONEST | {"mytorch/weights.npz": b"PK"}
        assert accepted(zip_of(members_of(files))) == files


class TestNotebook:
    def test_two_are_refused_by_name(self):
        message = why_not(HONEST | {"draft/Untitled.ipynb": b"{}"})
        assert "2 notebooks, 'draft/Untitled.ipynb' and 'hw1.ipynb'" in message

    def test_a_checkpoint_is_no_second_notebook(self, accepted):
        extra = {".ipynb_checkpoints/hw1-checkpoint.ipynb": b"{}", "__MACOSX/._hw1.ipynb": b"\0"}
        assert accepted(zip_of(members_of(HONEST | extra))) == HONEST

    def test_a_missing_one_is_told_with_the_way_out(self):
        message = why_not(PACKAGE, require=frozenset({"mytorch", "notebook"}))
        assert "no notebook" in message
        assert "hand it in, or grade Problem 6 alone with --questions q6" in message

    def test_files_beside_it_come_along(self):
        files = HONEST | {"helper.py": LINEAR, "img/plot.png": b"p", "README.md": b"hi"}
        assert names(files) == set(files)

    @pytest.mark.parametrize(
        "name", ["nb/mytorch/x.md", "nb/Theory.py", "nb/MYTORCH/x.md", "nb/HW1.ipynb/x.md"]
    )
    def test_files_beside_it_never_take_the_place_of_a_part(self, name):
        files = PACKAGE | {"theory.py": LINEAR, "nb/hw1.ipynb": b"{}"}
        assert names(files | {name: b"other"}) == {*PACKAGE, "theory.py", "hw1.ipynb"}

    def test_without_one_nothing_beside_the_package_comes_along(self):
        assert names(PACKAGE | {"conftest.py": LINEAR, "tests/test_a.py": LINEAR}) == set(PACKAGE)


class TestTheory:
    def test_two_are_refused_by_name(self):
        files = PACKAGE | {"a/theory.py": LINEAR, "b/theory.py": LINEAR}
        assert "'a/theory.py' and 'b/theory.py'" in why_not(files)

    def test_the_one_beside_the_package_is_preferred(self):
        layout = laid_out(HONEST | {"old/theory.py": b"old = True\n"})
        assert layout.files[PurePosixPath("theory.py")] == HONEST["theory.py"]

    def test_one_alone_is_enough_where_nothing_else_is_required(self):
        assert names({"a/theory.py": LINEAR, "a/b.py": LINEAR}, require=frozenset({"theory"})) == {
            "theory.py"
        }

    def test_a_module_of_the_package_is_not_it(self):
        assert laid_out(PACKAGE | {"mytorch/nn/theory.py": LINEAR}).theory is None

    def test_a_missing_one_is_told(self):
        assert "no theory.py" in why_not(PACKAGE, require=frozenset({"theory"}))


def test_nothing_to_grade_is_told():
    assert "nothing to grade" in why_not({"a.py": LINEAR}, require=frozenset())


def test_an_archive_inside_is_not_opened_and_that_is_told():
    assert "unpack 'hw1.zip'" in why_not({"readme.txt": b""}, dropped=["hw1.zip"])


def test_an_unknown_part_is_the_callers_mistake():
    with pytest.raises(ValueError, match="no such part"):
        laid_out(HONEST, require=frozenset({"notebooks"}))


@pytest.mark.parametrize(
    "name",
    [
        *("mytorch/__pycache__/utils.cpython-312.pyc", ".git/hooks/pre-commit"),
        *(
            "__MACOSX/mytorch/._utils.py",
            ".DS_Store",
            "mytorch/.DS_Store",
            "Thumbs.db",
            ".idea/workspace.xml",
        ),
        *(
            ".venv/lib/site.py",
            "venv/pyvenv.cfg",
            ".vscode/settings.json",
            ".pytest_cache/README.md",
            "._x.py",
        ),
        *("mytorch/nn/.#linear.py", "test_visible_checks.py"),
        *("mytorch/__pycache__/fast.so", ".git/mytorch/nn/a.py", "venv/mytorch/nn/a.py"),
    ],
)
def test_what_systems_and_editors_leave_behind_costs_nothing(accepted, name):
    assert accepted(zip_of(members_of(HONEST | {name: b"\0stale"}))) == HONEST


@pytest.mark.parametrize(
    "name", ["mytorch/x.bin", "mytorch/x.pth", "mytorch/x.egg-link", "a.exe", "Makefile", "x.whl"]
)
def test_files_of_other_kinds_are_left_out(accepted, name):
    assert accepted(zip_of(members_of(HONEST | {name: b"x"}))) == HONEST


class TestSources:
    @pytest.mark.parametrize(
        "source",
        [
            *(
                b"# coding: rot13\n",
                b"#!/usr/bin/python\n# -*- coding: utf-7 -*-\n",
                b"# vim: fileencoding=utf_7\n",
            ),
            *(
                b"\xef\xbb\xbf# coding: utf-16\n",
                b"\x0c # coding=hex\n",
                b"#\r# coding: utf7\rx",
                b"# coding: gbk\n",
            ),
            *(b"# coding: latin-1\nx = 1\n", b"# coding: cp1252\n", b"# coding: utf-8\n# coding: utf-7\n"),
            *(b"# \xff\n# coding: utf-7\n", b"#" + b" " * 70_000 + b"coding: utf-7\n", b"# coding: u7\r\n"),
        ],
    )
    def test_an_encoding_that_could_hide_code_is_refused_by_file(self, source):
        assert "'mytorch/x.py' declares the encoding" in why_not(PACKAGE | {"mytorch/x.py": source})

    @pytest.mark.parametrize(
        "source",
        [
            *(
                b"",
                b"# coding: utf-8\n",
                b"\xef\xbb\xbfx = 1\n",
                b"# -*- coding: UTF_8 -*-\n",
                b"# coding: ascii\n",
            ),
            *("# L\u00f6sung\nx = '\u00e9'\n".encode(), b"# -*- coding: utf-8-unix -*-\n", b"\x0cx = 1\n"),
            *(b"x = 1\n\n# coding: rot13 is not allowed here\n", b"x = 1\r\n", "\ufeff# \u05e9\n".encode()),
        ],
    )
    def test_plain_encodings_are_fine(self, source):
        assert "mytorch/x.py" in names(PACKAGE | {"mytorch/x.py": source})

    @pytest.mark.parametrize(
        ("source", "line"),
        [
            *((b"\xff\xfe\x00", 1), (b"# a\n# b\nx = '\xe9'\n", 3), (b"x = 1\n\xed\xa0\x80", 2)),
            *(("import os\n".encode("utf-16"), 1), (b"# coding: utf-8\n\xc0\xaf", 2)),
        ],
    )
    def test_what_is_not_utf8_is_refused_by_file_and_line(self, source, line):
        message = why_not(PACKAGE | {"mytorch/x.py": source})
        assert f"'mytorch/x.py' is not UTF-8 text (line {line}); save it as UTF-8" in message

    def test_only_python_files_need_be_text(self):
        assert "mytorch/x.npy" in names(PACKAGE | {"mytorch/x.npy": b"\xff\xfe\x00"})

    @pytest.mark.parametrize("source", [b"\0\0\0", b"def f(:\n", b"(" * 100_000])
    def test_a_file_that_does_not_import_costs_its_own_questions_only(self, source):
        assert "mytorch/x.py" in names(PACKAGE | {"mytorch/x.py": source})


@pytest.mark.parametrize("name", ["autograder/run.py", "tests/test_q6_1.py", "reference.py", "grader/cli.py"])
def test_files_named_like_ours_are_just_files(place, name):
    (place / "hw1.zip").write_bytes(zip_of(members_of(HONEST | {name: b"raise SystemExit\n"})))
    with open_submission(place / "hw1.zip") as opened:
        assert (opened.root / name).read_bytes() == b"raise SystemExit\n"
